"""DEHB: Hyperband's table of budgets, promotions in the first round, evolution after it, and trials of others."""

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial
from tests.search.vector_pasts import SQUARE, past_of, seen

from autoagent.search.pruners.budget import BUDGET, BudgetPruner, budget_of
from autoagent.search.samplers.dehb import build, job, ladder, population_rows, propose, round_jobs

optuna.logging.set_verbosity(optuna.logging.WARNING)
STEPS = ladder(1, 27, 3)


def test_budgets_and_brackets_are_hyperbands() -> None:
    assert STEPS.budgets == (1, 3, 9, 27)
    # By the authors' formula: n0 = floor(S / (s + 1)) * eta^s, then a third in each rung.
    assert STEPS.brackets == (((0, 27), (1, 9), (2, 3), (3, 1)), ((1, 9), (2, 3), (3, 1)), ((2, 6), (3, 2)), ((3, 4),))
    assert STEPS.sizes == (27, 9, 6, 4)


def test_a_whole_that_is_no_power_ends_at_the_whole() -> None:
    assert ladder(1, 10, 3).budgets == (1, 3, 10)
    assert ladder(5, 5, 3).budgets == (5,)
    with pytest.raises(ValueError, match="min_resource"):
        ladder(3, 2, 3)


def test_members_of_each_population_take_turns_over_rounds() -> None:
    length = len(round_jobs(STEPS))
    whole = [job(STEPS, index) for index in range(2 * length)]
    for rung, size in enumerate(STEPS.sizes):
        members = [one.member for one in whole if one.rung == rung]
        assert members == [turn % size for turn in range(len(members))]
    assert not any(one.promotes for one in whole[length:])


def _objective(trial: optuna.Trial) -> float:
    x, y = trial.suggest_float("x", -5, 5), trial.suggest_float("y", -5, 5)
    loss = (x - 1) ** 2 + (y + 2) ** 2
    for step in range(1, 28):
        trial.report(loss + 5.0 / step, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return loss + 5.0 / 27


def test_trials_end_at_their_budgets_and_promotions_take_the_best() -> None:
    study = optuna.create_study(sampler=build(seed=0), pruner=BudgetPruner(max_resource=27))
    study.optimize(_objective, n_trials=60)
    for number, trial in enumerate(study.trials):
        budget = STEPS.budgets[job(STEPS, number).rung]
        assert trial.user_attrs[BUDGET] == budget
        assert trial.last_step == budget
        assert (trial.state == TrialState.COMPLETE) == (budget == 27)
    first = sorted(study.trials[:27], key=lambda trial: trial.intermediate_values[1])
    assert [t.params for t in study.trials[27:36]] == [t.params for t in first[:9]]
    second = sorted(study.trials[27:36], key=lambda trial: trial.intermediate_values[3])
    assert [t.params for t in study.trials[36:39]] == [t.params for t in second[:3]]


def test_an_objective_may_train_for_its_budget_instead() -> None:
    given = []

    def objective(trial: optuna.Trial) -> float:
        given.append((budget_of(trial, 27), trial.user_attrs[BUDGET]))
        return trial.suggest_float("x", 0, 1)

    study = optuna.create_study(sampler=build(seed=0, max_resource=9))
    study.optimize(objective, n_trials=14)
    assert [one for one, _ in given] == [1] * 9 + [3] * 3 + [9] + [3]
    assert all(one == other for one, other in given)


def test_it_gets_better_at_the_whole_budget() -> None:
    study = optuna.create_study(sampler=build(seed=1), pruner=BudgetPruner(max_resource=27))
    study.optimize(_objective, n_trials=2 * len(round_jobs(STEPS)))
    whole = [trial.value for trial in study.trials if trial.state == TrialState.COMPLETE]
    assert np.mean(whole[-4:]) < np.mean(whole[:4])
    assert study.best_value < 0.6  # 5/27 is the least, so within .65 of the minimum in each direction


def test_a_worse_child_does_not_replace_its_member() -> None:
    size = STEPS.sizes[3]
    wholes = [index for index in range(200) if job(STEPS, index).rung == 3 and job(STEPS, index).member == 0][:2]
    trials = [seen(0, {"x": 0.1, "y": 0.1}, 1.0), seen(1, {"x": 0.9, "y": 0.9}, 2.0)]
    rows = population_rows(past_of(SQUARE, trials, {0: {"job": wholes[0]}, 1: {"job": wholes[1]}}), STEPS)
    assert rows[3] == {0: 0}
    assert size == 4


def test_trials_of_others_count_at_the_whole_budget_and_shift_nothing() -> None:
    study = optuna.create_study(sampler=build(seed=0))
    for x in (0.1, 0.2, 0.3, 0.4, 0.5):
        study.add_trial(create_trial(value=x, params={"x": x, "y": x}, distributions=SQUARE))
    study.optimize(lambda t: t.suggest_float("x", 0, 1) + t.suggest_float("y", 0, 1), n_trials=29)
    budgets = [trial.user_attrs.get(BUDGET) for trial in study.trials]
    assert budgets == [None] * 5 + [1] * 27 + [3] * 2
    past = past_of(SQUARE, [seen(n, {"x": 0.1 * n, "y": 0.5}, float(n)) for n in range(6)])
    assert population_rows(past, STEPS)[3] == {0: 0, 1: 1, 2: 2, 3: 3}


def test_a_running_promotion_is_not_given_out_twice() -> None:
    trials = [seen(n, {"x": 0.03 * n, "y": 0.5}, float(n)) for n in range(27)]
    trials.append(seen(27, {"x": 0.0, "y": 0.5}, None, state="running"))
    past = past_of(SQUARE, trials, {n: {"job": n} for n in range(29)})
    step = propose(past, np.random.default_rng(0), STEPS, 0)
    assert past.encoding.decode(step.point)["x"] == pytest.approx(0.03)
