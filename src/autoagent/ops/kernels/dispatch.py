"""Which kernel updates which parameter: C on a CPU, Triton on a GPU, else plain torch, said once."""

from __future__ import annotations

import logging
from collections.abc import Callable

from torch import Tensor

from autoagent.ops.kernels import cpu, reference
from autoagent.ops.kernels.job import Job, Rule
from autoagent.ops.kernels.offload import run_with_states_on

_log = logging.getLogger(__name__)


class Engine:
    """Runs the jobs of one optimizer; keeps what was prepared for as long as the same jobs come back."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._batches: list[cpu.Batch] = []
        self._alone: list[tuple[Job, str]] = []
        self._said: set[str] = set()

    def run(self, jobs: list[Job]) -> None:
        """Update the parameters and states of all jobs in place."""
        if jobs != self._jobs or not all([batch.refresh() for batch in self._batches]):
            self._prepare(jobs)
            for batch in self._batches:
                batch.refresh()
        for batch in self._batches:
            if not batch.run():  # gradients have become wider than their parameters
                for job in batch.jobs:
                    reference.run(job)
                self._jobs = []
        for job, kernel in self._alone:
            run = _triton() if kernel == "triton" else reference.run
            if job.offloaded:
                run_with_states_on(job.param.device, job, run)
            else:
                run(job)

    def _prepare(self, jobs: list[Job]) -> None:
        choices = [_choice(job) for job in jobs]
        for reason in sorted({reason for kernel, reason in choices if kernel == "torch"} - self._said):
            self._said.add(reason)
            _log.warning("the optimizer steps in plain torch, which is slow: %s", reason)
        kinds = [kernel for kernel, _ in choices]
        self._batches = cpu.batches([job for job, kind in zip(jobs, kinds, strict=True) if kind == "c"])
        self._alone = [(job, kind) for job, kind in zip(jobs, kinds, strict=True) if kind != "c"]
        self._jobs = jobs


def _choice(job: Job) -> tuple[str, str]:
    kernel, reason = choice(job.param, job.rule, bits=job.bits, block=job.block)
    if kernel == "c" and cpu.is_rounded(job.grad.dtype, job.param.dtype):
        return "torch", "the C kernel reads gradients with the bits of their parameters"
    return kernel, reason


def choice(param: Tensor, rule: Rule, *, bits: int, block: int) -> tuple[str, str]:
    """Return the kernel for a parameter, ``c``, ``triton`` or ``torch``, and why it is not the fast one."""
    if param.device.type == "cpu":
        why_not = cpu.why_not(param, rule, block)
        return ("torch", why_not) if why_not else ("c", "")
    if param.device.type == "cuda":
        why_not = _why_no_triton(param, rule, bits)
        return ("torch", why_not) if why_not else ("triton", "")
    return "torch", f"there is no kernel for device {param.device.type!r}"


def _triton() -> Callable[[Job], None]:
    from autoagent.ops.kernels import triton_kernel

    return triton_kernel.run


def _why_no_triton(param: Tensor, rule: Rule, bits: int) -> str:
    try:
        from autoagent.ops.kernels import triton_kernel
    except ImportError as error:
        return f"the Triton kernel cannot be imported: {error}"
    return str(triton_kernel.why_not(param, rule, bits))
