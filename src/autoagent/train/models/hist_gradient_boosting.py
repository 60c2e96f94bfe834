"""scikit-learn's histogram gradient boosting, stopped by the validation rows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from scipy.special import expit, softmax
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from autoagent.space import Config, JSONScalar
from autoagent.train.features import FeatureOptions
from autoagent.train.learner import Array, FitContext, Matrix
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.train.target import Target
from autoagent.train.trees import Trees, add_trees, join

_MAX_STEPS = 600
_BATCH = 15
_PATIENCE = 3  # batches without a better validation loss


@dataclass(frozen=True)
class FittedBooster:
    """The first ``steps`` steps of a booster.

    Attributes:
        classes: codes of the classes that were seen.
        n_classes: number of all classes; 0 for regression.
    """

    model: Any
    steps: int
    classes: list[int]
    n_classes: int
    target: Target | None
    curve: list[float]

    @property
    def stopped_at(self) -> float:
        """Steps that are kept."""
        return float(self.steps)

    def predict(self, X: Matrix) -> Array:
        """Return probabilities or numbers."""
        z = raw_sums(self.model, X, 0, self.steps) + self.model._baseline_prediction
        if self.target is not None:
            return self.target.backward(z[:, 0])
        wide = np.zeros((len(X), self.n_classes))
        wide[:, self.classes] = np.hstack([1 - expit(z), expit(z)]) if len(self.classes) == 2 else softmax(z, axis=1)
        return wide

    def to_onnx(self) -> bytes:
        """Return the trees with the start value added."""
        graph, d = OnnxGraph(), int(self.model.n_features_in_)
        rounds = self.model._predictors[: self.steps]
        trees = join([_tree(tree.nodes, output) for step in rounds for output, tree in enumerate(step)])
        columns = len(rounds[0])
        z = graph.add(
            "Add", add_trees(graph, trees, columns), graph.constant(np.ravel(self.model._baseline_prediction))
        )
        if self.target is not None:
            return graph.finish(self.target.add_backward(graph, graph.flat(z)), num_features=d, num_columns=None)
        seen = graph.two_columns(graph.add("Sigmoid", z)) if columns == 1 else graph.add("Softmax", z, axis=1)
        place = np.zeros((len(self.classes), self.n_classes))
        place[np.arange(len(self.classes)), self.classes] = 1.0
        name = seen if len(self.classes) == self.n_classes else graph.add("MatMul", seen, graph.constant(place))
        return graph.finish(name, num_features=d, num_columns=self.n_classes)


@dataclass(frozen=True)
class HistGradientBoosting:
    """A gradient booster; scikit-learn's own names."""

    config: Config
    features: FeatureOptions

    def fit(self, X: Matrix, y: Array, *, X_valid: Matrix, y_valid: Array, context: FitContext) -> FittedBooster:
        """Grow in batches until the validation loss stops falling."""
        target = Target.of(y, context.metric) if context.task == "regression" else None
        model = _unfitted(self.config, len(y), context)
        labels = target.forward(y) if target else y.astype(np.int64)
        truth = target.forward(y_valid) if target else y_valid
        codes = [] if target else [int(code) for code in np.unique(labels)]
        if context.stop_at is not None:
            model.set_params(max_iter=max(round(context.stop_at), 1)).fit(X, labels)
            return FittedBooster(model, len(model._predictors), codes, 0 if target else context.n_classes, target, [])
        best, best_steps, grown, curve, started, z = np.inf, 0, 0, [], time.monotonic(), np.zeros(())
        while grown < _MAX_STEPS and (grown - best_steps) < _PATIENCE * _BATCH:
            if grown and context.left_s() < 2 * _BATCH * (time.monotonic() - started) / grown:
                break
            model.set_params(max_iter=grown + _BATCH)
            model.fit(X, labels)
            z = (
                z
                + raw_sums(model, X_valid, grown, len(model._predictors))
                + (0 if grown else model._baseline_prediction)
            )
            grown = len(model._predictors)
            loss = _loss(z, truth, codes, context.metric)
            curve.append(loss)
            context.report(grown, loss, grown * cast(float, self.config["learning_rate"]))
            if loss < best:
                best, best_steps = loss, grown
        return FittedBooster(model, best_steps, codes, 0 if target else context.n_classes, target, curve)


def build(config: Mapping[str, JSONScalar]) -> HistGradientBoosting:
    """Return the learner of a legal configuration."""
    return HistGradientBoosting(dict(config), FeatureOptions(categories="target"))


def raw_sums(model: Any, X: Matrix, start: int, stop: int) -> Array:  # noqa: ANN401 - scikit-learn's estimator
    """Return ``(n, outputs)`` sums of some steps; the library offers no prediction at a step but by iterating all."""
    rows = np.ascontiguousarray(X, dtype=np.float64)
    none, bins = np.zeros((0, 8), np.uint32), np.zeros(0, np.uint32)
    steps = model._predictors[start:stop]
    columns = [np.sum([step[k].predict(rows, none, bins, 1) for step in steps], axis=0) for k in range(len(steps[0]))]
    return np.stack(columns, axis=1)


def _unfitted(config: Config, rows: int, context: FitContext) -> Any:  # noqa: ANN401 - one of two scikit-learn classes
    shared = dict(config)
    shared["min_samples_leaf"] = max(1, min(cast(int, config["min_samples_leaf"]), rows // 40))
    options: dict[str, Any] = {**shared, "early_stopping": False, "warm_start": True, "random_state": context.seed}
    if context.task != "regression":
        return HistGradientBoostingClassifier(**options)
    absolute = context.metric in ("mae", "mape")
    return HistGradientBoostingRegressor(loss="absolute_error" if absolute else "squared_error", **options)


def _loss(z: Array, truth: Array, codes: list[int], metric: str) -> float:
    if not codes:
        error = z[:, 0] - truth
        return float(np.abs(error).mean() if metric in ("mae", "mape") else (error**2).mean())
    logits = np.hstack([np.zeros_like(z), z]) if z.shape[1] == 1 else z
    p = softmax(logits, axis=1)
    column = np.searchsorted(codes, truth).clip(0, len(codes) - 1)
    return float(-np.log(p[np.arange(len(truth)), column].clip(1e-15)).mean())


def _tree(nodes: Any, output: int) -> Trees:  # noqa: ANN401 - scikit-learn's structured array
    leaf = nodes["is_leaf"].astype(bool)
    where = np.flatnonzero(leaf)
    return Trees(
        roots=np.zeros(1, np.int64),
        feature=np.where(leaf, 0, nodes["feature_idx"]).astype(np.int64),
        threshold=np.where(leaf, 0.0, nodes["num_threshold"]),
        left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
        nan_left=nodes["missing_go_to_left"].astype(bool) & ~leaf,
        leaf=where,
        output=np.full(len(where), output),
        weight=nodes["value"][where],
    )
