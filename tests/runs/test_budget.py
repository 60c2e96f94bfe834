"""Budgets: reserved before spending, never exceeded, on any clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoagent.errors import BudgetExceeded, RequestError
from autoagent.runs.budget import Budget, Limits, parse_seconds, tighter


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_time_of_earlier_sittings_counts() -> None:
    clock = Clock()
    budget = Budget(Limits(seconds=60), clock, seconds_before=50)
    clock.now += 4
    assert budget.seconds_left() == pytest.approx(6)
    clock.now += 100
    assert budget.seconds_left() == 0


def test_a_reservation_past_the_limit_spends_nothing() -> None:
    budget = Budget(Limits(llm_cost_usd=1.0), Clock())
    budget.reserve("llm_cost_usd", 0.7)
    with pytest.raises(BudgetExceeded) as caught:
        budget.reserve("llm_cost_usd", 0.4)
    assert caught.value.resource == "llm_cost_usd"
    budget.settle("llm_cost_usd", reserved=0.7, spent=0.2)
    assert budget.left("llm_cost_usd") == pytest.approx(0.8)


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 1)), max_size=40))
def test_what_is_spent_never_passes_the_limit(calls: list[tuple[int, float]]) -> None:
    budget = Budget(Limits(trials=20), Clock())
    for amount, share in calls:
        try:
            budget.reserve("trials", amount)
        except BudgetExceeded:
            continue
        budget.settle("trials", reserved=amount, spent=amount * share)
        assert budget.used("trials") <= 20


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("1h30m", 5400), ("10 min", 600), (7, 7), ("2d", 172800)],
)
def test_a_duration_is_read(text: str | float, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5", "0", "5x", "1h30", 0, -1, float("inf"), float("nan")])
def test_what_is_no_duration_is_refused(text: str | float) -> None:
    with pytest.raises(RequestError, match="duration"):
        parse_seconds(text)


def test_the_tighter_of_two_limits_holds() -> None:
    assert tighter(None, 60.0, 30.0) == 30.0
    assert tighter(None, None) is None
