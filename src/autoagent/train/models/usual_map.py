"""The usual class of each pixel, place of each joint, and boxes: what any network must beat."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from autoagent.data.detection_formulas import overlaps
from autoagent.data.images.structures import Structure
from autoagent.data.segmentation_formulas import IGNORED
from autoagent.space import JSONScalar
from autoagent.structured import decode_boxes, decode_joints, decode_masks
from autoagent.train.features import ImageOptions
from autoagent.train.learner import FitContext
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.train.vision.pixels import PixelRows

_CELLS = 32  # of a map, on each side, at most
_MOST_BOXES = 20  # of a class
_LOOKED_AT = 1000  # boxes of a class, that the usual ones are chosen among
_OVERLAP = 0.5  # intersection over union from which on a box stands for another
_NEVER = -20.0  # logit of what is not there


@dataclass(frozen=True)
class UsualMap:
    """The same maps for every image.

    Attributes:
        usual: the maps, ``(K, h, w)``, or ``(4 + K, A)`` of boxes.
        shape: ``(h, w, c)`` of an image.
        decode: from maps ``(n, K, h, w)``, or ``(n, 4 + K, A)``, to what is predicted.
    """

    usual: NDArray[np.float32]
    shape: tuple[int, int, int]
    decode: Callable[[NDArray[Any]], NDArray[Any]]
    curve: list[float] = field(default_factory=list)

    def predict(self, X: PixelRows) -> NDArray[Any]:
        """Return what is predicted, one row for each image."""
        return np.repeat(self.decode(self.usual[None]), len(X), axis=0)

    def maps(self, X: PixelRows) -> NDArray[Any]:
        """Return the maps of each image, ``(n, K, h, w)``."""
        return np.repeat(self.usual[None], len(X), axis=0)

    def to_onnx(self) -> bytes:
        """Return a model from uint8 ``X`` ``(n, h, w, c)`` to maps ``Y``, before they are decoded."""
        graph = OnnxGraph()
        rows = graph.add("Shape", "X", start=0, end=1)
        sizes = graph.add("Concat", rows, graph.constant(self.usual.shape, np.int64), axis=0)
        return graph.finish(
            graph.add("Expand", graph.constant(self.usual[None]), sizes), image=self.shape, num_columns=self.usual.shape
        )


@dataclass(frozen=True)
class UsualLearner:
    """Counts; the images are not looked at.

    Attributes:
        features: how images are read.
        kind: of the targets.
    """

    features: ImageOptions
    kind: Literal["masks", "joints", "boxes"]

    def fit(
        self, X: PixelRows, y: NDArray[Any], *, X_valid: PixelRows, y_valid: NDArray[Any], context: FitContext
    ) -> UsualMap:
        """Return the maps of the training images' masks ``(n, S, S)``, joints ``(n, J, 5)`` or boxes ``(n, M, 6)``."""
        if self.kind == "boxes":
            return UsualMap(_usual_boxes(y, context.n_classes), X.shape[1:], decode_boxes)
        if self.kind == "joints":
            return UsualMap(_usual_joints(y), X.shape[1:], decode_joints)
        maps = _usual_classes(y, context.n_classes)
        return UsualMap(maps, X.shape[1:], functools.partial(decode_masks, side=y.shape[1]))


def usual_marks(structure: Structure, truth: NDArray[Any], n: int) -> NDArray[Any]:
    """Return the masks ``(n, S, S)``, boxes ``(n, 100, 6)`` or joints ``(n, J, 3)`` that are usual in ``truth``."""
    one: NDArray[Any]
    if structure.kind == "segmentation":
        one = decode_masks(_usual_classes(truth, len(structure.classes))[None], structure.side)
    elif structure.kind == "detection":
        one = decode_boxes(_usual_boxes(truth, len(structure.classes))[None])
    else:
        one = decode_joints(_usual_joints(truth)[None])
    return np.repeat(one, n, axis=0)


def build_masks(config: Mapping[str, JSONScalar]) -> UsualLearner:
    """Return the learner of masks; it has nothing to configure."""
    return UsualLearner(ImageOptions(), "masks")


def build_joints(config: Mapping[str, JSONScalar]) -> UsualLearner:
    """Return the learner of joints; it has nothing to configure."""
    return UsualLearner(ImageOptions(), "joints")


def build_boxes(config: Mapping[str, JSONScalar]) -> UsualLearner:
    """Return the learner of boxes; it has nothing to configure."""
    return UsualLearner(ImageOptions(), "boxes")


def _usual_classes(masks: NDArray[np.uint8], num_classes: int) -> NDArray[np.float32]:
    """Return the logarithm of how often each cell has each class, ``(K, h, w)``."""
    side = masks.shape[1]
    cells = min(_CELLS, side)
    place = np.arange(side) * cells // side
    counts = np.full((num_classes, cells * cells), 0.5)
    flat = place[:, None] * cells + place[None, :]
    for mask in masks:
        known = mask != IGNORED
        pairs = mask[known].astype(np.int64) * cells * cells + flat[known]
        counts += np.bincount(pairs, minlength=counts.size).reshape(counts.shape)
    shares = counts / counts.sum(axis=0)
    return np.asarray(np.log(shares).reshape(num_classes, cells, cells), dtype=np.float32)


def _usual_joints(joints: NDArray[Any]) -> NDArray[np.float32]:
    """Return a peak of one cell's width at the median place of each joint, ``(J, h, w)``; the middle if never seen."""
    seen = joints[:, :, 2] > 0
    places = np.where(seen[:, :, None], joints[:, :, :2], np.nan)
    known = seen.any(axis=0)
    middle = np.full((joints.shape[1], 2), 0.5)
    middle[known] = np.nanmedian(places[:, known], axis=0)
    at = (np.arange(_CELLS) + 0.5) / _CELLS
    across, down = ((at[None] - middle[:, axis, None]) * _CELLS for axis in (0, 1))
    return np.asarray(-0.5 * (down[:, :, None] ** 2 + across[:, None, :] ** 2), dtype=np.float32)


def _usual_boxes(boxes: NDArray[Any], num_classes: int) -> NDArray[np.float32]:
    """Return corners and logits, ``(4 + K, A)``, of the boxes that stand for the most boxes of the training images.

    For each class, the box that overlaps the most others that no earlier one stands for, again and again; how sure
    it is, is the share of the images with a box that it stands for.
    """
    chosen, sure = list[NDArray[np.float32]](), list[tuple[int, float]]()
    for code in range(num_classes):
        image, place = np.nonzero((boxes[:, :, 0] == code) & (boxes[:, :, 5] <= 0))
        some = np.unique(np.linspace(0, max(len(image) - 1, 0), min(len(image), _LOOKED_AT)).astype(np.int64))
        mine, image = boxes[image[some], place[some], 1:5].astype(np.float64), image[some]
        same = overlaps(mine, mine, np.zeros(len(mine), dtype=np.bool_)) >= _OVERLAP
        left = np.ones(len(mine), dtype=np.bool_)
        while left.any() and sum(one == code for one, _ in sure) < _MOST_BOXES:
            best = int((same & left).sum(axis=1).argmax())
            chosen.append(mine[best].astype(np.float32))
            sure.append((code, len(np.unique(image[same[best]])) / len(boxes)))
            left &= ~same[best]
    maps = np.full((4 + num_classes, max(len(chosen), 1)), _NEVER, dtype=np.float32)
    maps[:4] = 0 if not chosen else np.stack(chosen, axis=1)
    for column, (code, share) in enumerate(sure):
        maps[4 + code, column] = np.log(share / max(1 - share, 1e-6))
    return maps
