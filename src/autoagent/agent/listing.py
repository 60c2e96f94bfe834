"""The runs in a folder as rows for people."""

from __future__ import annotations

from pathlib import Path

from autoagent.errors import RunFolderError
from autoagent.runs.folder import list_runs
from autoagent.runs.journal import read_events
from autoagent.runs.state import fold


def run_rows(out: Path) -> list[tuple[str, str, str, str]]:
    """Return name, metric, test score and ending of each run, oldest first; a damaged one says so."""
    rows = []
    for folder in list_runs(out):
        try:
            state = fold(read_events(folder.journal))
        except RunFolderError as error:
            rows.append((folder.root.name, "", "", str(error)[:80]))
            continue
        test = state.test or {}
        score = f"{test['score']:.4g}" if test else ""
        rows.append((folder.root.name, str(test.get("metric", "")), score, state.ended or "not ended: resume it"))
    return rows
