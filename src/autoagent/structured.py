"""From what a network on images says to masks and joints; plain numpy, in training and in prediction alike.

Shapes: n images, K classes, J joints, h and w of a network's map, S pixels of the square that images are pressed into.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_AROUND = 2  # cells on each side of a peak that a joint's place is the mean of


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


def interpolation(size: int, side: int) -> NDArray[np.float32]:
    """Return the matrix ``(side, size)`` that interpolates linearly between the middles of pixels, ends repeated."""
    at = np.maximum((np.arange(side) + 0.5) * size / side - 0.5, 0)
    low = np.minimum(at.astype(np.int64), size - 1)
    high, share = np.minimum(low + 1, size - 1), (at - low).astype(np.float32)
    weights = np.zeros((side, size), dtype=np.float32)
    weights[np.arange(side), low] += 1 - share
    weights[np.arange(side), high] += share
    return weights
