"""A small U-Net: stages that halve the image, and as many that double it again with what each stage saw.

Shapes: B images, C channels, H height, W width, K outputs.
"""

from __future__ import annotations

import itertools
from typing import cast

import torch
from torch import Tensor, nn

_MOST_WIDTH = 8  # times the first stage's


class Pair(nn.Module):
    """Two convolutions with norms, and a way around the second (arXiv:1512.03385)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.one, self.two = convolution(inputs, outputs), convolution(outputs, outputs, active=False)
        self.active = nn.ReLU()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return maps of the same size."""
        first = self.one(x_BCHW)
        return cast(Tensor, self.active(first + self.two(first)))


def convolution(inputs: int, outputs: int, *, stride: int = 1, active: bool = True) -> nn.Sequential:
    """Return a 3x3 convolution with its norm and, unless left out, a rectifier."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([nn.ReLU()] if active else []))


class UNet(nn.Module):
    """The network of arXiv:1505.04597.

    Differs: norms after convolutions, padded convolutions, a way around every second one, doubling by repeating
    pixels and a convolution instead of a transposed one, and a first convolution that may halve the image.

    Args:
        channels: C.
        outputs: K.
        width: channels of the first stage; each further one has twice as many, at most eight times.
        halvings: of the image until the lowest stage; H and W are multiples of ``2 ** halvings``.
        first: 1 keeps the size in the first convolution, 2 halves it.
        last: pixels of the image for one of the output; 1, or a power of 2 that is at least ``first``.
        dropout: at the lowest stage.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        *,
        width: int,
        halvings: int,
        first: int = 1,
        last: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        stages = halvings - (first == 2)
        self.kept = stages - (last // first).bit_length() + 1  # stages that are undone
        widths = [width * min(2**stage, _MOST_WIDTH) for stage in range(stages + 1)]
        self.stem = nn.Sequential(convolution(channels, width, stride=first), Pair(width, width))
        self.down = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2), Pair(here, below)) for here, below in itertools.pairwise(widths)
        )
        self.dropout = nn.Dropout(dropout)
        undone = [(widths[stage + 1], widths[stage]) for stage in reversed(range(stages - self.kept, stages))]
        self.up = nn.ModuleList(
            nn.Sequential(nn.Upsample(scale_factor=2), convolution(below, here)) for below, here in undone
        )
        self.join = nn.ModuleList(Pair(2 * here, here) for _, here in undone)
        self.head = nn.Conv2d(undone[-1][1] if undone else widths[-1], outputs, 1)
        self._start()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return maps ``(B, K, H / last, W / last)``."""
        seen = [self.stem(x_BCHW)]
        for down in self.down:
            seen.append(down(seen[-1]))
        x = self.dropout(seen.pop())
        for up, join in zip(self.up, self.join, strict=True):
            x = join(torch.cat([up(x), seen.pop()], dim=1))
        return cast(Tensor, self.head(x))

    def _start(self) -> None:
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if isinstance(module, Pair):
                    cast(nn.BatchNorm2d, module.two[1]).weight.zero_()  # its second convolution begins as nothing
            nn.init.normal_(self.head.weight, std=0.1)  # 0.01 left rare classes unfound
            nn.init.zeros_(cast(Tensor, self.head.bias))
