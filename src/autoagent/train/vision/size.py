"""Count what a network costs: its parameters, and the operations of one image, counted by torch as it runs."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def model_size(net: nn.Module, shape: tuple[int, int, int]) -> dict[str, Any]:
    """Return parameters, floating-point operations of one image (a multiply-add counts as two), and input size.

    Args:
        net: of one input.
        shape: ``(c, h, w)`` of an image.
    """
    was_training = net.training
    net.eval()
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        net(torch.zeros(1, *shape))
    net.train(was_training)
    return {
        "parameters": sum(p.numel() for p in net.parameters()),
        "flops": int(counter.get_total_flops()),
        "input": f"{shape[1]}x{shape[2]}x{shape[0]}",
    }
