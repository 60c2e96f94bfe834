"""States that wait in the memory of the CPU: moved to the parameter's device for one step, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from autoagent.ops.kernels.job import Job


def move_to_host(state: dict[str, Any]) -> None:
    """Move a state's tensors into the memory of the CPU, in place; pinned where there is CUDA."""
    for key, value in state.items():
        if isinstance(value, Tensor) and value.device.type != "cpu":
            state[key] = torch.empty_like(value, device="cpu", pin_memory=value.is_cuda).copy_(value)


def run_with_states_on(device: torch.device, job: Job, run: Callable[[Job], None]) -> None:
    """Run a job with copies of its states on a device, and bring them back."""
    home = job.state
    job.state = {
        key: value.to(device, copy=True) if isinstance(value, Tensor) else value for key, value in home.items()
    }
    try:
        run(job)
        for key, value in job.state.items():
            if isinstance(value, Tensor):
                home[key].copy_(value)
    finally:
        job.state = home
