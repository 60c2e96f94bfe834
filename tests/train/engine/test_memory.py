"""Memory is told before it is taken: bytes of states exactly, activations of a known network exactly."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.train.engine.tasks import Blobs, perceptron
from torch import Tensor, nn

from autoagent.errors import TrialFailed
from autoagent.train.engine import Settings, fit
from autoagent.train.engine.groups import build, state_bytes_to_come
from autoagent.train.engine.memory import Need, measured_activations
from autoagent.train.optims import OPTIMS

_SETTINGS = Settings(steps=6, batch=64, precision="fp32")


@pytest.mark.parametrize("bits", [32, 8, 4])
@pytest.mark.parametrize("optim", OPTIMS)
def test_the_bytes_of_states_are_known_before_they_are_there(optim: str, bits: int) -> None:
    task = Blobs(nn.Sequential(nn.Linear(8, 90), nn.Linear(90, 91), nn.Linear(91, 3)))
    optims = build(task, replace(_SETTINGS, optim=optim, state_bits=bits))
    promised = state_bytes_to_come(optims)
    parameters = [*optims.parameters()]
    grads = torch.autograd.grad(task.loss(task.model, (task.x, task.y)), parameters, create_graph=optims.create_graph)
    for parameter, grad in zip(parameters, grads, strict=True):
        parameter.grad = grad
    optims.step()
    assert promised == optims.facts()["state_bytes"]


def test_activations_of_a_perceptron_are_counted_to_the_byte() -> None:
    model = nn.Sequential(nn.Linear(10, 30), nn.Tanh(), nn.Linear(30, 5))

    def forward(count: int) -> Tensor:
        output: Tensor = model(torch.randn(count, 10)).square()
        return output.sum()

    fixed, per_example = measured_activations(model, forward, (2, 4))
    assert per_example == 4 * (10 + 30 + 5)  # the input, what tanh gives, what is squared
    assert fixed == 0


def test_a_view_of_a_large_table_counts_for_what_it_shows() -> None:
    table, weight = torch.randn(10_000, 4), nn.Parameter(torch.ones(4))
    module = nn.ParameterList([weight])
    _, per_example = measured_activations(module, lambda n: (table[:n] * weight).sum(), (2, 4))
    assert per_example == 16


def test_a_micro_batch_is_halved_until_the_estimate_fits() -> None:
    need = Need(100, 100, 200, 0, 0, fixed=0.0, per_example=10.0)
    assert need.micro_that_fits(64, 10_000, on_cpu=True) == 64
    assert need.micro_that_fits(64, 600, on_cpu=True) == 16  # 300 and 1.8 x 10 for each example
    with pytest.raises(TrialFailed, match="micro-batch of 1") as caught:
        need.micro_that_fits(64, 305, on_cpu=True)
    assert caught.value.kind == "memory"


def test_asking_for_memory_takes_eight_bits_and_smaller_parts() -> None:
    wide = Blobs(perceptron(width=100))
    plain = fit(wide, _SETTINGS)
    tight = fit(Blobs(perceptron(width=100)), replace(_SETTINGS, memory_bytes=200_000))
    assert plain.facts["values_by_bits"].keys() == {"32"}
    assert tight.facts["values_by_bits"]["8"] == 10_000
    assert tight.facts["micro_batch"] < plain.facts["micro_batch"] == 64
    assert tight.facts["memory"]["estimate_bytes"] - tight.facts["memory"]["weights_bytes"] <= 200_000
    assert tight.facts["state_bytes"] == tight.facts["memory"]["state_bytes"] < plain.facts["state_bytes"] / 2.5


def test_a_model_that_cannot_fit_is_refused_before_it_is_tried() -> None:
    task = Blobs(perceptron(width=100))
    with pytest.raises(TrialFailed, match=r"0 MB are free; take a smaller model") as caught:
        fit(task, replace(_SETTINGS, memory_bytes=50_000))
    assert caught.value.kind == "memory"
    assert task.losses == 2  # of two and of four examples
