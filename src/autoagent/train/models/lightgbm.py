"""LightGBM with early stopping on the validation rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from autoagent.space import Config, JSONScalar
from autoagent.train.features import FeatureOptions
from autoagent.train.learner import Array, FitContext, Matrix
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.train.target import Target
from autoagent.train.trees import Trees, add_trees, join
from autoagent.train.written_code import written_code

_MAX_STEPS = 3000
_MAX_MULTICLASS_STEPS = 400
_LEAST_GAIN = 1e-4  # relative; trees that are one leaf can lower the loss by 1e-9 a step for ever
_MIN_MULTICLASS_RATE = 0.05  # each step grows one tree per class: few steps keep the model small and the fit quick


@dataclass(frozen=True)
class FittedLightGBM:
    """A booster cut at its best step."""

    booster: Any
    n_classes: int
    target: Target | None
    curve: list[float]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stopped_at(self) -> float:
        """Steps of the booster that are kept."""
        return float(self.booster.best_iteration if self.booster.best_iteration > 0 else self.booster.num_trees())

    def predict(self, X: Matrix) -> Array:
        """Return probabilities or numbers."""
        z = np.asarray(self.booster.predict(X, raw_score=True, num_threads=1), dtype=np.float64)
        if self.target is not None:
            return self.target.backward(z)
        if self.n_classes == 2:
            p = expit(z)
            return np.stack([1 - p, p], axis=1)
        return np.asarray(softmax(z, axis=1))

    def to_onnx(self) -> bytes:
        """Return the trees read from the booster's own text."""
        graph = OnnxGraph()
        d = int(self.booster.num_feature())
        outputs = self.n_classes if self.n_classes > 2 else 1
        z = add_trees(graph, read_trees(self.booster.model_to_string(), outputs), outputs)
        if self.target is not None:
            return graph.finish(self.target.add_backward(graph, graph.flat(z)), num_features=d, num_columns=None)
        name = graph.two_columns(graph.add("Sigmoid", z)) if outputs == 1 else graph.add("Softmax", z, axis=1)
        return graph.finish(name, num_features=d, num_columns=self.n_classes)


@dataclass(frozen=True)
class LightGBM:
    """A gradient booster; LightGBM's own names."""

    config: Config
    features: FeatureOptions

    def fit(self, X: Matrix, y: Array, *, X_valid: Matrix, y_valid: Array, context: FitContext) -> FittedLightGBM:
        """Grow trees until the validation loss stops falling."""
        target = Target.of(y, context.metric) if context.task == "regression" else None
        parameters, better_high = _parameters(self.config, len(y), context)
        with written_code(context.code) as code:
            weights = code.weights(y, context.n_classes)
        train = lgb.Dataset(X, target.forward(y) if target else y, weight=weights, free_raw_data=False)
        if context.stop_at is not None:
            booster = lgb.train(parameters, train, max(round(context.stop_at), 1), callbacks=[_keep_time(context)])
            return FittedLightGBM(booster, 0 if target else context.n_classes, target, [], code.facts())
        valid = lgb.Dataset(X_valid, target.forward(y_valid) if target else y_valid, reference=train)
        curve: list[float] = []
        booster = lgb.train(
            parameters,
            train,
            num_boost_round=_MAX_MULTICLASS_STEPS if context.n_classes > 2 else _MAX_STEPS,
            valid_sets=[valid],
            callbacks=[_watch(curve, parameters["learning_rate"], better_high, context)],
        )
        n_classes = 0 if target else context.n_classes
        return FittedLightGBM(booster, n_classes, target, curve, code.facts())


def build(config: Mapping[str, JSONScalar]) -> LightGBM:
    """Return the learner of a legal configuration."""
    own = {name: value for name, value in config.items() if name != "categories"}
    return LightGBM(own, FeatureOptions(categories=cast(Literal["onehot", "ordinal", "target"], config["categories"])))


def read_trees(text: str, num_outputs: int) -> Trees:
    """Read the numeric splits of LightGBM's text format; tree ``i`` adds to output ``i % num_outputs``."""
    blocks = text.split("\nTree=")[1:]
    return join([_read_tree(block, i % num_outputs) for i, block in enumerate(blocks)])


