"""The metric of boxes: COCO's mean average precision, matched once for each image so that a bootstrap is cheap.

The rules are those of pycocotools (https://cocodataset.org/#detection-eval) for boxes of all sizes and at most 100
detections of a class in an image. In each image the detections of a class take, the surest first, the best free object
that they overlap enough; one that can only take an ignored object counts nowhere. What an image's detections take does
not depend on other images, so a resample of images weighs what was found once.

Differs: classes are those of the truth's numbers, and of two detections as sure as each other the one of the image
that comes first in the array is first.

Shapes: n images, M places for objects, P places for detections, T thresholds, G objects and D detections of a class
in an image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Boxes = NDArray[np.float32]

THRESHOLDS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0.0, 1.0, 101)
_MOST = 100  # detections of a class in an image
_WHOLE = 1 - 1e-10  # an overlap that is as good as complete


@dataclass(frozen=True)
class Matches:
    """What became of the detections of one class in all images, the surest first.

    Attributes:
        image: ``(d,)`` the image of each.
        scores: ``(d,)`` how sure each is.
        hits: ``(T, d)`` it took an object.
        ignored: ``(T, d)`` it took an ignored object, and counts nowhere.
        wanted: ``(n,)`` objects of each image that are not ignored.
    """

    image: NDArray[np.int64]
    scores: Array
    hits: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    wanted: NDArray[np.int64]


def mean_average_precision(truth: Boxes, prediction: Boxes) -> float:
    """Return the mean of average precision over IoU thresholds 0.50 to 0.95 and over the classes of the truth.

    Args:
        truth: ``(n, M, 6)``: class, x0, y0, x1, y1, ignored; the class is -1 where there is no object.
        prediction: ``(n, P, 6)``: class, score, x0, y0, x1, y1; the class is -1 where there is no detection.

    Returns:
        From 0 to 1; NaN where all objects are ignored, or there are none.

    Raises:
        ValueError: the shapes do not fit.
    """
    return by_images("mean_average_precision", truth, prediction)(np.arange(len(truth)))


def map_50(truth: Boxes, prediction: Boxes) -> float:  # noqa: D103 - as above, at an IoU of 0.50 alone
    return by_images("map_50", truth, prediction)(np.arange(len(truth)))


def by_images(metric: str, truth: Boxes, prediction: Boxes) -> Callable[[NDArray[np.int64]], float]:
    """Return a function from some images, repeated or not, to the metric on them; boxes are matched once, here.

    Args:
        metric: ``mean_average_precision`` or ``map_50``.
        truth: as ``mean_average_precision`` takes it.
        prediction: likewise.
    """
    found, chosen = match_classes(truth, prediction, THRESHOLDS[_PLACES[metric]]), len(truth)
    return lambda rows: mean_of_classes(found.values(), np.bincount(rows, minlength=chosen))


def class_average_precisions(truth: Boxes, prediction: Boxes) -> dict[int, Array]:
    """Return the average precision at each of ``THRESHOLDS`` of every class that has an object, ``(T,)``."""
    ones = np.ones(len(truth), dtype=np.int64)
    found = match_classes(truth, prediction, THRESHOLDS)
    return {c: average_precisions(one, ones) for c, one in found.items() if one.wanted.any()}


@dataclass(frozen=True)
class OperatingPoint:
    """Where to cut a detector's boxes.

    Attributes:
        score: boxes that are at least so sure are to be acted on.
        precision: share of them that take an object.
        recall: share of the objects that are taken.
    """

    score: float
    precision: float
    recall: float


def operating_point(truth: Boxes, prediction: Boxes) -> OperatingPoint:
    """Return the score from which on boxes have the best F1 at an IoU of 0.50, all classes pooled.

    Arguments and errors as ``mean_average_precision``. The score is 1 where no box takes an object.
    """
    found = list(match_classes(truth, prediction, THRESHOLDS[:1]).values())
    total = max(sum(int(one.wanted.sum()) for one in found), 1)
    scores = np.concatenate([np.zeros(0), *(one.scores for one in found)])
    hits, ignored = (
        np.concatenate([np.zeros(0, dtype=np.bool_), *(getattr(one, name)[0] for one in found)])
        for name in ("hits", "ignored")
    )
    order = np.argsort(-scores, kind="stable")
    right, seen = np.cumsum(hits[order]), np.cumsum(~ignored[order])
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, len(order) > 0))  # boxes alike are taken together
    if not hits.any():
        return OperatingPoint(1.0, 0.0, 0.0)
    best = ends[(2 * right[ends] / (seen[ends] + total)).argmax()]
    return OperatingPoint(float(scores[order][best]), float(right[best] / seen[best]), float(right[best] / total))


def match_classes(truth: Boxes, prediction: Boxes, thresholds: Array) -> dict[int, Matches]:
    """Match the detections of each class with its objects; arguments as ``mean_average_precision``."""
    if truth.ndim != 3 or prediction.ndim != 3 or truth.shape[2] != 6 or prediction.shape[2] != 6:
        raise ValueError(f"boxes of shapes {truth.shape} and {prediction.shape}; both are (n, places, 6)")
    if len(truth) != len(prediction):
        raise ValueError(f"{len(truth)} images of truth and {len(prediction)} of predictions")
    codes = np.concatenate([truth[:, :, 0].ravel(), prediction[:, :, 0].ravel()])
    classes = np.unique(codes[codes >= 0]).astype(np.int64)
    return {int(c): _match_class(c, truth, prediction, thresholds) for c in classes}


def _match_class(which: int, truth: Boxes, prediction: Boxes, thresholds: Array) -> Matches:
    parts: list[tuple[int, Array, NDArray[np.bool_], NDArray[np.bool_]]] = []
    wanted = np.zeros(len(truth), dtype=np.int64)
    there = (truth[:, :, 0] == which).any(axis=1) | (prediction[:, :, 0] == which).any(axis=1)
    for place in np.flatnonzero(there).tolist():
        mine = truth[place][truth[place, :, 0] == which].astype(np.float64)
        said = prediction[place][prediction[place, :, 0] == which].astype(np.float64)
        said = said[np.argsort(-said[:, 1], kind="stable")][:_MOST]
        crowd = mine[:, 5] > 0
        wanted[place] = np.count_nonzero(~crowd)
        if len(said):
            taken = match_image(overlaps(said[:, 2:], mine[:, 1:5], crowd), crowd, crowd, thresholds)
            parts.append((place, said[:, 1], *taken))
    return joined(parts, wanted, len(thresholds))


def joined(
    parts: Sequence[tuple[int, Array, NDArray[np.bool_], NDArray[np.bool_]]], wanted: NDArray[np.int64], num: int
) -> Matches:
    """Return the matches of all images, the surest detection first; ties are in the order of the images.

    Args:
        parts: of each image that has detections: its place, their scores, hits and ignored ones.
        wanted: ``(n,)`` objects of each image.
        num: T.
    """
    if not parts:
        nothing = np.zeros((num, 0), dtype=np.bool_)
        return Matches(np.zeros(0, dtype=np.int64), np.zeros(0), nothing, nothing, wanted)
    image = np.concatenate([np.full(len(scores), place, dtype=np.int64) for place, scores, _, _ in parts])
    scores = np.concatenate([scores for _, scores, _, _ in parts])
    order = np.argsort(-scores, kind="stable")
    hits, ignored = (np.concatenate([part[at] for part in parts], axis=1)[:, order] for at in (2, 3))
    return Matches(image[order], scores[order], hits, ignored, wanted)


def overlaps(said: Array, true: Array, crowd: NDArray[np.bool_]) -> Array:
    """Return intersection over union ``(D, G)`` of boxes ``(D, 4)`` and ``(G, 4)``; over a crowd's detection alone."""
    low = np.maximum(said[:, None, :2], true[None, :, :2])
    high = np.minimum(said[:, None, 2:], true[None, :, 2:])
    sides = np.maximum(high - low, 0)
    both = sides[:, :, 0] * sides[:, :, 1]
    mine = ((said[:, 2] - said[:, 0]) * (said[:, 3] - said[:, 1]))[:, None]
    whole = np.where(crowd[None], mine, mine + ((true[:, 2] - true[:, 0]) * (true[:, 3] - true[:, 1]))[None] - both)
    return np.asarray(np.divide(both, whole, out=np.zeros_like(both), where=both > 0))


