"""The scale on which a regression target is learned, and the way back, in numpy and in ONNX."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autoagent.train.learner import Array
from autoagent.train.onnx_graph import OnnxGraph

_MAX_LOG = 80.0  # exp() of more is not a float32


@dataclass(frozen=True)
class Target:
    """Centred and scaled numbers; of ``log(1 + y)`` where the metric compares logarithms.

    Attributes:
        shift: mean of the numbers.
        scale: their standard deviation; 1 for constant ones.
        log: whether they are logarithms.
    """

    shift: float
    scale: float
    log: bool = False

    @classmethod
    def of(cls, y: Array, metric: str) -> Target:
        """Choose the scale for a target and the metric that judges it."""
        log = metric == "rmsle" and bool((y > -1).all())
        values = np.log1p(y) if log else y
        spread = float(values.std())
        return cls(float(values.mean()), spread if spread > 0 else 1.0, log)

    def forward(self, y: Array) -> Array:
        """Return the numbers to learn."""
        return np.asarray(((np.log1p(np.maximum(y, -1 + 1e-9)) if self.log else y) - self.shift) / self.scale)

    def backward(self, z: Array) -> Array:
        """Return predictions of ``y``."""
        values = np.asarray(z, dtype=np.float64) * self.scale + self.shift
        return np.asarray(np.expm1(np.minimum(values, _MAX_LOG)) if self.log else values)

    def add_backward(self, graph: OnnxGraph, name: str) -> str:
        """Add ``backward`` to a graph."""
        values = graph.affine(name, self.scale, self.shift)
        if not self.log:
            return values
        short = graph.add("Min", values, graph.constant(_MAX_LOG))
        return graph.add("Sub", graph.add("Exp", short), graph.constant(1.0))
