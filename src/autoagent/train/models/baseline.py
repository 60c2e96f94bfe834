"""The class frequencies, or the mean (the median where absolute errors count)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from autoagent.space import JSONScalar
from autoagent.train.features import FeatureOptions
from autoagent.train.learner import Array, FitContext, Matrix
from autoagent.train.onnx_graph import OnnxGraph


@dataclass(frozen=True)
class FittedBaseline:
    """One prediction for every row: ``(k,)`` probabilities, or a number of shape ``()``."""

    value: Array
    num_features: int
    curve: list[float] = field(default_factory=list)

    def predict(self, X: Matrix) -> Array:
        """Return the same for every row."""
        return np.broadcast_to(self.value, (len(X), *self.value.shape)).copy()

    def to_onnx(self) -> bytes:
        """Return zero for each row plus the constant."""
        graph = OnnxGraph()
        columns = len(self.value) if self.value.ndim else None
        rows = graph.add("Slice", graph.add("Shape", "X"), *(graph.constant([i], np.int64) for i in (0, 1)))
        if columns is not None:
            rows = graph.add("Concat", rows, graph.constant([columns], np.int64), axis=0)
        name = graph.add("Expand", graph.constant(self.value), rows)
        return graph.finish(name, num_features=self.num_features, num_columns=columns)


class Baseline:
    """Ignores the features; those that take long to read are not even read."""

    features = FeatureOptions(left_out=("text", "image"))

    def fit(self, X: Matrix, y: Array, *, X_valid: Matrix, y_valid: Array, context: FitContext) -> FittedBaseline:
        """Count the classes or average the numbers."""
        if context.task == "regression":
            middle = np.median(y) if context.metric in ("mae", "mape") else y.mean()
            return FittedBaseline(np.asarray(middle, dtype=np.float64), X.shape[1])
        counts = np.bincount(y.astype(int), minlength=context.n_classes).astype(np.float64)
        return FittedBaseline(counts / counts.sum(), X.shape[1])


def build(config: Mapping[str, JSONScalar]) -> Baseline:
    """Return the learner."""
    return Baseline()
