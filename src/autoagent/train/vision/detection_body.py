"""The last layers of detectors: from maps of features to the corners and the class logits of one box at each point.

Shapes: B images, C channels, K classes, A points, h and w of a map.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from autoagent.train.vision.unet_body import convolution

RARE = 0.01  # how sure of each class a point is before it learned anything


class BoxHead(nn.Module):
    """Two branches on one map of features: how far the sides of a box are from each point, and its class.

    Args:
        inputs: channels of the features.
        classes: K.
        width: channels of the branches.
        cells: h and w.
        unit: distance from a point to a side, as a share of the image, that the branch begins near.
    """

    def __init__(self, inputs: int, classes: int, *, width: int, cells: tuple[int, int], unit: float) -> None:
        super().__init__()
        self.points: Tensor
        self.unit = unit
        self.sides = nn.Sequential(convolution(inputs, width), nn.Conv2d(width, 4, 1))
        self.classes = nn.Sequential(convolution(inputs, width), nn.Conv2d(width, classes, 1))
        for branch, bias in ((self.sides, 1.0), (self.classes, math.log(RARE / (1 - RARE)))):
            nn.init.normal_(cast(Tensor, branch[1].weight), std=0.01)
            nn.init.constant_(cast(Tensor, branch[1].bias), bias)
        self.register_buffer("points", grid_points(*cells))
        middles = self.points.T.reshape(1, 2, *cells)
        self.register_buffer("shift", torch.cat([middles, -middles], dim=1), persistent=False)
        self.register_buffer("sign", torch.tensor([-1.0, -1, 1, 1]).reshape(1, 4, 1, 1), persistent=False)
        self.shift: Tensor
        self.sign: Tensor

    def forward(self, x_BChw: Tensor) -> Tensor:
        """Return corners from 0 to 1 and logits, ``(B, 4 + K, A)``; rows of the map one after another."""
        far = functional.softplus(self.sides(x_BChw)) * self.unit
        corners = (far - self.shift) * self.sign  # no sums: those are done with 8 bits, which is too coarse here
        return torch.flatten(torch.cat([corners, self.classes(x_BChw)], dim=1), 2)


def grid_points(high: int, wide: int) -> Tensor:
    """Return the middles of a map's cells, ``(A, 2)``: x and y from 0 to 1."""
    y, x = torch.meshgrid((torch.arange(high) + 0.5) / high, (torch.arange(wide) + 0.5) / wide, indexing="ij")
    return torch.stack([x, y], dim=2).reshape(-1, 2)
