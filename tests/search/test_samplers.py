"""One conformance kit for every row of the table of samplers."""

import warnings
from collections.abc import Callable

import optuna
import pytest
from optuna.samplers import BaseSampler

from autoagent.registry import family
from autoagent.runs.state import TrialRecord
from autoagent.search.samplers import SAMPLERS
from autoagent.search.samplers.portfolio import PortfolioSampler, build
from autoagent.search.trials_log import ask_config, frozen_trial
from autoagent.space import Bool, Choice, Config, Float, Int, Param, Space

SPACE = Space(
    {
        "kernel": Param(Choice(["rbf", "poly", None, 3]), "rbf"),
        "C": Param(Float(1e-3, 1e3, log=True), 1.0),
        "degree": Param(Int(2, 5), 3, when={"kernel": ("poly",)}),
        "width": Param(Int(1, 512, log=True), 16),
        "shrinking": Param(Bool(), True),
    }
)


def _builder(name: str) -> Callable[..., BaseSampler]:
    builder = SAMPLERS[name].load()
    assert callable(builder)
    return builder


def _history(count: int) -> list[TrialRecord]:
    import random

    rng = random.Random(0)
    trials = []
    for number in range(count):
        config = SPACE.sample(rng)
        status = "ok" if number % 5 else "failed"
        score = float(config["C"] > 1) + 0.01 * float(str(config["width"])) if status == "ok" else None  # type: ignore[operator]
        folds = (score, score) if score is not None else ()
        trials.append(TrialRecord(number, "svm", config, "test", status, score, folds))
    return trials


def _ask(name: str, *, seed: int, past: int) -> Config:
    study = optuna.create_study(direction="maximize", sampler=_builder(name)(seed=seed), study_name="test")
    for trial in _history(past):
        study.add_trial(frozen_trial(trial, SPACE))
    return ask_config(study, SPACE)


@pytest.fixture(params=list(SAMPLERS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("past", [0, 1, 12])
def test_a_proposal_is_legal_and_complete_after_failures_too(name: str, past: int) -> None:
    for seed in range(3):
        config = _ask(name, seed=seed, past=past)
        assert SPACE.check(config) == config


@pytest.mark.parametrize("past", [0, 12])
def test_the_same_seed_and_past_give_the_same_proposal(name: str, past: int) -> None:
    assert _ask(name, seed=7, past=past) == _ask(name, seed=7, past=past)


def test_it_is_an_optuna_sampler_that_a_users_own_study_can_use(name: str) -> None:
    study = optuna.create_study(direction="maximize", sampler=_builder(name)(seed=0), study_name="own")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study.optimize(lambda trial: -((trial.suggest_float("x", -1, 1) - 0.3) ** 2), n_trials=8)
    assert len(study.trials) == 8


def test_the_registry_knows_the_family() -> None:
    assert list(family("samplers")) == list(SAMPLERS)


def test_a_portfolio_comes_first_and_in_order() -> None:
    entries: list[Config] = [{"x": 0.25, "k": "a"}, {"x": 0.5, "k": "b"}]
    sampler = build(seed=0, portfolio=entries)
    assert isinstance(sampler, PortfolioSampler)
    study = optuna.create_study(sampler=sampler, study_name="own")
    study.optimize(lambda t: t.suggest_float("x", 0, 1) + len(t.suggest_categorical("k", ["a", "b"])), n_trials=4)
    assert [trial.params for trial in study.trials[:2]] == entries


def test_a_portfolio_value_outside_its_range_is_left_to_the_other_sampler() -> None:
    study = optuna.create_study(sampler=build(seed=0, portfolio=[{"x": 9.0, "k": "zzz"}]), study_name="own")
    study.optimize(lambda t: t.suggest_float("x", 0, 1) + len(t.suggest_categorical("k", ["a", "b"])), n_trials=1)
    assert 0 <= study.trials[0].params["x"] <= 1
