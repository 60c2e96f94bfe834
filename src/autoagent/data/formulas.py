"""The metrics' formulas on class codes, probabilities ``(n, k)`` and numbers; absent classes are left out of means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn import metrics as sk

Array = NDArray[np.float64]


def _present(y: Array, proba: Array) -> list[int]:
    return [k for k in range(proba.shape[1]) if 0 < (y == k).sum() < len(y)]


def _auc(positive: NDArray[np.bool_], value: Array) -> float:
    ranks = rankdata(value)
    ones = int(positive.sum())
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * (len(value) - ones)))


def roc_auc(y: Array, proba: Array) -> float:  # noqa: D103 - described by its card
    classes = [1] if proba.shape[1] == 2 else _present(y, proba)
    rows = [_auc(y == k, proba[:, k]) for k in classes if 0 < (y == k).sum() < len(y)]
    return float(np.mean(rows)) if rows else float("nan")


def average_precision(y: Array, proba: Array) -> float:  # noqa: D103
    classes = [1] if proba.shape[1] == 2 else _present(y, proba)
    rows = [sk.average_precision_score(y == k, proba[:, k]) for k in classes if (y == k).any()]
    return float(np.mean(rows)) if rows else float("nan")


def log_loss(y: Array, proba: Array) -> float:  # noqa: D103
    p = np.clip(proba, 1e-15, None)
    p = p / p.sum(axis=1, keepdims=True)
    return float(-np.log(p[np.arange(len(y)), y.astype(int)]).mean())


def brier(y: Array, proba: Array) -> float:  # noqa: D103
    return float(((proba - np.eye(proba.shape[1])[y.astype(int)]) ** 2).sum(axis=1).mean())


def accuracy(y: Array, label: Array) -> float:  # noqa: D103
    return float((y == label).mean())


def balanced_accuracy(y: Array, label: Array) -> float:  # noqa: D103
    return float(np.mean([(label[y == k] == k).mean() for k in np.unique(y)]))


def _average(y: Array) -> str:
    return "binary" if set(np.unique(y)) <= {0, 1} else "macro"


def f1(y: Array, label: Array) -> float:  # noqa: D103
    average = _average(np.concatenate([y, label]))
    return float(sk.f1_score(y, label, average=average, zero_division=0))


def macro_f1(y: Array, label: Array) -> float:  # noqa: D103
    return float(sk.f1_score(y, label, average="macro", zero_division=0))


def micro_f1(y: Array, label: Array) -> float:  # noqa: D103
    return float(sk.f1_score(y, label, average="micro", zero_division=0))


def weighted_f1(y: Array, label: Array) -> float:  # noqa: D103
    return float(sk.f1_score(y, label, average="weighted", zero_division=0))


def precision(y: Array, label: Array) -> float:  # noqa: D103
    average = _average(np.concatenate([y, label]))
    return float(sk.precision_score(y, label, average=average, zero_division=0))


def recall(y: Array, label: Array) -> float:  # noqa: D103
    average = _average(np.concatenate([y, label]))
    return float(sk.recall_score(y, label, average=average, zero_division=0))


def mcc(y: Array, label: Array) -> float:  # noqa: D103
    return float(sk.matthews_corrcoef(y, label))


def quadratic_weighted_kappa(y: Array, label: Array) -> float:  # noqa: D103
    return float(sk.cohen_kappa_score(y, label, weights="quadratic"))


def mse(y: Array, value: Array) -> float:  # noqa: D103
    return float(((y - value) ** 2).mean())


def rmse(y: Array, value: Array) -> float:  # noqa: D103
    return float(np.sqrt(mse(y, value)))


def mae(y: Array, value: Array) -> float:  # noqa: D103
    return float(np.abs(y - value).mean())


def mape(y: Array, value: Array) -> float:  # noqa: D103
    return float(sk.mean_absolute_percentage_error(y, value))


def rmsle(y: Array, value: Array) -> float:  # noqa: D103
    return rmse(np.log1p(np.maximum(y, 0)), np.log1p(np.maximum(value, 0)))


def r2(y: Array, value: Array) -> float:  # noqa: D103
    return float(sk.r2_score(y, value)) if len(y) > 1 else float("nan")
