"""How far predictions agree with what then happened: Spearman's rank correlation with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Z95 = 1.959964


@dataclass(frozen=True)
class Agreement:
    """A rank correlation of predicted and measured values.

    Attributes:
        count: of trials with both.
        spearman: in [-1, 1]; nan where either side has no two different values.
        low: lower end of its 95 % interval.
        high: upper end.
    """

    count: int
    spearman: float
    low: float
    high: float


def rank_agreement(predicted: Sequence[float], measured: Sequence[float]) -> Agreement:
    """Return Spearman's correlation with Bonett and Wright's interval (Psychometrika 65, 2000).

    Fewer than four pairs say nothing: their interval is [-1, 1].
    """
    count = len(predicted)
    first, second = _ranks(predicted), _ranks(measured)
    if count < 2 or first.std() == 0 or second.std() == 0:
        return Agreement(count, math.nan, -1.0, 1.0)
    rho = float(np.corrcoef(first, second)[0, 1])
    if count < 4:
        return Agreement(count, rho, -1.0, 1.0)
    half = _Z95 * math.sqrt((1 + rho * rho / 2) / (count - 3))
    centre = math.atanh(max(-1 + 1e-12, min(1 - 1e-12, rho)))
    return Agreement(count, rho, math.tanh(centre - half), math.tanh(centre + half))


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Return ranks from 0; equal values share their mean rank."""
    row = np.asarray(values, dtype=np.float64)
    _, place, counts = np.unique(row, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts + 1) / 2)[place], dtype=np.float64)
