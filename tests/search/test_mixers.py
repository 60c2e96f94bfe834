"""Mixers: who proposes, that all learn, that a bad part costs little, and that a fault is no exception."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from typing import Any

import optuna
import pytest
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from autoagent.errors import ReplyError
from autoagent.search.mixers import Bandit, Fallback, Mixer, WarmStart, rank_rewards
from autoagent.search.samplers.native import build_tpe


class At(BaseSampler):
    """Proposes the same place again and again, and remembers whom it heard of."""

    def __init__(self, x: float, error: Exception | None = None, *, jointly: bool = True) -> None:
        self.x, self.error, self.jointly = x, error, jointly
        self.heard: list[int] = []

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {"x": optuna.distributions.FloatDistribution(-1, 1)} if self.jointly else {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        return {"x": self.x} if self.jointly else {}

    def sample_independent(self, study: Study, trial: FrozenTrial, name: str, domain: BaseDistribution) -> Any:
        if self.error is not None:
            raise self.error
        return self.x

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        self.heard.append(trial.number)


def objective(trial: Any) -> float:
    return float(abs(trial.suggest_float("x", -1, 1) - 0.3))


def study_of(sampler: BaseSampler, **options: Any) -> Study:
    return optuna.create_study(sampler=sampler, study_name="mixed", **options)


def parts(study: Study) -> list[str]:
    mixer = study.sampler
    assert isinstance(mixer, Mixer)
    return [trial.system_attrs[mixer.attribute] for trial in study.trials]


def counted(study: Study) -> Counter[str]:
    return Counter(part for part in parts(study))


def test_a_warm_start_ends_after_its_trials_and_all_parts_hear_of_all_trials() -> None:
    first, then = At(0.5), At(0.3)
    study = study_of(WarmStart(first, then, count=3))
    study.optimize(objective, n_trials=7)
    assert parts(study) == ["first"] * 3 + ["then"] * 4
    assert [trial.params["x"] for trial in study.trials] == [0.5] * 3 + [0.3] * 4
    assert first.heard == then.heard == list(range(7))


def test_a_warm_start_goes_on_where_an_earlier_sitting_stopped_and_foreign_trials_do_not_count() -> None:
    storage = InMemoryStorage()
    study = study_of(WarmStart(At(0.5), At(0.3), count=3), storage=storage)
    study.add_trial(
        create_trial(params={"x": 0.1}, distributions=At(0).infer_relative_search_space(study, None), value=1)
    )  # type: ignore[arg-type]
    study.optimize(objective, n_trials=2)
    again = optuna.load_study(study_name="mixed", storage=storage, sampler=WarmStart(At(0.5), At(0.3), count=3))
    again.optimize(objective, n_trials=2)
    assert isinstance(again.sampler, Mixer)
    assert again.sampler.parts_so_far(again) == {"first": 3, "then": 1}


def test_rewards_are_ranks_and_failures_are_last() -> None:
    def ended(value: float | None, state: TrialState = TrialState.COMPLETE, limit: float = 0.0) -> FrozenTrial:
        return create_trial(state=state, value=value, system_attrs={"constraints": [limit]})

    trials = [ended(3.0), ended(1.0), ended(2.0), ended(None, TrialState.FAIL), ended(0.5, limit=1.0)]
    assert rank_rewards(trials, [StudyDirection.MINIMIZE]) == [0.6, 1.0, 0.8, 0.4, 0.4]
    assert rank_rewards(trials[:3], [StudyDirection.MAXIMIZE]) == pytest.approx([1.0, 1 / 3, 2 / 3])


def test_with_several_objectives_a_trial_is_ranked_by_how_many_are_better_in_all() -> None:
    rows = [create_trial(values=values) for values in ([0, 1], [1, 0], [1, 1], [2, 2])]
    assert rank_rewards(rows, [StudyDirection.MINIMIZE] * 2) == [1.0, 1.0, 0.5, 0.25]


def spread_out(seed: int, *, x: float, width: float) -> BaseSampler:
    class Near(RandomSampler):
        def sample_independent(self, study: Study, trial: FrozenTrial, name: str, domain: BaseDistribution) -> Any:
            drawn = super().sample_independent(study, trial, name, domain)
            return max(-1.0, min(1.0, x + width * drawn))

    return Near(seed=seed)


def test_a_bandit_gives_most_trials_to_the_better_part() -> None:
    shares = []
    for seed in range(5):
        good, bad = spread_out(seed, x=0.3, width=0.1), spread_out(seed + 50, x=-0.8, width=0.1)
        study = study_of(Bandit({"bad": bad, "good": good}))
        study.optimize(objective, n_trials=40)
        shares.append(counted(study)["good"] / 40)
    assert statistics.median(shares) > 0.65
    assert min(shares) > 0.55


def test_a_price_is_held_against_a_part_and_equal_parts_share_without_one() -> None:
    def share(price: dict[str, float]) -> float:
        same = {name: spread_out(seed, x=0.0, width=1.0) for seed, name in enumerate(("a", "b"))}
        study = study_of(Bandit(same, price=price))
        study.optimize(objective, n_trials=40)
        return counted(study)["a"] / 40

    assert 0.3 < share({}) < 0.7
    assert share({"a": 0.5}) < 0.3


def test_trials_that_run_at_once_are_spread_over_the_parts() -> None:
    study = study_of(Bandit({"a": RandomSampler(seed=0), "b": RandomSampler(seed=1)}))
    for _ in range(6):
        study.ask()
    assert Counter(parts(study)) == {"a": 3, "b": 3}


def test_a_bandit_with_a_bad_part_stays_near_the_classical_sampler() -> None:
    def best(sampler: BaseSampler) -> float:
        study = study_of(sampler)
        study.optimize(objective, n_trials=30)
        return float(study.best_value)

    seeds = range(4)
    alone = statistics.median(best(build_tpe(seed=seed)) for seed in seeds)
    mixed = statistics.median(best(Bandit({"bad": At(-0.9), "tpe": build_tpe(seed=seed)})) for seed in seeds)
    assert mixed < alone + 0.05


@pytest.mark.parametrize("jointly", [True, False])
@pytest.mark.parametrize(
    "first", [At(0.5, ReplyError("no")), At(0.5, ValueError("no")), At(7.0), At(math.nan)], ids=lambda a: str(a.x)
)
def test_a_fault_of_the_first_leaves_the_trial_to_the_second_and_is_kept(first: At, jointly: bool) -> None:
    first.jointly = jointly
    study = study_of(Fallback(first, At(0.3)))
    study.optimize(objective, n_trials=2)
    assert parts(study) == ["then"] * 2
    assert [trial.params["x"] for trial in study.trials] == [0.3] * 2
    assert all(trial.system_attrs["autoagent:part:fallback:why"] for trial in study.trials)


def test_a_repeat_of_the_first_falls_back_and_a_new_place_does_not() -> None:
    study = study_of(Fallback(At(0.5), RandomSampler(seed=0)))
    study.optimize(objective, n_trials=4)
    assert parts(study) == ["first", "then", "then", "then"]
    assert "a repeat of trial 0" in study.trials[1].system_attrs["autoagent:part:fallback:why"]


def test_a_bug_in_a_part_is_not_hidden() -> None:
    study = study_of(Fallback(At(0.5, TypeError("a bug")), At(0.3)))
    with pytest.raises(TypeError, match="a bug"):
        study.optimize(objective, n_trials=1)


def test_mixers_nest_and_reseed() -> None:
    inner = WarmStart(At(0.5), RandomSampler(seed=0), count=1)
    outer = Fallback(WarmStart(inner, At(0.5), count=3, label="outer"), RandomSampler(seed=1))
    study = study_of(outer)
    study.optimize(objective, n_trials=5)
    study.sampler.reseed_rng()
    assert parts(study) == ["first", "first", "first", "then", "then"]
    assert inner.parts_so_far(study) == {"first": 1, "then": 2}
