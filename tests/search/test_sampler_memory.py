"""What the agent's sampler keeps of ended trials: the same as reading all of them, and few in a long study."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from autoagent.search.samplers.agent import MODEL_TRIALS, AgentSampler
from autoagent.search.samplers.memory import Memory

optuna.logging.set_verbosity(optuna.logging.CRITICAL)
KIND = CategoricalDistribution(["a", "b"])


def trial_of(number: int, rng: np.random.Generator) -> FrozenTrial:
    kind = "a" if number % 3 else "b"
    space: dict[str, BaseDistribution] = {"kind": KIND, kind: FloatDistribution(0, 1 + number % 5)}
    state = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL][int(number % 7 == 3) + int(number % 11 == 4)]
    params = {"kind": kind, kind: float(rng.random())}
    value = float(rng.random()) if state == TrialState.COMPLETE else None
    steps: dict[int, int | float] = {1: float(rng.random())} if state == TrialState.PRUNED else {}
    return create_trial(
        params=params,
        distributions=space,
        state=state,
        value=value,
        intermediate_values=steps,
    )


def naive_space(study: optuna.Study) -> dict[str, BaseDistribution]:
    space: dict[str, BaseDistribution] = {}
    for trial in study.get_trials(deepcopy=False):
        space.update(trial.distributions)
    return space


def test_the_space_is_that_of_all_trials_in_whatever_order_they_end() -> None:
    study, rng = optuna.create_study(), np.random.default_rng(0)
    memory, running = Memory(study), []
    for number in range(60):
        study.add_trial(trial_of(number, rng))
        running.append(study.ask({"late": FloatDistribution(0, 1 + number)}))
        if number % 4 == 3:
            study.tell(running.pop(rng.integers(len(running))), 0.5)
        assert memory.space(study) == naive_space(study)


def test_a_long_study_is_seen_by_its_best_and_latest_trials_and_by_every_set_of_parameters() -> None:
    study, rng = optuna.create_study(), np.random.default_rng(1)
    study.add_trial(create_trial(params={"rare": 0.5}, distributions={"rare": FloatDistribution(0, 1)}, value=9.0))
    for number in range(1, 700):
        study.add_trial(trial_of(number, rng))
    examples, chosen = Memory(study).views(study)
    seen = [trial.number for trial in chosen._get_trials()]
    ended = [trial for trial in study.trials if trial.state != TrialState.FAIL]
    best = sorted((t for t in ended if t.value is not None), key=lambda t: (t.value, t.number))[:25]
    assert len(seen) < 330
    assert seen == sorted(seen)
    assert {trial.number for trial in best} <= set(seen)
    assert {trial.number for trial in ended[-100:]} <= set(seen)
    assert 0 in seen
    assert {frozenset(trial.params) for trial in examples._get_trials()} == {frozenset(trial.params) for trial in ended}


def test_of_several_objectives_the_front_is_kept_however_old() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    space = {"x": FloatDistribution(0, 1)}
    for number in range(400):
        values = [number / 400, number / 400] if number < 20 else [0.9, 0.0]
        study.add_trial(create_trial(params={"x": number / 400}, distributions=space, values=values))
    _, chosen = Memory(study).views(study)
    assert set(range(20)) <= {trial.number for trial in chosen._get_trials()}


def test_a_copy_of_the_sampler_forgets_nothing_that_matters() -> None:
    study = optuna.create_study(sampler=AgentSampler(seed=0))
    space = {"x": FloatDistribution(0, 1)}
    for number in range(MODEL_TRIALS + 50):
        study.add_trial(create_trial(params={"x": (number % 97) / 97}, distributions=space, value=number % 97))
    again = optuna.create_study(sampler=pickle.loads(pickle.dumps(study.sampler)))
    again.add_trials(copy.deepcopy(study.trials))
    for one in (study, again):
        one.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    assert [trial.params for trial in study.trials] == [trial.params for trial in again.trials]
