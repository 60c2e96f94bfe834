"""Published encoders: the graph against torch's own layers, BERT's pieces, vectors of a column, and odd files."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
from tests.train import tiny_encoder as tiny
from torch import nn

from autoagent.data.seal import Schema
from autoagent.errors import CannotFinish, DataError, TrialFailed
from autoagent.inference import Cells, Encoder, InputError, Recipe, split_words, vectors_file
from autoagent.train import embedding
from autoagent.train.encoder import encoder_onnx, read_shape, read_tensors
from autoagent.train.features import FeatureOptions, fit_recipe

NAME = "all-MiniLM-L6-v2"
OPTIONS = FeatureOptions(numbers="standard", impute=True, encoder=NAME, encoder_bits=32, pieces=12)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder whose planner found the tiny encoder."""
    source = tiny.write_published(tmp_path / "published")
    folder = tmp_path / "data"
    folder.mkdir()
    staged = {"name": NAME, "licence": "none", "source": "a test", "sha256": "0" * 64, "folder": str(source)}
    (folder / "weights.json").write_text(json.dumps({NAME: {**staged, "lower": True}}))
    roles = {"a": "numeric", "t": "text", "u": "text"}
    schema = Schema(roles=roles, target="y", task="binary", classes=["0", "1"])
    (folder / "schema.json").write_text(schema.model_dump_json())
    return folder


def frame() -> pd.DataFrame:
    texts = ["great phone", "unwanted phone", "the phone is bad", None, "great phone", "not good, the café is bad!"]
    return pd.DataFrame({"a": [1.0, 2.0, None, 4.0, 5.0, 6.0], "t": texts, "u": ["good"] * 3 + ["bad"] * 3})


def ready(data: Path, options: FeatureOptions = OPTIONS, *, deadline: float | None = None) -> pd.DataFrame:
    rows = frame()
    embedding.read_texts(rows, data, options, threads=1, deadline=deadline)
    return rows


