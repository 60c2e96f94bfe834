"""Class multipliers for metrics whose best decision is not the likeliest class; kept only if the gain is real."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from autoagent.data.formulas import confusion
from autoagent.data.metrics import METRICS, Array

# Not among them: accuracy (the likeliest class is best), precision and recall (best by refusing or taking everyone).
TUNED = ("f1", "macro_f1", "weighted_f1", "balanced_accuracy", "mcc", "quadratic_weighted_kappa")
_GRID = np.exp(np.linspace(-3.0, 3.0, 41))
_MAX_ROWS = 20_000
_FOLDS = 5
_RESAMPLES = 200

Formula = Callable[[NDArray[np.int64]], float]


def decision_rule(metric: str, y: Array, proba: Array, *, seed: int = 0) -> tuple[float, ...]:
    """Find multipliers of the class probabilities under which the largest product decides better.

    The multipliers are kept if decisions by multipliers that were found on other rows beat the likeliest class by
    more than one standard error of that gain (paired bootstrap).

    Args:
        metric: any name in ``METRICS``; only those in ``TUNED`` get a rule.
        y: ``(n,)`` class codes.
        proba: ``(n, k)`` out-of-fold probabilities.
        seed: of the folds and the resamples.

    Returns:
        ``k`` multipliers with geometric mean 1, or nothing.
    """
    if metric not in TUNED or len(y) < 10 * _FOLDS:
        return ()
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(y))[:_MAX_ROWS]
    y, proba, formula = y[rows], np.asarray(proba, dtype=float)[rows], cast(Formula, METRICS[metric].load())
    fold, plain = np.arange(len(y)) % _FOLDS, proba.argmax(axis=1)
    ruled = plain.copy()
    for i in range(_FOLDS):
        here = fold == i
        ruled[here] = (proba[here] * _fit(formula, y[~here], proba[~here])).argmax(axis=1)
    if not _is_real_gain(formula, y, plain, ruled, proba.shape[1], rng):
        return ()
    return tuple(round(float(value), 4) for value in _fit(formula, y, proba))


def _fit(formula: Formula, y: Array, proba: Array) -> Array:
    """Search one class's multiplier after the other, twice around; a smoothed optimum is less likely an accident."""
    k = proba.shape[1]
    factors = np.ones(k)
    for _ in range(1 if k == 2 else 2):
        for code in range(1 if k == 2 else 0, k):
            rest = proba * factors
            rest[:, code] = -1.0
            rival = rest.argmax(axis=1)
            bar = rest[np.arange(len(y)), rival]
            values = np.array(
                [formula(confusion(y, np.where(proba[:, code] * m > bar, code, rival), k)) for m in _GRID]
            )
            smooth = np.convolve(np.pad(values, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
            best = np.flatnonzero(smooth >= smooth.max() - 1e-12)
            factors[code] = _GRID[best[np.argmin(np.abs(np.log(_GRID[best])))]]
    return cast(Array, factors / np.exp(np.log(factors).mean()))


def _is_real_gain(
    formula: Formula,
    y: Array,
    plain: NDArray[np.int64],
    ruled: NDArray[np.int64],
    k: int,
    rng: np.random.Generator,
) -> bool:
    gain = formula(confusion(y, ruled, k)) - formula(confusion(y, plain, k))
    if not gain > 0:
        return False
    # each row is one of k * k * k cells (truth, plain, ruled); resampling rows is drawing these counts anew
    cells = np.bincount((y.astype(np.int64) * k + plain) * k + ruled, minlength=k**3)
    seen = np.flatnonzero(cells)
    truth, before, after = seen // (k * k), seen // k % k, seen % k
    gains = []
    for drawn in rng.multinomial(len(y), cells[seen] / len(y), size=_RESAMPLES):
        old = np.bincount(truth * k + before, weights=drawn, minlength=k * k).reshape(k, k)
        new = np.bincount(truth * k + after, weights=drawn, minlength=k * k).reshape(k, k)
        gains.append(formula(new.astype(np.int64)) - formula(old.astype(np.int64)))
    return bool(gain > np.nanstd(gains))
