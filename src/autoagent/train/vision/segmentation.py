"""Marking pixels as a task of the training engine: images and masks that move together, cross-entropy and Dice.

Shapes: B images, C channels, H height, W width, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from autoagent.data import segmentation_formulas as formulas
from autoagent.data.segmentation_formulas import FORMULAS, IGNORED, Masks
from autoagent.train.vision.augment import Augmentation
from autoagent.train.vision.moved import moved_masks, turned
from autoagent.train.vision.pixels import PixelRows
from autoagent.train.vision.task import ImageRows, Part, as_input

_JUDGED_AT_ONCE = 32
_LEAST_SHARE = 1e-4  # of the pixels, that a class is weighed as
_TURNS = slice(14, 16)  # random numbers that nothing else of an image's augmentation reads here


@dataclass
class MaskTask(ImageRows):
    """What the engine trains.

    Attributes:
        model: from images ``(B, C, H, W)``, 0 to 1, to logits ``(B, K, h, w)``, of the same size or smaller.
        rows: the training images.
        masks: ``(n, H, W)`` class codes, ``IGNORED`` where they count nowhere.
        valid: images that it is judged by.
        valid_masks: theirs.
        num_classes: K.
        metric: that it will be judged by.
        dice: weight of the Dice loss beside cross-entropy.
        weights: ``(K,)`` of the classes in cross-entropy.
        turns: images may be turned upside down and over their diagonal.
        slow: parameters that were trained before, by the factor of their learning rate.
    """

    model: nn.Module
    rows: PixelRows
    masks: Masks
    valid: PixelRows
    valid_masks: Masks
    num_classes: int
    metric: str
    augmentation: Augmentation = field(default_factory=Augmentation)
    dice: float = 0.0
    weights: NDArray[np.float32] | None = None
    turns: bool = False
    slow: Sequence[tuple[list[nn.Parameter], float]] = ()

    def load(self, part: Part) -> tuple[Tensor, Tensor]:
        """Read a batch and move images and masks alike."""
        places, random = np.asarray(part[0]), torch.as_tensor(np.asarray(part[1]))
        x, t = as_input(self.rows.read(places)), torch.from_numpy(self.masks[places])
        if self.turns:
            x, t = turned(x, t, random[:, _TURNS])
        change = self.augmentation
        if change.strength > 0 or change.flip:
            t = moved_masks(t, change.affine(random))
        return change.apply(x, random), t

    def loss(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the mean over the images of weighed cross-entropy and, as far as it counts, of the Dice loss."""
        x, t = batch
        return mask_loss(self._logits(model, x), t.long(), self.weights, self.dice)

    def validate(self, model: nn.Module) -> float:
        """Return one minus the metric, with all pixels of the validation images pooled."""
        counts = np.zeros((self.num_classes, self.num_classes), dtype=np.int64)
        device = next(model.parameters()).device
        for at in range(0, len(self.valid), _JUDGED_AT_ONCE):
            rows = slice(at, at + _JUDGED_AT_ONCE)
            logits = self._logits(model, as_input(self.valid.read(rows)).to(device))
            said = logits.argmax(dim=1).to(torch.uint8).cpu().numpy()
            counts += formulas.confusions(self.valid_masks[rows], said, self.num_classes).sum(axis=0)
        return 1.0 - FORMULAS[self.metric](counts)

    def _logits(self, model: nn.Module, x: Tensor) -> Tensor:
        logits: Tensor = model(x)
        if logits.shape[2:] == x.shape[2:]:
            return logits
        return functional.interpolate(logits, size=x.shape[2:], mode="bilinear", align_corners=False)


def mask_loss(z_BKHW: Tensor, t_BHW: Tensor, weights: NDArray[np.float32] | None, dice: float) -> Tensor:
    """Return the mean over images of cross-entropy plus ``dice`` times one minus the soft Dice of arXiv:1606.04797.

    Differs: Dice is the mean over all classes with one pixel added above and below, so that a class that is not there
    is to have no probability; ignored pixels are left out; denominators are sums, not sums of squares.
    """
    known = t_BHW != IGNORED
    w_K = None if weights is None else torch.from_numpy(weights).to(z_BKHW.device)
    t = torch.where(known, t_BHW, torch.zeros_like(t_BHW))
    each = functional.cross_entropy(z_BKHW, t, weight=w_K, reduction="none") * known
    total = (known if w_K is None else w_K[t] * known).flatten(1).sum(dim=1)
    loss = (each.flatten(1).sum(dim=1) / total.clamp(min=1e-6)).mean()
    if dice == 0:
        return loss
    p = functional.softmax(z_BKHW, dim=1) * known[:, None]
    one = functional.one_hot(t, z_BKHW.shape[1]).movedim(3, 1) * known[:, None]
    both = 2 * (p * one).sum(dim=(2, 3)) + 1
    return loss + dice * (1 - both / (p.sum(dim=(2, 3)) + one.sum(dim=(2, 3)) + 1)).mean()


def class_weights(masks: Masks, num_classes: int, power: float) -> NDArray[np.float32] | None:
    """Return weights of classes that go with their share of the pixels to the power ``-power``; mean 1 over pixels.

    Args:
        masks: of the training images.
        num_classes: K.
        power: 0 weighs all pixels alike (None is returned), 1 all classes.
    """
    if power == 0:
        return None
    counts = np.bincount(masks[masks != IGNORED], minlength=num_classes)[:num_classes]
    share = counts / max(counts.sum(), 1)
    weights = np.maximum(share, _LEAST_SHARE) ** -power
    return np.asarray(weights / max((weights * share).sum(), 1e-12), dtype=np.float32)


def resized_masks(masks: Masks, side: int) -> Masks:
    """Return masks ``(n, S, S)`` at another side, by the nearest pixel."""
    if masks.shape[1] == side:
        return masks
    places = ((np.arange(side) + 0.5) * masks.shape[1] / side).astype(np.int64)
    return np.ascontiguousarray(masks[:, places[:, None], places[None, :]])
