"""A run whose trials share their fitted columns comes to the record of one whose trials do not."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import autoagent
from autoagent.agent import sitting
from autoagent.agent.search_loop import Search
from autoagent.runs.journal import Event, read_events
from autoagent.runs.state import TrialRecord, same_record

WORDS = ["late", "early", "broken", "fine", "blue", "heavy", "cheap", "again", "never", "once", "door", "lamp"]
SHARED = list[Path]()


class Without(Search):
    def _job(self, trial: TrialRecord) -> dict[str, Any]:
        job = super()._job(trial)
        SHARED.append(Path(job["cache"]))
        return {**job, "cache": None}


def _events(out: Path, frame: pd.DataFrame) -> list[Event]:
    request = "predict bad, AUROC, use only linear or knn models"
    result = autoagent.run(frame, request, out=out, max_trials=5, workers=1)
    assert not result.folder.scratch.exists()
    return read_events(result.folder.journal)


def test_the_record_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    notes = [" ".join(row) for row in rng.choice(WORDS, (1500, 20))]
    frame = pd.DataFrame({"note": notes, "count": rng.integers(0, 50, 1500)})
    frame["bad"] = [("broken" in note) ^ (rng.random() < 0.1) for note in notes]
    shared = _events(tmp_path, frame)
    with monkeypatch.context() as patch:
        patch.setattr(sitting, "Search", Without)
        alone = _events(tmp_path, frame)
    assert len(SHARED) == 5
    assert same_record(shared, alone)
