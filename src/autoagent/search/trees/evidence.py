"""What was tried so far, as samplers over decision lists read it: columns of places, and a rank for each trial."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution
from scipy.stats import rankdata

from autoagent.search.trees.units import to_unit

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tried:
    """One trial.

    Attributes:
        decisions: its decision list, or the parameters of any Optuna trial.
        loss: lower is better; None for one that failed or still runs.
        violation: the sum of its broken constraints, 0 where it kept them.
        distributions: where each decision could have gone; may be left out where the space itself is at hand.
    """

    decisions: Mapping[str, object]
    loss: float | None = None
    violation: float = 0.0
    distributions: Mapping[str, BaseDistribution] | None = None


class Evidence:
    """Ended trials, which only grow, and the running ones of the moment."""

    def __init__(self, ended: Sequence[Tried] = (), running: Sequence[Tried] = ()) -> None:
        self.ended: list[Tried] = list(ended)
        self.running: list[Tried] = list(running)
        self._columns: dict[str, tuple[BaseDistribution, list[float]]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.ended)

    def snapshot(self, running: Sequence[Tried]) -> Evidence:
        """Return the evidence of this moment, which another thread's new trials do not change."""
        same = Evidence(self.ended, running)
        same._columns, same._lock = self._columns, self._lock  # a column of a longer list begins with ours
        return same

    def places(self, name: str, where: BaseDistribution) -> Floats:
        """Return where each trial went, ended first: the number of a choice, a place in a range, NaN for none."""
        with self._lock:
            known, column = self._columns.get(name, (where, []))
            if known != where:  # the range of this name has changed since
                column = []
            column.extend(place(trial, name, where) for trial in self.ended[len(column) :])
            self._columns[name] = where, column
            ended = column[: len(self.ended)]
        return np.array([*ended, *(place(trial, name, where) for trial in self.running)])

    def scores(self) -> Floats:
        """Return a score in [0, 1] for each ended trial by its rank: 1 the best, 0 for all without a loss.

        Infeasible trials rank behind all feasible ones, by their violation. A rank bounds the scores, as UCT needs.
        """
        losses = np.array([math.inf if t.loss is None or math.isnan(t.loss) else t.loss for t in self.ended])
        violations = np.array([t.violation for t in self.ended])
        if losses.size == 0:
            return np.zeros(0)
        broken = violations > 0
        order = rankdata(np.where(broken, violations, losses)) + broken * losses.size
        order = np.where(np.isinf(losses), 3.0 * losses.size, order)
        good = int(np.sum(np.isfinite(losses)))
        ranks = np.where(np.isinf(losses), good, rankdata(order, method="average") - 1)
        return np.asarray(1.0 - ranks / max(good, 1), dtype=np.float64)

    def best_first(self) -> list[Tried]:
        """Return the ended trials that have a loss, the best first."""
        scored = self.scores()
        order = sorted((i for i, t in enumerate(self.ended) if t.loss is not None), key=lambda i: -scored[i])
        return [self.ended[i] for i in order]


def place(trial: Tried, name: str, where: BaseDistribution) -> float:
    """Return where one trial went: the number of its choice or the place in the range; NaN where it was not asked."""
    return placed(trial.decisions[name], where) if name in trial.decisions else math.nan


def placed(value: object, where: BaseDistribution) -> float:
    """Return the number of a choice, the place of a number in its range, or NaN for what is neither."""
    if isinstance(where, CategoricalDistribution):
        return next((float(i) for i, c in enumerate(where.choices) if c == value and type(c) is type(value)), math.nan)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    return to_unit(where, value)
