"""Run as one of two processes: train a sharded (FSDP2) and a whole copy of a model, and print how they compare."""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from autoagent.ops import AdamW


def build() -> nn.Sequential:
    """Return the same model in every process; 130 rows do not divide evenly."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 131), nn.Tanh(), nn.Linear(131, 64))


def train(model: nn.Module, optim: AdamW, x: torch.Tensor) -> None:
    """Take three steps."""
    for _ in range(3):
        optim.zero_grad()
        model(x).square().mean().backward()
        optim.step()


def main(rank: int, folder: Path) -> None:
    """Compare, and print one JSON line."""
    store = dist.FileStore(str(folder / "store"), 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=60))
    x = torch.randn(16, 64, generator=torch.Generator().manual_seed(1))
    whole, sharded = build(), build()
    for layer in sharded:
        if isinstance(layer, nn.Linear):
            fully_shard(layer, mesh=init_device_mesh("cpu", (2,)))
    plain = AdamW(whole.parameters(), lr=1e-2, state_bits=8, min_quantized_size=512, stochastic_rounding=False)
    optim = AdamW(sharded.parameters(), lr=1e-2, state_bits=8, min_quantized_size=512, stochastic_rounding=False)
    train(whole, plain, x)
    train(sharded, optim, x)
    off = max(
        float((q.full_tensor() - p).abs().max())
        for p, q in zip(
            (p.detach() for p in whole.parameters()), (q.detach() for q in sharded.parameters()), strict=True
        )
    )
    local = next(iter(sharded.parameters())).to_local()
    state = optim.state[next(iter(sharded.parameters()))]
    facts = {
        "off": off,
        "local": local.numel(),
        "codes": state["exp_avg"].numel(),
        "dtype": str(state["exp_avg"].dtype),
    }
    sys.stdout.write(json.dumps(facts) + "\n")
    dist.destroy_process_group()


os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
main(int(sys.argv[1]), Path(sys.argv[2]))
