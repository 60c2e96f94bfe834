"""Small models on scikit-learn's own data sets: real losses, fitted anew, in a fraction of a second."""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from autoagent.bench.protocol import DataPlan, Outcome, Split
from autoagent.errors import UserError
from autoagent.space import Choice, Config, Float, Int, Param, Space

DATA = ("digits", "wine", "breast_cancer", "iris", "diabetes")
MODELS = ("svm", "tree", "forest", "knn", "boosting")
_MOST_ROWS = 700  # of digits, so that an evaluation stays short


@dataclass(frozen=True)
class SklearnTask:
    """A model on a data set: 60 % of the rows fit, 20 % tune, 20 % test, divided once for good.

    The seed draws nine in ten of the rows to fit and is the model's own random state. The loss is the error rate, or
    for numbers the squared error over the variance of the scored rows.

    Attributes:
        data: one of `DATA`.
        model: one of `MODELS`.
    """

    data: str
    model: str
    optimum: None = None
    median: None = None

    def __post_init__(self) -> None:
        if self.data not in DATA or self.model not in MODELS:
            raise UserError(f"no task {self.name!r}; data: {', '.join(DATA)}; models: {', '.join(MODELS)}")

    @property
    def name(self) -> str:
        """``model_data``."""
        return f"{self.model}_{self.data}"

    @property
    def space(self) -> Space:
        """Of the model."""
        return _SPACES[self.model]

    @property
    def units(self) -> int:
        """Rows behind a tuning loss."""
        return len(self.rows.tune)

    @property
    def about(self) -> Mapping[str, str]:
        """What a language model may be told."""
        metric = "relative squared error" if self.data == "diabetes" else "error rate"
        return {"model": self.model, "data": self.data, "metric": metric, "rows": str(len(self.rows.train))}

    @property
    def rows(self) -> DataPlan:
        """The division of the rows; the same for every model and seed."""
        return _rows(self.data)

    def evaluate(self, config: Config, seed: int, split: Split, fidelity: float = 1.0) -> Outcome:
        """Fit and score; at a lower fidelity, on a share of the rows to fit."""
        split.check(seed)
        X, y = _data(self.data)
        fitted, scored = (np.array(part) for part in self.rows.fit_and_score(split))
        rng = np.random.default_rng(seed)
        fitted = rng.permutation(fitted)[: max(10, int(0.9 * fidelity * len(fitted)))]
        began = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a bad configuration may not converge; its loss says so
                model = _BUILDERS[self.model](dict(config), seed, self.data == "diabetes").fit(X[fitted], y[fitted])
                predicted = model.predict(X[scored])
        except (ValueError, ArithmeticError, MemoryError):
            return Outcome(None, "crashed", time.perf_counter() - began)
        return Outcome(self._loss(y[scored], predicted), "ok", time.perf_counter() - began)

    def _loss(self, y: Any, predicted: Any) -> float:  # noqa: ANN401 - arrays of labels or numbers
        if self.data == "diabetes":
            return float(np.mean((y - predicted) ** 2) / np.var(y))
        return float(np.mean(y != predicted))


@functools.lru_cache(maxsize=8)
def _data(name: str) -> tuple[Any, Any]:
    from sklearn import datasets

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))[:_MOST_ROWS]
    return X[order], y[order]


@functools.lru_cache(maxsize=8)
def _rows(name: str) -> DataPlan:
    count = len(_data(name)[0])
    order = [int(row) for row in np.random.default_rng(1).permutation(count)]
    a, b = int(0.6 * count), int(0.8 * count)
    return DataPlan(tuple(order[:a]), tuple(order[a:b]), tuple(order[b:]))


def _scaled(model: Any) -> Any:  # noqa: ANN401 - scikit-learn's estimators
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), model)


def _svm(config: dict[str, Any], seed: int, numbers: bool) -> Any:  # noqa: ANN401
    from sklearn.svm import SVC, SVR

    return _scaled(SVR(max_iter=5000, **config) if numbers else SVC(random_state=seed, max_iter=5000, **config))


def _tree(config: dict[str, Any], seed: int, numbers: bool) -> Any:  # noqa: ANN401
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    return (DecisionTreeRegressor if numbers else DecisionTreeClassifier)(random_state=seed, **config)


def _forest(config: dict[str, Any], seed: int, numbers: bool) -> Any:  # noqa: ANN401
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    return (RandomForestRegressor if numbers else RandomForestClassifier)(random_state=seed, n_jobs=1, **config)


def _knn(config: dict[str, Any], seed: int, numbers: bool) -> Any:  # noqa: ANN401
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    return _scaled((KNeighborsRegressor if numbers else KNeighborsClassifier)(n_jobs=1, **config))


def _boosting(config: dict[str, Any], seed: int, numbers: bool) -> Any:  # noqa: ANN401
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

    return (GradientBoostingRegressor if numbers else GradientBoostingClassifier)(random_state=seed, **config)


_BUILDERS: dict[str, Callable[[dict[str, Any], int, bool], Any]] = {
    "svm": _svm,
    "tree": _tree,
    "forest": _forest,
    "knn": _knn,
    "boosting": _boosting,
}

_LEAVES = {
    "max_depth": Param(Int(1, 20), 20),
    "min_samples_leaf": Param(Int(1, 50, log=True), 1),
    "max_features": Param(Float(0.05, 1.0), 1.0),
}
_SPACES = {
    "svm": Space(
        {
            "kernel": Param(Choice(["rbf", "poly", "sigmoid"]), "rbf"),
            "C": Param(Float(1e-3, 1e3, log=True), 1.0),
            "gamma": Param(Float(1e-5, 10.0, log=True), 0.02),
            "degree": Param(Int(2, 5), 3, {"kernel": ("poly",)}),
        }
    ),
    "tree": Space({**_LEAVES, "ccp_alpha": Param(Float(1e-6, 0.1, log=True), 1e-6)}),
    "forest": Space({"n_estimators": Param(Int(5, 40, log=True), 20), **_LEAVES}),
    "knn": Space(
        {
            "n_neighbors": Param(Int(1, 60, log=True), 5),
            "weights": Param(Choice(["uniform", "distance"]), "uniform"),
            "p": Param(Float(1.0, 4.0), 2.0),
        }
    ),
    "boosting": Space(
        {
            "learning_rate": Param(Float(1e-3, 1.0, log=True), 0.1),
            "n_estimators": Param(Int(5, 40, log=True), 20),
            "max_depth": Param(Int(1, 5), 3),
            "subsample": Param(Float(0.3, 1.0), 1.0),
        }
    ),
}
