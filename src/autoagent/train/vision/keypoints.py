"""Finding joints as a task of the training engine: images and joints that move together, a map of chances for each.

Shapes: B images, C channels, H height, W width, J joints, h and w of the maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from autoagent.structured import decode_joints
from autoagent.train.vision.augment import Augmentation
from autoagent.train.vision.moved import moved_joints
from autoagent.train.vision.pixels import PixelRows
from autoagent.train.vision.task import ImageRows, Part, as_input

Joints = NDArray[np.float32]

_JUDGED_AT_ONCE = 64
_FAR = 0.5  # units of distance, from which on a joint is simply wrong
_HIDDEN = 1.0  # v of a joint that is labelled and not seen


@dataclass
class JointTask(ImageRows):
    """What the engine trains.

    Attributes:
        model: from images ``(B, C, H, W)``, 0 to 1, to logits ``(B, J, h, w)`` of the place of each joint.
        rows: the training images.
        joints: ``(n, J, 5)``: x, y from 0 to 1, v (0 unlabelled, 1 hidden, 2 visible), units of distance in x and y;
            further numbers are left as they are.
        valid: images that it is judged by.
        valid_joints: theirs.
        flip_pairs: places of left and right joints, which a mirrored image exchanges.
        hidden: weight of a hidden joint; a visible one has 1.
        spread: of the chances around a joint's place, in cells of the map.
        slow: parameters that were trained before, by the factor of their learning rate.
    """

    model: nn.Module
    rows: PixelRows
    joints: Joints
    valid: PixelRows
    valid_joints: Joints
    augmentation: Augmentation = field(default_factory=Augmentation)
    flip_pairs: Sequence[tuple[int, int]] = ()
    hidden: float = 0.5
    spread: float = 1.0
    slow: Sequence[tuple[list[nn.Parameter], float]] = ()

    def load(self, part: Part) -> tuple[Tensor, Tensor]:
        """Read a batch and move images and joints alike."""
        places, random = np.asarray(part[0]), torch.as_tensor(np.asarray(part[1]))
        x, t = as_input(self.rows.read(places)), torch.from_numpy(self.joints[places])
        change = self.augmentation
        if change.strength > 0 or change.flip:
            t = moved_joints(t, change.affine(random), self.flip_pairs)
        return change.apply(x, random), t

    def loss(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the mean over images and joints of the cross-entropy of places; unlabelled joints have none."""
        x, t = batch
        return place_loss(model(x), t, hidden=self.hidden, spread=self.spread)

    def validate(self, model: nn.Module) -> float:
        """Return the mean distance of labelled joints, in units, as a share of the distance that is simply wrong."""
        device, total, known = next(model.parameters()).device, 0.0, 0
        for at in range(0, len(self.valid), _JUDGED_AT_ONCE):
            rows = slice(at, at + _JUDGED_AT_ONCE)
            heat = model(as_input(self.valid.read(rows)).to(device)).float().cpu().numpy()
            far = distances(self.valid_joints[rows], decode_joints(heat))
            total, known = total + float(np.minimum(far / _FAR, 1).sum()), known + len(far)
        return total / max(known, 1)


def distances(truth: Joints, said: Joints) -> NDArray[np.float64]:
    """Return how far each labelled joint is from where it was said to be, in its units, ``(m,)``.

    Args:
        truth: ``(n, J, 5)``, or with a sixth number that is not looked at.
        said: ``(n, J, 3)``.
    """
    apart = (said[:, :, :2].astype(np.float64) - truth[:, :, :2]) * truth[:, :, 3:5]
    return np.asarray(np.hypot(apart[:, :, 0], apart[:, :, 1])[truth[:, :, 2] > 0])


def place_loss(z_BJhw: Tensor, t_BJ5: Tensor, *, hidden: float, spread: float) -> Tensor:
    """Return the cross-entropy between a map's softmax and chances that fall off around the joint as a Gaussian's.

    Args:
        z_BJhw: logits of the cells.
        t_BJ5: joints; those with v 0 have no loss.
        hidden: weight of those with v 1.
        spread: standard deviation of the Gaussian in cells.
    """
    high, wide = z_BJhw.shape[2:]
    down = _chances(t_BJ5[:, :, 1], high, spread)
    across = _chances(t_BJ5[:, :, 0], wide, spread)
    wanted = (down[:, :, :, None] * across[:, :, None, :]).flatten(2)
    each = -(wanted * functional.log_softmax(z_BJhw.flatten(2), dim=2)).sum(dim=2)
    seen = t_BJ5[:, :, 2]
    weight = torch.where(seen > _HIDDEN, torch.ones_like(seen), torch.where(seen > 0, hidden, 0.0))
    return (weight * each).mean()


def _chances(at_BJ: Tensor, cells: int, spread: float) -> Tensor:
    middles = torch.arange(cells, device=at_BJ.device) + 0.5
    return functional.softmax(-0.5 * ((middles - at_BJ[:, :, None] * cells) / spread) ** 2, dim=2)
