"""The loop: it learns, ends in time, repeats itself, refuses what cannot be done, and recovers from divergence."""

from __future__ import annotations

import io
import json
import math
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.train.engine.tasks import Blobs, Clock, LoadedBlobs, perceptron, same, weights
from torch import Tensor, nn

from autoagent.errors import CannotFinish, DataError, Diverged, TrialFailed, UserError
from autoagent.train.engine import Settings, fit
from autoagent.train.optims import OPTIMS
from autoagent.train.rungs import CurvePruned, Watch

_SHORT = Settings(steps=40, batch=32, precision="fp32", lr=0.01)


@pytest.mark.parametrize("optim", OPTIMS)
def test_every_optim_learns(optim: str) -> None:
    task = Blobs()
    before = task.validate(task.model)
    outcome = fit(task, replace(_SHORT, optim=optim, steps=100))
    assert outcome.best < 0.8 * before
    assert outcome.facts["optim"] == optim


def test_the_model_is_left_with_the_best_weights() -> None:
    task = Blobs()
    outcome = fit(task, replace(_SHORT, steps=200, lr=0.05, schedule="constant"))
    assert outcome.best == min(outcome.curve) == task.validate(task.model)
    assert outcome.curve[-1] > outcome.best  # or the test shows nothing
    assert not task.model.training
    for name, value in task.model.state_dict().items():
        assert torch.equal(value, outcome.state_dict[name])


def test_or_with_the_last_if_asked() -> None:
    task = Blobs()
    outcome = fit(task, replace(_SHORT, steps=200, lr=0.05, schedule="constant", keep="last"))
    assert task.validate(task.model) == outcome.curve[-1] == outcome.best
    assert outcome.kept == 1.0


@pytest.mark.parametrize("keep", ["best", "last"])
def test_averaged_weights_are_what_is_validated_and_kept(keep: str) -> None:
    task = Blobs(perceptron(norm=True))
    outcome = fit(task, Settings.from_json({**_SHORT.to_json(), "ema": 0.2, "keep": keep}))
    plain = fit(Blobs(perceptron(norm=True)), replace(_SHORT, keep="last"))
    assert task.validate(task.model) == outcome.best
    assert outcome.best != plain.best


def test_validations_come_at_even_marks_of_the_progress() -> None:
    seen: list[tuple[int, float | None]] = []
    fit(Blobs(), replace(_SHORT, validations=8), report=lambda step, _, progress: seen.append((step, progress)))
    assert [step for step, _ in seen] == [5, 10, 15, 20, 25, 30, 35, 40]
    assert [progress for _, progress in seen] == pytest.approx([i / 8 for i in range(1, 9)])


def test_epochs_count_batches() -> None:
    outcome = fit(Blobs(rows=100), replace(_SHORT, steps=None, epochs=2.5))
    assert outcome.facts["steps"] == 10  # of 4 batches each, the last one smaller


@pytest.mark.parametrize("norm", [False, True])
def test_the_same_seed_gives_the_same_bits_and_another_does_not(norm: bool) -> None:
    def trained(seed: int) -> list[Tensor]:
        task = LoadedBlobs(perceptron(norm=norm, drop=0.2))
        fit(task, replace(_SHORT, seed=seed, deterministic=True, state_bits=8))
        return weights(task)

    assert same(trained(3), trained(3))
    assert not same(trained(3), trained(4))


def test_nothing_global_is_left_changed() -> None:
    torch.manual_seed(7)
    random.seed(7)
    np.random.seed(7)
    before = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist(), torch.get_num_threads())
    fit(Blobs(perceptron(drop=0.2)), replace(_SHORT, deterministic=True))
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_num_threads())
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("cost", [lambda _: 1.0, lambda n: 1.0 if n < 40 else 4.0, lambda n: 4.0 if n < 10 else 1.0])
def test_a_budget_of_seconds_trains_a_schedule_of_seconds(cost: Callable[[int], float]) -> None:
    clock = Clock()
    task = Blobs(on_loss=lambda: clock.spend(cost(task.losses)), on_validate=lambda: clock.spend(1.0))
    outcome = fit(task, replace(_SHORT, steps=None, seconds=120.0, validations=5), clock=clock)
    assert 100.0 < clock() - 1000.0 <= 120.0
    assert outcome.points[-1].progress == pytest.approx(1.0)
    assert outcome.points[-1].lr < 0.01
    assert outcome.points[0].lr > 0.5
    assert outcome.facts["progress"] == pytest.approx(1.0)


def test_the_last_validation_is_inside_the_deadline_and_dear_ones_are_rare() -> None:
    clock = Clock()
    task = Blobs(on_loss=lambda: clock.spend(1.0), on_validate=lambda: clock.spend(10.0))
    outcome = fit(task, replace(_SHORT, steps=None), deadline=1120.0, clock=clock)
    assert clock() <= 1120.0
    assert 2 <= len(outcome.points) <= 4  # a fifth of the time, and the last one


def test_steps_end_a_training_that_has_time_left() -> None:
    clock = Clock()
    outcome = fit(Blobs(on_loss=lambda: clock.spend(1.0)), replace(_SHORT, seconds=1000.0), clock=clock)
    assert outcome.facts["steps"] == 40
    assert outcome.points[-1].progress == 1.0


def test_a_training_without_a_limit_is_refused() -> None:
    with pytest.raises(UserError, match="nothing limits"):
        fit(Blobs(), Settings())


