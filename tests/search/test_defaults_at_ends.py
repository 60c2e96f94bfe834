"""A default, also one at the end of its range, is what the first trial tries: legal, and equal to the last digit."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Literal, cast

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from autoagent.registry import family
from autoagent.runs.state import TrialRecord
from autoagent.search.agent_search.context import Context
from autoagent.search.agent_search.hints import hint_for
from autoagent.search.agent_search.proposing import propose
from autoagent.search.encoding import Encoding, exact
from autoagent.search.history import Observation
from autoagent.search.proposer import Arm, Proposer, View, rounded
from autoagent.search.samplers import SAMPLERS
from autoagent.search.samplers.agent import AgentSampler
from autoagent.search.surrogate.features import Features
from autoagent.search.trials_log import distribution, frozen_trial
from autoagent.space import Config, Float, Int, Param, Space

optuna.logging.set_verbosity(optuna.logging.CRITICAL)
End = Literal["default", "low", "high"]
FAMILIES = [name for name, card in family("models").items() if len(cast("Any", card).space)]


def moved(space: Space, end: End) -> Space:
    """Return a space whose numbers have their defaults at an end of their ranges."""
    return Space(
        {
            name: Param(param.domain, getattr(param.domain, end), param.when)
            if end != "default" and isinstance(param.domain, Float | Int)
            else param
            for name, param in space.items()
        }
    )


def suggested(trial: optuna.Trial, space: Space) -> Config:
    config: Config = {}
    for name, param in space.items():
        if space.is_active(name, config):
            config[name] = trial._suggest(name, distribution(param.domain))
    return config


@pytest.fixture(params=FAMILIES)
def space(request: pytest.FixtureRequest) -> Space:
    return cast("Space", cast("Any", family("models")[request.param]).space)


@pytest.mark.parametrize("end", ["default", "low", "high"])
def test_the_first_trial_is_the_default_of_every_family_to_the_last_digit(space: Space, end: End) -> None:
    edged = moved(space, end)
    want = edged.default()
    kinds = {name: distribution(param.domain) for name, param in edged.items()}
    wholes = {name: param.default for name, param in edged.items()}
    for known in ({}, kinds):  # the distributions are told while the trial runs, or before it
        study = optuna.create_study(sampler=AgentSampler(seed=0, defaults=wholes, space=known))
        config = suggested(study.ask(), edged)
        assert config == want
        assert {name: type(value) for name, value in config.items()} == {n: type(v) for n, v in want.items()}
    build = SAMPLERS["agent"].load()
    study = optuna.create_study(sampler=build(seed=0, portfolio=({},)))
    study.enqueue_trial(want)
    assert suggested(study.ask(), edged) == want
    proposer = Proposer([Arm("one", edged, ({},))], seed=0, sampler="agent", build=build)
    proposal = proposer.propose(View(0, [], []))
    assert proposal is not None
    assert proposal.config == want


@pytest.mark.parametrize("end", ["default", "low", "high"])
def test_a_default_survives_rounding_logs_and_the_journal(space: Space, end: End) -> None:
    edged = moved(space, end)
    want = edged.default()
    cut = rounded(want, edged)
    assert edged.check(cut) == cut
    assert Space.from_json(json.loads(json.dumps(edged.to_json()))).default() == want
    kinds = {name: distribution(edged[name].domain) for name in want}
    encoding, features = Encoding(kinds), Features(kinds)
    for back in (encoding.decode(encoding.encode(want)), features.config(features.snapped(features.rows([want]))[0])):
        for name, value in back.items():
            assert kinds[name]._contains(kinds[name].to_internal_repr(value)), (name, value)
            if isinstance(value, float):
                assert math.isclose(value, float(cast("float", want[name])), rel_tol=1e-12, abs_tol=1e-12)
            else:
                assert value == want[name]
    trial = frozen_trial(TrialRecord(0, "one", want, "default", "ok", 0.5, (0.5,)), edged)
    study = optuna.create_study(direction="maximize", sampler=AgentSampler(seed=0))
    study.add_trial(trial)
    assert study.best_params == want
    suggested(study.ask(), edged)  # the surrogate reads a trial at the ends of all ranges, and proposes something legal


numbers = st.floats(1e-9, 1e9)


@given(first=numbers, second=numbers, log=st.booleans(), whole=st.booleans(), at_end=st.sampled_from(["low", "high"]))
def test_any_range_keeps_a_default_at_its_end(first: float, second: float, log: bool, whole: bool, at_end: str) -> None:
    low, high = sorted((first, second))
    kind: BaseDistribution = FloatDistribution(low, high, log=log)
    if whole:
        kind = IntDistribution(max(1, math.floor(low)), math.ceil(high), log=log)
    value = getattr(kind, at_end)
    space: Mapping[str, BaseDistribution] = {"x": kind, "y": FloatDistribution(0.0, 1.0)}
    (said,) = propose(space, [], Context(0, 0, defaults={"x": value}))
    assert said.source == "default"
    assert (said.config["x"], type(said.config["x"])) == (value, type(value))
    seen = [Observation(0, {"x": value, "y": 1.0}, 0.5), Observation(1, {"x": value, "y": 0.0}, 0.1)]
    (later,) = propose(space, seen, Context(2, 0, sources={0: "default", 1: "start"}))
    assert kind._contains(later.config["x"])


def test_a_published_default_inside_its_range_is_kept_and_one_outside_is_the_nearest_end() -> None:
    space: Mapping[str, BaseDistribution] = {
        "learning_rate": FloatDistribution(1e-5, 1e-1, log=True),
        "C": FloatDistribution(1.0, 1e3, log=True),
        "gamma": FloatDistribution(1e-4, 1e-3, log=True),
    }
    hint = hint_for("gamma", space)
    assert hint is not None
    assert hint.value is not None
    assert hint.value > 1e-3
    (said,) = propose(space, [], Context(0, 0))
    assert said.config == {"learning_rate": 1e-3, "C": 1.0, "gamma": 1e-3}


def test_a_number_is_exact_only_where_its_distribution_holds_it() -> None:
    whole, real = IntDistribution(2, 64, log=True), FloatDistribution(0.0, 0.3)
    assert (exact(whole, 64.0), type(exact(whole, np.int64(64)))) == (64, int)
    assert exact(real, 0.3) == 0.3
    for wrong in (0.1 + 0.2, -1e-18, float("nan"), "0.1", None):
        assert exact(real, wrong) is None
    for wrong in (65, 2.5, True, "8"):
        assert exact(whole, wrong) is None
