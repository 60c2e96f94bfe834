"""What a training will need of memory, before it is tried: from shapes, and from one small forward pass."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from autoagent.errors import TrialFailed
from autoagent.ops.optim.base import local_part
from autoagent.train.engine.groups import Optims, state_bytes_to_come

# Gradients of activations, kernels' workspaces, fragments: what processes grew by (`benchmarks/train.py memory`).
_MARGIN = 1.8


@dataclass(frozen=True)
class Need:
    """Bytes that a training takes.

    Attributes:
        weights: parameters and buffers, which are there already.
        gradients: of the trained parameters.
        states: of the optims.
        average: of the weights, and its copy while it is validated.
        kept: copies on the CPU: the best weights, and the last good state.
        fixed: of a forward pass, whatever the batch.
        per_example: of a forward pass, for each example: what the backward pass needs.
    """

    weights: int
    gradients: int
    states: int
    average: int
    kept: int
    fixed: float
    per_example: float

    def more(self, micro: int, *, on_cpu: bool) -> int:
        """Return the bytes that a training with such a micro-batch takes beside its weights."""
        pass_ = _MARGIN * (self.fixed + self.per_example * micro)
        return int(self.gradients + self.states + self.average + (self.kept if on_cpu else 0) + pass_)

    def micro_that_fits(self, batch: int, free: int, *, on_cpu: bool) -> int:
        """Return the batch, halved until it fits.

        Raises:
            TrialFailed: (memory) not even one example does.
        """
        micro = batch
        while micro > 1 and self.more(micro, on_cpu=on_cpu) > free:
            micro = -(-micro // 2)
        if self.more(micro, on_cpu=on_cpu) > free:
            raise TrialFailed(
                f"the training needs {self.more(1, on_cpu=on_cpu) / 1e6:.0f} MB beside its weights even with a "
                f"micro-batch of 1, and {free / 1e6:.0f} MB are free; take a smaller model or resolution, or fewer "
                "state_bits",
                kind="memory",
            )
        return micro


def needed(model: nn.Module, optims: Optims, *, averaged: bool, activations: tuple[float, float]) -> Need:
    """Add up what a training takes.

    Args:
        model: on its device.
        optims: of its parameters.
        averaged: whether the weights are averaged.
        activations: of ``measured_activations``.
    """
    tensors = [local_part(t) for t in (*model.parameters(), *model.buffers())]
    weights = sum(t.nbytes for t in tensors)
    gradients = sum(local_part(p).nbytes for p in optims.parameters())
    states = state_bytes_to_come(optims)
    kept = 2 * weights + states + (gradients if averaged else 0)
    return Need(weights, gradients, states, 2 * gradients if averaged else 0, kept, *activations)


def measured_activations(
    model: nn.Module, forward: Callable[[int], Tensor], sizes: tuple[int, int]
) -> tuple[float, float]:
    """Return the bytes that autograd keeps for a backward pass: whatever the batch, and for each example.

    Args:
        model: whose weights do not count.
        forward: runs a batch of so many examples and returns its loss.
        sizes: two numbers of examples, the first one smaller; equal ones give all bytes to the examples.
    """
    few, many = (_kept_bytes(model, forward, size) for size in sizes)
    if sizes[0] == sizes[1]:
        return 0.0, many / sizes[1]
    slope = max((many - few) / (sizes[1] - sizes[0]), 0.0)
    return max(few - slope * sizes[0], 0.0), slope


def _kept_bytes(model: nn.Module, forward: Callable[[int], Tensor], size: int) -> int:
    known = {_place(t) for t in (*model.parameters(), *model.buffers())}
    seen: dict[int, tuple[int, dict[tuple[int, ...], int]]] = {}

    def pack(tensor: Tensor) -> Tensor:
        local = local_part(tensor)
        storage = local.untyped_storage()
        if storage.data_ptr() not in known:
            _, views = seen.setdefault(storage.data_ptr(), (storage.nbytes(), {}))
            views[(int(local.storage_offset()), *local.shape)] = local.nbytes
        return tensor

    with _saved(pack):
        loss = forward(size)
    del loss
    return sum(min(whole, sum(views.values())) for whole, views in seen.values())


def _saved(pack: Callable[[Tensor], Any]) -> AbstractContextManager[None]:
    return torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)


def _place(tensor: Tensor) -> int:
    return local_part(tensor.detach()).untyped_storage().data_ptr()


def free_bytes(device: torch.device, limit: int | None) -> int:
    """Return what a training may take now: what is free on the device, or the limit if that is less."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    else:
        free = int(psutil.virtual_memory().available)
    return free if limit is None else min(free, limit)