def test_a_training_that_cannot_make_its_least_number_of_steps_is_refused_after_three() -> None:
    clock = Clock()
    task = Blobs(on_loss=lambda: clock.spend(10.0))
    with pytest.raises(TrialFailed, match=r"enough for 1\d steps, and at least 20") as caught:
        fit(task, Settings(seconds=150.0, batch=32, precision="fp32"), clock=clock)
    assert caught.value.kind == "timeout"
    assert clock() - 1000.0 <= 60.0


def test_a_training_of_which_too_little_fits_into_the_time_is_refused_and_says_what_it_would_take() -> None:
    clock = Clock()
    settings = Settings(steps=100, batch=32, precision="fp32", least_share=0.5, validations=1)
    with pytest.raises(CannotFinish, match=r"at 10 s a step \d\d% of its 100 steps fit") as caught:
        fit(Blobs(on_loss=lambda: clock.spend(10.0)), settings, deadline=1400.0, clock=clock)
    assert caught.value.kind == "refused"
    assert caught.value.needed_s == pytest.approx(1000.0, rel=0.1)
    assert clock() - 1000.0 <= 60.0
    taken = fit(Blobs(on_loss=lambda: clock.spend(1.0)), settings, deadline=clock() + 80.0, clock=clock)
    assert 50 <= taken.facts["steps"] < taken.facts["asked_steps"] == 100


@pytest.mark.parametrize("seconds", [0.0, 25.0])
def test_no_time_is_a_refusal_too(seconds: float) -> None:
    clock = Clock()
    with pytest.raises(TrialFailed) as caught:
        fit(
            Blobs(on_loss=lambda: clock.spend(10.0)),
            Settings(batch=32, precision="fp32"),
            deadline=1000.0 + seconds,
            clock=clock,
        )
    assert caught.value.kind == "timeout"


def test_a_curve_is_streamed_and_ended_at_a_rung() -> None:
    file = io.StringIO()
    with pytest.raises(CurvePruned, match=r"at 0\.4, needed 0\.01"):
        fit(Blobs(), _SHORT, report=Watch(file, 0, rungs=(0.2, 0.4, 0.6), floors=(9.0, 0.01, 9.0)))
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6, 8, 10, 12, 14, 16]
    assert all(line["value"] > 0 for line in lines)


def test_a_task_without_batches_is_refused() -> None:
    with pytest.raises(DataError, match="no training batches"):
        fit(Blobs(rows=0), _SHORT)


class Faulty(Blobs):
    """Gives a loss of its own choice at some of its losses."""

    def __init__(self, faults: dict[int, float], **options: float) -> None:
        super().__init__()
        self.faults = faults

    def loss(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        loss = super().loss(model, batch)
        return loss * self.faults.get(self.losses, 1.0)


def test_a_loss_that_is_not_finite_rolls_back_to_a_smaller_rate() -> None:
    task = Faulty({30: math.nan})
    outcome = fit(task, _SHORT)
    assert outcome.facts["rollbacks"] == 1
    assert outcome.facts["lr_scale"] == 0.5
    assert outcome.facts["faults"] == [{"step": 28, "fault": "the training loss is nan"}]  # two passes were for memory
    assert all(torch.isfinite(value).all() for value in outcome.state_dict.values())
    assert outcome.best < 0.8


def test_a_loss_that_explodes_rolls_back() -> None:
    outcome = fit(Faulty(dict.fromkeys(range(25, 30), 50.0)), _SHORT)
    assert outcome.facts["rollbacks"] == 1
    assert "for 5 updates" in outcome.facts["faults"][0]["fault"]


def test_a_single_high_loss_is_no_divergence() -> None:
    assert fit(Faulty({30: 50.0}), _SHORT).facts["rollbacks"] == 0


def test_a_training_that_diverges_again_and_again_is_a_typed_error() -> None:
    with pytest.raises(Diverged, match="after 3 rollbacks"):
        fit(Faulty(dict.fromkeys(range(10, 100), math.inf)), _SHORT)


def test_a_rate_that_is_far_too_high_is_survived() -> None:
    outcome = fit(Blobs(), replace(_SHORT, optim="sgd", lr=1e4, clip=0.0, rollbacks=40, steps=400, warmup=0.0))
    assert outcome.facts["rollbacks"] > 0
    assert math.isfinite(outcome.best)


class Sick(Blobs):
    """Its validations are not finite for a while."""

    def validate(self, model: nn.Module) -> float:
        self.seen = getattr(self, "seen", 0) + 1
        return math.nan if self.seen in (2, 20) else super().validate(model)


def test_a_validation_that_is_not_finite_rolls_back_and_the_last_one_is_repeated() -> None:
    outcome = fit(Sick(), _SHORT)
    assert outcome.facts["rollbacks"] == 2
    assert len(outcome.points) == 20  # a failed one is repeated after the next step
    assert all(map(math.isfinite, outcome.curve))
    assert outcome.points[-1].step == 40


def test_energy_is_a_number_or_not_measured() -> None:
    found = fit(Blobs(), _SHORT).facts["energy_wh"]
    assert found is None or found >= 0


def test_the_program_on_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "train.md").read_text(encoding="utf-8")
    program = re.search(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert program is not None
    exec(program[1].replace("seconds=10", "steps=20"), {})
    assert capsys.readouterr().out.count(",") == 19  # of twenty validations
