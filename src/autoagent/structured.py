"""From what a network on images says to masks, boxes and joints; plain numpy, in training and in prediction alike.

Shapes: n images, K classes, J joints, h and w of a network's map, S pixels of the square that images are pressed into,
A candidates for boxes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_AROUND = 2  # cells on each side of a peak that a joint's place is the mean of
_CANDIDATES = 300  # of an image, that overlaps are looked at between
_OVERLAP = 0.6  # intersection over union from which on the less sure of two boxes of a class goes
_LEAST_SCORE = 0.01
_LEAST_SIDE = 1e-4  # of a box, as a share of the image


def decode_masks(logits_nKhw: NDArray[Any], side: int) -> NDArray[np.uint8]:
    """Return the most likely class of each pixel, ``(n, S, S)``; logits are interpolated linearly to the square.

    Args:
        logits_nKhw: of each class.
        side: S.
    """
    logits = np.asarray(logits_nKhw, dtype=np.float32)
    codes = np.empty((len(logits), side, side), dtype=np.uint8)
    down, across = interpolation(logits.shape[2], side), interpolation(logits.shape[3], side)
    for place, one in enumerate(logits):  # one by one: K maps of S x S are large
        whole = one if one.shape[1:] == (side, side) else down @ one @ across.T
        codes[place] = whole.argmax(axis=0)
    return codes


def decode_joints(heat_nJhw: NDArray[Any]) -> NDArray[np.float32]:
    """Return the place of each joint and how sure it is, ``(n, J, 3)``: x and y from 0 to 1, and a probability.

    A map's softmax is the probability of each cell. The place is the mean of the cells around the likeliest one,
    the confidence their sum.

    Args:
        heat_nJhw: logits of the cells of each joint.
    """
    n, joints, high, wide = heat_nJhw.shape
    flat = np.asarray(heat_nJhw, dtype=np.float64).reshape(n * joints, high * wide)
    chance = np.exp(flat - flat.max(axis=1, keepdims=True))
    chance /= chance.sum(axis=1, keepdims=True)
    rows, columns = np.divmod(chance.argmax(axis=1), wide)
    near = np.abs(np.arange(high) - rows[:, None]) <= _AROUND
    beside = np.abs(np.arange(wide) - columns[:, None]) <= _AROUND
    around = chance.reshape(-1, high, wide) * near[:, :, None] * beside[:, None, :]
    mass = around.sum(axis=(1, 2))
    x = (around.sum(axis=1) * ((np.arange(wide) + 0.5) / wide)).sum(axis=1) / mass
    y = (around.sum(axis=2) * ((np.arange(high) + 0.5) / high)).sum(axis=1) / mass
    return np.stack([x, y, np.minimum(mass, 1.0)], axis=1).reshape(n, joints, 3).astype(np.float32)


def decode_boxes(raw_nCA: NDArray[Any], most: int = 100) -> NDArray[np.float32]:
    """Return the surest boxes of each image, ``(n, most, 6)``: class (-1: none), score, x0, y0, x1, y1.

    Of two boxes of a class that overlap by more than an IoU of 0.6 the less sure goes (non-maximum suppression).
    Corners are cut at the image; boxes without an area, or with a score under 0.01, are left out.

    Args:
        raw_nCA: ``(n, 4 + K, A)``: x0, y0, x1, y1 from 0 to 1 and the logit of each class, of each candidate.
        most: boxes of an image.
    """
    found = np.full((len(raw_nCA), most, 6), -1, dtype=np.float32)
    for rows, raw in zip(found, np.asarray(raw_nCA, dtype=np.float32), strict=True):
        boxes = _surest(raw, most)
        rows[: len(boxes)] = boxes
    return found


def _surest(raw_CA: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    logits = raw_CA[4:]
    least = np.log(_LEAST_SCORE / (1 - _LEAST_SCORE))
    flat = logits.ravel()
    able = np.flatnonzero(flat >= least)
    able = able[np.argsort(-flat[able], kind="stable")[:_CANDIDATES]]
    classes, places = np.divmod(able, logits.shape[1])
    corners = np.clip(raw_CA[:4, places].T, 0, 1)
    sides = corners[:, 2:] - corners[:, :2]
    real = (sides > _LEAST_SIDE).all(axis=1)
    classes, corners, sides, able = classes[real], corners[real], sides[real], able[real]
    low = np.maximum(corners[:, None, :2], corners[None, :, :2])
    shared = np.maximum(np.minimum(corners[:, None, 2:], corners[None, :, 2:]) - low, 0).prod(axis=2)
    areas = sides.prod(axis=1)
    near = (classes[:, None] == classes[None]) & (shared > _OVERLAP * (areas[:, None] + areas[None] - shared))
    alive, kept = np.ones(len(able), dtype=np.bool_), list[int]()
    for place in range(len(able)):
        if alive[place] and len(kept) < most:
            kept.append(place)
            alive &= ~near[place]
    scores = 1 / (1 + np.exp(-flat[able[kept]]))
    return np.concatenate([classes[kept, None], scores[:, None], corners[kept]], axis=1).astype(np.float32)


def interpolation(size: int, side: int) -> NDArray[np.float32]:
    """Return the matrix ``(side, size)`` that interpolates linearly between the middles of pixels, ends repeated."""
    at = np.maximum((np.arange(side) + 0.5) * size / side - 0.5, 0)
    low = np.minimum(at.astype(np.int64), size - 1)
    high, share = np.minimum(low + 1, size - 1), (at - low).astype(np.float32)
    weights = np.zeros((side, size), dtype=np.float32)
    weights[np.arange(side), low] += 1 - share
    weights[np.arange(side), high] += share
    return weights
