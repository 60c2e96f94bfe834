"""The base of optims whose step needs a whole tensor at once: states become fp32, take a step, are stored again."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from autoagent.ops.codes import Code, slot_key
from autoagent.ops.kernels.job import LARGEST_GRADIENT, Job, Slot
from autoagent.ops.kernels.offload import run_with_states_on
from autoagent.ops.kernels.reference import blocks_of, decode, encode, pack, round_to_bfloat16, unpack
from autoagent.ops.optim.base import QuantizedOptimizer


class WholeTensorOptimizer(QuantizedOptimizer):
    """An optim that steps on one whole tensor after another; its states are fp32 copies meanwhile.

    A gradient element that is NaN, infinite or above 2**63 counts as 0 where elements depend on each other; the
    parameter and the states of that element itself stay as they are.
    """

    def numbers_of(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """Return nothing: ``step_one`` reads the group."""
        return ()

    @abstractmethod
    def step_one(self, job: Job, group: Mapping[str, Any], grad: Tensor, states: Sequence[Tensor]) -> Tensor:
        """Update the states in place and return the new parameter; all fp32 and of the parameter's shape.

        Args:
            job: the parameter, its step counted already.
            group: its options.
            grad: with 0 in place of what is not finite.
            states: of the rule's slots.
        """

    def code_of(self, job: Job, slot: Slot, group: Mapping[str, Any]) -> Code:
        """Return the number format of a quantized state."""
        return job.code(slot)

    @torch._disable_dynamo  # type: ignore[attr-defined]  # as in the base
    def _update_all(self) -> None:
        self._notice_replaced_states()
        due = [(job, group) for group in self.param_groups for job in self._due(group)]
        try:
            for job, group in due:
                self._run(job, group)
        finally:
            self._let_go([job for job, _ in due])

    @torch.no_grad()
    def _run(self, job: Job, group: Mapping[str, Any]) -> None:
        if job.offloaded:
            run_with_states_on(job.param.device, job, lambda here: self._run_here(here, group))
        else:
            self._run_here(job, group)
        job.grad = job.param  # a gradient must not outlive zero_grad

    def _run_here(self, job: Job, group: Mapping[str, Any]) -> None:
        raw = job.grad.float()
        usable = raw.abs() <= LARGEST_GRADIENT
        is_whole = bool(usable.all())
        slots = [(slot, self.code_of(job, slot, group) if job.bits < 32 else None) for slot in job.rule.slots]
        old = [read_state(job, slot, code) for slot, code in slots]
        states = old if is_whole else [state.clone() for state in old]
        new = self.step_one(job, group, raw if is_whole else torch.where(usable, raw, 0.0), states)
        for index, ((slot, code), state, before) in enumerate(zip(slots, states, old, strict=True)):
            write_state(job, slot, code, state if is_whole else torch.where(usable, state, before), index)
        write_parameter(job, new if is_whole else torch.where(usable, new, job.param.float()))


def read_state(job: Job, slot: Slot, code: Code | None) -> Tensor:
    """Return a state as a new fp32 tensor of the parameter's shape; without a code it is stored so."""
    stored, shape, numel = job.tensor(slot.name), job.param.shape, job.param.numel()
    if code is None:
        return stored.clone()
    codes = unpack(stored, numel, job.bits, job.block)
    return decode(codes, job.tensor(f"{slot.name}_absmax"), code).reshape(-1)[:numel].view(shape)


def write_state(job: Job, slot: Slot, code: Code | None, values: Tensor, index: int) -> None:
    """Store the fp32 values of the rule's state number ``index``; without a code as they are."""
    if code is None:
        job.tensor(slot.name).copy_(values)
        return
    key = slot_key(job.key, index) if job.stochastic and slot.slow else None
    codes, absmax = encode(blocks_of(values.contiguous().view(-1), job.block), code, key=key)
    job.tensor(slot.name).copy_(pack(codes, values.numel(), job.bits))
    job.tensor(f"{slot.name}_absmax").copy_(absmax)


def write_parameter(job: Job, values: Tensor) -> None:
    """Store a new parameter, bf16 rounded stochastically where the job asks for it."""
    if job.param.dtype == torch.bfloat16 and job.stochastic:
        flat = values.float().contiguous().view(-1)
        values = round_to_bfloat16(flat, key=slot_key(job.key, 3), first=0, block=job.block).view(values.shape)
    job.param.copy_(values)


def not_elementwise(
    param: Tensor, grad: Tensor, states: Sequence[Tensor], numbers: Sequence[float]
) -> tuple[Tensor, ...]:
    """Stand in for the elementwise arithmetic of a rule that has none; no kernel may be given it."""
    raise TypeError("this optim steps on whole tensors; its rule has no elementwise update")
