"""A tiny BERT with random weights in the files of a published one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, LAYERS, HEADS, WIDE, PLACES = 16, 2, 4, 32, 32
MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "!", ".", ",", "'", "-"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
WORDS = ["great", "phone", "un", "##want", "##ed", "good", "bad", "the", "caf", "##e", "is", "not"]
VOCABULARY = [*MARKS, *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
CONFIG = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": WIDE,
    "vocab_size": len(VOCABULARY),
    "max_position_embeddings": PLACES,
    "layer_norm_eps": 1e-12,
}


def random_tensors(seed: int = 0) -> dict[str, np.ndarray]:
    """Return the tensors by the names that BERT's have."""
    rng = np.random.default_rng(seed)

    def linear(name: str, outputs: int, inputs: int) -> dict[str, np.ndarray]:
        weight = rng.normal(size=(outputs, inputs)) / inputs**0.5
        return {f"{name}.weight": weight, f"{name}.bias": 0.1 * rng.normal(size=outputs)}

    def norm(name: str) -> dict[str, np.ndarray]:
        return {f"{name}.weight": 1 + 0.1 * rng.normal(size=WIDTH), f"{name}.bias": 0.1 * rng.normal(size=WIDTH)}

    made: dict[str, np.ndarray] = {}
    for name, rows in (("word", len(VOCABULARY)), ("position", PLACES), ("token_type", 2)):
        made[f"embeddings.{name}_embeddings.weight"] = rng.normal(size=(rows, WIDTH))
    made |= norm("embeddings.LayerNorm")
    for layer in (f"encoder.layer.{i}" for i in range(LAYERS)):
        for part in ("query", "key", "value"):
            made |= linear(f"{layer}.attention.self.{part}", WIDTH, WIDTH)
        made |= linear(f"{layer}.attention.output.dense", WIDTH, WIDTH) | norm(f"{layer}.attention.output.LayerNorm")
        made |= linear(f"{layer}.intermediate.dense", WIDE, WIDTH) | linear(f"{layer}.output.dense", WIDTH, WIDE)
        made |= norm(f"{layer}.output.LayerNorm")
    return {name: value.astype(np.float32) for name, value in made.items()}


def safetensors(tensors: Mapping[str, np.ndarray]) -> bytes:
    """Return tensors in the layout of safetensors."""
    header, data = dict[str, Any](), b""
    for name, value in tensors.items():
        raw = value.tobytes()
        dtype = {"float32": "F32", "float16": "F16", "int64": "I64"}[value.dtype.name]
        header[name] = {"dtype": dtype, "shape": value.shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    head = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return len(head).to_bytes(8, "little") + head + data


def write_published(folder: Path, *, seed: int = 0) -> Path:
    """Write the three files into a new folder."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(safetensors(random_tensors(seed)))
    return folder
