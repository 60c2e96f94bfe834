"""Choose tasks that stand for all: small sets for development and for test, disjoint, of low star discrepancy.

A task is a point: how well a few methods of different kinds do on it. A subset stands for all tasks where, in every
box that begins at the origin, it has the same share of its points as all have. Source: carps, arXiv:2506.06143.

Differs: the published subsets come with the paper and the code that chose them does not; this is our own search by
exchanges, with the discrepancy taken exactly at the corners that the points span.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autoagent.errors import UserError

Floats = NDArray[np.float64]
_MOST_CORNERS = 20_000


def describe_tasks(losses: Floats) -> Floats:
    """Return ``(tasks, methods)`` points in [0, 1]: the ranks of each method's losses over the tasks, ties shared.

    Args:
        losses: ``(tasks, methods)``, normalised so that tasks can be compared, such as regrets.
    """
    from scipy.stats import rankdata

    return np.asarray((rankdata(losses, axis=0) - 0.5) / len(losses), dtype=float)


def star_discrepancy(chosen: Sequence[int], points: Floats, *, boxes: Floats | None = None) -> float:
    """Return the largest difference of shares over boxes ``[0, q)`` and ``[0, q]``.

    Args:
        chosen: rows of ``points``.
        points: ``(tasks, dimensions)`` in [0, 1].
        boxes: of `boxes_of`, where many subsets of the same points are looked at.
    """
    inside = boxes_of(points) if boxes is None else boxes
    return float(np.abs(inside[:, list(chosen)].mean(1) - inside.mean(1)).max())


def boxes_of(points: Floats) -> Floats:
    """Return ``(boxes, tasks)``: 1 where a point is in a box, half-open boxes first, then closed ones."""
    corners = corners_of(points)
    inside = [np.all(points[None] < corners[:, None], axis=-1), np.all(points[None] <= corners[:, None], axis=-1)]
    return np.unique(np.concatenate(inside).astype(float), axis=0)


def corners_of(points: Floats) -> Floats:
    """Return the corners that the coordinates of the points span, at most 20,000 of them."""
    axes = [np.unique(np.append(column, 1.0)) for column in points.T]
    total = int(np.prod([len(axis) for axis in axes]))
    if total <= _MOST_CORNERS:
        return np.array(list(itertools.product(*axes)))
    rng = np.random.default_rng(0)
    return np.stack([rng.choice(axis, _MOST_CORNERS) for axis in axes], axis=1)


def choose_subsets(points: Floats, size: int, *, seed: int = 0, swaps: int = 200) -> tuple[list[int], list[int]]:
    """Return two disjoint subsets, for development and for test, each of low star discrepancy to all points.

    Args:
        points: ``(tasks, dimensions)``, see `describe_tasks`.
        size: of each subset.
        seed: of the search.
        swaps: exchanges to try, half of them with tasks that neither has.

    Raises:
        UserError: there are not twice as many tasks.
    """
    if 2 * size > len(points):
        raise UserError(f"two disjoint subsets of {size} need {2 * size} tasks; there are {len(points)}")
    rng, boxes = np.random.default_rng(seed), boxes_of(points)
    order = [int(place) for place in rng.permutation(len(points))]
    best = _worst(order, size, points, boxes)
    for _ in range(swaps):
        a = int(rng.integers(2 * size))
        b = int(rng.integers(len(order)))
        trial = order.copy()
        trial[a], trial[b] = trial[b], trial[a]
        value = _worst(trial, size, points, boxes)
        if value <= best:
            order, best = trial, value
    return sorted(order[:size]), sorted(order[size : 2 * size])


def _worst(order: Sequence[int], size: int, points: Floats, boxes: Floats) -> float:
    parts = (order[:size], order[size : 2 * size])
    return max(star_discrepancy(part, points, boxes=boxes) for part in parts)
