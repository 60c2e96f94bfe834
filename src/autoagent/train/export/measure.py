"""Measure a delivered folder: its size, how fast it answers, and how far it is from the models that were scored."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from autoagent.data.images.store import rooted
from autoagent.data.seal import folds_of
from autoagent.errors import DataError
from autoagent.inference import Array, Model, restored

_CALLS = 200
_WARM_CALLS = 3
_ROWS_PER_PART = 200
_TEXTS_PER_PART = 20  # where an encoder reads them anew


def folder_bytes(folder: Path) -> int:
    """Return the size of all the files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def folder_sha256(folder: Path) -> str:
    """Return a hash of the files that decide what the model predicts."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.name in ("model.json", "recipe.json", "model.onnx", "vocab.txt", "encoder.json"):
            digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def latency_ms(
    model: Model,
    frame: pd.DataFrame,
    *,
    calls: int = _CALLS,
    seconds: float = 1.5,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, float]:
    """Return the median and the 99th percentile of the time that ``predict`` takes for one row, in milliseconds.

    A slow model gets fewer calls, as many as begin within ``seconds``: a run has a budget.
    """
    rows = [frame.iloc[[i % len(frame)]] for i in range(min(calls, len(frame)))]
    return call_ms(model.predict, rows, calls=calls, seconds=seconds, clock=clock)


def call_ms(
    predict: Callable[[pd.DataFrame], object],
    rows: Sequence[pd.DataFrame],
    *,
    calls: int = _CALLS,
    seconds: float = 1.5,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, float]:
    """Return the same of any function, called with each of some rows in turn."""
    for row in rows[:_WARM_CALLS]:
        predict(row)
    times: list[float] = []
    start = clock()
    for i in range(calls):
        began = clock()
        predict(rows[i % len(rows)])
        times.append(clock() - began)
        if clock() - start > seconds:
            break
    middle, slow = np.quantile(times, [0.5, 0.99]) * 1000
    return float(middle), float(slow)


def onnx_difference(model: Model, data: Path, trials: Sequence[Path]) -> tuple[float, int]:
    """Compare the delivered parts with what the original models predicted, for rows they had not seen unless refitted.

    Args:
        model: the delivered one.
        data: the run's ``data`` folder.
        trials: the folder of each member.

    Returns:
        The largest absolute difference, and the number of predictions that were compared.

    Raises:
        DataError: there was nothing to compare.
    """
    frame = rooted(pd.read_parquet(data / "train.parquet"), data)
    worst, compared = 0.0, 0
    roles = model.facts["roles"]
    for member, trial in enumerate(trials):
        if (trial / "refit.npz").exists():
            with np.load(trial / "refit.npz", allow_pickle=False) as check:
                rows, said = check["rows"], check["said"]
            delivered = model.part_outputs(frame.iloc[rows], member=member, part=0)
            worst, compared = max(worst, _distance(delivered, said)), compared + len(rows)
            continue
        folds = folds_of(trial, data)
        original = np.load(trial / "oof.npy", allow_pickle=False).astype(float)
        for part, name in enumerate(model.facts["members"][member]["parts"]):
            valid = folds[int(name.rpartition("/p")[2])][1]
            most = _TEXTS_PER_PART if any(trial.glob("parts/encoder-*")) else _ROWS_PER_PART
            rows = _some(valid[~np.isnan(original[valid].reshape(len(valid), -1)).any(axis=1)], most)
            if len(rows):
                delivered = restored(
                    roles, frame.iloc[rows], model.part_outputs(frame.iloc[rows], member=member, part=part)
                )
                worst, compared = max(worst, _distance(delivered, original[rows])), compared + len(rows)
    if not compared:
        raise DataError("no out-of-fold prediction to compare the delivered model with")
    return worst, compared


def _distance(delivered: Array, original: Array) -> float:
    if delivered.shape != original.shape or not np.isfinite(delivered).all():
        raise DataError(f"the delivered model gives {delivered.shape} or not finite; the original {original.shape}")
    return float(np.abs(delivered - original).max())


def _some(rows: np.typing.NDArray[np.int64], most: int) -> np.typing.NDArray[np.int64]:
    return rows[:: max(1, -(-len(rows) // most))]
