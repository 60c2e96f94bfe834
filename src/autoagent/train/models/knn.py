"""Nearest neighbours on scaled features, weighted by distance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np
from sklearn.neighbors import NearestNeighbors

from autoagent.space import JSONScalar
from autoagent.train.features import FeatureOptions
from autoagent.train.learner import Array, FitContext, Matrix
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.train.target import Target

_CLIP = 5.0


@dataclass(frozen=True)
class FittedKNN:
    """Rows and what they give: ``(n, k)`` class memberships or ``(n, 1)`` numbers.

    Attributes:
        softening: added to each distance, so that an equal row does not decide alone and rounding does not matter.
    """

    index: Any
    rows: Matrix
    gives: Array
    neighbors: int
    power: float
    softening: float
    target: Target | None
    curve: list[float] = field(default_factory=list)

    def predict(self, X: Matrix) -> Array:
        """Return weighted means over the neighbours."""
        distance, which = self.index.kneighbors(np.clip(X, -_CLIP, _CLIP))
        weight = (distance + self.softening) ** -self.power
        weight = weight / weight.sum(axis=1, keepdims=True)
        z = np.einsum("nk,nkc->nc", weight, self.gives[which])
        return z if self.target is None else self.target.backward(z[:, 0])

    def to_onnx(self) -> bytes:
        """Return distances to all rows by one matrix product, the nearest by ``TopK``."""
        graph = OnnxGraph()
        x = graph.add("Clip", "X", graph.constant(-_CLIP), graph.constant(_CLIP))
        own = graph.add("ReduceSum", graph.add("Mul", x, x), graph.constant([1], np.int64), keepdims=1)
        cross = graph.linear(x, -2 * self.rows.T, (self.rows**2).sum(axis=1))
        square = graph.add("Max", graph.add("Add", cross, own), graph.constant(0.0))
        count = graph.constant([self.neighbors], np.int64)
        near, which = graph.add_two("TopK", square, count, axis=1, largest=0, sorted=0)
        soft = graph.add("Add", graph.add("Sqrt", near), graph.constant(self.softening))
        weight = graph.add("Pow", soft, graph.constant(-self.power))
        total = graph.add("ReduceSum", weight, graph.constant([1], np.int64), keepdims=1)
        weight = graph.add("Unsqueeze", graph.add("Div", weight, total), graph.constant([1], np.int64))
        values = graph.add("Gather", graph.constant(self.gives), which, axis=0)
        z = graph.add("Squeeze", graph.add("MatMul", weight, values), graph.constant([1], np.int64))
        d = self.rows.shape[1]
        if self.target is None:
            return graph.finish(z, num_features=d, num_columns=self.gives.shape[1])
        return graph.finish(self.target.add_backward(graph, graph.flat(z)), num_features=d, num_columns=None)


@dataclass(frozen=True)
class KNN:
    """Averages over ``neighbors`` rows with weight ``distance ** -power``."""

    neighbors: int
    power: float
    features: FeatureOptions

    def fit(self, X: Matrix, y: Array, *, X_valid: Matrix, y_valid: Array, context: FitContext) -> FittedKNN:
        """Index the rows."""
        rows = np.clip(X, -_CLIP, _CLIP)
        target = Target.of(y, context.metric) if context.task == "regression" else None
        gives = target.forward(y)[:, None] if target else np.eye(context.n_classes)[y.astype(int)]
        neighbors = min(self.neighbors, len(rows))
        index = NearestNeighbors(n_neighbors=neighbors, n_jobs=context.threads).fit(rows)
        sample = rows[np.linspace(0, len(rows) - 1, min(len(rows), 200)).astype(int)]
        usual = float(np.median(index.kneighbors(sample)[0][:, -1]))
        return FittedKNN(index, rows, gives, neighbors, self.power, 0.05 * usual + 1e-2, target)


def build(config: Mapping[str, JSONScalar]) -> KNN:
    """Return the learner of a legal configuration."""
    return KNN(
        cast(int, config["neighbors"]),
        cast(float, config["power"]),
        FeatureOptions(
            numbers=cast(Literal["standard", "quantile"], config["numbers"]),
            impute=True,
            categories=cast(Literal["onehot", "target"], config["categories"]),
            text_svd=32,
        ),
    )
