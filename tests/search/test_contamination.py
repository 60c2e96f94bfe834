"""The control for memory: the disguise is the same task, and who only remembers loses by it."""

from __future__ import annotations

import json
import math
import statistics
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from tests.search.scripted_proposers import remembers, useless

from autoagent.llm.scripted import ScriptedLLM
from autoagent.search.contamination import Disguise, DisguisedProposals, HiddenSituation
from autoagent.search.history import Observation
from autoagent.search.language.cards import TaskContext
from autoagent.search.language.known import KnownSpace
from autoagent.search.llm_proposals import LanguageProposals
from autoagent.search.samplers.llambo import LLAMBOSampler, Options
from autoagent.search.samplers.native import build_tpe
from autoagent.space import Choice, Float, Int, Param, Space

DOMAINS: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(1e-4, 1.0, log=True),
    "dropout": FloatDistribution(0.0, 0.5, step=0.1),
    "width": IntDistribution(1, 512, log=True),
    "layers": IntDistribution(2, 11, step=3),
    "optim": CategoricalDistribution(["sgd", "adam", None, 3]),
    "share": FloatDistribution(0.25, 0.75),
}
MEMORY = {"C": 10.0, "gamma": 0.001}


@pytest.mark.parametrize("seed", [0, 1])
def test_what_is_hidden_is_revealed_again(seed: int) -> None:
    disguise, rng = Disguise(seed), np.random.default_rng(seed)
    for _ in range(50):
        params = {
            "learning_rate": float(np.exp(rng.uniform(math.log(1e-4), 0))),
            "dropout": round(0.1 * int(rng.integers(6)), 10),
            "width": int(rng.integers(1, 513)),
            "layers": int(2 + 3 * rng.integers(4)),
            "optim": ["sgd", "adam", None, 3][rng.integers(4)],
            "share": float(rng.uniform(0.25, 0.75)),
        }
        hidden = disguise.hide_all(params, DOMAINS)
        for name, value in hidden.items():
            domain = disguise.space(KnownSpace(DOMAINS)).distributions[name]
            assert domain._contains(domain.to_internal_repr(value))
        revealed = disguise.reveal_all(hidden, DOMAINS)
        for name, value in params.items():
            assert revealed[name] == (pytest.approx(value) if isinstance(value, float) else value)


def test_nothing_of_the_task_shows_through() -> None:
    space = Space(
        {
            "kernel": Param(Choice(["rbf", "poly"]), "rbf"),
            "degree": Param(Int(2, 5), 3, when={"kernel": ("poly",)}),
            "C": Param(Float(0.001, 1000, log=True), 1.0),
        }
    )
    disguise = Disguise(3)
    hidden = disguise.space(KnownSpace.from_space(space))
    said = json.dumps([hidden.words(), hidden.schema()])
    assert not any(
        word in said for word in ("kernel", "rbf", "poly", "degree", '"C"', "1000", "0.001", "default", "log")
    )
    assert set(hidden.when) == {disguise.name("degree")}
    assert disguise.context(TaskContext(model="SVM", facts={"rows": 5})) == TaskContext()


def test_seeds_give_other_codes_and_other_orders() -> None:
    names = [tuple(Disguise(seed).space(KnownSpace(DOMAINS)).distributions) for seed in range(3)]
    assert len(set(names)) == 3
    assert names[0] == tuple(Disguise(0).space(KnownSpace(DOMAINS)).distributions)


def test_a_trial_keeps_its_loss_under_the_disguise() -> None:
    trial = Observation(4, {"share": 0.5}, 0.3, "done", 0.0, {"share": DOMAINS["share"]})
    hidden = Disguise().observation(trial)
    assert (hidden.number, hidden.loss, hidden.state) == (4, 0.3, "done")
    assert hidden.params == {Disguise().name("share"): pytest.approx(0.5)}


@pytest.mark.parametrize("flips", [True, False])
def test_a_disguised_study_is_the_same_search_for_a_sampler_that_reads_no_names(flips: bool) -> None:
    def objective(trial: Any) -> float:
        trial.set_user_attr("log", "lr")
        trial.report(1.0, 0)
        assert not trial.should_prune()
        rate = trial.suggest_float("learning_rate", 1e-4, 1.0, log=True)
        depth = trial.suggest_int("depth", 1, 4) if trial.suggest_categorical("deep", [True, False]) else 0
        return float((math.log10(rate) + 2) ** 2 + 0.1 * depth + 0 * trial.number)

    disguise = Disguise(0, flips=flips)
    study = optuna.create_study(
        direction=disguise.direction("minimize"), sampler=build_tpe(seed=0), study_name="hidden"
    )
    study.optimize(disguise.objective(objective), n_trials=40)
    assert study.direction.name == ("MAXIMIZE" if flips else "MINIMIZE")
    assert disguise.value(study.best_value) < 0.3
    assert all(name.startswith("p") for trial in study.trials for name in trial.params)
    assert all("log" not in trial.user_attrs for trial in study.trials)


def test_a_proposer_in_disguise_answers_with_true_configurations_and_saw_no_true_name() -> None:
    params: dict[str, Any] = {"learning_rate": 0.01, "width": 64, "optim": "adam"}
    domains = {name: DOMAINS[name] for name in params}
    trial = Observation(0, params, 0.3, "done", 0.0, domains)
    llm = useless()
    proposals = DisguisedProposals(LanguageProposals(llm, maximize=True), Disguise(1))
    found = proposals(HiddenSituation(1, 0, defaults={"width": 77}, facts={"rows": 1797}), [trial], 3)
    assert len(found) == 3
    assert all(domains[name]._contains(domains[name].to_internal_repr(c[name])) for c in found for name in domains)
    said = json.dumps(llm.requests[0].to_json())
    assert not any(word in said for word in ("learning_rate", "width", "optim", "adam", "1797", "77", "0.01"))
    assert "higher is better" in said


def regret(llm: ScriptedLLM, disguise: Disguise | None, *, seed: int) -> float:
    """The best of five trials that LLAMBO's warm start proposes on a task that a model may remember."""

    def objective(trial: Any) -> float:
        c, gamma = trial.suggest_float("C", 1e-3, 1e3, log=True), trial.suggest_float("gamma", 1e-6, 1.0, log=True)
        return float((math.log10(c) - 1) ** 2 + (math.log10(gamma) + 3) ** 2)

    true = Space({"C": Param(Float(1e-3, 1e3, log=True), 1.0), "gamma": Param(Float(1e-6, 1.0, log=True), 0.1)})
    space = KnownSpace.from_space(true) if disguise is None else disguise.space(KnownSpace.from_space(true))
    sampler = LLAMBOSampler(llm, build_tpe(seed=seed), seed=seed, space=space, options=Options(num_warm=5))
    direction = "minimize" if disguise is None else disguise.direction("minimize")
    study = optuna.create_study(sampler=sampler, direction=direction, study_name="memory")
    study.optimize(objective if disguise is None else disguise.objective(objective), n_trials=5)
    return study.best_value if disguise is None else disguise.value(study.best_value)


def test_a_model_that_only_remembers_loses_its_lead_under_the_disguise() -> None:
    seeds = range(12)
    open_lead = statistics.median(regret(remembers(MEMORY, seed=s), None, seed=s) for s in seeds)
    hidden = statistics.median(regret(remembers(MEMORY, seed=s), Disguise(s), seed=s) for s in seeds)
    nothing = statistics.median(regret(useless(seed=s), Disguise(s), seed=s) for s in seeds)
    assert open_lead < 0.01
    assert hidden == pytest.approx(nothing)  # it draws what a model that knows nothing draws
    assert hidden > 0.3
