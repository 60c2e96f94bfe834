"""A space of structures under one name: draw, replay, count, and write as a list of decisions."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from optuna.distributions import BaseDistribution
from optuna.trial import BaseTrial

from autoagent.errors import DomainError
from autoagent.search.trees.nodes import Decide, Grammar, Part, Structure, _Absent, count, node
from autoagent.search.trials_log import distribution
from autoagent.space import Bool, Float, Int, Searchable
from autoagent.space import Choice as OneOf
from autoagent.space.domains import JSONScalar

Decisions = dict[str, JSONScalar]
_MOST_DRAWN = 100
MOST_DECISIONS = 500  # a grammar that contains itself may never end; far below what Python's stack holds


class Rollouts(Protocol):
    """What a sampler needs of a space: complete what is decided, and say where each decision could have gone."""

    def complete(self, wish: Mapping[str, object], rng: random.Random) -> Decisions:
        """Return a whole decision list with the wishes that exist and are legal; the rest is drawn."""

    def distributions(self, decisions: Mapping[str, object]) -> dict[str, BaseDistribution]:
        """Return the distribution of each decision of a whole list, in its order."""


@dataclass(frozen=True)
class Grown:
    """A decided structure with the decisions that made it, in the order in which they were asked for."""

    structure: Structure
    decisions: Decisions
    domains: dict[str, Searchable]


class Tree:
    """A space of structures.

    Args:
        root: a node, or a function that returns one.
        name: the first word of every decision's name, so that several trees and other parameters fit in one study.
    """

    def __init__(self, root: Grammar, name: str = "net") -> None:
        self._root, self.name = root, name

    def walk(self, decide: Decide) -> Grown:
        """Grow one structure; ``decide(name, domain)`` answers each question.

        Raises:
            DomainError: an illegal answer, two decisions of one name, or more decisions than a finite tree asks for.
        """
        decisions: Decisions = {}
        domains: dict[str, Searchable] = {}

        def ask(name: str, domain: Searchable) -> JSONScalar:
            if name in decisions:
                raise DomainError(f"two decisions are named {name!r}; give one of the nodes a name of its own")
            if len(decisions) == MOST_DECISIONS:
                raise DomainError(f"more than {MOST_DECISIONS} decisions; bound the part that contains itself")
            domains[name] = domain
            decisions[name] = domain.check(decide(name, domain))
            return decisions[name]

        try:
            grown = node(self._root).grow(self.name, ask)
        except RecursionError as error:
            raise DomainError("the tree contains itself without a decision that could end it") from error
        return Grown(None if isinstance(grown, _Absent) else grown, decisions, domains)

    def replay(self, decisions: Mapping[str, object]) -> Structure:
        """Return exactly the structure that a whole decision list made.

        Raises:
            DomainError: a decision is missing (the message names the first) or illegal.
        """

        def told(name: str, _: Searchable) -> JSONScalar:
            if name not in decisions:
                raise DomainError(f"the decision {name!r} is missing")
            return cast(JSONScalar, decisions[name])

        return self.walk(told).structure

    def default(self) -> Decisions:
        """Return the first option, the fewest copies, nothing optional and the middle of every number."""
        return self.walk(plain).decisions

    def complete(self, wish: Mapping[str, object], rng: random.Random) -> Decisions:
        """Return a whole decision list: wishes that exist and are legal are kept, all else is drawn.

        After 100 decisions what is plain is taken in place of a draw, so that a tree that contains itself ends if the
        first option of its choices does.

        Raises:
            DomainError: the tree does not end.
        """
        num_asked = 0

        def keep(name: str, domain: Searchable) -> JSONScalar:
            nonlocal num_asked
            num_asked += 1
            if name in wish and is_legal(domain, wish[name]):
                return cast(JSONScalar, wish[name])
            return plain(name, domain) if num_asked > _MOST_DRAWN else domain.sample(rng)

        return self.walk(keep).decisions

    def sample(self, rng: random.Random) -> Decisions:
        """Draw every decision; each option of a choice is equally likely, so structures are not."""
        return self.complete({}, rng)

    def suggest(self, trial: BaseTrial) -> Grown:
        """Ask an Optuna trial for every decision: the body of a define-by-run objective."""
        return self.walk(lambda name, domain: _suggest(trial, name, domain))

    def distributions(self, decisions: Mapping[str, object]) -> dict[str, BaseDistribution]:
        """Return the Optuna distribution of each decision of a whole list, in its order."""
        grown = self.walk(lambda name, _: cast(JSONScalar, decisions[name]))
        return {name: distribution(domain) for name, domain in grown.domains.items()}

    def names(self, at_most: int = 1000) -> dict[str, Searchable] | None:
        """Return every decision that could be asked for, or None where there are more than ``at_most``."""
        try:
            found = dict(itertools.islice(node(self._root).every(self.name), at_most + 1))
        except RecursionError:
            return None
        return found if len(found) <= at_most else None

    def count(self) -> int | None:
        """Return the number of distinct decision lists; None where there is no end (a float, a tree in itself)."""
        try:
            return count(self._root)
        except RecursionError:
            return None

    def key(self, decisions: Mapping[str, object]) -> str:
        """Return the identity of the structure: two lists that make the same one share it; floats to 6 digits."""
        return canonical(self.replay(decisions))

    def build(
        self,
        decisions: Mapping[str, object],
        makers: Mapping[str, Callable[..., Any]],
        join: Callable[[Sequence[Any]], Any] = list,
    ) -> Any:  # noqa: ANN401 - whatever the makers make
        """Replay a decision list and hand the structure to the makers, see `build`."""
        return build(self.replay(decisions), makers, join)


def build(
    structure: Structure, makers: Mapping[str, Callable[..., Any]], join: Callable[[Sequence[Any]], Any] = list
) -> Any:  # noqa: ANN401 - whatever the makers make
    """Turn a decided structure into the user's own objects, inside first and left to right.

    ``makers[name](**fields)`` makes a block, ``join(parts)`` a sequence (``lambda parts: nn.Sequential(*parts)``),
    a plain value stays what it is. Left to right is a promise, so a maker may carry the width of the layer before.

    Raises:
        DomainError: a block for which there is no maker.
    """
    if isinstance(structure, tuple):
        return join([build(part, makers, join) for part in structure])
    if not isinstance(structure, Part):
        return structure
    if structure.name not in makers:
        raise DomainError(f"nobody makes {structure.name!r}; there are makers for {sorted(makers)!r}")
    return makers[structure.name](**{name: build(field, makers, join) for name, field in structure.fields.items()})


def canonical(structure: Structure) -> str:
    """Return a structure as JSON text that depends on nothing but the structure."""
    return json.dumps(_plain_json(structure), separators=(",", ":"), ensure_ascii=False)


def plain(name: str, domain: Searchable) -> JSONScalar:
    """Return what an unknowing user would take: the first option, False, the fewest copies, the middle of a range."""
    match domain:
        case OneOf():
            return domain.options[0]
        case Bool():
            return False
        case Int() if name.endswith("*"):
            return domain.low
        case Int() | Float():
            middle = math.sqrt(domain.low * domain.high) if domain.log else (domain.low + domain.high) / 2
            return round(middle) if isinstance(domain, Int) else middle


def is_legal(domain: Searchable, value: object) -> bool:
    """Say whether a domain holds a value."""
    try:
        domain.check(value)
    except DomainError:
        return False
    return True


def _plain_json(structure: Structure) -> object:
    if isinstance(structure, tuple):
        return [_plain_json(part) for part in structure]
    if isinstance(structure, Part):
        return {structure.name: {name: _plain_json(field) for name, field in sorted(structure.fields.items())}}
    return float(f"{structure:.6g}") if isinstance(structure, float) else structure


def _suggest(trial: BaseTrial, name: str, domain: Searchable) -> JSONScalar:
    match domain:
        case Float():
            return trial.suggest_float(name, domain.low, domain.high, log=domain.log)
        case Int():
            return trial.suggest_int(name, domain.low, domain.high, log=domain.log)
        case OneOf():
            return trial.suggest_categorical(name, domain.options)
        case Bool():
            return trial.suggest_categorical(name, (False, True))
