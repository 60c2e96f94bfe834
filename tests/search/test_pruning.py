"""Pruning and keeping: judged by what has ended."""

import random

import optuna
import pytest
from optuna.pruners import SuccessiveHalvingPruner
from optuna.trial import TrialState

from autoagent.runs.state import TrialRecord
from autoagent.search.pruning import prune_below, rung_floors, save_above


def _trial(number: int, score: float, family: str = "a", status: str = "ok") -> TrialRecord:
    return TrialRecord(number, family, {}, "x", status, score, (score - 0.1, score + 0.1))


def test_nothing_is_pruned_before_a_few_trials_are_whole() -> None:
    assert prune_below([_trial(n, 0.5) for n in range(3)] + [_trial(9, 0.5, status="pruned")], 2) is None


def test_the_floor_is_a_running_mean_in_the_lower_third() -> None:
    floors = prune_below([_trial(n, n / 10) for n in range(6)], 2)
    assert floors is not None
    assert [round(floor, 6) for floor in floors] == [0.1, 0.2]


def test_the_first_models_of_a_family_are_always_kept() -> None:
    ended = [_trial(n, 0.9) for n in range(20)]
    assert save_above(ended, "b") is None
    assert save_above(ended, "a") == 0.9


def test_what_may_join_the_ensemble_is_kept() -> None:
    ended = [_trial(n, n / 100) for n in range(20)]
    assert save_above(ended, "a") == 0.12


@pytest.mark.parametrize("seed", range(5))
def test_the_rungs_decide_as_optunas_successive_halving_does(seed: int) -> None:
    rng = random.Random(seed)
    pruner = SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
    study = optuna.create_study(pruner=pruner, direction="minimize")
    curves: list[list[float]] = []
    for _ in range(40):
        trial, curve, floors = study.ask(), [], rung_floors(curves, least=0)
        for rung in range(2):
            curve.append(rng.random())
            trial.report(curve[rung], step=2**rung)
            floor = floors[rung] if rung < len(floors) else None
            behind = floor is not None and curve[rung] > floor
            assert trial.should_prune() == behind
            if behind:
                break
        study.tell(trial, state=TrialState.PRUNED)
        curves.append(curve)


def test_a_few_curves_judge_no_other() -> None:
    assert rung_floors([[0.5], [0.4], [0.3]]) == [None]
    assert rung_floors([[0.5, 0.2], [0.4], [0.3], [0.6]]) == [0.4, None]
    assert rung_floors([]) == []
