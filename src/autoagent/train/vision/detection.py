"""Finding boxes as a task of the training engine: images and boxes that move together, judged by COCO's metric.

Shapes: B images, C channels, H height, W width, K classes, M places for objects, A points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from autoagent.data.detection_formulas import Boxes, by_images
from autoagent.structured import decode_boxes
from autoagent.train.vision.augment import Augmentation
from autoagent.train.vision.detection_loss import box_loss
from autoagent.train.vision.moved import moved_boxes
from autoagent.train.vision.pixels import PixelRows
from autoagent.train.vision.task import ImageRows, Part, as_input

_JUDGED_AT_ONCE = 64


@dataclass
class BoxTask(ImageRows):
    """What the engine trains.

    Attributes:
        model: from images ``(B, C, H, W)``, 0 to 1, to corners and logits ``(B, 4 + K, A)``.
        rows: the training images.
        boxes: ``(n, M, 6)``: class (-1: none), x0, y0, x1, y1 from 0 to 1, ignored.
        valid: images that it is judged by.
        valid_boxes: theirs.
        points: ``(A, 2)`` where the model's points are, x and y from 0 to 1.
        metric: that it will be judged by.
        focus: as ``box_loss`` takes it.
        slow: parameters that were trained before, by the factor of their learning rate.
    """

    model: nn.Module
    rows: PixelRows
    boxes: Boxes
    valid: PixelRows
    valid_boxes: Boxes
    points: Tensor
    metric: str
    augmentation: Augmentation = field(default_factory=lambda: Augmentation(straight=True))
    focus: float = 3.0
    slow: Sequence[tuple[list[nn.Parameter], float]] = ()

    def load(self, part: Part) -> tuple[Tensor, Tensor]:
        """Read a batch and move images and boxes alike."""
        places, random = np.asarray(part[0]), torch.as_tensor(np.asarray(part[1]))
        boxes = self.boxes[places]
        used = np.flatnonzero((boxes[:, :, 0] >= 0).any(axis=0))  # the loss takes memory for each place
        x, t = as_input(self.rows.read(places)), torch.from_numpy(boxes[:, : used.max(initial=0) + 1])
        change = self.augmentation
        if change.strength > 0 or change.flip:
            t = moved_boxes(t, change.affine(random))
        return change.apply(x, random), t

    def loss(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the mean over images of the loss of scores and sides."""
        x, t = batch
        return box_loss(model(x), t, self.points.to(t.device), objects=self._objects(), focus=self.focus)

    def validate(self, model: nn.Module) -> float:
        """Return one minus the metric; 1 where the validation images have no object."""
        device, parts = next(model.parameters()).device, []
        for at in range(0, len(self.valid), _JUDGED_AT_ONCE):
            raw = model(as_input(self.valid.read(slice(at, at + _JUDGED_AT_ONCE))).to(device))
            parts.append(decode_boxes(raw.float().cpu().numpy()))
        value = by_images(self.metric, self.valid_boxes, np.concatenate(parts))(np.arange(len(self.valid)))
        return 1.0 - (value if np.isfinite(value) else 0.0)

    def _objects(self) -> float:
        real = (self.boxes[:, :, 0] >= 0) & (self.boxes[:, :, 5] <= 0)
        return max(float(real.sum()) / len(self.boxes), 1.0)
