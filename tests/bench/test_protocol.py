"""The rules of a measurement: what may not happen raises, and test is opened once."""

from __future__ import annotations

from collections import Counter

import pytest

from autoagent.bench.protocol import (
    Cost,
    DataPlan,
    Finalizer,
    Outcome,
    Sealed,
    SeedPlan,
    Split,
    Tuning,
)
from autoagent.bench.synthetic import branin
from autoagent.errors import ProtocolError
from autoagent.space import Config, Float, Param, Space

PLAN = SeedPlan(tune=(0, 1), test=(100, 101, 102))


class Watched:
    """A benchmark that writes down what it was asked."""

    name, optimum, median, units, about = "watched", 0.0, 1.0, 50, {}
    space = Space({"x": Param(Float(0.0, 1.0), 0.5)})

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, int]] = Counter()

    def evaluate(self, config: Config, seed: int, split: Split, fidelity: float = 1.0) -> Outcome:
        split.check(seed)
        self.asked[(split.name, seed)] += 1
        value = float(config["x"] or 0.0)
        return Outcome(value + (0.1 if split.name == "test" else 0.0))


def test_seeds_that_would_tune_and_test_are_refused() -> None:
    with pytest.raises(ProtocolError, match=r"\[3\] would tune and test"):
        SeedPlan(tune=(1, 2, 3), test=(3, 4))


@pytest.mark.parametrize(("tune", "test"), [((), (1,)), ((1,), ()), ((1, 1), (2,)), ((1,), (2, 2))])
def test_seeds_must_be_there_and_differ(tune: tuple[int, ...], test: tuple[int, ...]) -> None:
    with pytest.raises(ProtocolError, match="at least one and all different"):
        SeedPlan(tune, test)


def test_data_that_would_tune_and_test_is_refused() -> None:
    with pytest.raises(ProtocolError, match="no row in common"):
        DataPlan(train=(0, 1), tune=(2,), test=(2, 3))
    plan = DataPlan((0, 1), (2,), (3,))
    assert plan.fit_and_score(PLAN.tuning) == ((0, 1), (2,))
    assert plan.sha256 != DataPlan((0,), (1, 2), (3,)).sha256


def test_nobody_but_a_finalizer_makes_the_right_to_test() -> None:
    with pytest.raises(ProtocolError, match=r"Finalizer\.finish alone"):
        Sealed(frozenset({100}), object())


def test_a_tuning_split_admits_no_test_seed() -> None:
    with pytest.raises(ProtocolError, match="seed 100 is not a tune seed"):
        branin().evaluate({"x": 0.0, "y": 0.0}, 100, PLAN.tuning)
    with pytest.raises(ProtocolError, match="seed 7 is not a tune seed"):
        branin().evaluate({"x": 0.0, "y": 0.0}, 7, Tuning(frozenset({0})))


def test_a_finalizer_recommends_by_tuning_alone_and_opens_test_once() -> None:
    watched = Watched()
    finalizer = Finalizer(watched, PLAN)
    final = finalizer.finish([({"x": 0.5}, 0.5), ({"x": 0.2}, 0.2), ({"x": 0.9}, 0.9)], top=2)
    assert final.config == {"x": 0.2}
    assert final.losses == pytest.approx((0.3, 0.3, 0.3))
    assert final.optimism == pytest.approx(0.1)
    assert final.runners_up == pytest.approx((0.6,))
    assert watched.asked == {("test", seed): 2 for seed in PLAN.test}
    with pytest.raises(ProtocolError, match="opened already"):
        finalizer.finish([({"x": 0.5}, 0.5)])


def test_nothing_is_recommended_of_a_search_without_a_loss() -> None:
    with pytest.raises(ProtocolError, match="nothing can be recommended"):
        Finalizer(Watched(), PLAN).finish([])


def test_a_crash_is_an_outcome_and_no_loss() -> None:
    assert Outcome(None, "crashed").loss is None
    with pytest.raises(ValueError, match="cannot have the loss"):
        Outcome(0.0, "crashed")
    with pytest.raises(ValueError, match="cannot have the loss"):
        Outcome(float("nan"))


def test_costs_add_up_and_an_unknown_price_stays_unknown() -> None:
    total = Cost(trials=0.5, cost_usd=0.1) + Cost(trials=1, llm_calls=2, cost_usd=0.2)
    assert (total.trials, total.llm_calls, total.cost_usd) == (1.5, 2, pytest.approx(0.3))
    assert (total + Cost(cost_usd=None)).cost_usd is None
