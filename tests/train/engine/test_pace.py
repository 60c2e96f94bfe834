"""Progress against steps and a clock: it reaches 1 with the last step, and the last step ends in time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.train.engine.tasks import Clock

from autoagent.train.engine.pace import Pace


def _run(pace: Pace, clock: Clock, cost: Callable[[int], float]) -> list[float]:
    """Make steps until the pace is done and return the progress before each."""
    seen = []
    while not pace.done():
        share, before = pace.share(), clock()
        seen.append(pace.progress)
        clock.spend(cost(pace.step))
        pace.advance(share, clock() - before)
    return seen


def test_steps_alone_are_worth_the_same() -> None:
    clock = Clock()
    pace = Pace(clock, None, None, 8, clock())
    assert _run(pace, clock, lambda _: 1.0) == pytest.approx([i / 8 for i in range(8)])
    assert pace.progress == 1.0


@pytest.mark.parametrize("cost", [lambda _: 1.0, lambda i: 1.0 if i < 50 else 5.0, lambda i: 5.0 if i < 10 else 1.0])
def test_the_progress_is_whole_at_the_end_of_the_time_whatever_steps_cost(cost: Callable[[int], float]) -> None:
    clock = Clock()
    pace = Pace(clock, 100.0, None, None, clock())
    seen = _run(pace, clock, cost)
    assert pace.progress == pytest.approx(1.0)
    assert 90.0 <= clock() - 1000.0 <= 100.0
    assert seen == sorted(seen)


def test_steps_that_become_slower_end_the_schedule_sooner_in_steps() -> None:
    clock = Clock()
    pace = Pace(clock, 100.0, None, None, clock())
    seen = _run(pace, clock, lambda i: 1.0 if i < 50 else 10.0)
    assert len(seen) in (54, 55)
    assert seen[50] == pytest.approx(0.5, abs=0.02)


def test_one_step_that_stalls_does_not_end_the_schedule() -> None:
    clock = Clock()
    pace = Pace(clock, 100.0, None, None, clock())
    _run(pace, clock, lambda i: 30.0 if i == 20 else 1.0)
    assert pace.step >= 68
    assert pace.progress == pytest.approx(1.0)


def test_a_slow_first_step_does_not_count_for_the_speed() -> None:
    clock = Clock()
    pace = Pace(clock, 100.0, None, None, clock())
    _run(pace, clock, lambda i: 20.0 if i == 0 else 1.0)
    assert pace.step >= 78


def test_whichever_is_the_limit_ends_the_schedule() -> None:
    for seconds, total, steps in ((100.0, 10, 10), (5.0, 10, 5)):
        clock = Clock()
        pace = Pace(clock, seconds, None, total, clock())
        _run(pace, clock, lambda _: 1.0)
        assert pace.step == steps
        assert pace.progress == pytest.approx(1.0)


def test_the_time_kept_for_the_last_validation_is_not_spent_on_steps() -> None:
    clock = Clock()
    pace = Pace(clock, 100.0, None, None, clock(), reserve_s=30.0)
    _run(pace, clock, lambda _: 1.0)
    assert 68.0 <= clock() - 1000.0 <= 70.0


@pytest.mark.parametrize("deadline", [0.0, 1000.0])
def test_a_deadline_that_is_over_leaves_no_step(deadline: float) -> None:
    clock = Clock()
    assert Pace(clock, None, deadline, None, clock()).done()


@given(st.lists(st.floats(0.01, 3.0), min_size=1, max_size=40), st.floats(5.0, 60.0))
def test_steps_of_any_speed_pass_the_end_by_less_than_the_slowest(costs: list[float], seconds: float) -> None:
    clock = Clock()
    pace = Pace(clock, seconds, None, None, clock())
    _run(pace, clock, lambda i: costs[i % len(costs)])
    assert clock() - 1000.0 <= seconds + max(costs)
    assert 0 < pace.progress <= 1


def test_slow_first_steps_change_nothing_where_the_time_is_ample() -> None:
    """A run without a clock must come to the same bits on a busy machine: steps load and wait there at first."""
    ways = []
    for first in (0.01, 4.0):
        now = [0.0]
        pace = Pace(lambda now=now: now[0], None, 200.0, 100, 0.0)
        progress = []
        for step in range(100):
            share, took = pace.share(), first if step < 2 else 0.01
            now[0] += took
            pace.advance(share, took)
            progress.append(pace.progress)
        ways.append(progress)
    assert ways[0] == ways[1]
    assert ways[0][49] == pytest.approx(0.5)


def test_a_speed_that_does_not_allow_all_steps_is_believed_soon() -> None:
    now = [0.0]
    pace = Pace(lambda: now[0], None, 10.0, 1000, 0.0)
    for _ in range(4):
        share = pace.share()
        now[0] += 0.5
        pace.advance(share, 0.5)
    assert pace.steps_left() == 16
    while not pace.done():
        share = pace.share()
        now[0] += 0.5
        pace.advance(share, 0.5)
    assert now[0] <= 10.0
    assert pace.progress == pytest.approx(1.0)
