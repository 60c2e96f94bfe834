"""The metrics' formulas on class codes, probabilities ``(n, k)``, confusion matrices and numbers.

Written in numpy because a bootstrap and a decision rule call them thousands of times; the tests hold each to
scikit-learn. Classes that neither the truth nor the decision knows are left out of means.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Array = NDArray[np.float64]
Counts = NDArray[np.int64]  # (k, k): rows are the truth, columns the decision


def _auc(positive: NDArray[np.bool_], value: Array) -> float:
    ranks = rankdata(value)
    ones = int(positive.sum())
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * (len(value) - ones)))


def roc_auc(y: Array, proba: Array) -> float:  # noqa: D103 - described by its card
    classes = [1] if proba.shape[1] == 2 else range(proba.shape[1])
    rows = [_auc(y == k, proba[:, k]) for k in classes if 0 < (y == k).sum() < len(y)]
    return float(np.mean(rows)) if rows else float("nan")


def _precision_area(positive: NDArray[np.bool_], value: Array) -> float:
    order = np.argsort(-value, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(value[order])), len(order) - 1)
    found = np.cumsum(positive[order])[last_of_tie]
    recall = found / found[-1]
    return float((np.diff(recall, prepend=0.0) * found / (last_of_tie + 1)).sum())


def average_precision(y: Array, proba: Array) -> float:  # noqa: D103
    classes = [1] if proba.shape[1] == 2 else range(proba.shape[1])
    rows = [_precision_area(y == k, proba[:, k]) for k in classes if (y == k).any()]
    return float(np.mean(rows)) if rows else float("nan")


def log_loss(y: Array, proba: Array) -> float:  # noqa: D103
    p = np.clip(proba, 1e-15, None)
    return float((np.log(p.sum(axis=1)) - np.log(p[np.arange(len(y)), y.astype(int)])).mean())


def brier(y: Array, proba: Array) -> float:  # noqa: D103
    return float(((proba - np.eye(proba.shape[1])[y.astype(int)]) ** 2).sum(axis=1).mean())


def confusion(y: Array, label: NDArray[np.int64], k: int) -> Counts:
    """Count decisions by true class: ``(k, k)``, rows are the truth."""
    return np.bincount(y.astype(np.int64) * k + label, minlength=k * k).reshape(k, k)


def _rates(counts: Counts) -> tuple[Array, Array, Array]:
    """Return precision, recall and F1 of each class; 0 where nothing is divided by nothing."""
    hit, chosen, true = np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)
    some = np.maximum(chosen, 1), np.maximum(true, 1), np.maximum(chosen + true, 1)
    return hit / some[0], hit / some[1], 2 * hit / some[2]


def _mean(values: Array, counts: Counts) -> float:
    return float(values[counts.sum(axis=0) + counts.sum(axis=1) > 0].mean())


def _second_or_mean(values: Array, counts: Counts) -> float:
    return float(values[1]) if len(values) == 2 else _mean(values, counts)


def accuracy(counts: Counts) -> float:  # noqa: D103
    return float(np.trace(counts) / counts.sum())


def balanced_accuracy(counts: Counts) -> float:  # noqa: D103
    return float(_rates(counts)[1][counts.sum(axis=1) > 0].mean())


def f1(counts: Counts) -> float:  # noqa: D103
    return _second_or_mean(_rates(counts)[2], counts)


def macro_f1(counts: Counts) -> float:  # noqa: D103
    return _mean(_rates(counts)[2], counts)


def micro_f1(counts: Counts) -> float:  # noqa: D103
    return accuracy(counts)  # each row has one label and one decision: pooled precision = recall = accuracy


def weighted_f1(counts: Counts) -> float:  # noqa: D103
    return float((_rates(counts)[2] * counts.sum(axis=1)).sum() / counts.sum())


def precision(counts: Counts) -> float:  # noqa: D103
    return _second_or_mean(_rates(counts)[0], counts)


def recall(counts: Counts) -> float:  # noqa: D103
    return _second_or_mean(_rates(counts)[1], counts)


def mcc(counts: Counts) -> float:  # noqa: D103
    n = float(counts.sum())
    chosen, true = counts.sum(axis=0).astype(float), counts.sum(axis=1).astype(float)
    spread = (n * n - (chosen**2).sum()) * (n * n - (true**2).sum())
    return float((n * np.trace(counts) - (chosen * true).sum()) / np.sqrt(spread)) if spread > 0 else 0.0


def quadratic_weighted_kappa(counts: Counts) -> float:  # noqa: D103
    places = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1) > 0)  # as scikit-learn: absent classes close up
    table = counts[np.ix_(places, places)].astype(float)
    square = np.subtract.outer(np.arange(len(table)), np.arange(len(table))) ** 2
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    by_chance = float((square * expected).sum())
    return 1.0 - float((square * table).sum()) / by_chance if by_chance > 0 else float("nan")


def mse(y: Array, value: Array) -> float:  # noqa: D103
    return float(((y - value) ** 2).mean())


def rmse(y: Array, value: Array) -> float:  # noqa: D103
    return float(np.sqrt(mse(y, value)))


def mae(y: Array, value: Array) -> float:  # noqa: D103
    return float(np.abs(y - value).mean())


def mape(y: Array, value: Array) -> float:  # noqa: D103
    return float((np.abs(y - value) / np.maximum(np.abs(y), np.finfo(float).eps)).mean())


def rmsle(y: Array, value: Array) -> float:  # noqa: D103
    return rmse(np.log1p(np.maximum(y, 0)), np.log1p(np.maximum(value, 0)))


def mase(y: Array, value: Array) -> float:  # noqa: D103 - y is in units of its series' scale
    return float(np.abs(y - value).mean())


def rmsse(y: Array, value: Array) -> float:  # noqa: D103 - as mase
    return rmse(y, value)


def smape(y: Array, value: Array) -> float:  # noqa: D103 - in percent, at most 200; both zero is no error
    size = (np.abs(y) + np.abs(value)) / 2
    return float(100 * np.where(size > 0, np.abs(y - value) / np.where(size > 0, size, 1.0), 0.0).mean())


def r2(y: Array, value: Array) -> float:  # noqa: D103
    if len(y) < 2:
        return float("nan")
    missed, spread = float(((y - value) ** 2).sum()), float(((y - y.mean()) ** 2).sum())
    if spread == 0:  # as scikit-learn
        return 1.0 if missed == 0 else 0.0
    return 1.0 - missed / spread
