"""Coordinate descent: one change at a time, what counts as better, and what happens when nothing helps."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from tests.search.vector_pasts import MIXED, past_of, seen

from autoagent.search.priors import Centre, Prior
from autoagent.search.samplers.coordinate import Descent, build, incumbent, propose, stride

optuna.logging.set_verbosity(optuna.logging.WARNING)
START = {"depth": 5, "kind": "a", "rate": 0.01}


def test_strides_are_factors_and_levels() -> None:
    assert stride(FloatDistribution(1e-3, 1.0, log=True), Descent(factor=10.0)) == pytest.approx(1 / 3)
    assert stride(FloatDistribution(0.0, 4.0), Descent(levels=9)) == pytest.approx(1 / 8)
    assert stride(IntDistribution(0, 4), Descent(levels=9)) == pytest.approx(1 / 4)
    with pytest.raises(TypeError, match="only numbers"):
        stride(CategoricalDistribution(["a"]), Descent())


def _changed(params: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    pairs = {name: (params[name], other[name]) for name in params}
    return [name for name, (a, b) in pairs.items() if a != (b if isinstance(b, str) else pytest.approx(b))]


def test_every_proposal_changes_one_parameter_of_the_best_so_far() -> None:
    def objective(trial: optuna.Trial) -> float:
        depth, kind = trial.suggest_int("depth", 1, 9), trial.suggest_categorical("kind", ["a", "b", "c"])
        rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
        return float(abs(depth - 7) + 2.0 * (kind != "c") + abs(math.log(rate / 0.04)))

    study = optuna.create_study(sampler=build(seed=0, start=Prior("test", {"rate": Centre(0.01)})))
    study.optimize(objective, n_trials=16)
    assert study.trials[0].params == {"depth": 5, "kind": "a", "rate": pytest.approx(0.01)}
    best = study.trials[0]
    for trial in study.trials[1:14]:
        assert len(_changed(trial.params, best.params)) == 1
        best = min(best, trial, key=lambda one: one.value)
    assert study.best_params == {"depth": 7, "kind": "c", "rate": pytest.approx(0.04)}


def test_a_direction_that_pays_is_followed() -> None:
    trials = [seen(0, START, 3.0), seen(1, START | {"depth": 6}, 2.0)]
    step = propose(past_of(MIXED, trials), np.random.default_rng(0), Descent())
    assert past_of(MIXED, trials).encoding.decode(step.point)["depth"] == 7


def test_a_gain_below_the_threshold_is_none() -> None:
    trials = [seen(0, START, 3.0), seen(1, START | {"depth": 6}, 2.9), seen(2, START | {"depth": 7}, 2.0)]
    stand = incumbent(past_of(MIXED, trials[:2]), [0, 1], Descent(least_gain=0.5))
    assert stand is not None
    assert stand.row == 0
    stand = incumbent(past_of(MIXED, trials), [0, 1, 2], Descent(least_gain=0.5))
    assert stand is not None
    assert (stand.row, stand.turned, stand.sign) == (2, "depth", 1.0)


def test_steps_are_halved_when_no_change_helps_and_then_it_starts_elsewhere() -> None:
    study = optuna.create_study(sampler=build(seed=0, levels=3, halvings=2))
    study.optimize(lambda t: abs(t.suggest_float("x", 0.0, 1.0) - 0.5), n_trials=10)
    assert [t.params["x"] for t in study.trials[:7]] == pytest.approx([0.5, 1.0, 0.0, 0.75, 0.25, 0.625, 0.375])
    notes = [t.system_attrs.get("autoagent:coordinate", {}) for t in study.trials]
    assert [note.get("halved", 0) for note in notes[:7]] == [0, 0, 0, 1, 1, 2, 2]
    assert notes[7]["descent"] == 1


def test_parameters_that_the_best_does_not_use_are_left_alone() -> None:
    def objective(trial: optuna.Trial) -> float:
        if trial.suggest_categorical("kind", ["plain", "deep"]) == "plain":
            return 1.0
        return 2.0 + trial.suggest_float("depth", 0.0, 1.0)

    study = optuna.create_study(sampler=build(seed=0, halvings=0))
    study.optimize(objective, n_trials=2)
    assert [trial.params["kind"] for trial in study.trials] == ["plain", "deep"]


@pytest.mark.parametrize("wrong", [{"factor": 1.0}, {"levels": 1}, {"least_gain": -1.0}, {"halvings": -1}])
def test_settings_without_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="factor > 1"):
        Descent(**wrong)  # type: ignore[arg-type]
