"""Nodes of a space of structures: each asks for its own decisions, and only then are the nodes below it looked at.

A decision's name is its path. ``net/body*`` is how many copies, ``net/skip?`` whether it is there, ``net/op`` which
option; below them come ``net/body[0]/...``, ``net/skip/...`` and ``net/op=conv/...``. The label of an option is part
of the path, so one name always has one domain, whatever was decided before.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from autoagent.errors import DomainError
from autoagent.space import Bool, Float, Int, Searchable
from autoagent.space import Choice as OneOf
from autoagent.space.domains import JSONScalar

Decide = Callable[[str, Searchable], JSONScalar]
_WORD = re.compile(r"[A-Za-z0-9_.\-]+")


class _Absent(Enum):
    """What an `Optional` that is not there leaves; sequences drop it, a block's field becomes None."""

    ABSENT = "absent"


ABSENT: Final = _Absent.ABSENT


@dataclass(frozen=True)
class Part:
    """One decided block: its name and its decided fields."""

    name: str
    fields: Mapping[str, Structure]


# A decided structure: a block, a sequence of them, or one value.
Structure = Part | tuple["Structure", ...] | JSONScalar
_Grown = Structure | _Absent


class Node(ABC):
    """A promise of decisions."""

    @abstractmethod
    def grow(self, path: str, decide: Decide) -> _Grown:
        """Ask for every decision under ``path`` in a fixed order and return what they make."""

    @abstractmethod
    def every(self, path: str) -> Iterator[tuple[str, Searchable]]:
        """Yield every decision that could be asked for, in order; without an end where the tree has none."""

    @abstractmethod
    def count(self, above: tuple[object, ...] = ()) -> int | None:
        """Return the number of distinct decision lists, or None where there is no end of them."""


Grammar = Node | Callable[[], Node]


@dataclass(frozen=True)
class Value(Node):
    """One value of a domain."""

    domain: Searchable

    def grow(self, path: str, decide: Decide) -> _Grown:
        """Ask for the value."""
        return decide(path, self.domain)

    def every(self, path: str) -> Iterator[tuple[str, Searchable]]:
        """Yield the one decision."""
        yield path, self.domain

    def count(self, above: tuple[object, ...] = ()) -> int | None:
        """Return the size of the domain; a float has no end."""
        match self.domain:
            case Float():
                return None if self.domain.low < self.domain.high else 1
            case Int():
                return self.domain.high - self.domain.low + 1
            case OneOf():
                return len(self.domain.options)
            case Bool():
                return 2


class Choice(Node):
    """One of several named subtrees."""

    def __init__(self, **options: Grammar) -> None:
        if not options:
            raise DomainError("a Choice needs at least one option")
        self._options = {_checked(name): option for name, option in options.items()}
        self._domain = OneOf(tuple(options))

    def grow(self, path: str, decide: Decide) -> _Grown:
        """Ask which option, then grow that one only."""
        label = str(decide(path, self._domain))
        return node(self._options[label]).grow(f"{path}={label}", decide)

    def every(self, path: str) -> Iterator[tuple[str, Searchable]]:
        """Yield the choice and what lies under each option."""
        yield path, self._domain
        for label, option in self._options.items():
            yield from node(option).every(f"{path}={label}")

    def count(self, above: tuple[object, ...] = ()) -> int | None:
        """Return the sum over the options."""
        return _sum([count(option, above) for option in self._options.values()])


class Repeat(Node):
    """Between ``low`` and ``high`` copies in a row, each decided by itself, or all alike where ``tied``."""

    def __init__(self, body: Grammar, low: int, high: int, *, tied: bool = False) -> None:
        if low < 0 or low > high:
            raise DomainError(f"a Repeat needs 0 <= low <= high, not {low!r} and {high!r}")
        self._body, self._tied, self._domain = body, tied, Int(low, high)

    def grow(self, path: str, decide: Decide) -> _Grown:
        """Ask how many, then grow each copy; tied copies are grown once."""
        num_copies = int(str(decide(f"{path}*", self._domain)))
        if self._tied:
            once = node(self._body).grow(f"{path}[]", decide) if num_copies else ()
            return flat([once] * num_copies)
        return flat([node(self._body).grow(f"{path}[{copy}]", decide) for copy in range(num_copies)])

    def every(self, path: str) -> Iterator[tuple[str, Searchable]]:
        """Yield the count and what lies under each copy."""
        yield f"{path}*", self._domain
        places = ["[]"] if self._tied else [f"[{copy}]" for copy in range(self._domain.high)]
        for place in places:
            yield from node(self._body).every(f"{path}{place}")

    def count(self, above: tuple[object, ...] = ()) -> int | None:
        """Return the sum over the counts of what so many copies can be."""
        one = count(self._body, above) if self._domain.high else 1
        if one is None:
            return None
        counts = range(self._domain.low, self._domain.high + 1)
        return sum((one if num else 1) if self._tied else one**num for num in counts)


