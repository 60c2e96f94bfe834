"""Networks whose output is a map for each image: decoded, and delivered as ONNX, with 8 bits where asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from autoagent.train.learner import FitContext
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.train.vision.graph import add_module
from autoagent.train.vision.int8 import is_too_much, quantized, run_onnx
from autoagent.train.vision.pixels import PixelRows
from autoagent.train.vision.task import as_input

_AT_ONCE = 32

Decode = Callable[[NDArray[Any]], NDArray[Any]]
Judge = Callable[[NDArray[Any], NDArray[Any]], float]


@dataclass(frozen=True)
class FittedMaps:
    """A trained network.

    Attributes:
        net: from images ``(B, C, H, W)``, 0 to 1, to maps ``(B, K, h, w)``.
        shape: ``(h, w, c)`` of an image.
        decode: from maps to what is predicted.
        stopped_at: share of the schedule after which the weights were kept.
        samples: a PNG of some training images, and of what the network saw of them once.
    """

    net: nn.Module
    shape: tuple[int, int, int]
    decode: Decode
    curve: list[float]
    stopped_at: float
    facts: Mapping[str, Any] = field(default_factory=dict)
    samples: bytes = b""

    def predict(self, X: PixelRows) -> NDArray[Any]:
        """Return what is predicted, one row for each image."""
        return _decoded(X, self.maps, self.decode)

    def to_onnx(self) -> bytes:
        """Return a model from uint8 ``X`` ``(n, h, w, c)`` to maps ``Y``, before they are decoded."""
        graph = OnnxGraph()
        x = graph.add("Transpose", graph.add("Cast", "X", to=1), perm=[0, 3, 1, 2])  # 1: float32
        net = self.net.cpu()
        with torch.no_grad():
            sizes = net(torch.zeros(1, self.shape[2], *self.shape[:2])).shape[1:]
        z = add_module(graph, net, graph.add("Div", x, graph.constant(255.0)))
        return graph.finish(z, image=self.shape, num_columns=tuple(sizes))

    def maps(self, X: PixelRows) -> NDArray[Any]:
        """Return the maps of a few images, ``(n, K, h, w)``."""
        with torch.no_grad():
            made = self.net(as_input(X.read()).to(next(self.net.parameters()).device)).float().cpu().numpy()
        return np.asarray(made)


@dataclass(frozen=True)
class Int8Maps:
    """A network as its quantized ONNX model, which is what its out-of-fold predictions are made by too."""

    model: bytes
    decode: Decode
    curve: list[float]
    stopped_at: float
    facts: Mapping[str, Any] = field(default_factory=dict)
    samples: bytes = b""

    def predict(self, X: PixelRows) -> NDArray[Any]:
        """Return what is predicted, one row for each image."""
        return _decoded(X, self.maps, self.decode)

    def maps(self, X: PixelRows) -> NDArray[Any]:
        """Return the maps of a few images, ``(n, K, h, w)``."""
        return np.asarray(run_onnx(self.model, X))

    def to_onnx(self) -> bytes:
        """Return the model."""
        return self.model


def small_maps(
    fitted: FittedMaps, X: PixelRows, X_valid: PixelRows, y_valid: NDArray[Any], context: FitContext, judge: Judge
) -> FittedMaps | Int8Maps:
    """Return a network as it is, or with 8 bits where the context's limits ask for it.

    Args:
        fitted: the network.
        X: training images, from some of which the ranges of activations are taken.
        X_valid: images on which the facts say what the 8 bits cost; may be empty.
        y_valid: their truth.
        context: with the limits.
        judge: the metric, of a truth and a prediction.
    """
    if context.max_bytes is None and context.max_ms is None:
        return fitted
    model = fitted.to_onnx()
    if not (reason := is_too_much(model, X, context)):
        return fitted
    facts = {**fitted.facts, "int8": reason, "fp32_bytes": len(model)}
    small = Int8Maps(quantized(model, X), fitted.decode, fitted.curve, fitted.stopped_at, facts, fitted.samples)
    facts["int8_bytes"] = len(small.model)
    if len(X_valid):
        facts["validation_fp32"] = judge(y_valid, fitted.predict(X_valid))
        facts["validation_int8"] = judge(y_valid, small.predict(X_valid))
        facts["validation_metric"] = context.metric
    return small


def _decoded(X: PixelRows, maps: Callable[[PixelRows], NDArray[Any]], decode: Decode) -> NDArray[Any]:
    parts = [decode(maps(X[at : at + _AT_ONCE])) for at in range(0, len(X), _AT_ONCE)]
    return np.concatenate(parts)