def torch_says(tensors: dict[str, np.ndarray], rows: list[list[int]]) -> np.ndarray:
    """Return the mean over the pieces of torch's own encoder layers, its length made 1; one text at a time."""
    t = {name: torch.from_numpy(value) for name, value in tensors.items()}
    layers = []
    for i in range(tiny.LAYERS):
        at = f"encoder.layer.{i}"
        layer = nn.TransformerEncoderLayer(tiny.WIDTH, tiny.HEADS, tiny.WIDE, 0.0, "gelu", 1e-12, batch_first=True)
        for kind in ("weight", "bias"):
            parts = [t[f"{at}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            getattr(layer.self_attn, f"in_proj_{kind}").data = torch.cat(parts)
            getattr(layer.self_attn.out_proj, kind).data = t[f"{at}.attention.output.dense.{kind}"]
            getattr(layer.norm1, kind).data = t[f"{at}.attention.output.LayerNorm.{kind}"]
            getattr(layer.linear1, kind).data = t[f"{at}.intermediate.dense.{kind}"]
            getattr(layer.linear2, kind).data = t[f"{at}.output.dense.{kind}"]
            getattr(layer.norm2, kind).data = t[f"{at}.output.LayerNorm.{kind}"]
        layers.append(layer.eval())
    words, places, kinds = (t[f"embeddings.{n}_embeddings.weight"] for n in ("word", "position", "token_type"))
    norm = (t["embeddings.LayerNorm.weight"], t["embeddings.LayerNorm.bias"])
    said = []
    for row in rows:
        x = words[row] + places[: len(row)] + kinds[0]
        x = nn.functional.layer_norm(x, (tiny.WIDTH,), *norm, eps=1e-12)[None]
        for layer in layers:
            x = layer(x)
        said.append(nn.functional.normalize(x[0].mean(dim=0), dim=0).detach().numpy())
    return np.stack(said)


def test_the_graph_says_what_torch_says_and_padding_changes_nothing(tmp_path: Path) -> None:
    folder = tiny.write_published(tmp_path / "published")
    raw = encoder_onnx(read_shape(folder), read_tensors(folder / "model.safetensors"))
    onnx.checker.check_model(onnx.load_model_from_string(raw))
    rows = [[2, 9, 10, 3], [2, 3], [2, *range(20, 48), 3]]
    X = np.zeros((3, 30), dtype=np.float32)
    for i, row in enumerate(rows):
        X[i, : len(row)] = row
    said = onnxruntime.InferenceSession(raw).run(["Y"], {"X": X})[0]
    np.testing.assert_allclose(said, torch_says(tiny.random_tensors(), rows), atol=2e-6)  # float32 sums of 30


def test_eight_bits_are_near_and_take_less(data: Path) -> None:
    texts = ["great phone", "bad", "the phone is not good, the phone is bad", *(f"phone {i}" for i in range(40))]
    whole, small = (embedding.encoder_of(data, NAME, bits=bits) for bits in (32, 8))
    cosines = (Encoder(whole).vectors(texts, 32) * Encoder(small).vectors(texts, 32)).sum(axis=1)
    assert 0.98 < cosines.min() < 1 - 1e-7  # 16 columns of random weights, rounded to 1/127 of each channel's largest
    weights = onnx.load(small / "model.onnx").graph.initializer
    assert sum(t.data_type == onnx.TensorProto.INT8 and len(t.dims) == 2 for t in weights) >= 6 * tiny.LAYERS
    assert json.loads((small / "encoder.json").read_text())["bits"] == 8


def test_half_precision_and_a_prefix_are_read(tmp_path: Path) -> None:
    folder = tiny.write_published(tmp_path / "published")
    tensors = tiny.random_tensors()
    half = {f"bert.{name}": value.astype(np.float16) for name, value in tensors.items()}
    half["bert.embeddings.position_ids"] = np.arange(tiny.PLACES)
    (folder / "model.safetensors").write_bytes(tiny.safetensors(half))
    read = read_tensors(folder / "model.safetensors")
    assert set(read) == set(tensors)
    for name, value in tensors.items():
        np.testing.assert_allclose(read[name], value, rtol=1e-3, atol=1e-6)


def test_odd_files_are_refused_by_name(tmp_path: Path) -> None:
    folder = tiny.write_published(tmp_path / "published")
    tensors = read_tensors(folder / "model.safetensors")
    name = "encoder.layer.1.output.dense.bias"
    with pytest.raises(DataError, match=f"hold no '{name}'"):
        encoder_onnx(read_shape(folder), {key: value for key, value in tensors.items() if key != name})
    with pytest.raises(DataError, match=rf"'{name}' has the shape \(3,\)"):
        encoder_onnx(read_shape(folder), {**tensors, name: np.zeros(3, dtype=np.float32)})
    raw = (folder / "model.safetensors").read_bytes()
    for broken in (raw[:4], raw[:200], b"\xff" * 100, raw[:-8]):
        (folder / "model.safetensors").write_bytes(broken)
        with pytest.raises(DataError, match="not in the layout of safetensors"):
            read_tensors(folder / "model.safetensors")
    for change in ({"model_type": "roberta"}, {"hidden_act": "relu"}, {"position_embedding_type": "relative_key"}):
        (folder / "config.json").write_text(json.dumps({**tiny.CONFIG, **change}))
        with pytest.raises(DataError, match=next(iter(change.values()))):
            read_shape(folder)


# What the package tokenizers 0.23.3 gives: BertWordPieceTokenizer(vocabulary, lowercase=True).encode(text).tokens
@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Great phone!", "[CLS] great phone ! [SEP]"),
        ("UNWANTED café's", "[CLS] un ##want ##ed caf ##e ' s [SEP]"),
        ("good\t\u00a0bad\u200b\x00-x9", "[CLS] good bad - x ##9 [SEP]"),
        ("", "[CLS] [SEP]"),
        ("日本 the", "[CLS] [UNK] [UNK] the [SEP]"),
        ("not§good", "[CLS] not [UNK] good [SEP]"),
        ("a" * 101 + " is", "[CLS] [UNK] is [SEP]"),
    ],
)
def test_pieces_are_those_of_berts_tokenizer(data: Path, text: str, pieces: str) -> None:
    encoder = Encoder(embedding.encoder_of(data, NAME))
    assert [tiny.VOCABULARY[i] for i in encoder.pieces(text, 32)] == pieces.split()


