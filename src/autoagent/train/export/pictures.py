"""Pictures for the report: test images with what the model said of them, its worst errors, and augmented samples."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autoagent.inference import Array, InputError, image_column, open_image

_SIDE = 96  # pixels of a picture at most
_EXAMPLES, _WORST = 12, 12
_MIN_ENLARGED = 48  # smaller images are shown larger, pixel by pixel


def pictures(
    roles: dict[str, str], frame: pd.DataFrame, y: Array, prediction: Array, classes: Sequence[str], *, seed: int
) -> dict[str, Any] | None:
    """Return what the report shows of the test images; None where the model reads none.

    Args:
        roles: of the model's columns.
        frame: the opened test rows, which know where their images are.
        y: ``(n,)`` class codes or numbers.
        prediction: ``(n, k)`` probabilities or ``(n,)`` numbers.
        classes: their names; empty for numbers.
        seed: of the choice of examples.
    """
    column = image_column(roles)
    if column is None:
        return None
    truth = y.astype(np.int64)
    if classes:
        wrong = prediction.argmax(axis=1) != truth
        regret = prediction.max(axis=1) - prediction[np.arange(len(truth)), truth]
    else:
        regret = np.abs(prediction - y)
        wrong = regret > 0
    ranked = [int(row) for row in np.argsort(-regret, kind="stable") if wrong[row]][:_WORST]
    picked = np.random.default_rng(seed).permutation(len(y))[:_EXAMPLES].tolist()
    made = {
        name: [_row(frame, column, row, y, prediction, classes) for row in rows]
        for name, rows in (
            ("examples", picked),
            ("worst", ranked),
        )
    }
    return {**made, "per_class": _per_class(truth, prediction, classes), "wrong": int(wrong.sum()) if classes else None}


def _row(
    frame: pd.DataFrame, column: str, row: int, y: Array, prediction: Array, classes: Sequence[str]
) -> dict[str, Any]:
    cell = frame[column].iloc[row]
    told: dict[str, Any] = {"name": str(cell), "picture": thumbnail(cell, frame.attrs.get("root"))}
    if not classes:
        return {**told, "truth": f"{y[row]:.4g}", "said": f"{prediction[row]:.4g}", "right": None, "sure": None}
    said = int(prediction[row].argmax())
    truth = int(y[row])
    sure = float(prediction[row, said])
    return {**told, "truth": classes[truth], "said": classes[said], "right": said == truth, "sure": sure}


def thumbnail(cell: object, root: str | Path | None) -> str:
    """Return a small PNG as base64 text; empty where the image cannot be read."""
    try:
        image = open_image(cell, root, draft=_SIDE)
    except InputError:
        return ""
    image.thumbnail((_SIDE, _SIDE))
    if max(image.size) < _MIN_ENLARGED:
        times = _SIDE // max(image.size)
        image = image.resize((image.width * times, image.height * times), 0)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def _per_class(truth: np.typing.NDArray[np.int64], prediction: Array, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return count, precision and recall of each class."""
    if not classes:
        return []
    said = prediction.argmax(axis=1)
    rows = []
    for code, name in enumerate(classes):
        there, called = truth == code, said == code
        both = int((there & called).sum())
        rows.append(
            {
                "name": name,
                "n": int(there.sum()),
                "recall": both / int(there.sum()) if there.any() else None,
                "precision": both / int(called.sum()) if called.any() else None,
            }
        )
    return rows


def samples_of(trials: Sequence[Path]) -> str:
    """Return the augmented samples of the first trial that kept some, as base64 text; empty for none."""
    for trial in trials:
        for path in sorted(trial.glob("parts/p*/samples.png")):
            return base64.b64encode(path.read_bytes()).decode()
    return ""
