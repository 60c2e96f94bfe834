"""CatBoost: gradient boosting on symmetric trees, stopped by the validation rows."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import catboost
import numpy as np
from scipy.special import expit, softmax

from autoagent.space import Config, JSONScalar
from autoagent.train.features import FeatureOptions
from autoagent.train.learner import Array, FitContext, Matrix
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.train.target import Target
from autoagent.train.trees import Trees, add_trees, join

_MAX_STEPS = 1000
_MAX_MULTICLASS_STEPS = 300
_PATIENCE = 40


@dataclass(frozen=True)
class FittedCatBoost:
    """A booster cut at its best step.

    Attributes:
        n_classes: number of all classes; 0 for regression.
        classes: codes of the classes that were seen.
    """

    model: Any
    n_features: int
    n_classes: int
    classes: list[int]
    target: Target | None
    curve: list[float]

    @property
    def stopped_at(self) -> float:
        """Steps that are kept."""
        return float(self.model.tree_count_)

    def predict(self, X: Matrix) -> Array:
        """Return probabilities or numbers."""
        z = np.asarray(self.model.predict(X, prediction_type="RawFormulaVal", thread_count=1), dtype=np.float64)
        if self.target is not None:
            return self.target.backward(z)
        wide = np.zeros((len(X), self.n_classes))
        wide[:, self.classes] = np.stack([expit(-z), expit(z)], axis=1) if z.ndim == 1 else softmax(z, axis=1)
        return wide

    def to_onnx(self) -> bytes:
        """Return the trees read from the booster's own JSON."""
        graph, facts = OnnxGraph(), _as_json(self.model)
        outputs = len(self.classes) if len(self.classes) > 2 else 1
        scale, bias = facts["scale_and_bias"]
        pairs = [(tree, output) for tree in facts["oblivious_trees"] for output in range(outputs)]
        trees = join([_tree(tree, output, outputs, float(scale)) for tree, output in pairs])
        z = graph.add("Add", add_trees(graph, trees, outputs), graph.constant(np.broadcast_to(bias, (outputs,))))
        if self.target is not None:
            end = self.target.add_backward(graph, graph.flat(z))
            return graph.finish(end, num_features=self.n_features, num_columns=None)
        seen = graph.two_columns(graph.add("Sigmoid", z)) if outputs == 1 else graph.add("Softmax", z, axis=1)
        place = np.zeros((len(self.classes), self.n_classes))
        place[np.arange(len(self.classes)), self.classes] = 1.0
        name = seen if len(self.classes) == self.n_classes else graph.add("MatMul", seen, graph.constant(place))
        return graph.finish(name, num_features=self.n_features, num_columns=self.n_classes)


class _Watch:
    """Reports each step and stops at the deadline."""

    def __init__(self, context: FitContext) -> None:
        self._context = context
        self.curve: list[float] = []

    def after_iteration(self, info: Any) -> bool:  # noqa: ANN401 - CatBoost's own record
        """Say whether to go on."""
        loss = float(next(iter(info.metrics["validation"].values()))[-1])
        self.curve.append(loss)
        self._context.report(len(self.curve), loss)
        return self._context.left_s() > 0


@dataclass(frozen=True)
class CatBoost:
    """A gradient booster; CatBoost's own names."""

    config: Config
    features: FeatureOptions

    def fit(self, X: Matrix, y: Array, *, X_valid: Matrix, y_valid: Array, context: FitContext) -> FittedCatBoost:
        """Grow trees until the validation loss stops falling."""
        target = Target.of(y, context.metric) if context.task == "regression" else None
        codes = [] if target else [int(code) for code in np.unique(y)]
        watch = _Watch(context)
        options: dict[str, Any] = {name: value for name, value in self.config.items() if name != "categories"}
        most = _MAX_MULTICLASS_STEPS if context.n_classes > 2 else _MAX_STEPS
        again = context.stop_at is not None
        model = catboost.CatBoost(
            {
                **options,
                "loss_function": _loss(context, codes),
                "iterations": most if context.stop_at is None else max(round(context.stop_at), 1),
                **({} if again else {"od_type": "Iter", "od_wait": _PATIENCE, "use_best_model": True}),
                "random_seed": context.seed,
                "thread_count": context.threads,
                "allow_writing_files": False,
                "verbose": False,
            }
        )
        if again:
            model.fit(X, target.forward(y) if target else y)
            return FittedCatBoost(model, X.shape[1], 0 if target else context.n_classes, codes, target, [])
        known = np.full(len(y_valid), True) if target else np.isin(y_valid, codes)
        labels, truth = (target.forward(y), target.forward(y_valid)) if target else (y, y_valid)
        model.fit(X, labels, eval_set=(X_valid[known], truth[known]), callbacks=[watch])
        return FittedCatBoost(model, X.shape[1], 0 if target else context.n_classes, codes, target, watch.curve)


def build(config: Mapping[str, JSONScalar]) -> CatBoost:
    """Return the learner of a legal configuration."""
    categories = cast(Any, config["categories"])
    return CatBoost(dict(config), FeatureOptions(categories=categories))


def _loss(context: FitContext, codes: list[int]) -> str:
    if context.task == "regression":
        return "MAE" if context.metric in ("mae", "mape") else "RMSE"
    return "Logloss" if len(codes) == 2 else "MultiClass"


def _as_json(model: Any) -> dict[str, Any]:  # noqa: ANN401 - CatBoost's estimator
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return facts


def _tree(tree: Mapping[str, Any], output: int, outputs: int, scale: float) -> Trees:
    """Unfold a symmetric tree for one output: every level has one split; bit ``i`` of a leaf's number is split ``i``.

    Nodes are numbered as in a heap, the last split at the root; a row goes right where ``x > border``, and a missing
    value goes left, as CatBoost's own ``nan_mode=Min`` has it.
    """
    splits = list(reversed(tree["splits"] or []))
    inner, leaves = 2 ** len(splits) - 1, 2 ** len(splits)
    total, place = inner + leaves, np.arange(inner + leaves)
    level = np.floor(np.log2(place[:inner] + 1)).astype(np.int64)
    feature, threshold = np.zeros(total, np.int64), np.zeros(total)
    feature[:inner] = np.array([split["float_feature_index"] for split in splits], np.int64)[level] if inner else 0
    threshold[:inner] = np.array([split["border"] for split in splits], float)[level] if inner else 0.0
    is_inner = place < inner
    return Trees(
        roots=np.zeros(1, np.int64),
        feature=feature,
        threshold=threshold,
        left=np.where(is_inner, 2 * place + 1, -1),
        right=np.where(is_inner, 2 * place + 2, -1),
        nan_left=is_inner,
        leaf=place[inner:],
        output=np.full(leaves, output),
        weight=scale * np.array(tree["leaf_values"], float)[output::outputs],
    )
