"""Hold the table of optims to its signature, its factors, and the facts that a trial records."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from autoagent.train.learner import FitContext
from autoagent.train.models import MODELS
from autoagent.train.optims import DEFAULT, OPTIMS, state_facts


def _build(name: str, params: Any, **options: Any) -> torch.optim.Optimizer:
    return OPTIMS[name].load()(params, lr=1e-3, weight_decay=0.01, **options)  # type: ignore[operator]


@pytest.mark.parametrize("bits", [32, 8, 4])
@pytest.mark.parametrize("name", OPTIMS)
def test_every_optim_lowers_a_loss_with_every_number_of_bits(name: str, bits: int) -> None:
    card = OPTIMS[name]
    p = nn.Parameter(torch.ones(64, 80))
    optim = card.load()([p], lr=0.02 * card.rate, weight_decay=0.0, state_bits=bits)  # type: ignore[operator]
    target = torch.linspace(-1, 1, 80)
    losses = []
    for _ in range(40):
        loss = (p - target).square().sum() / 2
        losses.append(float(loss.detach()))
        p.grad = torch.autograd.grad(loss, p, create_graph="create_graph" in card.needs)[0]
        optim.step()
    assert losses[-1] < 0.99 * losses[0]  # rates differ by kind; each must go down


def test_the_default_is_the_first_and_is_offered_to_networks() -> None:
    assert next(iter(OPTIMS)) == DEFAULT
    assert MODELS["realmlp"].space.check({})["optim"] == DEFAULT
    offered = MODELS["realmlp"].space["optim"].domain.options  # type: ignore[union-attr]
    assert all(not OPTIMS[name].needs for name in offered)


def test_the_table_is_read_without_torch() -> None:
    program = "import sys; import autoagent.train.optims; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_facts_count_bytes_and_say_what_was_too_small_to_quantize() -> None:
    large, small = nn.Parameter(torch.ones(100, 100)), nn.Parameter(torch.ones(10))
    optim = _build("adamw", [large, small], state_bits=8)
    large.grad, small.grad = torch.ones(100, 100), torch.ones(10)
    optim.step()
    facts = state_facts(optim)
    assert facts["values_by_bits"] == {"8": 10_000, "32": 10}
    assert 20_000 < facts["state_bytes"] < 20_600
    assert facts["note"].startswith("10 values are in tensors too small")


@pytest.mark.parametrize("config", [{"optim": "lion", "state_bits": 8}, {"optim": "adamw", "state_bits": 4}])
def test_a_network_trains_with_the_optim_and_bits_of_its_configuration(config: dict[str, Any]) -> None:
    card = MODELS["realmlp"]
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4)).astype(np.float32)
    y = (X[:, 0] + X[:, 1] > 0).astype(float)
    learner = card.load()(card.space.check({**config, "epochs": 16}))  # type: ignore[operator]
    fitted = learner.fit(
        X[:150], y[:150], X_valid=X[150:], y_valid=y[150:], context=FitContext("binary", 2, "accuracy")
    )
    assert (fitted.predict(X[150:]).argmax(axis=1) == y[150:]).mean() > 0.8
    assert fitted.facts["optim"] == config["optim"]
    assert set(fitted.facts["values_by_bits"]) == {"32", str(config["state_bits"])}