def test_a_long_text_is_cut_before_its_last_mark(data: Path) -> None:
    encoder = Encoder(embedding.encoder_of(data, NAME))
    assert [tiny.VOCABULARY[i] for i in encoder.pieces("the unwanted phone", 5)] == "[CLS] the un ##want [SEP]".split()  # noqa: SIM905
    assert len(encoder.pieces("the " * 100, 500)) == tiny.PLACES


def test_words_are_split_at_every_mark() -> None:
    assert split_words("Don't-$5.00,ÉCLAIR", lower=True) == ["don", "'", "t", "-", "$", "5", ".", "00", ",", "eclair"]
    assert split_words("École", lower=False) == ["École"]


def test_a_vector_does_not_depend_on_the_texts_beside_it(data: Path) -> None:
    encoder = Encoder(embedding.encoder_of(data, NAME))
    texts = ["great phone", "bad", "the phone is not good, the phone is bad", "", *(f"phone {i}" for i in range(40))]
    together = encoder.vectors(texts, 32)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.concatenate([encoder.vectors([text], 32) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_training_and_delivery_give_the_same_columns(data: Path) -> None:
    rows, roles = ready(data), {"a": "numeric", "t": "text", "u": "text"}
    recipe, X = fit_recipe(rows.iloc[[0, 1, 2, 3, 5]], roles, np.arange(5.0), "regression", OPTIONS)
    assert X.shape == (5, 1 + 2 * tiny.WIDTH)  # the number, a vector for each text
    delivered = Recipe(json.loads(json.dumps(recipe))).apply(Cells(frame().iloc[[0, 1, 2, 3, 5]], data))
    np.testing.assert_allclose(delivered, X, atol=1e-5)
    assert (X[3, 1 : 1 + tiny.WIDTH] == 0).all()
    np.testing.assert_allclose(np.linalg.norm(X[0, 1 : 1 + tiny.WIDTH]), tiny.WIDTH**0.5, rtol=1e-4)


def test_rows_without_a_folder_are_refused_in_words(data: Path) -> None:
    recipe, _ = fit_recipe(ready(data), {"t": "text"}, np.arange(6.0), "regression", OPTIONS)
    with pytest.raises(InputError, match="'t' need the encoder 'encoder-0000"):
        Recipe(recipe).apply(Cells(frame()))


def test_each_row_is_read_once(data: Path) -> None:
    first = embedding.read_texts(frame(), data, OPTIONS, threads=1, deadline=None)
    encoder = embedding.encoder_of(data, NAME)
    stored = data / vectors_file("t", encoder.name, 12)
    before = stored.stat().st_mtime_ns
    (encoder / "model.onnx").unlink()  # nothing may open it again
    rows = frame()
    assert embedding.read_texts(rows, data, OPTIONS, threads=1, deadline=None) == first > 0
    assert rows.attrs["vectors"] == str(data)
    assert stored.stat().st_mtime_ns == before


def test_what_cannot_be_read_in_time_is_refused_with_its_time(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "_FEW_S", 0.0)
    with pytest.raises(CannotFinish, match="reading 4 texts of 't' takes about") as refused:
        ready(data, deadline=time.monotonic() - 5)
    assert refused.value.needed_s > 0


def test_a_trial_does_not_wait_beyond_its_time_for_one_that_reads(data: Path) -> None:
    with embedding.alone(data / ".encoder.lock", None), pytest.raises(TrialFailed, match="still reading the texts"):
        ready(data, deadline=time.monotonic() + 0.1)


def test_a_run_that_was_planned_without_the_weights_says_so(data: Path) -> None:
    (data / "weights.json").unlink()
    with pytest.raises(DataError, match="planned without the weights 'all-MiniLM-L6-v2'"):
        ready(data)
