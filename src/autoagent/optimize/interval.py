"""A paired bootstrap interval: how much better one candidate is than another on the same instances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Difference:
    """Mean paired difference of scores.

    Attributes:
        mean: later minus earlier; higher is better.
        low: of the 95 % percentile interval; None with fewer than two pairs.
        high: of the same.
        num_pairs: instances on which both have a score.
    """

    mean: float | None
    low: float | None
    high: float | None
    num_pairs: int


def paired_difference(
    before: Sequence[float | None], after: Sequence[float | None], *, seed: int = 0, resamples: int = 2000
) -> Difference:
    """Return the mean difference over pairs with both scores, and its percentile bootstrap interval over pairs."""
    rows = [b - a for a, b in zip(before, after, strict=True) if a is not None and b is not None]
    if not rows:
        return Difference(None, None, None, 0)
    mean = float(np.mean(rows))
    if len(rows) < 2:
        return Difference(mean, None, None, len(rows))
    rng = np.random.default_rng(seed)
    means = np.asarray(rows)[rng.integers(0, len(rows), (resamples, len(rows)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Difference(mean, float(low), float(high), len(rows))
