"""A study is read as plain values whose losses are minimised."""

import math

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from autoagent.search.history import losses, observations

X = {"x": FloatDistribution(0.0, 1.0)}


def _study(direction: str = "maximize") -> optuna.Study:
    study = optuna.create_study(direction=direction)
    study.add_trial(create_trial(params={"x": 0.1}, distributions=X, value=2.0, constraints={"a": -1.0, "b": 0.5}))
    study.add_trial(create_trial(params={"x": 0.2}, distributions=X, state=TrialState.FAIL))
    study.add_trial(
        create_trial(params={"x": 0.3}, distributions=X, state=TrialState.PRUNED, intermediate_values={0: 5.0, 2: 3.0})
    )
    study.enqueue_trial({"x": 0.4})
    return study


def test_losses_are_minimised_and_waiting_trials_left_out() -> None:
    study = _study()
    seen = observations(study)
    assert [one.state for one in seen] == ["done", "failed", "pruned"]
    assert [one.loss for one in seen] == [-2.0, None, -3.0]
    assert seen[0].params == {"x": 0.1}
    assert seen[0].distributions == X
    assert observations(_study("minimize"))[0].loss == 2.0


def test_violations_are_the_positive_constraint_values() -> None:
    assert [one.violation for one in observations(_study())] == [0.5, 0.0, 0.0]


def test_a_running_trial_shows_what_it_has_asked_for() -> None:
    study = optuna.create_study()
    trial = study.ask()
    x = trial.suggest_float("x", 0.0, 1.0)
    (one,) = observations(study)
    assert (one.state, one.params, one.loss) == ("running", {"x": x}, None)


def test_several_objectives_are_a_table_in_the_order_of_the_trials() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    study.add_trial(create_trial(params={"x": 0.1}, distributions=X, values=[1.0, 2.0]))
    study.add_trial(create_trial(params={"x": 0.2}, distributions=X, state=TrialState.FAIL))
    table = losses(study)
    assert table[0].tolist() == [1.0, -2.0]
    assert np.isnan(table[1]).all()
    with pytest.raises(ValueError, match="2"):
        observations(study)


def test_one_objective_agrees_with_the_observations() -> None:
    study = _study()
    known = [math.nan if one.loss is None else one.loss for one in observations(study)]
    assert np.array_equal(losses(study)[:, 0], known, equal_nan=True)
