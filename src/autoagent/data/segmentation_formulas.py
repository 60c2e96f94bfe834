"""The metrics of masks: intersection over union, Dice and right pixels, from one confusion matrix for each image.

Counts are pooled over images before a ratio is taken, so that the bootstrap over images adds matrices and never looks
at pixels again. Means are over the classes that the truth or the prediction knows, the background among them, as in
torchmetrics' ``MulticlassJaccardIndex``; a class that neither knows counts nowhere. Pixels whose truth is ``IGNORED``
count nowhere, whatever is predicted there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Masks = NDArray[np.uint8]
Counts = NDArray[np.int64]

IGNORED = 255  # the code of pixels that count nowhere


def confusions(truth: Masks, prediction: Masks, k: int) -> Counts:
    """Count the pixels of each image by true and by predicted class.

    Args:
        truth: ``(n, h, w)`` class codes ``0..k-1``, or ``IGNORED``.
        prediction: ``(n, h, w)`` class codes ``0..k-1``.
        k: number of classes.

    Returns:
        ``(n, k, k)``; rows are the truth.

    Raises:
        ValueError: the shapes differ, or a code is not below ``k``.
    """
    if truth.shape != prediction.shape or truth.ndim != 3:
        raise ValueError(f"masks of shape {truth.shape} cannot be compared with {prediction.shape}")
    found = np.empty((len(truth), k, k), dtype=np.int64)
    for counts, t, p in zip(found, truth, prediction, strict=True):
        known = t != IGNORED
        places = t[known].astype(np.int64) * k + p[known]
        if len(places) and (places.max() >= k * k or p[known].max() >= k):
            raise ValueError(f"class codes run to {max(t[known].max(), p[known].max())}; there are {k} classes")
        counts[:] = np.bincount(places, minlength=k * k).reshape(k, k)
    return found


def class_ious(counts: Counts) -> NDArray[np.float64]:
    """Return the intersection over union of each class of pooled counts ``(k, k)``; NaN where it does not occur."""
    return _ratio(np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1) - np.diag(counts))


def class_dices(counts: Counts) -> NDArray[np.float64]:
    """Return Dice, the F1 of pixels, of each class of pooled counts ``(k, k)``; NaN where it does not occur."""
    return _ratio(2 * np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1))


def mean_iou_of(counts: Counts) -> float:
    """Return the mean of ``class_ious`` over the classes that occur; NaN where none does."""
    return _mean(class_ious(counts))


def dice_of(counts: Counts) -> float:
    """Return the mean of ``class_dices`` over the classes that occur; NaN where none does."""
    return _mean(class_dices(counts))


def pixel_accuracy_of(counts: Counts) -> float:
    """Return the share of right pixels; NaN where there is none."""
    return float(np.trace(counts) / counts.sum()) if counts.sum() else float("nan")


def mean_iou(truth: Masks, prediction: Masks) -> float:  # noqa: D103 - described by its card
    return mean_iou_of(_pooled(truth, prediction))


def dice(truth: Masks, prediction: Masks) -> float:  # noqa: D103
    return dice_of(_pooled(truth, prediction))


def pixel_accuracy(truth: Masks, prediction: Masks) -> float:  # noqa: D103
    return pixel_accuracy_of(_pooled(truth, prediction))


def by_images(metric: str, truth: Masks, prediction: Masks) -> Callable[[NDArray[np.int64]], float]:
    """Return a function from some images, repeated or not, to the metric on them; pixels are counted once, here.

    Args:
        metric: ``mean_iou``, ``dice`` or ``pixel_accuracy``.
        truth: ``(n, h, w)`` class codes, or ``IGNORED``.
        prediction: ``(n, h, w)`` class codes.
    """
    counts = confusions(truth, prediction, num_codes(truth, prediction))
    return lambda rows: FORMULAS[metric](np.asarray(counts[rows].sum(axis=0)))


def num_codes(truth: Masks, prediction: Masks) -> int:
    """Return one more than the largest class code of either."""
    known = truth[truth != IGNORED]
    return int(max(known.max(initial=0), prediction.max(initial=0))) + 1


def _pooled(truth: Masks, prediction: Masks) -> Counts:
    return np.asarray(confusions(truth, prediction, num_codes(truth, prediction)).sum(axis=0))


def _ratio(part: Counts, whole: Counts) -> NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


FORMULAS: Mapping[str, Callable[[Counts], float]] = {
    "mean_iou": mean_iou_of,
    "dice": dice_of,
    "pixel_accuracy": pixel_accuracy_of,
}
