"""Which finished trials have lost, since they ended, what a delivery needs of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from autoagent.agent.scoring import TrainData, read_predictions
from autoagent.errors import DataError
from autoagent.runs.folder import RunFolder
from autoagent.runs.state import TrialRecord


def losses(trials: Iterable[TrialRecord], folder: RunFolder, data: TrainData) -> dict[int, str]:
    """Return the reason for each trial whose predictions or saved models can no longer be read."""
    found: dict[int, str] = {}
    for trial in trials:
        place = folder.trial(trial.number)
        try:
            read_predictions(place, data)
            check_parts(place, trial.model_bytes)
        except DataError as error:
            found[trial.number] = str(error)
    return found


def check_parts(trial: Path, model_bytes: int) -> None:
    """Look at the saved models of a trial without loading them: a same-sized file of other bytes is not noticed.

    Args:
        trial: its folder.
        model_bytes: what was written when it ended.

    Raises:
        DataError: a file cannot be read, holds zeros or no JSON, or there are fewer bytes than were written.
    """
    total = 0
    try:
        for part in sorted((trial / "parts").glob("p*")):
            text, model = (part / "recipe.json").read_bytes(), part / "model.onnx"
            json.loads(text)
            with model.open("rb") as file:
                if file.read(1) in (b"", b"\0"):  # no protobuf message begins with a zero
                    raise DataError(f"{part.name}/{model.name} of trial {trial.name} is empty or holds zeros")
            total += len(text) + model.stat().st_size
        total += sum(path.stat().st_size for path in (trial / "parts").glob("encoder-*/*"))
    except (OSError, ValueError) as error:
        raise DataError(f"the saved models of trial {trial.name} cannot be read: {error}") from error
    if total < model_bytes:
        raise DataError(f"of the saved models of trial {trial.name}, {total:,} of {model_bytes:,} bytes are left")
