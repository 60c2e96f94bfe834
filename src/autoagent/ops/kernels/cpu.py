"""The C kernel: one call updates all parameters on the CPU that share a rule and a way of storing."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autoagent.errors import UserError
from autoagent.ops.kernels import build, flags
from autoagent.ops.kernels.job import Job, Rule
from autoagent.ops.kernels.reference import stored_bytes

RULES = frozenset(flags.RULES)
_DTYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}
_MOST_BLOCK, _MOST_NUMBERS, _WIDE_UNIT = 4096, 8, 1024
_ONE_THREAD_BELOW = 32768  # values; waking the threads costs more than they save

# struct tensor and struct numbers in cpu.c.
_TENSOR = np.dtype(
    [
        ("param", "u8"),
        ("grad", "u8"),
        ("state", "u8", 3),
        ("absmax", "u8", 3),
        ("numel", "i8"),
        ("first_unit", "i8"),
        ("salt", "u4"),
        ("numbers", "i4"),
        ("bits", "i4"),
        ("dtype", "i4"),
        ("stochastic", "i4"),
        ("unused", "i4"),
    ]
)
_NUMBERS = np.dtype([("h", "f4", _MOST_NUMBERS), ("round_key", "u4")])
_Records = np.ndarray[Any, np.dtype[np.void]]


def why_not(param: Tensor, rule: Rule, block: int) -> str:
    """Return why the C kernel cannot update a parameter on the CPU, or nothing if it can."""
    if param.dtype not in _DTYPES:
        return f"the C kernel has no {str(param.dtype).removeprefix('torch.')} parameters"
    if rule.name not in RULES:
        return f"the C kernel has no rule {rule.name!r}"
    if block > _MOST_BLOCK:
        return f"the C kernel has no blocks above {_MOST_BLOCK}"
    return build.load(rule.name, 8, block).reason


def is_rounded(grad: torch.dtype, param: torch.dtype) -> bool:
    """Say whether a gradient would lose bits as the parameter's dtype."""
    return grad is not param and param is not torch.float32


_scalars_of, _dtype_of = attrgetter("scalars"), attrgetter("dtype")


@dataclass
class Batch:
    """Jobs of one library, described for C; the tensors are held so that no pointer dangles.

    In a step of 10,000 small tensors the cost is what Python does for each of them, so each is looked at once. A
    parameter whose address has not changed is taken to have kept its layout.

    Attributes:
        library: the compiled kernel.
        jobs: the jobs.
        params: their parameters.
        dtypes: those of the parameters when the descriptors were made.
        held: their states.
        records: the descriptors; the parameters' addresses as ``refresh`` found them.
        in_place: whether all parameters are contiguous.
    """

    library: ctypes.CDLL
    jobs: Sequence[Job]
    params: Sequence[Tensor]
    dtypes: Sequence[torch.dtype]
    held: Sequence[Tensor]
    records: _Records
    in_place: bool = False

    def refresh(self) -> bool:
        """Take the parameters' addresses; return whether the descriptors hold for them: same dtypes, same sizes."""
        pointers = _pointers(self.params)
        if np.array_equal(self.records["param"][:-1], pointers):
            return True
        self.records["param"][:-1] = pointers
        self.in_place = all(map(Tensor.is_contiguous, self.params))
        sizes = [param.numel() for param in self.params]
        return [*map(_dtype_of, self.params)] == self.dtypes and bool((self.records["numel"][:-1] == sizes).all())

    def run(self) -> bool:
        """Do all jobs with their gradients and numbers of this step; say whether they were done.

        None is done where a gradient has more bits than its parameter, which ``Tensor.grad_dtype`` allows: C reads both
        alike, and rounding it first would not be the definition.
        """
        records, params = self.records, self.params
        pointers, copies = [], []
        for job, dtype in zip(self.jobs, self.dtypes, strict=True):
            grad = job.grad
            if grad.dtype is not dtype or not grad.is_contiguous():
                if is_rounded(grad.dtype, dtype):
                    return False
                grad = grad.to(dtype).contiguous()
                copies.append(grad)
            pointers.append(grad.data_ptr())
        records["grad"][:-1] = pointers
        if not self.in_place:
            params = [param.contiguous() for param in params]
            records["param"][:-1] = _pointers(params)
        numbers = self._number()
        threads = 1 if int(records["numel"][-1]) < _ONE_THREAD_BELOW else torch.get_num_threads()
        units = int(records["first_unit"][-1])
        self.library.autoagent_step(records.ctypes.data, len(self.jobs), units, numbers.ctypes.data, threads)
        if self.in_place:
            return True
        records["param"][:-1] = _pointers(self.params)
        for param, stepped in zip(self.params, params, strict=True):
            if stepped is not param:
                param.copy_(stepped)
        return True

    def _number(self) -> _Records:
        """Write into the descriptors which row of the returned scalars is whose."""
        scalars = [*map(_scalars_of, self.jobs)]
        if scalars.count(scalars[0]) == len(scalars):
            distinct = scalars[:1]
            self.records["numbers"][:-1] = 0
        else:
            distinct = [*{id(one): one for one in scalars}.values()]
            rows = {id(one): row for row, one in enumerate(distinct)}
            self.records["numbers"][:-1] = [rows[id(one)] for one in scalars]
        found = np.zeros(len(distinct), dtype=_NUMBERS)
        for row, (numbers, key) in enumerate(distinct):
            found["h"][row, : len(numbers)], found["round_key"][row] = numbers, key
        return found


