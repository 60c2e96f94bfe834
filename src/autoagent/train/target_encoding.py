"""Encode categories by the mean target of their rows, without a row seeing itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoagent.data.table import Task

Array = NDArray[np.float64]

_FOLDS = 5
_PRIOR_ROWS = 10.0  # a level is believed as much as the mean of all when it has so many rows
_MAX_COLUMNS = 10  # classes that get a column each, most frequent first


@dataclass(frozen=True)
class TargetColumns:
    """The target as columns to average.

    Attributes:
        columns: ``(n, t)``: the number, or whether a row is of a class.
        fold: ``(n,)`` part in which each row is left out.
    """

    columns: Array
    fold: NDArray[np.int64]

    @classmethod
    def of(cls, y: Array, task: Task, seed: int) -> TargetColumns:
        """Choose the columns and deal the rows out to folds."""
        fold = np.random.default_rng(seed).permutation(len(y)) % _FOLDS
        if task == "regression":
            return cls(y[:, None], fold)
        if task == "binary":
            return cls((y == 1).astype(np.float64)[:, None], fold)
        counts = np.bincount(y.astype(np.int64))
        kept = np.sort(np.argsort(-counts, kind="stable")[:_MAX_COLUMNS])
        return cls((y[:, None] == kept).astype(np.float64), fold)


def encode_levels(codes: NDArray[np.int64], size: int, target: Array, fold: NDArray[np.int64]) -> tuple[Array, Array]:
    """Encode levels by their mean target, drawn to the mean of all, and by the logarithm of their count.

    Args:
        codes: ``(n,)`` in ``0..size-1``.
        size: number of levels.
        target: ``(n, t)`` columns to average.
        fold: ``(n,)`` part of each row.

    Returns:
        The table ``(size, t + 1)`` for new rows, and ``(n, t + 1)`` in which the means of a row were taken over the
        other folds only. The count is the same in both.
    """
    num_folds = int(fold.max()) + 1
    cell = fold * size + codes
    counts = np.bincount(cell, minlength=num_folds * size).reshape(num_folds, size).astype(np.float64)
    level_counts, fold_counts = counts.sum(axis=0), counts.sum(axis=1)
    tables, crossed = [], []
    for column in target.T:
        sums = np.bincount(cell, weights=column, minlength=num_folds * size).reshape(num_folds, size)
        level_sums, total = sums.sum(axis=0), column.sum()
        prior = total / len(column)
        tables.append((level_sums + _PRIOR_ROWS * prior) / (level_counts + _PRIOR_ROWS))
        priors = (total - sums.sum(axis=1)) / np.maximum(len(column) - fold_counts, 1)
        left = (level_sums - sums + _PRIOR_ROWS * priors[:, None]) / (level_counts - counts + _PRIOR_ROWS)
        crossed.append(left[fold, codes])
    logs = np.log1p(level_counts)
    return np.column_stack([*tables, logs]), np.column_stack([*crossed, logs[codes]])
