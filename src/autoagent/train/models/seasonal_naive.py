"""The value one season before, for series; what any forecast must beat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from autoagent.space import JSONScalar
from autoagent.train.features import FeatureOptions
from autoagent.train.learner import Array, FitContext, Matrix
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.windows import NAIVE


@dataclass(frozen=True)
class FittedNaive:
    """One column of the rows, taken back to the scale of the target."""

    place: int
    shift: float
    scale: float
    num_features: int
    curve: list[float] = field(default_factory=list)

    def predict(self, X: Matrix) -> Array:
        """Return the values one season before."""
        return np.asarray(X[:, self.place].astype(np.float64) / self.scale + self.shift)

    def to_onnx(self) -> bytes:
        """Return the same column."""
        graph = OnnxGraph()
        column = graph.add("Gather", "X", graph.constant([self.place], np.int64), axis=1)
        name = graph.flat(graph.affine(column, 1.0 / self.scale, self.shift))
        return graph.finish(name, num_features=self.num_features, num_columns=None)


class SeasonalNaive:
    """Learns nothing."""

    features = FeatureOptions(impute=True)

    def fit(self, X: Matrix, y: Array, *, X_valid: Matrix, y_valid: Array, context: FitContext) -> FittedNaive:
        """Find the column.

        Raises:
            ValueError: the rows are not of series.
        """
        if NAIVE not in context.numbers:
            raise ValueError(f"the seasonal naive forecast needs rows with the column {NAIVE!r}")
        place, shift, scale = context.numbers[NAIVE]
        return FittedNaive(place, shift, scale, X.shape[1])


def build(config: Mapping[str, JSONScalar]) -> SeasonalNaive:
    """Return the learner."""
    return SeasonalNaive()
