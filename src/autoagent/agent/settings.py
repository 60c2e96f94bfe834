"""The options of a run, kept in its folder so that `resume` and `replay` need nothing else."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ConfigDict

from autoagent.durable import sync_path, write_durably
from autoagent.errors import RunFolderError
from autoagent.runs.folder import RunFolder
from autoagent.weights import Mode

INPUT = "input.parquet"


class Settings(BaseModel):
    """What the caller asked for beside the sentence.

    Attributes:
        data: a built-in name, an absolute path, or ``input.parquet`` for a DataFrame that was kept in the folder.
        llm: ``none``, ``openai:MODEL``, a base URL, or ``object`` for a client that was passed in.
        seed: of everything random.
        budget_s: wall seconds; None leaves it to the request.
        max_trials: trials; None leaves it to the request.
        max_cost_usd: dollars for a language model.
        price: of its tokens, ``PROMPT:COMPLETION`` in dollars per million; None leaves it unknown or free.
        workers: processes that fit models; None for one per core.
        sampler: name in the table of samplers.
        repeats: the best trials are cross-validated again with other folds when no trial gains any more.
        code: the language model may write code for the trainings, which is run in the sandbox and kept where it helps.
        weights: whether families may use published weights: none, those on this machine, or also those of the hub.
        archive: folder of earlier runs, whose best configurations on similar data are tried early; None for none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    data: str
    llm: str = "none"
    seed: int = 0
    budget_s: float | None = None
    max_trials: int | None = None
    max_cost_usd: float | None = None
    price: str | None = None
    workers: int | None = None
    sampler: str = "agent"
    repeats: bool = False
    archive: str | None = None
    code: bool = False
    weights: Mode = "cache"


def write_settings(folder: RunFolder, settings: Settings, request: str) -> None:
    """Write the settings and the request as typed."""
    write_durably(folder.request, request)
    write_durably(folder.settings, settings.model_dump_json(indent=1))


def read_settings(folder: RunFolder) -> tuple[Settings, str]:
    """Read what ``write_settings`` wrote.

    Raises:
        RunFolderError: a file is missing or damaged.
    """
    try:
        settings = Settings.model_validate_json(folder.settings.read_text(encoding="utf-8"))
        return settings, folder.request.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise RunFolderError(f"{folder.root} has no readable settings ({first}); start the run again") from error


def keep_frame(folder: RunFolder, frame: pd.DataFrame) -> None:
    """Keep a DataFrame in the run folder; columns of mixed Python objects are kept as text."""
    plain = frame.copy()
    plain.columns = pd.Index([str(name) for name in plain.columns])
    for place in range(plain.shape[1]):
        column = plain.iloc[:, place]
        if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True).startswith("mixed"):
            plain.isetitem(place, column.map(str, na_action="ignore").array)
    plain.to_parquet(folder.root / INPUT, index=False)
    sync_path(folder.root / INPUT)
    sync_path(folder.root)


def source_of(folder: RunFolder, settings: Settings) -> str | Path:
    """Return where the data is read from."""
    return folder.root / INPUT if settings.data == INPUT else settings.data
