"""Monte-Carlo tree search over decisions: upper confidence bounds on what followed the same decisions before."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution

from autoagent.search.trees.evidence import Evidence, Floats, placed
from autoagent.search.trees.policy import Chooser
from autoagent.search.trees.tree import Rollouts
from autoagent.search.trees.units import from_unit

_NARROW = 6  # so many values are branches at once; more are halved, and halved again, or come in one by one


@dataclass(frozen=True)
class Uct:
    """UCT with bisection (arXiv:1704.08792 section 4.2; Kocsis and Szepesvari 2006).

    The tree is the set of past trials: a node is what was decided so far, its branches the values of the next
    decision. A number with many values is decided by halving its range, one level more each time the visits of the
    node grow by a factor ``1 / widening``; inside the last part the value is drawn. Of many unordered options, only
    as many are looked at as the visits allow (progressive widening, Coulom 2007).

    Attributes:
        exploration: c of ``mean + c sqrt(2 ln N / n)``; scores are ranks in [0, 1].
        sharing: weight k of what a decision earned whatever came before it (all moves as first, Gelly and Silver
            2007): ``k / (k + n)`` of the bound comes from there. 0 is plain UCT.
        widening: exponent of the visits that bounds the branches.

    Differs: from the paper: means are over all trials that share the decisions, not only those since a node was
    made; sharing; running trials count as visits without a score.
    """

    exploration: float = 0.3
    sharing: float = 4.0
    widening: float = 0.5

    def begin(self, evidence: Evidence, space: Rollouts | None, rng: random.Random) -> Chooser:
        """Return what walks down the tree."""
        scores = np.concatenate([evidence.scores(), np.full(len(evidence.running), np.nan)])
        walk = _Walk(self, evidence, scores, rng)
        return walk.choose


class _Walk:
    """One way down: the trials that agree with what is decided so far, fewer at each step."""

    def __init__(self, uct: Uct, evidence: Evidence, scores: Floats, rng: random.Random) -> None:
        self._uct, self._evidence, self._scores, self._rng = uct, evidence, scores, rng
        self._live = np.ones(len(scores), dtype=bool)
        self._seen: dict[str, BaseDistribution] = {}

    def choose(self, before: Mapping[str, object], name: str, where: BaseDistribution) -> Any:  # noqa: ANN401
        """Return the value of the next decision and follow it."""
        for other in before:
            if other not in self._seen:  # fixed by the user: nobody asked us
                self._follow_equal(other, before[other])
        self._seen[name] = where
        if isinstance(where, CategoricalDistribution):
            return self._choice(name, where)
        values = legal_values(where)
        places = self._evidence.places(name, where)
        if values is not None and len(values) <= _NARROW:
            arms = [np.abs(places - unit) < 1e-9 for unit, _ in values]
            return values[self._pick(arms, range(len(values)))][1]
        low, high = self._halve(places, values)
        if values is None:
            return from_unit(where, self._rng.uniform(low, high))
        return self._rng.choice([value for unit, value in values if low <= unit < high])

    def _follow_equal(self, name: str, value: object) -> None:
        same = [t.decisions.get(name) == value for t in (*self._evidence.ended, *self._evidence.running)]
        self._live &= np.array(same, dtype=bool)
        self._seen[name] = CategoricalDistribution([True])

    def _choice(self, name: str, where: CategoricalDistribution) -> object:
        places = self._evidence.places(name, where)
        arms = [places == number for number in range(len(where.choices))]
        order = list(range(len(arms)))
        random.Random(name).shuffle(order)  # fixed, so that widening adds options and takes none away
        most = max(_NARROW, math.ceil(2 * (1 + int(self._live.sum())) ** self._uct.widening))
        return where.choices[self._pick(arms, order[:most])]

    def _halve(self, places: Floats, values: list[tuple[float, Any]] | None) -> tuple[float, float]:
        low, high = 0.0, 1.0 + 1e-9
        most = 1 + math.floor(self._uct.widening * math.log2(1 + int(self._live.sum())))
        for _ in range(most):
            middle = (low + high) / 2
            halves = [(low, middle), (middle, high)]
            if values is not None:
                halves = [half for half in halves if any(half[0] <= unit < half[1] for unit, _ in values)]
            arms = [(places >= start) & (places < end) for start, end in halves]
            low, high = halves[self._pick(arms, range(len(halves)))]
            if not self._live.any() and not self._uct.sharing:
                break
        return low, high

    def _pick(self, arms: list[np.ndarray[Any, np.dtype[np.bool_]]], allowed: range | list[int]) -> int:
        bounds = {arm: self._bound(arms[arm], arms) for arm in allowed}
        highest = max(bounds.values())
        chosen = self._rng.choice([arm for arm, bound in bounds.items() if bound == highest])
        self._live = self._live & arms[chosen]
        return chosen

    def _bound(
        self, arm: np.ndarray[Any, np.dtype[np.bool_]], arms: list[np.ndarray[Any, np.dtype[np.bool_]]]
    ) -> float:
        here, visits = arm & self._live, int(np.sum([np.sum(other & self._live) for other in arms]))
        own = self._upper(here, visits)
        if not self._uct.sharing:
            return own
        shared = self._upper(arm, int(np.sum([np.sum(other) for other in arms])))
        weight = self._uct.sharing / (self._uct.sharing + int(here.sum()))
        return shared if math.isinf(own) else (1 - weight) * own + weight * shared

    def _upper(self, arm: np.ndarray[Any, np.dtype[np.bool_]], visits: int) -> float:
        count = int(arm.sum())
        if not count:
            return math.inf
        earned = self._scores[arm]
        known = earned[~np.isnan(earned)]
        mean = float(known.mean()) if known.size else 0.5
        return mean + self._uct.exploration * math.sqrt(2 * math.log(max(visits, 1)) / count)


def legal_values(where: BaseDistribution) -> list[tuple[float, Any]] | None:
    """Return the places and values of a number with at most 4,096 of them, in order; None for one with more."""
    step = getattr(where, "step", None)
    if not step or (where.high - where.low) / step > 4096:  # type: ignore[attr-defined] # numbers have bounds
        return None
    count = round((where.high - where.low) / step) + 1  # type: ignore[attr-defined] # numbers have bounds
    values = [type(where.low)(where.low + i * step) for i in range(count)]  # type: ignore[attr-defined] # likewise
    return [(placed(value, where), value) for value in values]
