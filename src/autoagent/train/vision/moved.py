"""Move masks, boxes and joints as their images are moved.

Shapes: B images, H height, W width, M boxes, J joints.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

IGNORED = 255
_LEAST_SEEN = 0.35  # share of a box's area inside the image, under which it counts nowhere


def moved_masks(codes_BHW: Tensor, affine_B23: Tensor) -> Tensor:
    """Return class codes moved to the nearest pixel; what comes from outside the image is ``IGNORED``.

    Args:
        codes_BHW: uint8.
        affine_B23: as ``Augmentation.affine`` gives it.
    """
    shifted = codes_BHW[:, None].float() + 1
    grid = functional.affine_grid(affine_B23, list(shifted.shape), align_corners=False)
    found = functional.grid_sample(shifted, grid, mode="nearest", padding_mode="zeros", align_corners=False)[:, 0]
    return torch.where(found == 0, float(IGNORED), found - 1).to(torch.uint8)


def turned(images_BCHW: Tensor, masks_BHW: Tensor, u_B2: Tensor) -> tuple[Tensor, Tensor]:
    """Return images and masks turned upside down or over their diagonal, each for half of them."""
    down, over = (u_B2[:, place, None, None] < 0.5 for place in (0, 1))
    images = torch.where(down[..., None], images_BCHW.flip(2), images_BCHW)
    masks = torch.where(down, masks_BHW.flip(1), masks_BHW)
    return torch.where(over[..., None], images.transpose(2, 3), images), torch.where(over, masks.transpose(1, 2), masks)


def moved_boxes(boxes_BM6: Tensor, affine_B23: Tensor) -> Tensor:
    """Return boxes where the moved image has them, cut at its border.

    Those that left it are no more (their class is -1), those of which little is left are ignored.

    Args:
        boxes_BM6: class, x0, y0, x1, y1 from 0 to 1, ignored.
        affine_B23: as ``Augmentation.affine`` gives it, of images that are neither turned nor sheared.
    """
    scale = torch.diagonal(affine_B23[:, :, :2], dim1=1, dim2=2)[:, None, None]
    corners = boxes_BM6[:, :, 1:5].reshape(*boxes_BM6.shape[:2], 2, 2)
    moved = ((2 * corners - 1 - affine_B23[:, None, None, :, 2]) / scale + 1) / 2
    low, high = moved.amin(dim=2), moved.amax(dim=2)
    inside = high.clamp(0, 1) - low.clamp(0, 1)
    share = inside.prod(dim=2) / (high - low).prod(dim=2).clamp(min=1e-12)
    there = (boxes_BM6[:, :, 0] >= 0) & (share > 0)
    ignored = torch.where(share < _LEAST_SEEN, torch.ones_like(share), boxes_BM6[:, :, 5])
    whole = torch.cat([boxes_BM6[:, :, :1], low.clamp(0, 1), high.clamp(0, 1), ignored[:, :, None]], dim=2)
    return torch.where(there[:, :, None], whole, torch.full_like(whole, -1.0))


def moved_joints(joints_BJ5: Tensor, affine_B23: Tensor, flip_pairs: Sequence[tuple[int, int]]) -> Tensor:
    """Return joints where the moved image has them; those that left it are unlabelled.

    Where an image is mirrored, the left and the right joint of each pair change their places in the list.

    Args:
        joints_BJ5: x, y from 0 to 1, v, and the units of distance, which stay.
        affine_B23: as ``Augmentation.affine`` gives it.
        flip_pairs: places of left and right joints.
    """
    turn, shift = affine_B23[:, :, :2], affine_B23[:, :, 2]
    around = 2 * joints_BJ5[:, :, :2] - 1 - shift[:, None, :]
    places = (torch.linalg.solve(turn, around.transpose(1, 2)).transpose(1, 2) + 1) / 2
    inside = ((places >= 0) & (places <= 1)).all(dim=2)
    seen = torch.where(inside, joints_BJ5[:, :, 2], torch.zeros_like(joints_BJ5[:, :, 2]))
    moved = torch.cat([places, seen[:, :, None], joints_BJ5[:, :, 3:]], dim=2)
    order = torch.arange(joints_BJ5.shape[1])
    for left, right in flip_pairs:
        order[left], order[right] = right, left
    mirrored = (torch.linalg.det(turn) < 0)[:, None, None]
    return torch.where(mirrored, moved[:, order], moved)
