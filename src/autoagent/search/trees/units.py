"""One Optuna distribution as the interval from 0 to 1, in both directions."""

from __future__ import annotations

import math
import random
from typing import Any, cast

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

Number = FloatDistribution | IntDistribution


def to_unit(where: BaseDistribution, value: object) -> float:
    """Return where a number lies in its range, log scaled where the distribution is; 0.5 where the range is a point."""
    number = cast(Number, where)
    low, high = _edges(number)
    told = float(cast(float, value))
    if number.log:
        told, low, high = math.log(max(told, 1e-300)), math.log(low), math.log(high)
    return min(max((told - low) / (high - low), 0.0), 1.0) if high > low else 0.5


def from_unit(where: BaseDistribution, unit: float) -> int | float:
    """Return the legal number nearest to a place in the range; places outside are moved to its ends."""
    number = cast(Number, where)
    low, high = _edges(number)
    place = min(max(unit, 0.0), 1.0)
    raw = low * (high / low) ** place if number.log else low + place * (high - low)
    if number.step is not None:
        raw = number.low + round((raw - number.low) / number.step) * number.step
    raw = min(max(raw, number.low), number.high)
    return round(raw) if isinstance(number, IntDistribution) else float(raw)


def draw(where: BaseDistribution, rng: random.Random) -> Any:  # noqa: ANN401 - whatever the distribution holds
    """Draw one value, each choice equally likely."""
    if isinstance(where, CategoricalDistribution):
        return rng.choice(where.choices)
    return from_unit(where, rng.random())


def _edges(where: Number) -> tuple[float, float]:
    """Return the range; a step adds half of itself on both sides, so that the ends are as likely as the rest."""
    half = (where.step or 0) / 2
    low, high = where.low - half, where.high + half
    if where.log and isinstance(where, IntDistribution):
        low = max(low, where.low / 2)
    return low, high
