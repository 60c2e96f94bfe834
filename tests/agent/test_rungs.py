"""What a trial's curve is compared with: rungs of its family's trials, and only where a sampler drew it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from autoagent.agent.search_loop import Search
from autoagent.runs.state import TrialRecord


def _search(folder: Path) -> Search:
    made: Any = object.__new__(Search)
    made.folder = SimpleNamespace(trial=lambda number: folder / f"{number:04d}")
    made._rungs = {}
    return cast(Search, made)


def _ended(folder: Path, number: int, family: str, rungs: list[float]) -> TrialRecord:
    place = folder / f"{number:04d}"
    place.mkdir()
    (place / "result.json").write_text(json.dumps({"rungs": rungs}))
    return TrialRecord(number, family, {}, "agent", "ok", 0.5, (0.5,))


def test_curves_of_the_own_family_are_what_a_drawn_trial_is_compared_with(tmp_path: Path) -> None:
    seen = [_ended(tmp_path, n, "lightgbm", [0.1 * n]) for n in range(4)]
    seen += [_ended(tmp_path, n, "realmlp", [9.0]) for n in range(4, 8)]
    seen.append(TrialRecord(8, "lightgbm", {}, "agent", "timeout"))  # it left no result
    search = _search(tmp_path)
    assert search._rung_floors("lightgbm", "agent", seen) == [0.1]
    assert search._rung_floors("lightgbm", "agent", seen[:3]) == [None]
    assert search._rung_floors("lightgbm", "portfolio", seen) == []
    assert search._rung_floors("linear", "agent", seen) == []
