"""Runs of the benchmark's tasks that a strong model answered once are repeated from its recorded replies, offline.

A reply belongs to the prompt that it was given to. After an intended change of a prompt the runs are answered anew,
with ``benchmarks/optoprime.py --record tests/optimize/cassettes``, or taken out; none is moved to another prompt.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autoagent.llm.recorded import RecordingLLM

ROOT = Path(__file__).parents[2]
CASSETTES = Path(__file__).parent / "cassettes"
ROWS = json.loads((CASSETTES / "scores.json").read_text(encoding="utf-8"))


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import optoprime

    return optoprime.ours


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['task']}-{row['seed']}")
def test_the_same_scores_come_out(row: dict[str, Any], ours: Any) -> None:
    folder = CASSETTES / f"{row['task']}-{row['seed']}"
    llm = RecordingLLM(None, folder)
    found = ours(row["task"], row["seed"], llm, calls=row["most_calls"])
    assert {name: found[name] for name in row["result"]} == row["result"]
    assert llm.num_replayed == len(list(folder.glob("*.json"))) == found["calls"], "each recorded request came again"


def test_every_recording_is_repeated() -> None:
    assert {path.name for path in CASSETTES.iterdir() if path.is_dir()} == {f"{r['task']}-{r['seed']}" for r in ROWS}
