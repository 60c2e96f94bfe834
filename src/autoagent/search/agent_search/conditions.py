"""Which parameters a configuration uses, learned from the trials: a parameter may hang on the choice of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoagent.search.surrogate.features import INACTIVE, Features

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Conditions:
    """Parents of conditional parameters.

    Attributes:
        parents: for a parameter, its parent and the parent's positions under which it was seen; one without an entry
            is always used.
    """

    parents: Mapping[int, tuple[int, frozenset[float]]] = field(default_factory=dict)

    def masked(self, rows: Array, features: Features) -> Array:
        """Return rows in which what is not used has the position of the inactive."""
        if not self.parents:
            return rows
        fresh = rows.copy()
        active = self.active(rows)
        for index in self.parents:
            fresh[~active[:, index], index] = INACTIVE if features.is_category[index] else 0.5
        return fresh

    def active(self, rows: Array) -> NDArray[np.bool_]:
        """Return ``(n, width)``: what a row uses."""
        active = np.ones(rows.shape, dtype=bool)
        for _ in range(3):  # a parent may hang on a parent
            for index, (parent, values) in self.parents.items():
                active[:, index] = active[:, parent] & np.isin(rows[:, parent], list(values))
        return active


def learn(features: Features, configs: Sequence[Mapping[str, Any]]) -> Conditions:
    """Return the conditions that explain which parameters the configurations have.

    A parameter that some lack hangs on the first category (or number with few values) of which each value always
    goes with it or never does; on none if there is no such parent.

    Args:
        features: of all parameters.
        configs: of ended trials, so that what is absent was not asked for.
    """
    present = np.array([[name in config for name in features.names] for config in configs], dtype=bool)
    present = present.reshape(-1, features.width)
    if not len(present) or present.all():
        return Conditions()
    rows = features.rows(configs)
    parents: dict[int, tuple[int, frozenset[float]]] = {}
    for index in np.flatnonzero(~present.all(axis=0)):
        for parent in _possible(features, present, int(index)):
            having = {float(value) for value in rows[present[:, index], parent]}
            lacking = {float(value) for value in rows[~present[:, index] & present[:, parent], parent]}
            if having and not having & lacking and present[present[:, index], parent].all():
                parents[int(index)] = (parent, frozenset(having))
                break
    return Conditions(parents)


def _possible(features: Features, present: NDArray[np.bool_], index: int) -> list[int]:
    """Return columns with few values, the ones that are used most often first."""
    few = [other for other, column in enumerate(features.columns) if other != index and 0 < len(column.levels) <= 12]
    return sorted(few, key=lambda other: -int(present[:, other].sum()))
