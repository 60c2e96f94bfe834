"""Clocks that jump: the budget counts only time that goes on, and what the wall clock says changes nothing."""

import time
from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from autoagent.agent.api import Result
from autoagent.agent.recorder import NullView
from autoagent.agent.settings import Settings, write_settings
from autoagent.agent.sitting import Sitting
from autoagent.runs.budget import Budget, Limits
from autoagent.runs.folder import create_run
from autoagent.runs.journal import Journal, read_events
from autoagent.runs.state import fold

REQUEST = "classify the species, accuracy, use only knn models"


class JumpsAfter(NullView):
    """A clock that leaps by an hour once so many trials have ended."""

    def __init__(self, trials: int) -> None:
        self.left = trials
        self.leap_s = 0.0

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        if kind == "finished":
            self.left -= 1
            self.leap_s = 3600.0 if self.left <= 0 else 0.0

    def now(self) -> float:
        return time.monotonic() + self.leap_s


def test_a_clock_that_leaps_past_the_budget_ends_the_search_with_the_best_so_far(tmp_path: Path) -> None:
    clock, options = JumpsAfter(2), Settings(data="iris", budget_s=600.0, workers=1)
    folder = create_run(tmp_path, REQUEST)
    write_settings(folder, options, REQUEST)
    state = Sitting(folder, options, REQUEST, None, clock, clock=clock.now).run()
    assert state.ended == "time is up"
    assert 2 <= len(state.finished) <= 3
    assert Result(folder, state).score > 0.8
    at = [event.data["at_s"] for event in read_events(folder.journal)]
    assert at == sorted(at)


def test_a_wall_clock_that_goes_backwards_changes_no_event(tmp_path: Path) -> None:
    times = cycle(["2026-11-25T10:00:00", "1970-01-01T00:00:00", "2038-01-19T03:14:08"])
    with Journal(tmp_path / "j", now=lambda: next(times)) as journal:
        for number in range(6):
            journal.append("note", {"text": str(number), "at_s": float(number)})
    events = read_events(tmp_path / "j")
    assert [event.data["text"] for event in events] == list("012345")
    assert fold(events).seconds_used == 5.0


@settings(deadline=None)
@given(steps=st.lists(st.floats(0, 1e6), max_size=20), before=st.floats(0, 1e6), limit=st.floats(1, 1e6))
def test_the_time_left_never_grows_and_is_never_below_nothing(steps: list[float], before: float, limit: float) -> None:
    now = [0.0]
    budget = Budget(Limits(seconds=limit), lambda: now[0], seconds_before=before)
    left = [budget.seconds_left()]
    for step in steps:
        now[0] += step
        left.append(budget.seconds_left())
    known = [value for value in left if value is not None]
    assert len(known) == len(left)
    assert known == sorted(known, reverse=True)
    assert min(known) >= 0.0