def _read_tree(block: str, output: int) -> Trees:
    """Read one tree: first its splits, then its leaves; LightGBM writes leaf ``i`` as child ``~i``."""
    lines = dict(line.split("=", 1) for line in block.split("\n\n", 1)[0].splitlines()[1:] if "=" in line)

    def numbers(name: str, dtype: type[np.generic]) -> NDArray[Any]:
        return np.array(lines.get(name, "").split(), dtype=dtype)

    feature, threshold = numbers("split_feature", np.int64), numbers("threshold", np.float64)
    kind, weight = numbers("decision_type", np.int64), numbers("leaf_value", np.float64)
    missing = (kind >> 2) & 3
    nan_left = np.where(missing == 2, (kind & 2) > 0, threshold >= 0)  # 2 is NaN; else a missing value counts as 0
    splits, leaves = len(feature), len(weight)
    ends = np.full(leaves, -1)
    left, right = (numbers(f"{side}_child", np.int64) for side in ("left", "right"))
    return Trees(
        roots=np.zeros(1, np.int64),
        feature=np.append(feature, ends),
        threshold=np.append(threshold, np.zeros(leaves)),
        left=np.append(np.where(left < 0, splits + ~left, left), ends),
        right=np.append(np.where(right < 0, splits + ~right, right), ends),
        nan_left=np.append(nan_left.astype(bool), ends > 0),
        leaf=splits + np.arange(leaves),
        output=np.full(leaves, output),
        weight=weight,
    )


def _parameters(config: Config, rows: int, context: FitContext) -> tuple[dict[str, Any], bool]:
    """Return LightGBM's parameters, and whether the watched number is better when higher."""
    rate, smallest = cast(float, config["learning_rate"]), cast(int, config["min_data_in_leaf"])
    metric, objective = _objective(context)
    parameters: dict[str, Any] = {
        **config,
        "objective": objective,
        "metric": metric,
        "learning_rate": max(rate, _MIN_MULTICLASS_RATE) if context.n_classes > 2 else rate,
        "min_data_in_leaf": max(1, min(smallest, rows // 40)),  # 20 rows of 120 would leave no tree to grow
        "bagging_freq": 1 if cast(float, config["bagging_fraction"]) < 1 else 0,
        "seed": context.seed,
        "num_threads": context.threads,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
        "max_bin": 255 if rows >= 2000 else 127,
    }
    if context.n_classes > 2:
        parameters["num_class"] = context.n_classes
    return parameters, metric == "auc"


def _objective(context: FitContext) -> tuple[str, str]:
    """Return what is watched and what is minimised."""
    if context.task == "regression":
        return ("l1", "regression_l1") if context.metric in ("mae", "mape") else ("l2", "regression")
    if context.task == "binary":
        return ("auc" if context.metric == "roc_auc" else "binary_logloss"), "binary"
    return "multi_logloss", "multiclass"


def _keep_time(context: FitContext) -> Callable[[Any], None]:
    """Return a callback that stops at the deadline."""

    def after_step(env: Any) -> None:  # noqa: ANN401 - LightGBM's own named tuple
        if context.left_s() <= 0:
            raise lgb.callback.EarlyStopException(env.iteration, [("", "", 0.0, False)])

    return after_step


def _watch(curve: list[float], rate: float, better_high: bool, context: FitContext) -> Callable[[Any], None]:
    """Return a callback that records the curve and stops after a patience that grows as the rate falls."""
    patience = int(np.clip((1.5 if context.n_classes > 2 else 3.0) / rate, 15, 150))
    started, best, best_step = time.monotonic(), np.inf, 0

    def after_step(env: Any) -> None:  # noqa: ANN401 - LightGBM's own named tuple
        nonlocal best, best_step
        value = float(env.evaluation_result_list[0][2])
        loss = 1 - value if better_high else value
        curve.append(loss)
        if env.iteration % 10 == 0:
            context.report(env.iteration, loss, env.iteration * rate)
        if loss < best * (1 - _LEAST_GAIN):
            best, best_step = loss, env.iteration
        per_step = (time.monotonic() - started) / (env.iteration + 1)
        last = env.iteration == env.end_iteration - 1
        if env.iteration - best_step >= patience or context.left_s() < 2 * per_step or last:
            raise lgb.callback.EarlyStopException(best_step, env.evaluation_result_list)

    return after_step
