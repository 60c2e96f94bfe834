"""Vectors of the texts of a run: the encoder is made once, and every training row is read by it once."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autoagent.data.seal import read_schema
from autoagent.errors import CannotFinish, DataError, TrialFailed
from autoagent.inference import Cells, Encoder, open_encoder, vectors_file
from autoagent.train.encoder import encoder_onnx, quantized, read_shape, read_tensors
from autoagent.train.features import FeatureOptions, ImageOptions

WEIGHTS = "weights.json"  # in the data folder: what the planner found
_WAIT_S = 0.05
_JUDGED = 0.02  # of the work, after which its time is told from what it took
_FEW_S = 1.0  # less is never refused
_SHARE = 0.8  # of the time that is left; the rest is for the head


def read_texts(
    frame: pd.DataFrame,
    data: Path,
    options: FeatureOptions | ImageOptions,
    *,
    threads: int,
    deadline: float | None,
) -> float:
    """Have the vectors of all texts on disk, and say in ``frame.attrs`` where, for the recipes of the folds.

    The first trial that asks makes encoder and vectors in the data folder; one beside it waits, later ones read.

    Args:
        frame: all rows of ``train.parquet``.
        data: the run's data folder.
        options: of a learner; without an encoder nothing is done.
        threads: of the encoder.
        deadline: ``time.monotonic()`` by which the trial must end; None without a limit.

    Returns:
        Processor seconds that an encoder takes to read the texts of all rows, whichever trial has read them.

    Raises:
        CannotFinish: the first texts show that reading all takes more than the time that is left.
        DataError: the weights are of another kind, or gone.
        TrialFailed: another trial was still at it when the time was over.
    """
    if isinstance(options, ImageOptions) or not options.encoder:
        return 0.0
    seconds = 0.0
    with alone(data / ".encoder.lock", deadline):
        folder = encoder_of(data, options.encoder, bits=options.encoder_bits)
        for column in (name for name, role in read_schema(data).roles.items() if role == "text"):
            path = data / vectors_file(column, folder.name, options.pieces)
            if not path.is_file():
                encoder, began = open_encoder(str(folder), threads), time.process_time()
                vectors = _read_all(Cells(frame), column, encoder, options.pieces, deadline)
                path.with_suffix(".json").write_text(json.dumps({"seconds": time.process_time() - began}))
                _write(path, vectors)
            seconds += float(json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["seconds"])
    width = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))["width"]
    frame.attrs |= {"encoder": folder.name, "encoder_width": int(width), "vectors": str(data)}
    return seconds


def encoder_of(data: Path, name: str, *, bits: int = 32) -> Path:
    """Return the folder of an encoder as it is delivered, made from the weights that ``weights.json`` names.

    Raises:
        DataError: nothing is named there, or the weights are gone or of another kind.
    """
    listed = data / WEIGHTS
    known = json.loads(listed.read_text(encoding="utf-8")) if listed.is_file() else {}
    if name not in known:
        raise DataError(f"the run was planned without the weights {name!r}")
    facts, source = known[name], Path(known[name]["folder"])
    out = data / f"encoder-{facts['sha256'][:12]}-{bits}"
    if out.is_dir():
        return out
    shape = read_shape(source)
    fresh = out.with_name(f".{out.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    model = encoder_onnx(shape, read_tensors(source / "model.safetensors"))
    (fresh / "model.onnx").write_bytes(quantized(model) if bits == 8 else model)
    shutil.copyfile(source / "vocab.txt", fresh / "vocab.txt")
    told = {key: facts[key] for key in ("name", "licence", "source", "sha256")}
    told |= {"bits": bits, "width": shape.width, "places": shape.places, "lower": facts["lower"]}
    (fresh / "encoder.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    fresh.rename(out)
    return out


def keep_encoder(recipe: Mapping[str, Any], data: Path, parts: Path) -> int:
    """Put the encoder of a recipe beside the saved parts of a trial, as links where the disk has them.

    Returns:
        Its bytes; 0 where the recipe has none.
    """
    total = 0
    for name in {block["encoder"] for block in recipe["blocks"] if block["kind"] == "embedding"}:
        if not (parts / name).is_dir():
            shutil.copytree(data / name, parts / name, copy_function=_link)
        total += sum(path.stat().st_size for path in (parts / name).iterdir())
    return total


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)


def _read_all(cells: Cells, column: str, encoder: Encoder, pieces: int, deadline: float | None) -> Any:  # noqa: ANN401 - (n, width)
    codes, texts = cells.levels(column)
    made = np.zeros((len(texts) + 1, encoder.width), dtype=np.float32)  # the last is for a missing text
    began = time.monotonic()
    for chosen, values, share in encoder.stream(texts, pieces):
        made[chosen] = values
        took = time.monotonic() - began
        needed = took / share
        if deadline is not None and share >= _JUDGED and needed > _FEW_S:
            left = deadline - began
            if needed > _SHARE * left:
                raise CannotFinish(
                    f"reading {len(texts)} texts of {column!r} takes about {needed:.0f} s, and {left:.0f} s are left",
                    needed_s=needed,
                )
    return made[codes]


def _write(path: Path, values: Any) -> None:  # noqa: ANN401 - an array
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with fresh.open("wb") as file:
        np.save(file, values, allow_pickle=False)
    fresh.replace(path)


@contextmanager
def alone(path: Path, deadline: float | None) -> Iterator[None]:
    """Hold a lock that dies with its process."""
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if deadline is not None and time.monotonic() > deadline:
                    raise TrialFailed("another trial was still reading the texts", kind="timeout") from None
                time.sleep(_WAIT_S)
        yield
