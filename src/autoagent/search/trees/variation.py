"""Small changes of decision lists: one decision changed, or a subtree taken from another list."""

from __future__ import annotations

import random
from collections.abc import Mapping

from optuna.distributions import BaseDistribution, CategoricalDistribution

from autoagent.search.trees.tree import Decisions, Rollouts
from autoagent.search.trees.units import from_unit, to_unit

_TRIES = 20
_NEAR = (0.15, 0.05, 0.015)  # standard deviations of a small step, in units of the range


def mutate(space: Rollouts, decisions: Mapping[str, object], rng: random.Random, *, near: float = 0.5) -> Decisions:
    """Change one decision and draw what the change uncovers; all other decisions stay where they still exist.

    Args:
        space: the space of both lists.
        decisions: a whole list.
        rng: the only source of chance.
        near: probability that a number takes a small step in place of a fresh draw.
    """
    distributions = space.distributions(decisions)
    open_names = [name for name, where in distributions.items() if not where.single()]
    if not open_names:
        return space.complete(decisions, rng)
    name = rng.choice(open_names)
    rest = {other: value for other, value in decisions.items() if other != name}
    for _ in range(_TRIES):
        wish = {**rest, name: _step(distributions[name], decisions[name], rng)} if rng.random() < near else rest
        changed = space.complete(wish, rng)
        if changed.get(name) != decisions[name]:
            return changed
    return changed


def cross(space: Rollouts, mine: Mapping[str, object], other: Mapping[str, object], rng: random.Random) -> Decisions:
    """Return ``mine`` with one subtree of ``other`` in its place: a decision, and all that lie below its path."""
    top = rng.choice(list(other)).rstrip("*?") if other else ""
    kept = {name: value for name, value in mine.items() if not name.startswith(top)}
    taken = {name: value for name, value in other.items() if name.startswith(top)}
    return space.complete({**kept, **taken}, rng)


def _step(where: BaseDistribution, value: object, rng: random.Random) -> object:
    if isinstance(where, CategoricalDistribution):
        return rng.choice(where.choices)
    return from_unit(where, to_unit(where, value) + rng.gauss(0.0, rng.choice(_NEAR)))
