"""A machine on which everything starts late: from ten seconds on there is a model, and less is said first."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from autoagent.agent import pool
from autoagent.agent.pool import Pool, started_early
from autoagent.agent.recorder import NullView
from autoagent.agent.reserve import MINIMUM_S, too_short
from autoagent.agent.settings import Settings, write_settings
from autoagent.agent.sitting import Sitting
from autoagent.errors import TrialFailed
from autoagent.runs.folder import RunFolder, create_run, list_runs
from autoagent.runs.journal import read_events
from autoagent.runs.state import RunState

REQUEST = "classify the species, accuracy, use only linear models"


class LeapsAt(NullView):
    """A clock that stands still and leaps once, when an event of a kind is written."""

    def __init__(self, kind: str, seconds: float) -> None:
        self.kind, self.seconds, self.at = kind, seconds, 0.0

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        if kind == self.kind:
            self.at = self.seconds

    def now(self) -> float:
        return self.at


@pytest.fixture
def late_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each worker process sleep before it imports anything."""

    def command(module: str, *arguments: str) -> list[str]:
        script = f"import runpy, sys, time; time.sleep(1); sys.argv[1:] = {list(arguments)!r}; "
        return [sys.executable, "-c", f"{script} runpy.run_module({module!r}, run_name='__main__')"]

    monkeypatch.setattr(pool, "python_command", command)


def _sit(out: Path, view: LeapsAt, budget_s: float) -> tuple[RunFolder, RunState]:
    options = Settings(data="iris", budget_s=budget_s, workers=1)
    folder = create_run(out, REQUEST)
    write_settings(folder, options, REQUEST)
    return folder, Sitting(folder, options, REQUEST, None, view, clock=view.now).run()


@pytest.mark.usefixtures("late_workers")
@pytest.mark.parametrize(("event", "at_s"), [("proposed", 25.0), ("planned", 40.0)])
def test_with_ten_seconds_the_baseline_is_delivered_however_late_the_workers_start(
    tmp_path: Path, event: str, at_s: float
) -> None:
    folder, state = _sit(tmp_path, LeapsAt(event, at_s), MINIMUM_S)
    assert [(one.family, one.status) for one in state.trials.values()] == [("baseline", "ok")]
    assert state.exported is not None
    assert state.test is not None
    assert state.ended == "time is up"
    assert (folder.model / "model.json").is_file()
    assert not folder.scratch.exists()


@pytest.mark.usefixtures("late_workers")
def test_less_time_is_said_before_anything_else_and_ends_without_a_model(tmp_path: Path) -> None:
    view = LeapsAt("proposed", 25.0)
    with pytest.raises(TrialFailed, match="give it more time"):
        _sit(tmp_path, view, MINIMUM_S - 0.5)
    events = read_events(list_runs(tmp_path)[0].journal)
    assert [event.kind for event in events][:3] == ["started", "note", "understood"]
    assert events[1].data["text"] == too_short(9.5)


@pytest.mark.parametrize(("seconds", "said"), [(None, False), (MINIMUM_S, False), (300.0, False), (9.9, True)])
def test_what_is_too_short_is_said(seconds: float | None, said: bool) -> None:
    text = too_short(seconds)
    assert (text is not None) == said
    assert text is None or ("9.9 s" in text and "10 s" in text)


def test_workers_that_started_early_are_taken_and_closed() -> None:
    with started_early() as early:
        process = early._zygotes["light"].process
        assert process.poll() is None
        early.warm("light")
        assert early._zygotes["light"].process is process
    assert process.poll() is not None
    assert early._zygotes == {}


def test_other_workers_start_once_the_first_are_ready() -> None:
    made = Pool(memory_bytes=4_000_000_000)
    try:
        made.warm("light")
        made.warm("torch")
        made.warm("torch")
        assert set(made._zygotes) == {"light"}
        for _ in range(600):
            made.poll(0.2)
            if "torch" in made._zygotes:
                break
        assert made._zygotes["light"].is_ready
        assert set(made._zygotes) == {"light", "torch"}
        assert made._later == []
    finally:
        made.close()
