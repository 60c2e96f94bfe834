"""Configurations as vectors: numbers become one column in [0, 1], a category one column for each choice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

_DIGITS = 4  # floats that agree to so many digits are the same value

Number = FloatDistribution | IntDistribution


class Encoding:
    """The vectors of a space.

    Whole numbers and stepped floats own equal parts of [0, 1] (in logs, parts as wide as their logarithms say), so
    that a uniform column draws each of them as often as its distribution does; a value is encoded as the middle of
    its part.

    Attributes:
        names: parameters in the order of the columns.
        width: columns.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self._distributions = dict(distributions)
        self.names = tuple(self._distributions)
        self._blocks: dict[str, slice] = {}
        start = 0
        for name, distribution in self._distributions.items():
            size = len(distribution.choices) if isinstance(distribution, CategoricalDistribution) else 1
            self._blocks[name] = slice(start, start + size)
            start += size
        self.width = start

    @property
    def blocks(self) -> Mapping[str, slice]:
        """The columns of each parameter."""
        return self._blocks

    def encode(self, params: Mapping[str, Any]) -> NDArray[np.float64]:
        """Return ``(width,)``. A missing number is 0.5, a missing or unknown category all zeros; others are clipped."""
        point = np.zeros(self.width)
        for name, distribution in self._distributions.items():
            block = self._blocks[name]
            if isinstance(distribution, CategoricalDistribution):
                place = index_of(distribution, params[name]) if name in params else None
                if place is not None:
                    point[block.start + place] = 1.0
            else:
                point[block.start] = _unit(_number(distribution), params[name]) if name in params else 0.5
        return point

    def decode(self, point: NDArray[np.float64]) -> dict[str, Any]:
        """Return the nearest legal configuration: steps and whole numbers, and the largest column of a category."""
        params: dict[str, Any] = {}
        for name, distribution in self._distributions.items():
            block = self._blocks[name]
            if isinstance(distribution, CategoricalDistribution):
                params[name] = distribution.choices[int(np.argmax(point[block]))]
            else:
                params[name] = _value(_number(distribution), float(point[block.start]))
        return params

    def key(self, params: Mapping[str, Any]) -> tuple[object, ...]:
        """Return the identity of a configuration: floats count as equal when they agree to four digits."""
        return tuple(_short(self._distributions[name], params, name) for name in self.names)

    def random(self, rng: np.random.Generator) -> dict[str, Any]:
        """Draw a configuration, each parameter by itself."""
        return self.decode(rng.random(self.width))


def exact(distribution: BaseDistribution, value: object) -> float | int | None:
    """Return a number to the last digit, as its distribution holds it; None where it is not legal, or no number.

    What goes through an encoding and back may differ in its last digits, and a stated default must not.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    number: float | int = float(value)
    if isinstance(distribution, IntDistribution):
        if not float(number).is_integer():
            return None
        number = value if isinstance(value, int) else round(number)
    elif not isinstance(distribution, FloatDistribution):
        return None
    return number if distribution._contains(number) else None


def index_of(distribution: CategoricalDistribution, value: object) -> int | None:
    """Return the place of a choice, or None. ``True`` and ``1`` are different choices."""
    for place, choice in enumerate(distribution.choices):
        if type(choice) is type(value) and (choice == value or (choice != choice and value != value)):
            return place
    try:
        return int(distribution.to_internal_repr(value))  # type: ignore[arg-type]  # Optuna says what is a choice
    except ValueError:
        return None


def _number(distribution: BaseDistribution) -> Number:
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        raise TypeError(f"no encoding of {distribution!r}; floats, ints and categories have one")
    return distribution


def _ends(distribution: Number) -> tuple[float, float]:
    """Return the scaled ends of the range, half a step further out where there are steps."""
    half = 0.5 * (distribution.step or 0.0)
    low, high = distribution.low - half, distribution.high + half
    return (math.log(low), math.log(high)) if distribution.log else (low, high)


def _unit(distribution: Number, value: float) -> float:
    low, high = _ends(distribution)
    legal = min(max(float(value), distribution.low), distribution.high)
    if high <= low:
        return 0.5
    return ((math.log(legal) if distribution.log else legal) - low) / (high - low)


def _value(distribution: Number, unit: float) -> float | int:
    low, high = _ends(distribution)
    scaled = low + min(max(unit, 0.0), 1.0) * (high - low)
    value = math.exp(scaled) if distribution.log else scaled
    if distribution.step is not None:
        steps = round((distribution.high - distribution.low) / distribution.step)
        value = distribution.low + min(max(round((value - distribution.low) / distribution.step), 0), steps) * float(
            distribution.step
        )
    value = min(max(value, distribution.low), distribution.high)
    return round(value) if isinstance(distribution, IntDistribution) else float(value)


def _short(distribution: BaseDistribution, params: Mapping[str, Any], name: str) -> object:
    if name not in params:
        return None
    value = params[name]
    if isinstance(distribution, CategoricalDistribution):
        place = index_of(distribution, value)
        return repr(value) if place is None else place
    return f"{float(value):.{_DIGITS}g}" if isinstance(distribution, FloatDistribution) else int(value)
