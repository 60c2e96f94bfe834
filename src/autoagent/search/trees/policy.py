"""How a sampler over decisions plugs in: it answers one question after the other, or plans the whole list first."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from optuna.distributions import BaseDistribution

from autoagent.search.trees.evidence import Evidence
from autoagent.search.trees.tree import Decisions, Rollouts, Tree
from autoagent.search.trees.units import draw
from autoagent.search.trials_log import distribution

# (what is decided so far, the decision's name, where it can go) -> the value
Chooser = Callable[[Mapping[str, object], str, BaseDistribution], Any]


class Policy(Protocol):
    """A sampler over decision lists, pure: all that it knows is in the evidence."""

    def begin(self, evidence: Evidence, space: Rollouts | None, rng: random.Random) -> Chooser:
        """Return what answers the questions of the next trial; ``space`` is None where nothing is known of it."""


def ask(tree: Tree, policy: Policy, evidence: Evidence, rng: random.Random) -> Decisions:
    """Return the next decision list to try."""
    chooser = policy.begin(evidence, tree, rng)
    before: Decisions = {}

    def decide(name: str, domain: Any) -> Any:  # noqa: ANN401 - one of the four kinds of domain
        before[name] = chooser(dict(before), name, distribution(domain))
        return before[name]

    return tree.walk(decide).decisions


class Random:
    """Draws every decision: the baseline."""

    def begin(self, evidence: Evidence, space: Rollouts | None, rng: random.Random) -> Chooser:
        """Return what draws."""
        return lambda before, name, where: draw(where, rng)


def planned(plan: Mapping[str, object], rng: random.Random) -> Chooser:
    """Return what answers from a plan, and draws where the plan says nothing that is legal."""

    def choose(before: Mapping[str, object], name: str, where: BaseDistribution) -> Any:  # noqa: ANN401 - any value
        return plan[name] if name in plan and holds(where, plan[name]) else draw(where, rng)

    return choose


def holds(where: BaseDistribution, value: object) -> bool:
    """Say whether a distribution has a value."""
    try:
        return bool(where._contains(where.to_internal_repr(value)))
    except (ValueError, TypeError):
        return False