def _pointers(tensors: Sequence[Tensor]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    return np.fromiter(map(Tensor.data_ptr, tensors), np.uint64, len(tensors))


def batches(jobs: Sequence[Job]) -> list[Batch]:
    """Return the batches that do these jobs, all of which the C kernel can do."""
    quantized = {job.rule.name: (job.bits, job.block) for job in jobs if job.bits < 32}
    groups: dict[tuple[str, int, int], list[Job]] = {}
    for job in jobs:  # 32-bit jobs go along with quantized ones of their rule
        bits, block = (job.bits, job.block) if job.bits < 32 else quantized.get(job.rule.name, (8, 256))
        groups.setdefault((job.rule.name, bits, block), []).append(job)
    return [_batch(build.load(*key).library, members) for key, members in groups.items()]


def _batch(library: ctypes.CDLL | None, jobs: Sequence[Job]) -> Batch:
    if library is None:
        raise RuntimeError("a batch for the C kernel without a C kernel")
    held: list[Tensor] = []
    records = np.zeros(len(jobs) + 1, dtype=_TENSOR)
    for job, record in zip(jobs, records, strict=False):
        names = [slot.name for slot in job.rule.slots]
        states = [job.tensor(name) for name in names]
        scales = [job.tensor(f"{name}_absmax") for name in names] if job.bits < 32 else []
        held += [*states, *scales]
        expected = job.param.numel() if job.bits == 32 else stored_bytes(job.param.numel(), job.bits)
        if any(state.numel() != expected for state in states):
            raise UserError("a parameter has another size than its states; give the optimizer the new parameter")
        record["state"][: len(states)] = [state.data_ptr() for state in states]
        record["absmax"][: len(scales)] = [scale.data_ptr() for scale in scales]
        record["numel"] = job.param.numel()
        record["salt"], record["bits"] = job.salt, job.bits
        record["dtype"], record["stochastic"] = _DTYPES[job.param.dtype], job.stochastic
    records["numel"][-1] = records["numel"].sum()
    unit = np.array([_unit(job) for job in jobs], dtype=np.int64)
    records["first_unit"][1:] = np.cumsum(-(-records["numel"][:-1] // unit))
    params = [job.param for job in jobs]
    return Batch(library, jobs, params, [*map(_dtype_of, params)], held, records)


def _unit(job: Job) -> int:
    return {32: _WIDE_UNIT, 8: job.block, 4: 2 * job.block}[job.bits]
