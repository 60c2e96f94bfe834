"""How much of the space up to a stated reference point a set of trials dominates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import TrialState

Array = NDArray[np.float64]


def hypervolume(losses: ArrayLike, reference: ArrayLike) -> float:
    """Return the exact volume between a set of points and the reference point (Zitzler and Thiele 1998).

    Slices along the last objective and sums the volumes of the slices, down to two objectives, where it is a sum of
    rectangles: O(n log n) for two objectives, O(n^(m-1) log n) for ``m``.

    Args:
        losses: ``(n, m)``, lower is better; a point that is not below the reference in every objective adds nothing,
            and neither does one with a NaN.
        reference: ``(m,)`` finite losses, in the same units; results are comparable only under the same one.

    Raises:
        ValueError: the shapes do not fit, or the reference is not finite.
    """
    corner = np.asarray(reference, dtype=float)
    if corner.ndim != 1 or corner.size == 0 or not np.isfinite(corner).all():
        raise ValueError(f"the reference point must be a list of finite numbers, not {reference!r}")
    points = np.asarray(losses, dtype=float).reshape(-1, corner.size)
    inside = points[(points < corner).all(axis=1)]  # a NaN is not below anything
    return _volume(nondominated(inside), corner)


def nondominated(losses: Array) -> Array:
    """Return the points of ``(n, m)`` that no other one dominates, each once, sorted by the first objective."""
    points = np.unique(losses, axis=0)
    keep = np.ones(len(points), dtype=bool)
    for index, point in enumerate(points):
        if keep[index]:
            others = np.flatnonzero(keep)
            beaten = (points[others] >= point).all(axis=1) & (others != index)
            keep[others[beaten]] = False
    return points[keep]


def study_losses(study: Study) -> Array:
    """Return ``(n, m)``: the objectives of the completed trials in their order, negated where larger is better."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    signs = _signs(study.directions)
    return np.array([trial.values for trial in done], dtype=float).reshape(-1, signs.size) * signs


def study_hypervolume(study: Study, reference: Sequence[float]) -> float:
    """Return the hypervolume of a study's completed trials.

    Args:
        study: with one or more objectives, each in its own direction.
        reference: the worst acceptable value of each objective, in the study's own units and directions.

    Raises:
        ValueError: there is not one number for each objective.
    """
    return hypervolume(study_losses(study), _corner(study, reference))


def hypervolume_curve(study: Study, reference: Sequence[float]) -> Array:
    """Return ``(n,)``: the hypervolume after each completed trial; it never falls."""
    corner = _corner(study, reference)
    losses = study_losses(study)
    front = np.empty((0, corner.size))
    values: list[float] = []
    for loss in losses:
        if (front <= loss).all(axis=1).any():
            values.append(values[-1] if values else 0.0)
            continue
        front = nondominated(np.vstack([front, loss[None]]))
        values.append(hypervolume(front, corner))
    return np.array(values)


def _corner(study: Study, reference: Sequence[float]) -> Array:
    if len(reference) != len(study.directions):
        raise ValueError(f"the study has {len(study.directions)} objectives, the reference point {len(reference)}")
    return np.asarray(reference, dtype=float) * _signs(study.directions)


def _signs(directions: Sequence[StudyDirection]) -> Array:
    return np.array([-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in directions])


def _volume(front: Array, corner: Array) -> float:
    """Return the volume of points that do not dominate each other and are all below the corner."""
    if len(front) == 0:
        return 0.0
    if corner.size == 1:
        return float(corner[0] - front[:, 0].min())
    if corner.size == 2:
        order = front[np.argsort(front[:, 0], kind="stable")]
        upper = np.concatenate([corner[1:], order[:-1, 1]])
        return float(((corner[0] - order[:, 0]) * (upper - order[:, 1])).sum())
    order = front[np.argsort(front[:, -1], kind="stable")]
    tops = np.concatenate([order[1:, -1], corner[-1:]])
    total = 0.0
    for count, (bottom, top) in enumerate(zip(order[:, -1], tops, strict=True), start=1):
        if top > bottom:
            total += float(top - bottom) * _volume(nondominated(order[:count, :-1]), corner[:-1])
    return total
