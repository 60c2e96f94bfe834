"""Make a network's ONNX model smaller and quicker with 8-bit weights and activations, and say what that costs."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from autoagent.data.metrics import raw
from autoagent.errors import DataError
from autoagent.train.learner import Array, FitContext
from autoagent.train.vision.pixels import PixelRows

_CALIBRATION = 128  # training images from which the ranges of activations are taken
_AT_ONCE = 32
_CALLS = 15
_OVERHEAD_BYTES = 70_000  # of the delivered folder beside the model
_SHARE = 0.8  # of a latency limit that the network may take; the rest is for opening the image


@dataclass(frozen=True)
class Int8Images:
    """A network as its quantized ONNX model, which is what its out-of-fold predictions are made by too."""

    model: bytes
    curve: list[float]
    stopped_at: float
    facts: Mapping[str, Any] = field(default_factory=dict)
    samples: bytes = b""

    def predict(self, X: PixelRows) -> Array:
        """Return probabilities or numbers."""
        return run_onnx(self.model, X)

    def to_onnx(self) -> bytes:
        """Return the model."""
        return self.model


def is_too_much(model: bytes, X: PixelRows, context: FitContext) -> str:
    """Return which limit of the context a model does not keep; nothing where it keeps all."""
    if context.max_bytes is not None and len(model) + _OVERHEAD_BYTES > context.max_bytes:
        return f"{len(model) / 1e6:.2f} MB of at most {context.max_bytes / 1e6:g}"
    if context.max_ms is not None and (took := median_ms(model, X)) > _SHARE * context.max_ms:
        return f"{took:.2f} ms of at most {context.max_ms:g}"
    return ""


def median_ms(model: bytes, X: PixelRows, *, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the median time of one image on one thread, in milliseconds."""
    session, one, times = _session(model), X.read(slice(0, 1)), list[float]()
    for _ in range(_CALLS):
        began = clock()
        session.run(["Y"], {"X": one})
        times.append(clock() - began)
    return float(np.median(times[2:])) * 1000


def run_onnx(model: bytes, X: PixelRows) -> Array:
    """Return what an ONNX model says of images."""
    session = _session(model)
    parts = [session.run(["Y"], {"X": X.read(slice(at, at + _AT_ONCE))})[0] for at in range(0, len(X), _AT_ONCE)]
    return np.asarray(np.concatenate(parts), dtype=np.float64)


def quantized(model: bytes, X: PixelRows) -> bytes:
    """Return a model whose convolutions and products are done with 8 bits.

    Static quantization with zero points for activations and a scale for each channel of the weights
    (arXiv:1712.05877), by onnxruntime; the ranges are those of some training images.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        def __init__(self) -> None:
            some = np.unique(np.linspace(0, len(X) - 1, min(len(X), _CALIBRATION)).astype(np.int64))
            self._batches = iter([{"X": X.read(some[at : at + _AT_ONCE])} for at in range(0, len(some), _AT_ONCE)])

        def get_next(self) -> dict[str, Any] | None:
            return next(self._batches, None)

    logging.getLogger().setLevel(logging.ERROR)  # it advises a step that has been done: norms are folded in already
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before.onnx"), Path(folder, "after.onnx")
        before.write_bytes(model)
        quantize_static(
            str(before),
            str(after),
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "MatMul", "Add", "MaxPool", "GlobalAveragePool", "Relu"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return after.read_bytes()


def what_it_costs(before: Array, after: Array, y: Array, context: FitContext) -> dict[str, Any]:
    """Return the metric before and after on validation images; nothing where there are none, or it is not defined."""
    try:
        return {
            "validation_fp32": raw(context.metric, y, before),
            "validation_int8": raw(context.metric, y, after),
            "validation_metric": context.metric,
        }
    except DataError:
        return {}


def _session(model: bytes) -> Any:  # noqa: ANN401 - onnxruntime has no types
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
