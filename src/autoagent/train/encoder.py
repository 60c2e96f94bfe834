"""A published encoder of sentences as an ONNX graph of our own, from the weights as they are published.

Reads the layout of Hugging Face: ``config.json``, ``vocab.txt`` and ``model.safetensors`` of a BERT
(arXiv:1810.04805), pooled and normed as in Sentence-BERT (arXiv:1908.10084, section 3): the mean over the pieces,
its length made 1. Neither torch nor transformers is needed.

Shapes: N texts, L pieces, E width, H heads.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoagent.errors import DataError
from autoagent.train.onnx_graph import OnnxGraph

Tensor = NDArray[np.float32]

_HIDDEN = -1e4  # logit of a place that holds no piece
_DTYPES: dict[str, Any] = {"F32": "<f4", "F16": "<f2", "F64": "<f8"}
_LONGEST_HEADER = 100_000_000  # bytes; as the reference reader has it
_LAYERS = "encoder.layer"


@dataclass(frozen=True)
class EncoderShape:
    """What ``config.json`` says of an encoder.

    Attributes:
        places: pieces that a text may have, the first and the last mark included.
    """

    width: int
    layers: int
    heads: int
    wide: int
    words: int
    places: int
    epsilon: float


def read_shape(folder: Path) -> EncoderShape:
    """Read the shape of an encoder.

    Raises:
        DataError: it is no BERT with absolute places and GELU, or the file cannot be read.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        usual = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
        odd = {name: config[name] for name, value in usual.items() if config.get(name, value) != value}
        if odd or "model_type" not in config:
            raise DataError(
                f"{str(path)!r} is of no encoder that is read here: {odd or 'no model_type'}; needs {usual}"
            )
        names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
        width, layers, heads, wide, words = (int(config[name]) for name in names)
        places, epsilon = int(config["max_position_embeddings"]), float(config.get("layer_norm_eps", 1e-12))
        return EncoderShape(width, layers, heads, wide, words, places, epsilon)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{str(path)!r} cannot be read: {error}") from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the float tensors of a file in the layout of safetensors, as float32; others are left out.

    Raises:
        DataError: the file is cut, or not in this layout.
    """
    try:
        raw = path.read_bytes()
        length = int.from_bytes(raw[:8], "little")
        if not 2 <= length <= min(len(raw) - 8, _LONGEST_HEADER):
            raise ValueError(f"a header of {length} bytes in a file of {len(raw)}")
        header, data = json.loads(raw[8 : 8 + length]), memoryview(raw)[8 + length :]
        found = {}
        for name, entry in header.items():
            if name != "__metadata__" and entry["dtype"] in _DTYPES:
                start, end = entry["data_offsets"]
                values = np.frombuffer(data[start:end], dtype=_DTYPES[entry["dtype"]])
                found[name.removeprefix("bert.")] = values.reshape(entry["shape"]).astype(np.float32)
        return found
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{str(path)!r} is not in the layout of safetensors: {error}") from error


def encoder_onnx(shape: EncoderShape, tensors: Mapping[str, Tensor]) -> bytes:
    """Return the model: ``X`` float32 ``(N, L)`` of pieces, 0 at the end where there is none, to ``Y`` ``(N, E)``.

    Raises:
        DataError: a tensor is missing or has another shape than the configuration says.
    """
    return _Encoder(shape, tensors).build()


def quantized(model: bytes) -> bytes:
    """Return an encoder whose weights have 8 bits, one scale for each channel; activations get theirs as they come.

    onnxruntime's dynamic quantization (arXiv:1712.05877, section 2): a quarter of the bytes.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().setLevel(logging.ERROR)  # it advises a step that has been done: there is nothing to fold in
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before.onnx"), Path(folder, "after.onnx")
        before.write_bytes(model)
        quantize_dynamic(before, after, weight_type=QuantType.QInt8, per_channel=True)
        return after.read_bytes()


