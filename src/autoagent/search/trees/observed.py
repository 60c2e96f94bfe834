"""A space read off the trials of a study: which parameters there are, and what each one's presence hangs on."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optuna.distributions import BaseDistribution, FloatDistribution

from autoagent.search.trees.evidence import Tried
from autoagent.search.trees.policy import holds
from autoagent.search.trees.tree import Decisions
from autoagent.search.trees.units import draw


@dataclass(frozen=True)
class _Rule:
    """When a parameter is asked for: where an earlier one has one of some values, or with a probability."""

    parent: str | None
    values: frozenset[tuple[type, object]]
    share: float


class Observed:
    """The parameters of define-by-run trials with a rule for each, learned: the space of a study that states none.

    A parameter that is not always there hangs on the latest earlier parameter whose values tell its presence without
    an error; where none does, on its share. What no trial has shown cannot be drawn, so a sampler needs a few random
    trials first and some later.
    """

    def __init__(self, trials: Sequence[Tried]) -> None:
        self._where: dict[str, BaseDistribution] = {}
        for trial in trials:
            self._where.update(trial.distributions or {})
        names = _in_order([list(trial.decisions) for trial in trials if trial.distributions])
        self._rules = {name: _rule(name, names[:place], self._where, trials) for place, name in enumerate(names)}

    def complete(self, wish: Mapping[str, object], rng: random.Random) -> Decisions:
        """Return a whole list: wishes that are asked for and legal are kept, the rest is drawn."""
        decisions: Decisions = {}
        for name, rule in self._rules.items():
            if rule.parent is not None:
                there = rule.parent in decisions and _typed(decisions[rule.parent]) in rule.values
            else:
                there = rule.share == 1 or (name in wish if wish else rng.random() < rule.share)
            if there:
                where = self._where[name]
                kept = name in wish and holds(where, wish[name])
                decisions[name] = wish[name] if kept else draw(where, rng)  # type: ignore[assignment] # it holds it
        return decisions

    def distributions(self, decisions: Mapping[str, object]) -> dict[str, BaseDistribution]:
        """Return the latest distribution of each decision."""
        return {name: self._where[name] for name in decisions}


def _in_order(lists: Sequence[list[str]]) -> list[str]:
    """Return all names so that each stands behind those that stood before it in the list where it was first seen."""
    order: list[str] = []
    for names in lists:
        at = 0
        for name in names:
            if name in order:
                at = max(at, order.index(name) + 1)
            else:
                order.insert(at, name)
                at += 1
    return order


def _rule(name: str, earlier: Sequence[str], where: Mapping[str, BaseDistribution], trials: Sequence[Tried]) -> _Rule:
    told = [trial.decisions for trial in trials if trial.distributions]
    share = sum(name in decisions for decisions in told) / max(len(told), 1)
    if share == 1:
        return _Rule(None, frozenset(), 1.0)
    for parent in reversed(earlier):
        if isinstance(where[parent], FloatDistribution):
            continue
        with_it = {_typed(d[parent]) for d in told if name in d and parent in d}
        without = {_typed(d[parent]) for d in told if name not in d and parent in d}
        always = all(parent in d for d in told if name in d)
        if always and without and not with_it & without:
            return _Rule(parent, frozenset(with_it), share)
    return _Rule(None, frozenset(), share)


def _typed(value: object) -> tuple[type, object]:
    return type(value), value
