"""The agent's own sampler: its first trial, duplicates, failures, several objectives, a model good or bad, resuming."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import Trial, TrialState

from autoagent.llm.scripted import ScriptedLLM
from autoagent.search.agent_search.context import Config, Context
from autoagent.search.history import Observation
from autoagent.search.language.cards import TaskContext
from autoagent.search.samplers.agent import ATTRIBUTE, MODEL_TRIALS, AgentSampler, build
from autoagent.space import Float, Param, Space

optuna.logging.set_verbosity(optuna.logging.CRITICAL)


def hill(trial: Trial) -> float:
    x = trial.suggest_float("x", -5.0, 5.0)
    rate = trial.suggest_float("rate", 1e-5, 1.0, log=True)
    kind = trial.suggest_categorical("kind", ["a", "b", "c"])
    return (x - 1.7) ** 2 + (np.log10(rate) + 2.5) ** 2 + {"a": 2.0, "b": 0.0, "c": 1.0}[kind]


def best(sampler: BaseSampler, trials: int = 30) -> float:
    study = optuna.create_study(sampler=sampler)
    study.optimize(hill, n_trials=trials)
    return study.best_value


def notes(study: optuna.Study) -> list[str]:
    return [trial.system_attrs[ATTRIBUTE]["by"] for trial in study.trials if ATTRIBUTE in trial.system_attrs]


def test_the_first_trial_is_the_default_and_no_configuration_comes_twice() -> None:
    study = optuna.create_study(sampler=AgentSampler(seed=0, defaults={"x": 2.0, "rate": 0.1, "kind": "c"}))
    study.optimize(hill, n_trials=25)
    assert study.trials[0].params == {"x": 2.0, "rate": 0.1, "kind": "c"}
    assert len({tuple(sorted(trial.params.items())) for trial in study.trials}) == 25


def test_a_small_space_is_walked_through_once_before_anything_repeats() -> None:
    study = optuna.create_study(sampler=AgentSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_int("n", 0, 3) + ord(trial.suggest_categorical("k", "ab")), n_trials=8)
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 8


def test_it_beats_random_search_by_far_in_thirty_trials() -> None:
    ours = [best(AgentSampler(seed=seed)) for seed in range(3)]
    blind = [best(RandomSampler(seed=seed), 60) for seed in range(3)]
    assert np.median(ours) < 0.3 * np.median(blind)


def test_what_fails_is_left_alone_and_the_search_goes_on_beside_it() -> None:
    def branin(trial: Trial) -> float:
        x, y = trial.suggest_float("x", -5.0, 10.0), trial.suggest_float("y", 0.0, 15.0)
        if x + y > 14 or (x > 6 and y < 4):  # two fifths of the space, one of three minima in it
            raise MemoryError("too large")
        bend = y - 5.1 / (4 * np.pi**2) * x * x + 5 / np.pi * x - 6
        return float(bend**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10 - 0.3979)

    study = optuna.create_study(sampler=AgentSampler(seed=0))
    study.optimize(branin, n_trials=35, catch=(MemoryError,))
    assert sum(trial.state == TrialState.FAIL for trial in study.trials) <= 12
    assert study.best_value < 0.5


def test_two_objectives_spread_along_the_front() -> None:
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=AgentSampler(seed=0))
    study.optimize(lambda t: (t.suggest_float("x", 0, 1) ** 2, (t.suggest_float("x", 0, 1) - 1) ** 2), n_trials=20)
    front = sorted(trial.params["x"] for trial in study.best_trials)
    assert len(front) > 8
    assert np.diff(front).max() < 0.4


def _says(quality: str) -> Any:
    def answer(context: Context, history: Sequence[Observation], count: int) -> Sequence[Config]:
        rng = np.random.default_rng(context.number)
        if quality == "good":
            return [{"x": 1.7 + rng.normal() / 5, "rate": 10 ** (-2.5 + rng.normal() / 5), "kind": "b"}] * count
        return [{"x": -5.0, "rate": 1.0, "kind": "a"}, {"x": 9e9, "rate": "no", "kind": "z"}]  # worst, and nonsense

    return answer


@pytest.mark.parametrize("seed", [0, 1])
def test_a_bad_model_costs_a_few_trials_and_a_good_one_is_used(seed: int) -> None:
    alone = best(AgentSampler(seed=seed), 25)
    study = optuna.create_study(sampler=AgentSampler(seed=seed, llm=_says("bad")))
    study.optimize(hill, n_trials=25)
    assert study.best_value < alone + 0.3
    assert notes(study).count("llm") <= 8  # 30 % of the turns
    good = optuna.create_study(sampler=AgentSampler(seed=seed, llm=_says("good")))
    good.optimize(hill, n_trials=8)
    assert good.best_value < 0.5
    assert "llm" in notes(good)


def test_a_model_as_such_with_a_space_and_its_facts_is_asked_after_the_default() -> None:
    space = Space({"x": Param(Float(-5.0, 5.0), 0.5), "rate": Param(Float(1e-5, 1.0, log=True), 0.1)})
    seen: list[str] = []

    def answer(messages: list[dict[str, str]]) -> str:
        seen.append(messages[-1]["content"])
        return '{"configs": [{"x": 1.7, "rate": 0.003}, {"x": 1.2, "rate": 0.01}, {"x": 99.0, "rate": 0.01}]}'

    context = TaskContext(model="a hill", metric="height above the valley", facts={"dimensions": 2})
    sampler = build(seed=0, llm=ScriptedLLM(answer), space=space, context=context)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda t: (t.suggest_float("x", -5, 5) - 1.7) ** 2 + t.suggest_float("rate", 1e-5, 1, log=True), 6)
    assert study.trials[0].params == {"x": 0.5, "rate": 0.1}
    assert study.trials[1].params == {"x": 1.7, "rate": 0.003}
    assert notes(study)[:3] == ["default", "llm", "llm"]
    assert "a hill" in seen[0]
    assert "dimensions" in seen[0]
    assert len(seen) <= 2


def test_questions_to_a_model_are_counted_over_sittings_and_workers() -> None:
    space = Space({"x": Param(Float(-5.0, 5.0), 0.5)})
    asked: list[int] = []

    def answer(messages: list[dict[str, str]]) -> str:
        asked.append(len(messages))
        return f'{{"configs": [{{"x": {1.7 + 0.001 * len(asked)}}}]}}'

    study = optuna.create_study()
    for sitting in range(12):  # each with a sampler of its own, as a worker or a resumed study has
        study.sampler = build(seed=sitting, llm=ScriptedLLM(answer), space=space)
        study.optimize(lambda trial: (trial.suggest_float("x", -5, 5) - 1.7) ** 2, n_trials=5)
    assert 5 <= len(asked) <= 10


def test_a_long_study_goes_on_with_the_tpe() -> None:
    study = optuna.create_study(sampler=AgentSampler(seed=0))
    space = {"x": optuna.distributions.FloatDistribution(0, 1)}
    for i in range(MODEL_TRIALS):
        study.add_trial(optuna.trial.create_trial(params={"x": (i % 97) / 97}, distributions=space, value=i % 97))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    assert notes(study) == []
    assert len(study.trials) == MODEL_TRIALS + 2