class _Encoder:
    """Adds the parts of a BERT to a graph."""

    def __init__(self, shape: EncoderShape, tensors: Mapping[str, Tensor]) -> None:
        self._shape, self._tensors, self._graph = shape, tensors, OnnxGraph()

    def build(self) -> bytes:
        graph, shape = self._graph, self._shape
        pieces_NL = graph.add("Cast", "X", to=7)
        known_NL = graph.add("Cast", graph.add("Greater", pieces_NL, graph.constant([0], np.int64)), to=1)
        missing_NL = graph.add("Sub", graph.constant(1.0), known_NL)
        hidden_NL = graph.add("Mul", missing_NL, graph.constant(_HIDDEN))
        hidden_N11L = graph.add("Unsqueeze", hidden_NL, graph.constant([1, 2], np.int64))
        x = self._embed(pieces_NL)
        for layer in range(shape.layers):
            x = self._layer(x, hidden_N11L, f"{_LAYERS}.{layer}")
        known_NL1 = graph.add("Unsqueeze", known_NL, graph.constant([2], np.int64))
        sums = graph.add("ReduceSum", graph.add("Mul", x, known_NL1), graph.constant([1], np.int64), keepdims=0)
        counts = graph.add("ReduceSum", known_NL, graph.constant([1], np.int64), keepdims=1)
        mean = graph.add("Div", sums, graph.add("Max", counts, graph.constant(1.0)))
        size = graph.add("ReduceL2", mean, graph.constant([1], np.int64), keepdims=1)
        made = graph.add("Div", mean, graph.add("Max", size, graph.constant(1e-12)))
        return graph.finish(made, num_features="pieces", num_columns=shape.width)

    def _embed(self, pieces_NL: str) -> str:
        graph, shape = self._graph, self._shape
        words = graph.constant(self._tensor("embeddings.word_embeddings.weight", shape.words, shape.width))
        places = self._tensor("embeddings.position_embeddings.weight", shape.places, shape.width)
        kinds = self._tensor("embeddings.token_type_embeddings.weight", None, shape.width)
        length = graph.add("Slice", graph.add("Shape", pieces_NL), *(graph.constant([i], np.int64) for i in (1, 2)))
        start = graph.constant([0], np.int64)
        here = graph.add("Slice", graph.constant(places + kinds[0]), start, length, start)
        whole = graph.add("Add", graph.add("Gather", words, pieces_NL, axis=0), here)
        return self._norm(whole, "embeddings.LayerNorm")

    def _layer(self, x: str, hidden_N11L: str, name: str) -> str:
        graph, shape = self._graph, self._shape
        size = shape.width // shape.heads

        def split(part: str, perm: list[int]) -> str:
            made = self._linear(x, f"{name}.attention.self.{part}", shape.width, shape.width)
            return graph.add("Transpose", self._reshape(made, [0, 0, shape.heads, size]), perm=perm)

        query, key, value = split("query", [0, 2, 1, 3]), split("key", [0, 2, 3, 1]), split("value", [0, 2, 1, 3])
        logits = graph.add("Mul", graph.add("MatMul", query, key), graph.constant(size**-0.5))
        share = graph.add("Softmax", graph.add("Add", logits, hidden_N11L), axis=3)
        mixed = graph.add("Transpose", graph.add("MatMul", share, value), perm=[0, 2, 1, 3])
        mixed = self._reshape(mixed, [0, 0, shape.width])
        out = self._linear(mixed, f"{name}.attention.output.dense", shape.width, shape.width)
        x = self._norm(graph.add("Add", x, out), f"{name}.attention.output.LayerNorm")
        wide = graph.add("Gelu", self._linear(x, f"{name}.intermediate.dense", shape.wide, shape.width))
        out = self._linear(wide, f"{name}.output.dense", shape.width, shape.wide)
        return self._norm(graph.add("Add", x, out), f"{name}.output.LayerNorm")

    def _linear(self, x: str, name: str, outputs: int, inputs: int) -> str:
        weight = self._tensor(f"{name}.weight", outputs, inputs)
        return self._graph.linear(x, weight.T, self._tensor(f"{name}.bias", outputs))

    def _norm(self, x: str, name: str) -> str:
        scale, shift = (self._tensor(f"{name}.{part}", self._shape.width) for part in ("weight", "bias"))
        constants = self._graph.constant(scale), self._graph.constant(shift)
        return self._graph.add("LayerNormalization", x, *constants, axis=-1, epsilon=self._shape.epsilon)

    def _reshape(self, x: str, sizes: list[int]) -> str:
        return self._graph.add("Reshape", x, self._graph.constant(sizes, np.int64))

    def _tensor(self, name: str, *sizes: int | None) -> Tensor:
        if name not in self._tensors:
            raise DataError(f"the weights hold no {name!r}; there are {len(self._tensors)}, of another model?")
        found = self._tensors[name]
        if found.ndim != len(sizes) or any(
            want not in (None, have) for want, have in zip(sizes, found.shape, strict=True)
        ):
            raise DataError(f"{name!r} has the shape {found.shape}, not {sizes} as the configuration says")
        return found
