"""The metrics of joints: the share that is near enough (PCK), and COCO's mean average precision by similarity (OKS).

Both count joints that are labelled, hidden ones among them. A distance is in units of the longer side of the figure's
box. Images without a labelled joint count nowhere.

Shapes: n images of one figure, J joints.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from autoagent.data.detection_formulas import THRESHOLDS, Array, average_precisions, joined, match_image

Joints = NDArray[np.float32]

# Of the 17 joints of a person (https://cocodataset.org/#keypoints-eval): how far annotators are apart, as a share of
# the square root of the figure's area: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles.
_BY_PART = {0.026: 1, 0.025: 2, 0.035: 2, 0.079: 2, 0.072: 2, 0.062: 2, 0.107: 2, 0.087: 2, 0.089: 2}
COCO_SIGMAS = np.array([sigma for sigma, times in _BY_PART.items() for _ in range(times)])
USUAL_SIGMA = 0.07  # of joints that nobody measured: the mean of COCO's 17 is 0.067
AREA_OF_BOX = 0.53  # what a person covers of its box, where the area is not known


def pck(truth: Joints, prediction: Joints) -> float:
    """Return the share of labelled joints that are at most 0.2 units away.

    Args:
        truth: ``(n, J, 5)`` or ``(n, J, 6)``: x, y from 0 to 1, v (0 unlabelled, 1 hidden, 2 visible), units of
            distance in x and in y, and what a distance is multiplied by for ``oks``.
        prediction: ``(n, J, 3)``: x, y and how sure each is.

    Returns:
        From 0 to 1; NaN where no joint is labelled.

    Raises:
        ValueError: the shapes do not fit.
    """
    return _share_near(0.2, truth, prediction)(np.arange(len(truth)))


def pck_10(truth: Joints, prediction: Joints) -> float:  # noqa: D103 - as pck, at most 0.1 units
    return _share_near(0.1, truth, prediction)(np.arange(len(truth)))


def pck_05(truth: Joints, prediction: Joints) -> float:  # noqa: D103 - as pck, at most 0.05 units
    return _share_near(0.05, truth, prediction)(np.arange(len(truth)))


def oks_map(truth: Joints, prediction: Joints) -> float:
    """Return COCO's mean average precision of figures over OKS thresholds 0.50 to 0.95; arguments as ``pck``.

    The rules are those of pycocotools for one figure and one detection in each image, whose score is the mean of how
    sure its joints are.

    Differs: a detection on an image without labelled joints counts nowhere, whatever it is near.

    Returns:
        From 0 to 1; NaN where no joint is labelled.
    """
    return _oks_map_by_images(truth, prediction)(np.arange(len(truth)))


def by_images(metric: str, truth: Joints, prediction: Joints) -> Callable[[NDArray[np.int64]], float]:
    """Return a function from some images, repeated or not, to the metric on them; distances are taken once, here.

    Args:
        metric: ``pck``, ``pck_10``, ``pck_05`` or ``oks_map``.
        truth: as ``pck`` takes it.
        prediction: likewise.
    """
    return _BY_IMAGES[metric](truth, prediction)


def distances(truth: Joints, prediction: Joints) -> Array:
    """Return how far each joint is from where it was said to be, in units, ``(n, J)``; NaN of unlabelled ones."""
    if truth.ndim != 3 or truth.shape[2] not in (5, 6) or prediction.shape != (*truth.shape[:2], 3):
        raise ValueError(f"joints of shapes {truth.shape} and {prediction.shape}; they are (n, J, 6) and (n, J, 3)")
    apart = (prediction[:, :, :2].astype(np.float64) - truth[:, :, :2]) * truth[:, :, 3:5]
    return np.where(truth[:, :, 2] > 0, np.hypot(apart[:, :, 0], apart[:, :, 1]), np.nan)


def oks(truth: Joints, prediction: Joints) -> Array:
    """Return the object keypoint similarity of each image, ``(n,)``; NaN where no joint is labelled.

    ``exp(-(d / (2 s sigma))² / 2)``, averaged over labelled joints: d a joint's distance and s the square root of the
    figure's area. The sixth number of a true joint is the longer side of the box over ``2 s sigma``. Without it, s is
    that of ``AREA_OF_BOX`` of a square box and sigma COCO's, or ``USUAL_SIGMA`` of other joints than its 17.
    """
    far = distances(truth, prediction)
    factor = truth[:, :, 5].astype(np.float64) if truth.shape[2] == 6 else usual_factors(truth.shape[1])
    near, known = np.exp(-((far * factor) ** 2) / 2), ~np.isnan(far)
    total = np.where(known, near, 0.0).sum(axis=1)
    count = known.sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def usual_factors(joints: int) -> Array:
    """Return what distances are multiplied by for ``oks`` where neither area nor sigmas are known, ``(J,)``."""
    sigmas = COCO_SIGMAS if joints == len(COCO_SIGMAS) else np.full(joints, USUAL_SIGMA)
    return np.asarray(1 / (2 * np.sqrt(AREA_OF_BOX) * sigmas))


def _share_near(most: float, truth: Joints, prediction: Joints) -> Callable[[NDArray[np.int64]], float]:
    far = distances(truth, prediction)
    near, known = (far <= most).sum(axis=1), (~np.isnan(far)).sum(axis=1)
    return lambda rows: float(near[rows].sum() / known[rows].sum()) if known[rows].any() else float("nan")


def _oks_map_by_images(truth: Joints, prediction: Joints) -> Callable[[NDArray[np.int64]], float]:
    similar, score = oks(truth, prediction), prediction[:, :, 2].astype(np.float64).mean(axis=1)
    known, no = ~np.isnan(similar), np.zeros(1, dtype=np.bool_)
    parts = [
        (int(place), score[place : place + 1], *match_image(similar[place].reshape(1, 1), no, no, THRESHOLDS))
        for place in np.flatnonzero(known)
    ]
    found = joined(parts, known.astype(np.int64), len(THRESHOLDS))

    def measure(rows: NDArray[np.int64]) -> float:
        weights = np.bincount(rows, minlength=len(truth))
        return float(average_precisions(found, weights).mean()) if found.wanted @ weights > 0 else float("nan")

    return measure


_BY_IMAGES: Mapping[str, Callable[[Joints, Joints], Callable[[NDArray[np.int64]], float]]] = {
    "pck": functools.partial(_share_near, 0.2),
    "pck_10": functools.partial(_share_near, 0.1),
    "pck_05": functools.partial(_share_near, 0.05),
    "oks_map": _oks_map_by_images,
}
