"""Forests of scikit-learn: grown in batches until the deadline, exported as one ONNX node."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np

from autoagent.space import Config, JSONScalar
from autoagent.train.features import FeatureOptions
from autoagent.train.learner import Array, FitContext, Matrix
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.train.target import Target
from autoagent.train.trees import Trees, add_trees, join

_FIRST_BATCH = 10  # trees after which the time of one is known


@dataclass(frozen=True)
class FittedForest:
    """Averages its trees.

    Attributes:
        model: scikit-learn's forest.
        classes: codes of the classes that were seen, in the order of the forest's columns.
        n_classes: number of all classes; 0 for regression.
    """

    model: Any
    classes: list[int]
    n_classes: int
    target: Target | None
    curve: list[float] = field(default_factory=list)

    def predict(self, X: Matrix) -> Array:
        """Return probabilities or numbers."""
        if self.target is not None:
            return self.target.backward(self.model.predict(X))
        wide = np.zeros((len(X), self.n_classes))
        wide[:, self.classes] = self.model.predict_proba(X)
        return wide

    def to_onnx(self) -> bytes:
        """Return the sum of the trees; for two classes only the second is summed."""
        graph, d = OnnxGraph(), int(self.model.n_features_in_)
        share = 1.0 / len(self.model.estimators_)
        if self.target is not None:
            trees = join([_tree(member.tree_, [0], share) for member in self.model.estimators_])
            z = graph.flat(add_trees(graph, trees, 1))
            return graph.finish(self.target.add_backward(graph, z), num_features=d, num_columns=None)
        binary = self.n_classes == 2 and len(self.classes) == 2
        codes = [-1, 0] if binary else self.classes
        trees = join([_tree(member.tree_, codes, share) for member in self.model.estimators_])
        sums = add_trees(graph, trees, 1 if binary else self.n_classes)
        name = graph.two_columns(sums) if binary else sums
        return graph.finish(name, num_features=d, num_columns=self.n_classes)


@dataclass(frozen=True)
class Forest:
    """A forest of one kind.

    Attributes:
        classifier: scikit-learn's class for classes.
        regressor: scikit-learn's class for numbers.
    """

    classifier: Callable[..., Any]
    regressor: Callable[..., Any]
    config: Config
    features: FeatureOptions

    def fit(self, X: Matrix, y: Array, *, X_valid: Matrix, y_valid: Array, context: FitContext) -> FittedForest:
        """Grow a first batch, then as many trees as are wanted and fit before the deadline."""
        target = Target.of(y, context.metric) if context.task == "regression" else None
        model = self._unfitted(context)
        labels = target.forward(y) if target else y.astype(np.int64)
        wanted, grown, started = cast(int, self.config["trees"]), 0, time.monotonic()
        while grown < wanted:
            left = wanted - grown
            batch = min(left, _FIRST_BATCH)
            if grown:
                per_tree = (time.monotonic() - started) / grown
                batch = int(min(left, max(wanted // 4, 25), context.left_s() / (1.5 * per_tree)))
            if batch <= 0:
                break
            grown += batch
            model.set_params(n_estimators=grown)
            model.fit(X, labels)
        codes = [] if target else [int(code) for code in model.classes_]
        return FittedForest(model, codes, 0 if target else context.n_classes, target)

    def _unfitted(self, context: FitContext) -> Any:  # noqa: ANN401 - one of four scikit-learn classes
        features = self.config["max_features"]
        shared: dict[str, Any] = {
            "max_leaf_nodes": self.config["max_leaf_nodes"],
            "min_samples_leaf": self.config["min_samples_leaf"],
            "warm_start": True,
            "n_jobs": context.threads,
            "random_state": context.seed,
        }
        if context.task == "regression":
            # A third of the columns is the usual choice for numbers; the root of their number is too few.
            share = {"sqrt": 0.5, "log2": 0.33}.get(str(features), features)
            return self.regressor(n_estimators=1, max_features=share, **shared)
        return self.classifier(n_estimators=1, max_features=features, criterion=self.config["criterion"], **shared)


def forest_options(config: Mapping[str, JSONScalar]) -> FeatureOptions:
    """Return raw numbers without gaps."""
    kind = cast(Literal["onehot", "ordinal", "target"], config["categories"])
    return FeatureOptions(impute=True, categories=kind, missing_flags=True)


def _tree(tree: Any, outputs: list[int], share: float) -> Trees:  # noqa: ANN401 - scikit-learn's Cython tree
    """Read one tree; ``outputs`` names where each of its columns goes, -1 for nowhere."""
    left = np.asarray(tree.children_left, dtype=np.int64)
    leaves = np.flatnonzero(left < 0)
    value = np.asarray(tree.value)[leaves, 0, :]
    if value.shape[1] > 1:  # counts in old versions, shares in new ones
        value = value / value.sum(axis=1, keepdims=True)
    where = np.asarray(outputs)
    kept = (value != 0) & (where >= 0)
    empty = ~kept.any(axis=1)
    kept[empty, int(np.argmax(where >= 0))] = True  # every leaf gives something, be it zero
    row, column = np.nonzero(kept)
    return Trees(
        roots=np.zeros(1, np.int64),
        feature=np.asarray(tree.feature, dtype=np.int64),
        threshold=np.asarray(tree.threshold, dtype=np.float64),
        left=left,
        right=np.asarray(tree.children_right, dtype=np.int64),
        nan_left=np.zeros(len(left), bool),
        leaf=leaves[row],
        output=where[column],
        weight=value[row, column] * share,
    )
