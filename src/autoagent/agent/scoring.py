"""The score of record: computed here, by the parent, from the predictions that a worker left on disk."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoagent.data.images.structures import Structure, is_predicted, read_structure
from autoagent.data.metrics import score
from autoagent.data.seal import read_folds, read_schema
from autoagent.errors import DataError

_CURVE_POINTS = 8  # of a trial's curve that the journal keeps; the whole is in the trial's own file

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TrainData:
    """The training rows' targets and folds.

    Attributes:
        y: ``(n,)`` class codes or numbers, or a row of masks, boxes or joints for each image.
        folds: ``(train, valid)`` positions.
        n_classes: 0 for regression.
        structure: what masks, boxes or joints hold; None of classes and numbers.
    """

    y: NDArray[Any]
    folds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]
    n_classes: int
    structure: Structure | None = None

    @classmethod
    def read(cls, data: Path) -> TrainData:
        """Read what ``write_split`` wrote."""
        y = np.load(data / "y.npy", allow_pickle=False)
        return cls(y, read_folds(data), len(read_schema(data).classes), read_structure(data))


def read_predictions(trial: Path, data: TrainData) -> NDArray[Any]:
    """Return a trial's out-of-fold predictions ``(n, k)`` or ``(n,)``, NaN where it predicted nothing; or structures.

    Raises:
        DataError: the file is missing, of the wrong shape, or holds infinite values.
    """
    path = trial / "oof.npy"
    try:
        values = np.load(path, allow_pickle=False)
        if data.structure is not None:
            data.structure.check(values, len(data.y))
            return np.asarray(values)
        plain: Array = values.astype(float)
    except (OSError, ValueError, DataError) as error:
        raise DataError(f"{path.name} of trial {trial.name} cannot be read: {error}") from error
    wanted = (len(data.y), data.n_classes) if data.n_classes else (len(data.y),)
    if plain.shape != wanted or np.isinf(plain).any():
        raise DataError(f"{path.name} of trial {trial.name} is {plain.shape} or not finite; expected {wanted}")
    return plain


def judge(predictions: NDArray[Any], data: TrainData, metric: str) -> tuple[float, list[float]]:
    """Return the score over every predicted row and the score of each fold that was predicted whole.

    Raises:
        DataError: nothing was predicted, or the metric is not defined on it.
    """
    known = is_predicted(predictions)
    if not known.any():
        raise DataError("nothing was predicted")
    folds = [rows for _, rows in data.folds if known[rows].all()]
    return score(metric, data.y[known], predictions[known]), [
        score(metric, data.y[rows], predictions[rows]) for rows in folds
    ]


def outcome_of(trial: Path, data: TrainData, metric: str) -> dict[str, Any]:
    """Return the journal's facts of a trial whose worker exited: its own facts, our scores.

    A result that cannot be read, or predictions that cannot be scored, make the trial an error; never a score.
    """
    try:
        result = json.loads((trial / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return failed("error", f"no readable result: {error}")
    facts = {name: result[name] for name in ("status", "seconds", "predict_s", "model_bytes", "saved", "error")}
    facts |= {"cpu_s": result.get("cpu_s"), "rungs": result.get("rungs", [])}
    facts |= {"peak_bytes": result.get("peak_rss_bytes", 0), "needed_s": result.get("needed_s")}
    if told := _distinct(result.get("training", [])):
        facts["training"] = told
    if curve := _short(result.get("curve") or [[]]):
        facts["curve"] = curve
    if facts["status"] not in ("ok", "pruned"):
        return {**facts, "score": None, "fold_scores": []}
    if facts["status"] == "pruned" and not result["fold_scores"]:
        return {**facts, "score": None, "fold_scores": []}
    try:
        total, folds = judge(read_predictions(trial, data), data, metric)
    except DataError as error:
        return {**failed("error", str(error)), "seconds": facts["seconds"]}
    whole = facts["status"] == "ok"
    return {**facts, "score": total if whole else None, "fold_scores": folds}


def _distinct(told: Sequence[Any]) -> list[Any]:
    """Return what the folds said of their training, equal ones once."""
    return [facts for i, facts in enumerate(told) if facts and facts not in told[:i]]


def _short(curves: Sequence[Sequence[float]]) -> list[float | None]:
    """Return a few points of the first fold's curve, first and last among them; None where one is not finite."""
    curve = curves[0]
    if not curve:
        return []
    places = np.unique(np.linspace(0, len(curve) - 1, _CURVE_POINTS).round().astype(int))
    return [float(f"{curve[i]:.4g}") if math.isfinite(curve[i]) else None for i in places]


def read_rungs(result: Path) -> list[float]:
    """Return the losses at the rungs that a trial's result file tells of; none where there is no such file."""
    if not result.is_file():
        return []
    rungs: list[float] = json.loads(result.read_text(encoding="utf-8")).get("rungs", [])
    return rungs


def failed(status: str, error: str, *, seconds: float = 0.0) -> dict[str, Any]:
    """Return the journal's facts of a trial without a result."""
    return {
        "status": status,
        "score": None,
        "fold_scores": [],
        "seconds": seconds,
        "predict_s": 0.0,
        "model_bytes": 0,
        "saved": False,
        "error": error,
    }
