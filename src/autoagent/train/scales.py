"""Where the numbers of a column lie: medians, shifts, scales and quantiles of a recipe."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_QUANTILES = 128


def middles(ordered: Array, counts: NDArray[np.int64]) -> Array:
    """Return the medians ``(c,)`` of sorted columns ``(n, c)``, of which the first ``counts`` are known."""
    columns = np.arange(ordered.shape[1])
    return np.asarray((ordered[(counts - 1) // 2, columns] + ordered[counts // 2, columns]) / 2)


def offsets(ordered: Array, counts: NDArray[np.int64]) -> list[float]:
    """Return what to take off columns such as time stamps, whose differences a float32 would lose; else 0."""
    low, high = ordered[0], ordered[counts - 1, np.arange(ordered.shape[1])]
    far = (np.abs(low) > 8 * (high - low)) & (high > low)
    return [float(value) for value in np.where(far, low, 0.0)]


def standard(values: Array) -> dict[str, list[float]]:
    """Return the shifts and scales that give columns ``(n, c)`` the mean 0 and the deviation 1; NaN is left out."""
    known = ~np.isnan(values)
    counts = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0.0).sum(axis=0) / counts
    spread = np.sqrt((np.where(known, values - mean, 0.0) ** 2).sum(axis=0) / counts)
    return {"shift": [float(value) for value in mean], "scale": short(inverse(spread, mean))}


def inverse(spread: Array, mean: Array | float = 0.0) -> Array:
    """Return one over each deviation, and 1 for columns that are constant beside their mean."""
    constant = spread <= 1e-12 * np.maximum(np.abs(mean), 1e-30)
    return np.where(constant, 1.0, 1.0 / np.where(constant, 1.0, spread))


def curve(ordered: Array) -> tuple[list[float], list[float] | None]:
    """Return the quantiles of sorted values ``(n,)`` and, where some are equal, the mean rank of each."""
    size = min(_QUANTILES, len(ordered))
    picked = ordered[np.round(np.linspace(0, len(ordered) - 1, size)).astype(np.int64)]
    if bool((picked[1:] > picked[:-1]).all()):
        return short(picked), None
    quantiles, place, counts = np.unique(picked, return_inverse=True, return_counts=True)
    ranks = np.bincount(place, weights=(np.arange(size) + 0.5) / size) / counts
    return short(quantiles), short(ranks)


def short(values: Array) -> list[float]:
    """Round to nine digits: more than a float32 holds, and the file stays small."""
    size = np.floor(np.log10(np.maximum(np.abs(values), 1e-30)))
    power = 10.0 ** (8 - size)
    rounded: list[float] = (np.round(values * power) / power).tolist()
    return rounded
