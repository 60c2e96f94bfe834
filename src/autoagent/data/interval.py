"""Bootstrap intervals of a metric on held-out rows."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from autoagent.data.metrics import METRICS, Array, raw
from autoagent.errors import DataError

_CELLS = 10_000_000  # rows resampled in all: bounds a large test part to a few seconds
_FEWEST = 200


def bootstrap_interval(
    metric: str, y_true: Array, prediction: Array, *, n: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Return the percentile interval of ``raw(metric, …)`` over ``n`` resamples of rows.

    More than 10,000 rows get fewer resamples, at least 200. Resamples on which the metric is not defined (one class
    only) are drawn again, at most as often as there are resamples.

    Raises:
        DataError: the metric is not defined on the rows, or on too few resamples.
    """
    raw(metric, y_true, prediction)  # what is wrong with the rows themselves is said as it is
    measure = _measure(metric, y_true, prediction)
    rng = np.random.default_rng(seed)
    n = min(n, max(_FEWEST, _CELLS // len(y_true)))
    values: list[float] = []
    for _ in range(2 * n):
        rows = rng.integers(0, len(y_true), len(y_true))
        try:
            values.append(measure(rows))
        except DataError:
            continue
        if len(values) == n:
            break
    if len(values) < max(1, n // 2):
        raise DataError(f"{metric} is not defined on most resamples of {len(y_true)} rows; no interval")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_gain(
    metric: str, y_true: Array, before: Array, after: Array, *, n: int = 500, seed: int = 0, level: float = 0.8
) -> tuple[float, float, float]:
    """Return how much better one prediction is than another on the same rows, and the bootstrap interval of that.

    Differences are written so that higher is better. Each resample of rows is scored with both predictions.

    Args:
        metric: name in ``METRICS``.
        y_true: of the rows.
        before: predictions of the one.
        after: predictions of the other.
        n: resamples; fewer for more than 20,000 rows, at least 200.
        seed: of the resamples.
        level: of the interval; 0.8 leaves a tenth on each side.

    Raises:
        DataError: the metric is not defined on the rows, or on too few resamples.
    """
    sign = 1.0 if METRICS[metric].direction == "max" else -1.0
    gain = sign * (raw(metric, y_true, after) - raw(metric, y_true, before))
    measures = [_measure(metric, y_true, prediction) for prediction in (before, after)]
    rng, values = np.random.default_rng(seed), list[float]()
    n = min(n, max(_FEWEST, _CELLS // len(y_true)))
    for _ in range(n):
        rows = rng.integers(0, len(y_true), len(y_true))
        try:
            values.append(sign * (measures[1](rows) - measures[0](rows)))
        except DataError:
            continue
    if len(values) < n // 2:
        raise DataError(f"{metric} is not defined on most resamples of {len(y_true)} rows; no interval")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(gain), float(low), float(high)


def _measure(metric: str, y_true: Array, prediction: Array) -> Callable[[NDArray[np.int64]], float]:
    """Return the metric on some of the rows; formulas that have ``by_images`` count what is in an image only once.

    The function raises ``DataError`` where the metric is not defined.
    """
    card = METRICS[metric]
    by_images = getattr(importlib.import_module(card.target.partition(":")[0]), "by_images", None)
    if card.needs != "structure" or by_images is None:
        return lambda rows: raw(metric, y_true[rows], prediction[rows])
    found = by_images(metric, y_true, prediction)

    def defined(rows: NDArray[np.int64]) -> float:
        value = float(found(rows))
        if not np.isfinite(value):
            raise DataError(f"{metric} is not defined on these {len(rows)} images")
        return value

    return defined