def match_image(
    similar: Array, ignored: NDArray[np.bool_], crowd: NDArray[np.bool_], thresholds: Array
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which detections of an image take an object, and which take an ignored one; both ``(T, D)``.

    Args:
        similar: ``(D, G)``, detections in the order of falling scores.
        ignored: ``(G,)`` objects that nobody has to find.
        crowd: ``(G,)`` objects that many detections may take.
        thresholds: ``(T,)`` how similar the two must be.
    """
    hits, passed = (np.zeros((len(thresholds), len(similar)), dtype=np.bool_) for _ in range(2))
    least = np.minimum(thresholds, _WHOLE)
    free = np.ones((len(thresholds), similar.shape[1]), dtype=np.bool_)
    for place in np.flatnonzero((similar >= least.min()).any(axis=1)):
        able = (similar[place] >= least[:, None]) & (free | crowd)
        for some, marks in ((~ignored, hits), (ignored, passed)):
            wanted = able & some & ~hits[:, place][:, None]
            rows = np.flatnonzero(wanted.any(axis=1))
            values = np.where(wanted[rows], similar[place], -1.0)
            last = values.shape[1] - 1 - values[:, ::-1].argmax(axis=1)  # of equals the last, as pycocotools has it
            marks[rows, place], free[rows, last] = True, False
    return hits, passed


def average_precisions(found: Matches, weights: NDArray[np.int64]) -> Array:
    """Return the average precision at each threshold, ``(T,)``, with each image counted as often as its weight says.

    The mean over 101 recalls of the best precision at that recall or a higher one. Precision is best where an object
    was just taken, so only those places are looked at.
    """
    total = int(found.wanted @ weights)
    counted = weights[found.image]
    seen = np.cumsum(counted)
    values = np.zeros(len(found.hits))
    for place, (hits, ignored) in enumerate(zip(found.hits, found.ignored, strict=True)):
        at = np.flatnonzero(hits)
        right = np.cumsum(counted[at]).astype(np.float64)
        all_of_them = seen[at] - np.cumsum(counted * ignored)[at] if ignored.any() else seen[at]
        precision = right / np.maximum(all_of_them, 1)
        best = np.maximum.accumulate(precision[::-1])[::-1]
        first = np.searchsorted(right / total, _RECALLS, side="left")
        values[place] = best[first[first < len(best)]].sum() / len(_RECALLS)
    return values


def mean_of_classes(found: Iterable[Matches], weights: NDArray[np.int64]) -> float:
    """Return the mean of average precision over the classes that have an object to find; NaN where none has."""
    values = [average_precisions(one, weights).mean() for one in found if one.wanted @ weights > 0]
    return float(np.mean(values)) if values else float("nan")


_PLACES: Mapping[str, slice] = {"mean_average_precision": slice(None), "map_50": slice(0, 1)}
