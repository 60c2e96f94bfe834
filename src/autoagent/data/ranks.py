"""Ranks of values; `scipy.stats` gives the same, but importing it takes longer than all else that a run needs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def average_ranks(values_N: NDArray[Any]) -> NDArray[np.float64]:
    """Return ranks from 1, equal values sharing the mean of theirs, shape ``(n,)``; values must be comparable, no NaN."""
    order_N = np.argsort(values_N, kind="stable")
    sorted_N = values_N[order_N]
    starts = np.flatnonzero(np.concatenate(([True], sorted_N[1:] != sorted_N[:-1])))[: len(values_N)]
    ends = np.append(starts[1:], len(values_N))
    ranks_N = np.empty(len(values_N))
    ranks_N[order_N] = np.repeat((starts + ends + 1) / 2, ends - starts)
    return ranks_N


def places(values_N: NDArray[Any]) -> NDArray[np.int64]:
    """Return each value's place from 0 in sorted order, ties in their order of appearance, shape ``(n,)``."""
    places_N = np.empty(len(values_N), dtype=np.int64)
    places_N[np.argsort(values_N, kind="stable")] = np.arange(len(values_N))
    return places_N