@dataclass(frozen=True)
class Optional(Node):
    """A subtree that may be absent."""

    body: Grammar

    def grow(self, path: str, decide: Decide) -> _Grown:
        """Ask whether it is there, then grow it if so."""
        return node(self.body).grow(path, decide) if decide(f"{path}?", Bool()) else ABSENT

    def every(self, path: str) -> Iterator[tuple[str, Searchable]]:
        """Yield the question and what lies under a yes."""
        yield f"{path}?", Bool()
        yield from node(self.body).every(path)

    def count(self, above: tuple[object, ...] = ()) -> int | None:
        """Return one more than the body."""
        return _sum([1, count(self.body, above)])


class Seq(Node):
    """Several subtrees in a row; one that is named has its name in the path, the others their place."""

    def __init__(self, *parts: Grammar, **named: Grammar) -> None:
        places = {str(place): part for place, part in enumerate(parts)}
        self._parts = {**places, **{_checked(name): part for name, part in named.items()}}

    def grow(self, path: str, decide: Decide) -> _Grown:
        """Grow each in turn; sequences inside are joined to one."""
        return flat([node(part).grow(f"{path}/{name}", decide) for name, part in self._parts.items()])

    def every(self, path: str) -> Iterator[tuple[str, Searchable]]:
        """Yield what lies under each."""
        for name, part in self._parts.items():
            yield from node(part).every(f"{path}/{name}")

    def count(self, above: tuple[object, ...] = ()) -> int | None:
        """Return the product."""
        return _product([count(part, above) for part in self._parts.values()])


class Block(Node):
    """A named block; a field is a subtree to decide or a fixed value."""

    def __init__(self, name: str, /, **fields: Grammar | JSONScalar) -> None:
        self._name = _checked(name)
        self._fields = {_checked(field): value for field, value in fields.items()}

    def grow(self, path: str, decide: Decide) -> _Grown:
        """Grow the fields in their order."""
        grown: dict[str, Structure] = {}
        for field, value in self._fields.items():
            made = node(value).grow(f"{path}/{field}", decide) if isinstance(value, Node) or callable(value) else value
            grown[field] = None if isinstance(made, _Absent) else made
        return Part(self._name, grown)

    def every(self, path: str) -> Iterator[tuple[str, Searchable]]:
        """Yield what lies under each field."""
        for field, value in self._fields.items():
            if isinstance(value, Node) or callable(value):
                yield from node(value).every(f"{path}/{field}")

    def count(self, above: tuple[object, ...] = ()) -> int | None:
        """Return the product over the fields."""
        grammars = [value for value in self._fields.values() if isinstance(value, Node) or callable(value)]
        return _product([count(grammar, above) for grammar in grammars])


def node(grammar: Grammar) -> Node:
    """Return the node, made now if the grammar is a function."""
    return grammar if isinstance(grammar, Node) else grammar()


def count(grammar: Grammar, above: tuple[object, ...] = ()) -> int | None:
    """Return the number of decision lists under a grammar; one that contains itself has no end."""
    if isinstance(grammar, Node):
        return grammar.count(above)
    return None if grammar in above else grammar().count((*above, grammar))


def flat(made: list[_Grown]) -> tuple[Structure, ...]:
    """Return one sequence without what is absent; sequences inside are joined to it."""
    joined: list[Structure] = []
    for one in made:
        if isinstance(one, tuple):
            joined.extend(one)
        elif not isinstance(one, _Absent):
            joined.append(one)
    return tuple(joined)


def _checked(name: str) -> str:
    if not _WORD.fullmatch(name):
        raise DomainError(f"{name!r} is no name of a node; letters, digits and _ . - are allowed")
    return name


def _sum(counts: list[int | None]) -> int | None:
    known = [one for one in counts if one is not None]
    return sum(known) if len(known) == len(counts) else None


def _product(counts: list[int | None]) -> int | None:
    product = 1
    for one in counts:
        if one is None:
            return None
        product *= one
    return product
