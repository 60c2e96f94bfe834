"""A space as columns that a kernel can compare: numbers in [0, 1], ordered choices by their place, others by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from autoagent.search.encoding import Encoding, index_of

Array = NDArray[np.float64]

INACTIVE = -1.0  # the code of a category that a configuration does not use; numbers are put in the middle
_MIDDLE = 0.5


@dataclass(frozen=True)
class Column:
    """One parameter.

    Attributes:
        name: of it.
        distribution: its values.
        is_category: whether two values are only equal or different.
        levels: ``(k,)`` legal positions in [0, 1]; empty for a continuous number; codes of a category.
    """

    name: str
    distribution: BaseDistribution
    is_category: bool
    levels: Array


class Features:
    """Rows of a space, one column for each parameter.

    A category whose choices are three or more rising or falling numbers is ordered: its column is the place of the
    choice, because whoever lists 16, 32, 64 has chosen the scale too.

    Attributes:
        columns: in the order of the distributions.
        names: of them.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self.columns = tuple(_column(name, distribution) for name, distribution in distributions.items())
        self.names = tuple(column.name for column in self.columns)
        self.is_category = np.array([column.is_category for column in self.columns], dtype=bool)
        self._encodings = {column.name: Encoding({column.name: column.distribution}) for column in self.columns}

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.columns)

    def rows(self, configs: Iterable[Mapping[str, Any]]) -> Array:
        """Return ``(n, width)``; parameters that a configuration lacks are inactive."""
        table = [[self.place(column, config) for column in self.columns] for config in configs]
        return np.array(table, dtype=float).reshape(-1, self.width)

    def place(self, column: Column, config: Mapping[str, Any]) -> float:
        """Return the position of one value: in [0, 1], or the code of a category."""
        if column.name not in config:
            return INACTIVE if column.is_category else _MIDDLE
        value = config[column.name]
        if isinstance(column.distribution, CategoricalDistribution):
            code = index_of(column.distribution, value)
            if code is None:
                return INACTIVE if column.is_category else _MIDDLE
            return float(code) if column.is_category else code / (len(column.distribution.choices) - 1)
        return float(self._encodings[column.name].encode(config)[0])

    def config(self, row: Array) -> dict[str, Any]:
        """Return the nearest legal configuration of all parameters; an inactive category is its first choice."""
        values: dict[str, Any] = {}
        for column, position in zip(self.columns, row, strict=True):
            if isinstance(column.distribution, CategoricalDistribution):
                last = len(column.distribution.choices) - 1
                code = position if column.is_category else position * last
                values[column.name] = column.distribution.choices[min(max(round(float(code)), 0), last)]
            else:
                values |= self._encodings[column.name].decode(np.array([position]))
        return values

    def snapped(self, table: Array) -> Array:
        """Return rows whose positions are all legal, the nearest ones."""
        fresh = np.clip(table, 0.0, None)
        for index, column in enumerate(self.columns):
            if column.is_category:
                fresh[:, index] = np.clip(np.rint(fresh[:, index]), 0, len(column.levels) - 1)
            elif len(column.levels):
                fresh[:, index] = _nearest(column.levels, fresh[:, index])
            else:
                fresh[:, index] = np.minimum(fresh[:, index], 1.0)
        return fresh

    def squared(self, first: Array, second: Array) -> Array:
        """Return ``(width, n, m)``: squared distances by column; 0 or 1 for categories."""
        gap = first.T[:, :, None] - second.T[:, None, :]
        gap *= gap
        gap[self.is_category] = gap[self.is_category] != 0
        return gap

    def weighted(self, first: Array, second: Array, weights: Array) -> Array:
        """Return ``(n, m)``: the sum over columns of the weight times the squared distance."""
        total = np.zeros((len(first), len(second)))
        numbers = ~self.is_category
        if numbers.any():
            scale = np.sqrt(weights[numbers])
            a, b = first[:, numbers] * scale, second[:, numbers] * scale
            total += (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2.0 * a @ b.T
        for index in np.flatnonzero(self.is_category):
            total += weights[index] * (first[:, index][:, None] != second[:, index][None, :])
        return np.maximum(total, 0.0)


def ordered(distribution: BaseDistribution) -> bool:
    """Say whether a category lists three or more numbers in order."""
    if not isinstance(distribution, CategoricalDistribution) or len(distribution.choices) < 3:
        return False
    values: Sequence[Any] = distribution.choices
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return False
    gaps = np.diff(np.array(values, dtype=float))
    return bool((gaps > 0).all() or (gaps < 0).all())


def _column(name: str, distribution: BaseDistribution) -> Column:
    if isinstance(distribution, CategoricalDistribution):
        count, in_order = len(distribution.choices), ordered(distribution)
        levels = np.arange(count) / (count - 1) if in_order else np.arange(float(count))
        return Column(name, distribution, not in_order, levels)
    return Column(name, distribution, False, _levels(name, distribution))


def _levels(name: str, distribution: BaseDistribution) -> Array:
    """Return the positions of whole numbers and steps, if there are not too many to matter."""
    if not isinstance(distribution, FloatDistribution | IntDistribution) or distribution.step is None:
        return np.empty(0)
    count = round((distribution.high - distribution.low) / distribution.step) + 1
    if count > 1000:
        return np.empty(0)
    encoding = Encoding({name: distribution})
    values = [distribution.low + step * distribution.step for step in range(count)]
    return np.array([float(encoding.encode({name: value})[0]) for value in values])


def _nearest(levels: Array, positions: Array) -> Array:
    place = np.clip(np.searchsorted(levels, positions), 1, max(len(levels) - 1, 1))
    if len(levels) == 1:
        return np.full_like(positions, levels[0])
    left, right = levels[place - 1], levels[place]
    return np.where(positions - left <= right - positions, left, right)
