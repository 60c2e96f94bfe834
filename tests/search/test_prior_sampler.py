"""A prior as a sampler: its centre first, then draws, in front of a sampler that learns."""

import math

import optuna
import pytest

from autoagent.search.calibrated import calibrated
from autoagent.search.mixers import WarmStart
from autoagent.search.priors import Centre, Prior
from autoagent.search.samplers.native import build_random
from autoagent.search.samplers.prior import build

optuna.logging.set_verbosity(optuna.logging.WARNING)
PRIOR = Prior("test", {"lr": Centre(1e-3, 2.0), "optim": Centre("lion", 9.0), "fixed": Centre(4)})


def _objective(trial: optuna.Trial) -> float:
    trial.suggest_categorical("optim", ["adamw", "lion"])
    trial.suggest_int("fixed", 1, 9)
    return trial.suggest_float("lr", 1e-6, 1.0, log=True) + trial.suggest_float("unknown", 0.0, 1.0)


def test_the_centre_comes_first_then_draws_around_it() -> None:
    study = optuna.create_study(sampler=build(seed=0, prior=PRIOR))
    study.optimize(_objective, n_trials=60)
    first = study.trials[0].params
    assert (first["lr"], first["optim"], first["fixed"]) == (pytest.approx(1e-3), "lion", 4)
    logs = [math.log(trial.params["lr"] / 1e-3) / math.log(2) for trial in study.trials[1:]]
    assert max(abs(value) for value in logs) < 5.0  # standard deviations
    assert len({trial.params["lr"] for trial in study.trials}) == 60
    assert [trial.params["optim"] for trial in study.trials].count("lion") > 40
    assert {trial.params["fixed"] for trial in study.trials} == {4}
    assert max(trial.params["unknown"] for trial in study.trials) > 0.8


def test_it_is_the_first_part_of_a_warm_start_wherever_that_begins() -> None:
    study = optuna.create_study(sampler=build_random(seed=1))
    study.optimize(_objective, n_trials=3)
    study.sampler = WarmStart(build(seed=0, prior=PRIOR), build_random(seed=2), count=2)
    study.optimize(_objective, n_trials=4)
    assert study.trials[3].params["lr"] == pytest.approx(1e-3)
    assert study.trials[4].params["lr"] != pytest.approx(1e-3)
    assert study.trials[4].params["fixed"] == 4


def test_a_calibrated_setting_starts_a_search() -> None:
    study = optuna.create_study(sampler=build(seed=0, prior=calibrated("nadamw")))
    study.optimize(
        lambda t: t.suggest_float("lr", 1e-5, 1e-1, log=True) + t.suggest_float("dropout", 0.0, 0.5), n_trials=1
    )
    assert study.trials[0].params == {"lr": pytest.approx(0.0017486), "dropout": pytest.approx(0.1)}
