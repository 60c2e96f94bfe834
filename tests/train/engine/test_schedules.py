"""The shapes of the learning rate: where they begin, where they end, and what lies between."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoagent.train.engine.schedules import SCHEDULES, Schedule, rate

_SHARES = st.floats(0.0, 1.0)


@pytest.mark.parametrize("schedule", SCHEDULES)
@given(progress=_SHARES, warmup=_SHARES, cooldown=_SHARES, floor=_SHARES)
def test_a_rate_is_a_share_of_the_peak(
    schedule: Schedule, progress: float, warmup: float, cooldown: float, floor: float
) -> None:
    assert 0 <= rate(schedule, progress, warmup=warmup, cooldown=cooldown, floor=floor) <= 1


@pytest.mark.parametrize("schedule", ["cosine", "linear", "wsd"])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5])
def test_a_schedule_rises_to_the_peak_and_ends_at_the_floor(schedule: Schedule, warmup: float) -> None:
    def at(progress: float) -> float:
        return rate(schedule, progress, warmup=warmup, cooldown=0.3, floor=0.05)

    assert at(warmup) == pytest.approx(1.0)
    assert at(1.0) == pytest.approx(0.05)
    assert at(warmup / 2) == pytest.approx(0.5 if warmup else 1.0)
    after = [at(warmup + (1 - warmup) * i / 50) for i in range(51)]
    assert after == sorted(after, reverse=True)


def test_wsd_is_flat_until_it_cools_down_along_a_root() -> None:
    values = [rate("wsd", p, warmup=0.0, cooldown=0.4, floor=0.0) for p in (0.0, 0.3, 0.6, 0.7, 1.0)]
    assert values == pytest.approx([1.0, 1.0, 1.0, 0.5, 0.0])


def test_a_constant_rate_stays() -> None:
    assert [rate("constant", p, warmup=0.0, cooldown=0.3, floor=0.0) for p in (0.0, 0.5, 1.0)] == [1.0, 1.0, 1.0]
