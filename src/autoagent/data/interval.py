"""Bootstrap intervals of a metric on held-out rows."""

from __future__ import annotations

import numpy as np

from autoagent.data.metrics import Array, raw
from autoagent.errors import DataError


def bootstrap_interval(
    metric: str, y_true: Array, prediction: Array, *, n: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Return the percentile interval of ``raw(metric, …)`` over ``n`` resamples of rows.

    Resamples on which the metric is not defined (one class only) are drawn again, at most ``n`` times in all.

    Raises:
        DataError: the metric is defined on too few resamples.
    """
    rng = np.random.default_rng(seed)
    values: list[float] = []
    for _ in range(2 * n):
        rows = rng.integers(0, len(y_true), len(y_true))
        try:
            values.append(raw(metric, y_true[rows], prediction[rows]))
        except DataError:
            continue
        if len(values) == n:
            break
    if len(values) < n // 2:
        raise DataError(f"{metric} is not defined on most resamples of {len(y_true)} rows; no interval")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
