"""Precision and compiling: asked for, refused, or chosen by what the first batches take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.train.engine.tasks import Blobs, Clock
from torch import Tensor, nn

from autoagent.errors import UserError
from autoagent.train.engine import Settings, fit
from autoagent.train.engine.acceleration import fastest
from autoagent.train.engine.groups import build
from autoagent.train.engine.parallel import Processes
from autoagent.train.engine.precision import candidates, mixed
from autoagent.train.engine.setup import choose_compiled, compiling
from autoagent.train.engine.update import Update

_CPU = torch.device("cpu")
_SETTINGS = Settings(steps=60, batch=32, lr=0.01)


def test_bf16_learns_like_fp32() -> None:
    exact = fit(Blobs(), replace(_SETTINGS, precision="fp32"))
    rough = fit(Blobs(), replace(_SETTINGS, precision="bf16"))
    assert rough.facts["precision"] == "bf16"
    assert rough.curve != exact.curve
    assert rough.best == pytest.approx(exact.best, rel=0.05)
    assert all(value.dtype == torch.float32 for value in rough.state_dict.values())


def test_fp16_scales_its_losses_and_is_for_gpus() -> None:
    with pytest.raises(UserError, match="needs a GPU"):
        candidates("fp16", _CPU, deterministic=False)
    scaler = mixed("fp16", _CPU, "").scaler
    assert scaler is not None
    assert mixed("bf16", _CPU, "").scaler is None


def test_a_deterministic_training_is_not_chosen_by_a_clock() -> None:
    assert candidates("auto", _CPU, deterministic=True)[0] == ("fp32",)
    assert candidates("bf16", _CPU, deterministic=True)[0] == ("bf16",)


@pytest.mark.parametrize(("seconds", "chosen"), [((1.0, 0.5), "b"), ((1.0, 0.95), "a"), ((1.0, 2.0), "a")])
def test_the_second_choice_must_be_clearly_faster(seconds: tuple[float, float], chosen: str) -> None:
    clock = Clock()

    def run(index: int, times: list[int]) -> Callable[[], None]:
        return lambda: (times.append(0), clock.spend(seconds[index] + 10.0 * (len(times) == 1)))[1]

    choice, found = fastest({"a": run(0, []), "b": run(1, [])}, clock=clock)
    assert choice == chosen
    assert found == pytest.approx({"a": seconds[0], "b": seconds[1]})  # the first time, which compiles, is left out


class Compiled(nn.Module):
    """A wrapper as ``torch.compile`` makes one, that takes its time."""

    def __init__(self, inner: nn.Module, clock: Clock, seconds: float) -> None:
        super().__init__()
        self.inner, self.clock, self.seconds = inner, clock, seconds

    def forward(self, x: Tensor) -> Any:
        self.clock.spend(self.seconds)
        return self.inner(x)


@pytest.mark.parametrize(
    ("asked", "device", "left", "world", "word"),
    [
        ("off", "cuda", 1e4, 1, "off"),
        ("on", "cpu", 10.0, 2, "on"),
        ("auto", "cpu", 1e4, 1, "off"),
        ("auto", "cuda", 100.0, 1, "off"),
        ("auto", "cuda", 1e4, 2, "off"),
        ("auto", "cuda", 1e4, 1, "measure"),
    ],
)
def test_compiling_is_measured_where_it_may_pay(asked: Any, device: str, left: float, world: int, word: str) -> None:
    assert compiling(asked, device=device, left_s=left, world=world)[0] == word


@pytest.mark.parametrize(
    ("how", "seconds", "decided"),
    [
        (("off", "asked for"), 0.1, "off: asked for"),
        (("on", "asked for"), 2.0, "on: asked for"),
        (("measure", ""), 0.1, "on: off 1000.0 ms, on 100.0 ms"),
        (("measure", ""), 2.0, "off: off 1000.0 ms, on 2000.0 ms"),
    ],
)
def test_a_model_is_compiled_where_that_is_faster(how: tuple[str, str], seconds: float, decided: str) -> None:
    clock, made = Clock(), list[nn.Module]()
    task = Blobs()
    optims = build(task, _SETTINGS)
    update = Update(task, Compiled(task.model, clock, 1.0), mixed("fp32", _CPU, ""), Processes(), 32)

    def make(_: nn.Module) -> nn.Module:
        made.append(Compiled(task.model, clock, seconds))
        return made[-1]

    assert choose_compiled(update, optims, (task.x[:32], task.y[:32]), how, clock, make) == decided
    assert (update.model in made) == decided.startswith("on")
    assert all(p.grad is None for p in task.model.parameters())
