"""Change training images at random in ways that leave their class: all randomness comes in as numbers from 0 to 1.

Shapes: B images, C channels, H height, W width, U random numbers of each image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Mix = Literal["none", "mixup", "cutmix"]
NUM_RANDOM = 16
_TURN, _SHIFT, _ZOOM, _SHEAR = math.radians(25.0), 0.16, 0.2, 0.2  # at strength 1
_LIGHT, _CONTRAST, _TINT = 0.3, 0.4, 0.1
_ERASED = (0.02, 0.2)  # shares of the area


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a training image.

    Attributes:
        strength: from 0 to 1, of turning, shifting, zooming and shearing, and of colours.
        flip: it may be mirrored left to right.
        colour: light, contrast and tint may change.
        erase: chance that a rectangle is filled with grey (Random Erasing, arXiv:1708.04896).
        straight: nothing is turned or sheared, so that the sides of a box stay the sides of a box.
        mix: two images are blended (mixup, arXiv:1710.09412) or one has a rectangle of another (CutMix,
            arXiv:1905.04899). Differs: the partner is the batch in reverse, and half of the batches are left alone.
    """

    strength: float = 0.0
    flip: bool = False
    colour: bool = False
    erase: float = 0.0
    straight: bool = False
    mix: Mix = "none"

    def apply(self, x_BCHW: Tensor, u_BU: Tensor) -> Tensor:
        """Return changed images.

        Args:
            x_BCHW: from 0 to 1.
            u_BU: at least ``NUM_RANDOM`` random numbers from 0 to 1 for each.
        """
        x = self._move(x_BCHW, u_BU) if self.strength > 0 or self.flip else x_BCHW
        if self.colour and self.strength > 0:
            x = self._recolour(x, u_BU)
        return self._erase(x, u_BU) if self.erase > 0 else x

    def blend(self, x_BCHW: Tensor, t_BK: Tensor, u_BU: Tensor) -> tuple[Tensor, Tensor]:
        """Return images and soft targets, mixed with those of the batch in reverse."""
        if self.mix == "none" or float(u_BU[0, 15]) < 0.5 or len(x_BCHW) < 2:
            return x_BCHW, t_BK
        share = float(u_BU[0, 14])
        other_x, other_t = x_BCHW.flip(0), t_BK.flip(0)
        if self.mix == "mixup":
            keep = max(share, 1 - share)
            return keep * x_BCHW + (1 - keep) * other_x, keep * t_BK + (1 - keep) * other_t
        height, width = x_BCHW.shape[2:]
        high, wide = max(int(height * math.sqrt(share)), 1), max(int(width * math.sqrt(share)), 1)
        top, left = int(float(u_BU[0, 13]) * (height - high)), int(float(u_BU[0, 12]) * (width - wide))
        mixed = x_BCHW.clone()
        mixed[:, :, top : top + high, left : left + wide] = other_x[:, :, top : top + high, left : left + wide]
        part = high * wide / (height * width)
        return mixed, (1 - part) * t_BK + part * other_t

    def affine(self, u_BU: Tensor) -> Tensor:
        """Return where each pixel of the changed image comes from, ``(B, 2, 3)``, in coordinates from -1 to 1.

        What else belongs to an image (a mask, boxes, joints) moves by the same numbers: a point ``p`` of the image
        is at ``q`` of the changed one where ``A q + b = p``.
        """
        u = u_BU
        s, around = self.strength, 2 * u - 1
        lean = 0.0 if self.straight else s
        turn, shear = lean * _TURN * around[:, 0], lean * _SHEAR * around[:, 1]
        zoom_x, zoom_y = 1 + s * _ZOOM * around[:, 2], 1 + s * _ZOOM * around[:, 3]
        mirror = torch.where(u[:, 6] < 0.5, -1.0, 1.0) if self.flip else torch.ones_like(turn)
        cos, sin = torch.cos(turn), torch.sin(turn)
        return torch.stack(
            [
                torch.stack([mirror * zoom_x * cos, zoom_y * (shear - sin), s * _SHIFT * around[:, 4]], dim=1),
                torch.stack([mirror * zoom_x * sin, zoom_y * cos, s * _SHIFT * around[:, 5]], dim=1),
            ],
            dim=1,
        )

    def _move(self, x: Tensor, u: Tensor) -> Tensor:
        grid = functional.affine_grid(self.affine(u), list(x.shape), align_corners=False)
        return functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)

    def _recolour(self, x: Tensor, u: Tensor) -> Tensor:
        around, s = (2 * u - 1)[:, :, None, None, None], self.strength
        mean = x.mean(dim=(1, 2, 3), keepdim=True)
        x = (x - mean) * (1 + s * _CONTRAST * around[:, 7]) + mean + s * _LIGHT * around[:, 8]
        if x.shape[1] == 3:
            x = x + s * _TINT * (2 * u[:, 9:12] - 1)[:, :, None, None]
        return x.clamp(0, 1)

    def _erase(self, x: Tensor, u: Tensor) -> Tensor:
        height, width = x.shape[2:]
        area = _ERASED[0] + (_ERASED[1] - _ERASED[0]) * u[:, 11]
        half = torch.where(u[:, 10] < self.erase, area.sqrt() / 2, torch.zeros_like(area))[:, None]
        rows = (torch.arange(height) + 0.5)[None, :] / height
        columns = (torch.arange(width) + 0.5)[None, :] / width
        inside = ((rows - u[:, 12:13]).abs() < half)[:, None, :, None]
        inside = inside & ((columns - u[:, 13:14]).abs() < half)[:, None, None, :]
        return torch.where(inside, torch.full_like(x, 0.5), x)
