"""The C kernel: one call updates all parameters on the CPU that share a rule and a way of storing."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autoagent.ops.kernels import build
from autoagent.ops.kernels.job import Job, Rule

RULES = frozenset(
    {"adamw", "adam", "nadamw", "sgd", "sgd_momentum", "lion", "adagrad", "ademamix"}
    | {"rmsprop", "rmsprop_momentum", "rmsprop_centered", "rmsprop_centered_momentum"}
)
_DTYPES = {torch.float32: 0, torch.bfloat16: 1}
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


@dataclass(frozen=True)
class Batch:
    """Jobs of one library, described for C; the tensors are held so that no pointer dangles.

    Attributes:
        library: the compiled kernel.
        jobs: the jobs.
        held: their states.
        records: the descriptors.
    """

    library: ctypes.CDLL
    jobs: Sequence[Job]
    held: Sequence[Tensor]
    records: _Records

    def run(self) -> None:
        """Do all jobs with their gradients and numbers of this step."""
        jobs, records = self.jobs, self.records
        params = [job.param if job.param.is_contiguous() else job.param.contiguous() for job in jobs]
        grads = [job.grad if job.grad.is_contiguous() else job.grad.contiguous() for job in jobs]
        records["param"][:-1] = [param.data_ptr() for param in params]
        records["grad"][:-1] = [grad.data_ptr() for grad in grads]
        rows: dict[int, int] = {}
        records["numbers"][:-1] = [rows.setdefault(id(job.numbers), len(rows)) for job in jobs]
        numbers = _numbers(jobs, rows)
        values = int(records["numel"][-1])
        threads = 1 if values < _ONE_THREAD_BELOW else torch.get_num_threads()
        units = int(records["first_unit"][-1])
        self.library.autoagent_step(records.ctypes.data, len(jobs), units, numbers.ctypes.data, threads)
        for job, param in zip(jobs, params, strict=True):
            if param is not job.param:
                job.param.copy_(param)


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
        record["state"][: len(states)] = [state.data_ptr() for state in states]
        record["absmax"][: len(scales)] = [scale.data_ptr() for scale in scales]
        record["numel"] = job.param.numel()
        record["salt"], record["bits"] = job.salt, job.bits
        record["dtype"], record["stochastic"] = _DTYPES[job.param.dtype], job.stochastic
    records["numel"][-1] = records["numel"].sum()
    unit = np.array([_unit(job) for job in jobs], dtype=np.int64)
    records["first_unit"][1:] = np.cumsum(-(-records["numel"][:-1] // unit))
    return Batch(library, jobs, held, records)


def _unit(job: Job) -> int:
    return {32: _WIDE_UNIT, 8: job.block, 4: 2 * job.block}[job.bits]


def _numbers(jobs: Sequence[Job], rows: dict[int, int]) -> _Records:
    numbers = np.zeros(len(rows), dtype=_NUMBERS)
    left = dict(rows)
    for job in jobs:
        row = left.pop(id(job.numbers), None)
        if row is not None:
            numbers["h"][row, : len(job.numbers)] = job.numbers
            numbers["round_key"][row] = job.round_key
        if not left:
            break
    return numbers
