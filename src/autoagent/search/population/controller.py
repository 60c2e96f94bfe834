"""What a member of a population does next: a pure decision on the lineage, for PBT and for random search."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from autoagent.search.population.lineage import Interval, Lineage, Place, standing
from autoagent.space import Bool, Choice, Config, Float, Int, Searchable, Space
from autoagent.space.domains import JSONScalar


@dataclass(frozen=True)
class Continue:
    """Train on, under the same configuration."""


@dataclass(frozen=True)
class Clone:
    """Take the weights of another member's interval and go on under a new configuration."""

    parent: Place
    config: Config


Decision = Continue | Clone


class Controller(Protocol):
    """Decides for one member at a time; all that it knows is in the lineage."""

    def decide(
        self, space: Space, lineage: Lineage, member: int, running: Sequence[Config], rng: random.Random
    ) -> Decision:
        """Return what ``member``, which has just ended an interval, does next.

        Args:
            space: the hyperparameters.
            lineage: all ended intervals.
            member: whose turn it is.
            running: the configurations that others train under right now.
            rng: the only source of chance.
        """


@dataclass(frozen=True)
class Independent:
    """Every member keeps its configuration: random search, the baseline of every population."""

    def decide(
        self, space: Space, lineage: Lineage, member: int, running: Sequence[Config], rng: random.Random
    ) -> Decision:
        """Return that it trains on."""
        return Continue()


@dataclass(frozen=True)
class Pbt:
    """Population-based training (Jaderberg et al. 2017, arXiv:1711.09846).

    A member in the lowest quarter takes the weights of a random one in the highest quarter; each of its
    hyperparameters is drawn anew with a probability, or else multiplied.

    Attributes:
        quantile: the share that is replaced, and the share that is copied.
        resample: probability that a hyperparameter is drawn anew.
        factors: one of them multiplies a number otherwise.

    Differs: a whole number moves by at least 1; where a range holds 0 or less, a fifth of the range is added or taken
    away, as a product never changes a sign; a choice that is not drawn anew moves to a neighbour half of the time.
    """

    quantile: float = 0.25
    resample: float = 0.25
    factors: tuple[float, float] = (0.8, 1.2)

    def decide(
        self, space: Space, lineage: Lineage, member: int, running: Sequence[Config], rng: random.Random
    ) -> Decision:
        """Return a clone of one of the best for one of the worst, and that all others train on."""
        parent = exploited(lineage, member, self.quantile, rng)
        if parent is None:
            return Continue()
        changed = {name: self._explore(space[name].domain, value, rng) for name, value in parent.config.items()}
        return Clone(parent.place, space.check(with_new_conditions(space, changed, rng)))

    def _explore(self, domain: Searchable, value: JSONScalar, rng: random.Random) -> JSONScalar:
        if rng.random() < self.resample:
            return domain.sample(rng)
        return perturbed(domain, value, self.factors, rng)


def exploited(lineage: Lineage, member: int, quantile: float, rng: random.Random) -> Interval | None:
    """Return whom a member copies by truncation selection on the latest scores; None for one that is good enough."""
    latest = lineage.latest()
    ordered = sorted(latest.values(), key=lambda interval: (standing(interval), interval.member))
    num_moved = min(math.ceil(quantile * len(ordered)), len(ordered) // 2)
    worst, best = ordered[:num_moved], ordered[len(ordered) - num_moved :]
    best = [interval for interval in best if interval.score is not None]
    if not best or member not in {interval.member for interval in worst}:
        return None
    parent = rng.choice(best)
    return parent if standing(parent) > standing(latest[member]) else None


def perturbed(domain: Searchable, value: JSONScalar, factors: tuple[float, float], rng: random.Random) -> JSONScalar:
    """Return a value near another: a number times one of the factors, a neighbouring choice or the same."""
    match domain:
        case Float() | Int():
            number, factor = float(str(value)), rng.choice(factors)
            moved = number * factor if domain.low > 0 else number + (factor - 1) * (domain.high - domain.low)
            moved = min(max(moved, domain.low), domain.high)
            if isinstance(domain, Float):
                return moved
            step = 1 if factor > 1 else -1
            whole = round(moved) if round(moved) != number else int(number) + step
            return min(max(whole, domain.low), domain.high)
        case Bool():
            return (not value) if rng.random() < 0.5 else value
        case Choice():
            at = domain.options.index(value) + rng.choice((-1, 1))
            return domain.options[at] if rng.random() < 0.5 and 0 <= at < len(domain.options) else value


def with_new_conditions(space: Space, config: Config, rng: random.Random) -> Config:
    """Return a whole configuration: parameters that a change switched on are drawn, those switched off dropped."""
    whole: Config = {}
    for name, param in space.items():
        if space.is_active(name, whole):
            whole[name] = config[name] if name in config else param.domain.sample(rng)
    return whole
