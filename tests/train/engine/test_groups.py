"""Which optim gets which parameter, at which rate and decay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.train.engine.tasks import Blobs, perceptron
from torch import nn

from autoagent.errors import UserError
from autoagent.train.engine import Settings, fit
from autoagent.train.engine.groups import build
from autoagent.train.engine.priors import StepLaw

_SETTINGS = Settings(steps=4, batch=32, precision="fp32", lr=0.01, weight_decay=0.1)


def test_matrices_are_decayed_and_vectors_and_embeddings_are_not() -> None:
    model = nn.Sequential(nn.Embedding(100, 50), nn.Linear(50, 80), nn.LayerNorm(80), nn.Linear(80, 3))
    (optim,) = build(Blobs(model), _SETTINGS).each
    decayed = {id(p): group["weight_decay"] for group in optim.param_groups for p in group["params"]}
    assert {name: decayed[id(p)] for name, p in model.named_parameters() if decayed[id(p)]} == {
        "1.weight": 0.1,
        "3.weight": 0.1,
    }


def test_embeddings_keep_states_of_32_bits() -> None:
    model = nn.Sequential(nn.Embedding(100, 50), nn.Linear(50, 90))
    (optim,) = build(Blobs(model), replace(_SETTINGS, state_bits=8)).each
    bits = {one.shape: one.bits for one in optim.state_report().parameters}  # type: ignore[attr-defined]
    assert bits == {(100, 50): 32, (90, 50): 8, (90,): 32}


def test_muon_gets_the_hidden_matrices_and_the_default_the_rest() -> None:
    model = perceptron()
    muon, rest = build(Blobs(model), replace(_SETTINGS, optim="muon")).each
    assert [p is model[2].weight for group in muon.param_groups for p in group["params"]] == [True]
    assert sum(len(group["params"]) for group in rest.param_groups) == len(list(model.parameters())) - 1
    assert muon.param_groups[0]["peak"] == 2 * rest.param_groups[0]["peak"] == 0.02


def test_a_model_without_hidden_matrices_is_not_for_muon() -> None:
    with pytest.raises(UserError, match="no hidden ones"):
        build(Blobs(nn.Sequential(nn.Linear(8, 3))), replace(_SETTINGS, optim="muon"))


class Slow(Blobs):
    """Trains its first layer at a tenth of the rate."""

    def groups(self) -> Sequence[Mapping[str, Any]]:
        first, *rest = self.model.children()
        return [
            {"params": [*first.parameters()], "rate": 0.1, "decay": 0.0},
            {"params": [p for layer in rest for p in layer.parameters()]},
        ]


def test_a_task_may_have_rates_of_its_own() -> None:
    task = Slow()
    optims = build(task, _SETTINGS)
    optims.set_rate(0.5)
    assert [group["lr"] for group in optims.each[0].param_groups] == pytest.approx([0.0005, 0.005])
    assert [group["weight_decay"] for group in optims.each[0].param_groups] == [0.0, 0.1]
    assert fit(task, _SETTINGS).facts["steps"] == 4
    with pytest.raises(UserError, match="groups of its own"):
        build(task, replace(_SETTINGS, optim="muon"))


def test_frozen_parameters_are_left_alone() -> None:
    task = Blobs()
    task.model[0].requires_grad_(False)  # type: ignore[index]
    before = task.model[0].weight.clone()  # type: ignore[index]
    fit(task, replace(_SETTINGS, ema=0.1))
    assert bool((task.model[0].weight == before).all())  # type: ignore[index]
    task.model.requires_grad_(False)
    with pytest.raises(UserError, match="no parameter that requires a gradient"):
        fit(task, _SETTINGS)


def test_the_default_has_the_calibrated_betas() -> None:
    (optim,) = build(Blobs(), Settings(steps=1)).each
    assert optim.param_groups[0]["betas"] == (0.93266, 0.995516)
    assert optim.param_groups[0]["peak"] == 0.0017486


def test_the_step_law_gives_the_published_values() -> None:
    law = StepLaw.of(parameters=214_663_680, tokens=4e9)  # the smallest grid of arXiv:2503.04715
    assert law.lr == pytest.approx(1.797 * 214_663_680**-0.713 * 4e9**0.307)
    assert 1e-3 < law.lr < 3e-3
    assert 1e5 < law.batch_tokens < 3e5
