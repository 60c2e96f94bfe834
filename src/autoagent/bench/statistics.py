"""What may be concluded: ranks, paired tests, critical differences, and what a validation set can tell apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
LEAST_TASKS = 10


@dataclass(frozen=True)
class Interval:
    """A mean difference with its bootstrap interval."""

    mean: float
    low: float
    high: float

    @property
    def tells_apart(self) -> bool:
        """Whether 0 is outside."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Comparison:
    """One method against another over paired results.

    Attributes:
        wins: pairs in which the first is better.
        ties: pairs that are equal.
        losses: pairs in which it is worse.
        p_value: of Wilcoxon's signed-rank test, two-sided, corrected over all pairs of methods by Holm's method.
        difference: of losses, first less second.
    """

    first: str
    second: str
    wins: int
    ties: int
    losses: int
    p_value: float
    difference: Interval


def ranks(losses: Floats) -> Floats:
    """Return the rank of each method on each task: 1 is best, equal losses share; NaN, a crash, is the worst rank.

    Args:
        losses: ``(tasks, methods)``.
    """
    placed = np.where(np.isnan(losses), np.inf, losses)
    return np.asarray(stats.rankdata(placed, axis=1), dtype=float)


def friedman(losses: Floats) -> float:
    """Return the p-value of Friedman's test that all methods rank alike; 1 when all results are equal.

    Args:
        losses: ``(tasks, methods)``, at least 3 methods.
    """
    table = ranks(losses)
    if np.ptp(table) == 0:
        return 1.0
    return float(stats.friedmanchisquare(*table.T).pvalue)


def critical_difference(methods: int, tasks: int, alpha: float = 0.05) -> float:
    """Return Nemenyi's critical difference of mean ranks.

    Source: Demšar, JMLR 7 (2006), section 3.2.2.

    Raises:
        ValueError: fewer than 10 tasks; it would separate nothing, and look as if it had tried.
    """
    if tasks < LEAST_TASKS:
        raise ValueError(f"a critical difference needs at least {LEAST_TASKS} tasks, not {tasks}")
    quantile = float(stats.studentized_range.ppf(1 - alpha, methods, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(methods * (methods + 1) / (6 * tasks))


def paired_bootstrap(differences: Floats, *, seed: int = 0, rounds: int = 4000, level: float = 0.95) -> Interval:
    """Return the mean of paired differences with a percentile interval.

    Args:
        differences: ``(tasks, seeds)``; both are resampled, tasks first, seeds within tasks. NaN where a pair is
            missing. With one task, only seeds are resampled.
        seed: of the resampling.
        rounds: of it.
        level: of the interval.
    """
    rows = [row[~np.isnan(row)] for row in np.atleast_2d(differences)]
    rows = [row for row in rows if row.size]
    if not rows:
        return Interval(math.nan, math.nan, math.nan)
    rng = np.random.default_rng(seed)
    means = np.stack([row[rng.integers(row.size, size=(rounds, row.size))].mean(axis=1) for row in rows], axis=1)
    if len(rows) > 1:
        chosen = rng.integers(len(rows), size=(rounds, len(rows)))
        drawn = np.take_along_axis(means, chosen, axis=1).mean(axis=1)
    else:
        drawn = means[:, 0]
    tail = (1 - level) / 2
    mean = float(np.mean([row.mean() for row in rows]))
    return Interval(mean, float(np.quantile(drawn, tail)), float(np.quantile(drawn, 1 - tail)))


def wilcoxon(first: Floats, second: Floats) -> float:
    """Return the two-sided p-value of the signed-rank test of pairs; 1 when no pair differs."""
    difference = np.asarray(first) - np.asarray(second)
    difference = difference[difference != 0]
    return 1.0 if difference.size == 0 else float(stats.wilcoxon(difference).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number by Holm's step-down method."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected, most = [1.0] * len(p_values), 0.0
    for step, place in enumerate(order):
        most = max(most, min(1.0, (len(p_values) - step) * p_values[place]))
        corrected[place] = most
    return corrected


def compare_all(losses: dict[str, Floats], *, tie: float = 1e-12) -> list[Comparison]:
    """Compare every two methods over common pairs of task and seed.

    Args:
        losses: of each method, ``(tasks, seeds)``; a crash is infinite, a pair that was not run NaN.
        tie: losses closer than that are equal.
    """
    names = list(losses)
    pairs = [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]
    found = [_compare(a, b, losses[a], losses[b], tie) for a, b in pairs]
    corrected = holm([comparison.p_value for comparison in found])
    return [
        Comparison(c.first, c.second, c.wins, c.ties, c.losses, p, c.difference)
        for c, p in zip(found, corrected, strict=True)
    ]


def gap_bound(tried: int, units: int, *, delta: float = 0.05, spread: float = 1.0) -> float:
    """Return what the best validation loss of ``tried`` configurations may be off its true loss at most.

    ``spread * sqrt(ln(2 tried / delta) / (2 units))``, Hoeffding with a union bound over everything that was tried,
    pruned trials too; it holds with probability ``1 - delta`` for losses within ``spread``. Source: the practical side
    of arXiv:2501.13734. It is loose; a paired test on fresh data is the finer tool.
    """
    return spread * math.sqrt(math.log(2 * tried / delta) / (2 * units))


def paired_se(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the standard error of the mean difference of pairs; NaN for fewer than two."""
    difference = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    return math.nan if difference.size < 2 else float(difference.std(ddof=1) / math.sqrt(difference.size))


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Return the exact two-sided p-value that two answerers of the same questions are right equally often."""
    only_first = sum(a and not b for a, b in zip(first, second, strict=True))
    only_second = sum(b and not a for a, b in zip(first, second, strict=True))
    if only_first + only_second == 0:
        return 1.0
    return float(stats.binomtest(only_first, only_first + only_second, 0.5).pvalue)


def interquartile_mean(values: Sequence[float]) -> float:
    """Return the mean of the middle half. Source: arXiv:2108.13264."""
    return float(stats.trim_mean(np.asarray(values, dtype=float), 0.25)) if len(values) else math.nan


def _compare(a: str, b: str, first: Floats, second: Floats, tie: float) -> Comparison:
    both = ~(np.isnan(first) | np.isnan(second))
    finite = both & np.isfinite(first) & np.isfinite(second)
    x, y = first[both], second[both]
    worst = 1.0 + 2 * float(np.abs(np.concatenate([x[np.isfinite(x)], y[np.isfinite(y)]])).max(initial=0.0))
    x, y = np.where(np.isinf(x), worst, x), np.where(np.isinf(y), worst, y)  # a crash: worse than all, equal to another
    equal = np.abs(x - y) <= tie
    difference = np.full(first.shape, np.nan)
    difference[finite] = first[finite] - second[finite]
    return Comparison(
        a,
        b,
        int(((x < y) & ~equal).sum()),
        int(equal.sum()),
        int(((x > y) & ~equal).sum()),
        wilcoxon(np.where(equal, y, x), y),
        paired_bootstrap(difference),
    )
