"""What a detector learns: which of its points stand for an object, how sure they are to be, and where its sides are.

Shapes: B images, A points, K classes, M places for objects, k chosen points.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_CHOSEN = 10  # points that may stand for an object
_SURE = 0.5  # power of the score by which points are chosen
_BOX, _CLASS = 2.5, 0.5  # weights of the two losses
_TINY = 1e-9


@dataclass(frozen=True)
class Assignment:
    """What each point stands for.

    Attributes:
        scores: ``(B, A, K)`` how sure it is to be of each class, 0 to 1.
        place: ``(B, A)`` of the object whose sides it is to find.
        weight: ``(B, A)`` of that; 0 where it stands for nothing.
        counted: ``(B, A)`` whether the point is to learn how sure it is; not so inside ignored objects.
    """

    scores: Tensor
    place: Tensor
    weight: Tensor
    counted: Tensor


def box_loss(raw_BCA: Tensor, t_BM6: Tensor, points_A2: Tensor, *, objects: float, focus: float = 3.0) -> Tensor:
    """Return the mean over images of cross-entropy of scores and of one minus the complete IoU of boxes.

    Task alignment learning of TOOD (arXiv:2108.07755, section 3.2) with the weights of YOLOv8.

    Differs: the best point of an object learns to be sure whatever its overlap is, and the power of the overlap is 3,
    not 6 (trainings of 15 epochs from scratch on 300 generated images, one seed: 0.08 mAP as in the paper, 0.29 with
    the first, 0.38 with both, 0.39 with a power of 2); losses are divided by the mean number of objects in an image,
    not by the batch's sum of scores, so that a batch can be split; an object that holds no point takes the nearest
    one; points inside ignored objects that stand for nothing else learn no scores; plain cross-entropy and complete
    IoU (arXiv:1911.08287) as in YOLOv8.

    Args:
        raw_BCA: ``(B, 4 + K, A)`` corners from 0 to 1 and logits.
        t_BM6: class (-1: none), x0, y0, x1, y1, ignored.
        points_A2: x and y of each point.
        objects: mean number of objects in an image, above 0.
        focus: power of the overlap by which points are chosen, and by which others than the best are less sure.
    """
    corners, logits = raw_BCA[:, :4].transpose(1, 2), raw_BCA[:, 4:].transpose(1, 2)
    with torch.no_grad():
        wanted = assign(corners.float(), logits.float().sigmoid(), t_BM6, points_A2, focus)
    each = functional.binary_cross_entropy_with_logits(logits, wanted.scores, reduction="none")
    sure = (each.sum(dim=2) * wanted.counted).sum(dim=1)
    true = t_BM6[:, :, 1:5].gather(1, wanted.place[:, :, None].expand(-1, -1, 4))
    apart = ((1 - complete_iou(corners, true)) * wanted.weight).sum(dim=1)
    return ((_CLASS * sure + _BOX * apart) / objects).mean()


def assign(corners_BA4: Tensor, scores_BAK: Tensor, t_BM6: Tensor, points_A2: Tensor, focus: float = 3.0) -> Assignment:
    """Say which points stand for which objects: those inside that are the surest and fit best."""
    real = (t_BM6[:, :, 0] >= 0) & (t_BM6[:, :, 5] == 0)
    classes = t_BM6[:, :, 0].clamp(min=0).long()
    boxes = t_BM6[:, :, 1:5]
    inside = _holds(boxes, points_A2)
    able = (inside | _nearest(boxes, points_A2) & ~inside.any(dim=2, keepdim=True)) & real[:, :, None]  # (B, M, A)
    overlap = iou(corners_BA4[:, None], boxes[:, :, None]) * able
    mine = scores_BAK.transpose(1, 2).gather(1, classes[:, :, None].expand(-1, -1, scores_BAK.shape[1]))
    fit = (mine**_SURE * overlap**focus + _TINY) * able
    count = min(_CHOSEN, fit.shape[2])
    best = fit.topk(count, dim=2)
    chosen = torch.zeros_like(able).scatter_(2, best.indices, best.values > 0)
    place = torch.where(chosen, overlap + _TINY, torch.zeros_like(overlap)).argmax(dim=1)  # of several the best fit
    kept = chosen & (torch.arange(chosen.shape[1], device=place.device)[None, :, None] == place[:, None])
    fit, overlap = fit * kept, overlap * kept
    share = fit / fit.amax(dim=2, keepdim=True).clamp(min=_TINY)
    weight = (share * kept).sum(dim=1)
    taken = kept.any(dim=1)
    one = functional.one_hot(classes.gather(1, place), scores_BAK.shape[2])
    left_out = (t_BM6[:, :, 0] >= 0) & (t_BM6[:, :, 5] > 0)
    counted = taken | ~(inside & left_out[:, :, None]).any(dim=1)
    return Assignment(one * weight[:, :, None], place, weight, counted)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Return the intersection over union of boxes ``(..., 4)``; 0 where neither has an area."""
    both = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(dim=-1)
    areas = [(one[..., 2:] - one[..., :2]).clamp(min=0).prod(dim=-1) for one in (a, b)]
    return both / (areas[0] + areas[1] - both).clamp(min=_TINY)


def complete_iou(a: Tensor, b: Tensor) -> Tensor:
    """Return the complete IoU of boxes ``(..., 4)``: less for middles that are apart and for other shapes."""
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    apart = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2).square().sum(dim=-1)
    overlap, sides = iou(a, b), [(one[..., 2:] - one[..., :2]).clamp(min=1e-6) for one in (a, b)]
    angles = [torch.atan(one[..., 0] / one[..., 1]) for one in sides]
    shape = (4 / torch.pi**2) * (angles[0] - angles[1]).square()
    with torch.no_grad():
        trade = shape / (1 - overlap + shape).clamp(min=_TINY)
    return overlap - apart / hull.square().sum(dim=-1).clamp(min=_TINY) - trade * shape


def _holds(boxes_BM4: Tensor, points_A2: Tensor) -> Tensor:
    """Return which boxes hold which points, ``(B, M, A)``."""
    at = points_A2[None, None]
    return ((at > boxes_BM4[:, :, None, :2]) & (at < boxes_BM4[:, :, None, 2:])).all(dim=3)


def _nearest(boxes_BM4: Tensor, points_A2: Tensor) -> Tensor:
    middles = (boxes_BM4[:, :, :2] + boxes_BM4[:, :, 2:]) / 2
    far = torch.cdist(middles, points_A2[None].expand(len(boxes_BM4), -1, -1))
    return torch.zeros_like(far, dtype=torch.bool).scatter_(2, far.argmin(dim=2, keepdim=True), True)
