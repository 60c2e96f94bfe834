"""Several processes on one model: started by ``torchrun``, joined by DDP or FSDP2."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Processes:
    """The processes of a training.

    Attributes:
        rank: this one's number.
        world: how many there are.
        sharded: parameters are shared out (FSDP2), not copied (DDP).
    """

    rank: int = 0
    world: int = 1
    sharded: bool = False

    def total(self, value: float) -> float:
        """Return the sum over the processes."""
        return value if self.world == 1 else float(self._reduced(value, dist.ReduceOp.SUM))

    def least(self, value: float) -> float:
        """Return the least over the processes."""
        return value if self.world == 1 else float(self._reduced(value, dist.ReduceOp.MIN))

    def any(self, claim: bool) -> bool:
        """Say whether it holds in any process."""
        return claim if self.world == 1 else bool(self._reduced(float(claim), dist.ReduceOp.MAX))

    def agreed(self, value: float) -> float:
        """Return the first process's value."""
        if self.world == 1:
            return value
        tensor = torch.tensor(value, dtype=torch.float64, device=_home())
        dist.broadcast(tensor, 0)
        return float(tensor)

    def _reduced(self, value: float, how: Any) -> Tensor:  # noqa: ANN401 - torch leaves it untyped
        tensor = torch.tensor(value, dtype=torch.float64, device=_home())
        dist.all_reduce(tensor, how)
        return tensor

    def wait(self) -> None:
        """Wait for the others."""
        if self.world > 1:
            dist.barrier()

    @contextmanager
    def in_step(self, model: nn.Module, *, last: bool) -> Iterator[None]:
        """Exchange gradients in this backward pass only if it is the last of the update."""
        if self.world > 1 and isinstance(model, DistributedDataParallel) and not last:
            with model.no_sync():
                yield
            return
        if self.world > 1 and self.sharded:
            model.set_requires_gradient_sync(last)  # type: ignore[operator]  # FSDPModule's
        yield


def joined(*, sharded: bool) -> Processes:
    """Join the processes that ``torchrun`` started; alone where it did not."""
    if dist.is_available() and not dist.is_initialized() and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return Processes()
    return Processes(dist.get_rank(), dist.get_world_size(), sharded)


def share_out(model: nn.Module, processes: Processes) -> None:
    """Shard the parameters in place, if that is asked for: block by block, as they are gathered and let go."""
    if not processes.sharded:
        return
    from torch.distributed.fsdp import fully_shard

    for block in repeated_blocks(model):
        fully_shard(block)
    fully_shard(model)


def copied_out(model: nn.Module, processes: Processes) -> nn.Module:
    """Return the model with what averages its gradients over the processes, where each has a copy."""
    if processes.world == 1 or processes.sharded:
        return model
    on_gpu = next(model.parameters()).is_cuda
    devices = [torch.cuda.current_device()] if on_gpu else None
    return DistributedDataParallel(model, device_ids=devices, gradient_as_bucket_view=True)


def repeated_blocks(model: nn.Module) -> list[nn.Module]:
    """Return the entries of the model's lists of layers: what is gathered and let go one after the other."""
    lists = [part for part in model.modules() if isinstance(part, nn.ModuleList | nn.Sequential) and part is not model]
    inside = {id(m) for one in lists for child in one for m in child.modules() if m is not child}
    return [
        child
        for one in lists
        if id(one) not in inside
        for child in one
        if id(child) not in inside and any(p.requires_grad for p in child.parameters())
    ]


def _home() -> torch.device:
    return torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")
