"""Bootstrap intervals of a metric on held-out rows."""

from __future__ import annotations

import numpy as np

from autoagent.data.metrics import Array, raw
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
    rng = np.random.default_rng(seed)
    n = min(n, max(_FEWEST, _CELLS // len(y_true)))
    values: list[float] = []
    for _ in range(2 * n):
        rows = rng.integers(0, len(y_true), len(y_true))
        try:
            values.append(raw(metric, y_true[rows], prediction[rows]))
        except DataError:
            continue
        if len(values) == n:
            break
    if len(values) < max(1, n // 2):
        raise DataError(f"{metric} is not defined on most resamples of {len(y_true)} rows; no interval")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
