"""A small convolutional network that is trained from scratch: a stem, stages that halve the image, residual blocks.

Shapes: B images, C channels, H height, W width, K outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from autoagent.space import Config, JSONScalar
from autoagent.train.features import ImageOptions
from autoagent.train.vision.learner import ImageLearner, Network

_LAST_SIDE = 7  # pixels of the last stage, about
_LARGE = 48  # from this side on the stem halves the image too
_MOST_WIDTH = 8  # times the first stage's


class Block(nn.Module):
    """Two convolutions with norms and a way around them (arXiv:1512.03385)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.two = _convolution(width, width), _convolution(width, width, active=False)
        self.active = nn.ReLU()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return images of the same shape."""
        return cast(Tensor, self.active(x_BCHW + self.two(self.one(x_BCHW))))


def _convolution(inputs: int, outputs: int, *, stride: int = 1, active: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([nn.ReLU()] if active else []))


def build_network(config: Config, shape: tuple[int, int, int], outputs: int) -> Network:
    """Return the network for images ``(C, H, W)`` and ``K`` outputs."""
    channels, side = shape[0], shape[1]
    width, depth = cast(int, config["width"]), cast(int, config["depth"])
    large = side >= _LARGE
    layers: list[nn.Module] = [_convolution(channels, width, stride=2 if large else 1)]
    side, inputs, stage = side // 2 if large else side, width, 1
    while side > _LAST_SIDE + 1 or stage == 1:
        wider = width * min(2**stage, _MOST_WIDTH)
        layers += [nn.MaxPool2d(2), _convolution(inputs, wider), *(Block(wider) for _ in range(depth))]
        side, inputs, stage = side // 2, wider, stage + 1
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(cast(float, config["dropout"]))]
    head = nn.Linear(inputs, outputs)
    nn.init.zeros_(head.bias)
    body = nn.Sequential(*layers, head)
    with torch.no_grad():
        for module in body.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if isinstance(module, Block):
                cast(nn.BatchNorm2d, module.two[1]).weight.zero_()  # a block begins as nothing (arXiv:1706.02677)
    return Network(body, facts={"weights": "from scratch"})


def build(config: Mapping[str, JSONScalar]) -> ImageLearner:
    """Return the learner of a legal configuration."""
    return ImageLearner(dict(config), ImageOptions(scale=cast(float, config["scale"])), build_network)
