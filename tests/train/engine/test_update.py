"""Gradients in parts: equal to those of the whole batch, also after memory ran out on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.train.engine.tasks import Blobs, LoadedBlobs, Rows, perceptron, same, weights
from torch import Tensor, nn

from autoagent.errors import TrialFailed, UserError
from autoagent.train.engine import Settings, fit
from autoagent.train.engine.batches import share_of, size, split
from autoagent.train.engine.parallel import Processes
from autoagent.train.engine.precision import mixed
from autoagent.train.engine.update import Update, is_out_of_memory

_CPU = torch.device("cpu")
_ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried ..."),
    MemoryError("std::bad_alloc"),
]


def _update(task: Blobs, micro: int, **options: Any) -> Update:
    return Update(task, task.model, mixed("fp32", _CPU, ""), Processes(), micro, **options)


def _gradients(task: Blobs, micro: int, batch: Rows) -> tuple[Tensor, list[Tensor]]:
    loss = _update(task, micro).gradients(batch, task.model.zero_grad)
    return loss, [p.grad.clone() for p in task.model.parameters() if p.grad is not None]


def _batch(task: Blobs, count: int = 50) -> Rows:
    return task.x[:count], task.y[:count]


@pytest.mark.parametrize("micro", [1, 7, 16, 49])
def test_parts_give_the_gradient_of_the_whole(micro: int) -> None:
    task, other = Blobs(), Blobs()
    loss, whole = _gradients(task, 50, _batch(task))
    mean, parts = _gradients(other, micro, _batch(other))
    assert float(mean) == pytest.approx(float(loss), rel=1e-6)
    for a, b in zip(whole, parts, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-7)  # sums in another order


class Starved(Blobs):
    """Memory ends above so many examples."""

    def __init__(self, most: int, error: Exception, model: nn.Module | None = None) -> None:
        super().__init__(model)
        self.most, self.error, self.asked = most, error, list[int]()

    def loss(self, model: nn.Module, batch: Rows) -> Tensor:
        loss = super().loss(model, batch)  # buffers and random states have moved on when memory ends
        self.asked.append(len(batch[0]))
        if len(batch[0]) > self.most:
            raise self.error
        return loss


@pytest.mark.parametrize("error", _ERRORS, ids=["gpu", "cpu", "python"])
def test_memory_that_runs_out_halves_the_micro_batch_and_keeps_the_gradient(error: Exception) -> None:
    task, other = Starved(10, error), Blobs()
    update = _update(task, 50)
    loss = update.gradients(_batch(task), task.model.zero_grad)
    expected, whole = _gradients(other, 50, _batch(other))
    assert update.micro == 12  # which splits fifty into five tens
    assert update.halved == 2
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    for parameter, grad in zip(task.model.parameters(), whole, strict=True):
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, grad, rtol=1e-4, atol=1e-7)


def test_a_failed_attempt_leaves_no_trace_in_buffers_and_random_states() -> None:
    def trained(most: int) -> list[Tensor]:
        torch.manual_seed(5)
        task = Starved(most, _ERRORS[0], perceptron(norm=True, drop=0.3))
        update = _update(task, 50 if most < 50 else 25)
        update.gradients(_batch(task), task.model.zero_grad)
        assert update.micro == 25
        return [*(p.grad for p in task.model.parameters() if p.grad is not None), *task.model.buffers()]

    assert same(trained(25), trained(1000))


def test_a_whole_training_survives_it_at_the_same_effective_batch() -> None:
    settings = Settings(steps=15, batch=32, precision="fp32", lr=0.01, seed=2)
    starved, fed = Starved(5, _ERRORS[1]), Blobs()
    little, enough = fit(starved, settings), fit(fed, settings)
    assert little.facts["micro_batch"] == 4
    assert little.facts["halved"] == 3
    assert little.curve == pytest.approx(enough.curve, rel=1e-3)
    assert all(torch.allclose(a, b, atol=1e-3) for a, b in zip(weights(starved), weights(fed), strict=True))


def test_one_example_that_does_not_fit_is_a_failure_of_memory() -> None:
    task = Starved(0, _ERRORS[0])
    with pytest.raises(TrialFailed, match="micro-batch of one example: CUDA out of memory") as caught:
        _update(task, 8).gradients(_batch(task), task.model.zero_grad)
    assert caught.value.kind == "memory"


def test_other_errors_are_not_taken_for_it() -> None:
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))
    task = Starved(0, RuntimeError("mat1 and mat2"))
    with pytest.raises(RuntimeError, match="mat1"):
        _update(task, 8).gradients(_batch(task), task.model.zero_grad)


class Words(Blobs):
    """A loss that is a mean over words: an example has as many as its class says, plus one."""

    def loss(self, model: nn.Module, batch: Rows) -> Tensor:
        losses = nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")
        return (losses * (batch[1] + 1)).sum() / self.weight(batch)

    def weight(self, batch: Rows) -> float:
        return float((batch[1] + 1).sum())


def test_a_loss_over_words_is_split_by_words() -> None:
    (loss, whole), (mean, parts) = (
        _gradients(task, micro, _batch(task)) for task, micro in ((Words(), 50), (Words(), 7))
    )
    assert float(mean) == pytest.approx(float(loss), rel=1e-6)
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-7) for a, b in zip(whole, parts, strict=True))


def test_any_nest_of_examples_is_split() -> None:
    images, boxes = torch.arange(10.0), [{"box": torch.full((i, 4), float(i))} for i in range(10)]
    parts = split({"x": (images, boxes), "y": boxes}, 4)
    assert [size(one) for one in parts] == [3, 3, 4]
    assert torch.equal(torch.cat([one["x"][0] for one in parts]), images)
    assert [box for one in parts for box in one["x"][1]] == [box for one in parts for box in one["y"]] == boxes


def test_processes_share_a_batch_without_gaps() -> None:
    rows = np.arange(10)
    shares = [share_of(rows, rank, 3) for rank in range(3)]
    assert [len(one) for one in shares] == [3, 3, 4]
    assert np.concatenate(shares).tolist() == rows.tolist()


def test_what_has_no_examples_is_refused() -> None:
    with pytest.raises(UserError, match="not str"):
        size("words")


def test_only_what_is_needed_is_loaded() -> None:
    task = LoadedBlobs()
    loaded: list[int] = []
    plain = task.load
    task.load = lambda part: (loaded.append(len(part[0])), plain(part))[1]  # type: ignore[method-assign]
    fit(task, Settings(steps=3, batch=32, micro_batch=16, precision="fp32"))
    assert loaded == [2, 4] + [16] * 6  # two to measure memory with
