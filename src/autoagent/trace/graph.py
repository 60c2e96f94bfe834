"""Nodes and the graph that records them. No global graph: a graph is current only inside its ``with`` block."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any, Self

from autoagent.trace.summary import fit, summarise
from autoagent.trace.verdict import Feedback

VERSION = 1
_CURRENT: ContextVar[Graph | None] = ContextVar("graph", default=None)
_TRACING: ContextVar[bool] = ContextVar("tracing", default=True)


class Graph:
    """The operations that ran inside its ``with`` block, in order.

    It is kept in a context variable, so threads and asyncio tasks do not see each other's. Names are function name
    and call index, so the same program gives the same graph, byte for byte.
    """

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._counts: dict[str, int] = {}
        self._names: set[str] = set()
        self._tokens: list[Token[Graph | None]] = []

    def __enter__(self) -> Self:
        self._tokens.append(_CURRENT.set(self))
        return self

    def __exit__(self, *exception: object) -> None:
        _CURRENT.reset(self._tokens.pop())

    def nodes(self) -> list[Node]:
        """Return the nodes in the order in which they came to be."""
        return list(self._nodes)

    def add(self, made: Node, name: str) -> None:
        """Record a node under a fresh name: ``name``, or ``name_2`` and so on when it is taken."""
        count = self._counts.get(name, 0)
        fresh = name if count == 0 else f"{name}_{count + 1}"
        while fresh in self._names:
            count += 1
            fresh = f"{name}_{count + 1}"
        self._counts[name] = count + 1
        self._names.add(fresh)
        made.name = fresh
        self._nodes.append(made)

    def to_json(self) -> dict[str, Any]:
        """Return the graph as JSON; values are summarised and never longer than 2 kB."""
        return {"version": VERSION, "nodes": [made.to_json() for made in self._nodes]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Graph:
        """Read what ``to_json`` wrote; the nodes hold the summaries, and new ones may follow."""
        graph = cls()
        known: dict[str, Node] = {}
        for row in data["nodes"]:
            kind = ExceptionNode if row["kind"] == "exception" else Node
            made = kind.__new__(kind)
            made._fill(row["value"], tuple(known[name] for name in row["parents"]), row["operator"])
            made.trainable, made.description = row["trainable"], row["description"]
            made.seconds = row.get("seconds")
            made.feedback = [Feedback(**entry) for entry in row.get("feedback", [])]
            graph.add(made, row["name"])
            known[made.name] = made
        return graph


class Node:
    """A value and how it came to be.

    As in Trace: ``==`` and ``!=`` compare the data and give plain bools, as do ``in``, ``bool`` and ``len``;
    arithmetic, ordering, indexing, iteration, ``abs`` and ``round`` are traced and give nodes, and so do ``eq()`` and
    ``len()``. A sequence is iterated by its items' places; of anything else each item is a node of its own.
    """

    __slots__ = (
        "__weakref__",
        "data",
        "description",
        "feedback",
        "name",
        "operator",
        "parents",
        "seconds",
        "trainable",
    )
    kind = "node"
    data: Any
    description: str
    feedback: list[Feedback]
    name: str
    operator: str
    parents: tuple[Node, ...]
    seconds: float | None
    trainable: bool

    def __init__(self, data: object, *, parents: tuple[Node, ...] = (), operator: str = "", name: str = "") -> None:
        self._fill(data, parents, operator)
        graph = _CURRENT.get()
        self.name = name or operator or "node"
        if graph is not None and _TRACING.get():
            graph.add(self, self.name)

    def _fill(self, data: object, parents: tuple[Node, ...], operator: str) -> None:
        self.data, self.parents, self.operator = data, parents, operator
        self.description, self.trainable, self.seconds, self.feedback, self.name = "", False, None, [], ""

    def to_json(self) -> dict[str, Any]:
        """Return the node as JSON."""
        row: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "operator": self.operator,
            "parents": [parent.name for parent in self.parents],
            "value": fit(summarise(self.data)),
            "trainable": self.trainable,
            "description": self.description,
        }
        if self.seconds is not None:
            row["seconds"] = round(self.seconds, 4)
        if self.feedback:
            row["feedback"] = [entry.to_json() for entry in self.feedback]
        return row

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.data!r})"

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return bool(self.data == data_of(other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __bool__(self) -> bool:
        return bool(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __contains__(self, item: object) -> bool:
        return data_of(item) in self.data

    def __iter__(self) -> Iterator[Node]:
        if isinstance(self.data, Sequence):
            yield from (self[place] for place in range(len(self.data)))
            return
        for item in self.data:
            yield Node(item, parents=(self,) if _TRACING.get() else (), operator="item")

    def __getitem__(self, key: object) -> Node:
        return _apply("getitem", lambda a, b: a[b], self, key)

    def __add__(self, other: object) -> Node:
        return _apply("add", lambda a, b: a + b, self, other)

    def __radd__(self, other: object) -> Node:
        return _apply("add", lambda a, b: a + b, other, self)

    def __sub__(self, other: object) -> Node:
        return _apply("subtract", lambda a, b: a - b, self, other)

    def __rsub__(self, other: object) -> Node:
        return _apply("subtract", lambda a, b: a - b, other, self)

    def __mul__(self, other: object) -> Node:
        return _apply("multiply", lambda a, b: a * b, self, other)

    def __rmul__(self, other: object) -> Node:
        return _apply("multiply", lambda a, b: a * b, other, self)

    def __truediv__(self, other: object) -> Node:
        return _apply("divide", lambda a, b: a / b, self, other)

    def __rtruediv__(self, other: object) -> Node:
        return _apply("divide", lambda a, b: a / b, other, self)

    def __floordiv__(self, other: object) -> Node:
        return _apply("floor_divide", lambda a, b: a // b, self, other)

    def __rfloordiv__(self, other: object) -> Node:
        return _apply("floor_divide", lambda a, b: a // b, other, self)

    def __mod__(self, other: object) -> Node:
        return _apply("mod", lambda a, b: a % b, self, other)

    def __rmod__(self, other: object) -> Node:
        return _apply("mod", lambda a, b: a % b, other, self)

    def __pow__(self, other: object) -> Node:
        return _apply("power", lambda a, b: a**b, self, other)

    def __rpow__(self, other: object) -> Node:
        return _apply("power", lambda a, b: a**b, other, self)

    def __matmul__(self, other: object) -> Node:
        return _apply("matmul", lambda a, b: a @ b, self, other)

    def eq(self, other: object) -> Node:
        """Compare as ``==`` does, traced."""
        return _apply("eq", lambda a, b: a == b, self, other)

    def len(self) -> Node:
        """Count as ``len`` does, traced."""
        return _apply("len", len, self)

    def __lt__(self, other: object) -> Node:
        return _apply("lt", lambda a, b: a < b, self, other)

    def __le__(self, other: object) -> Node:
        return _apply("le", lambda a, b: a <= b, self, other)

    def __gt__(self, other: object) -> Node:
        return _apply("gt", lambda a, b: a > b, self, other)

    def __ge__(self, other: object) -> Node:
        return _apply("ge", lambda a, b: a >= b, self, other)

    def __neg__(self) -> Node:
        return _apply("neg", lambda a: -a, self)

    def __abs__(self) -> Node:
        return _apply("abs", abs, self)

    def __round__(self, digits: int | None = None) -> Node:
        return _apply("round", lambda a: round(a, digits), self)

    def __floor__(self) -> Node:
        return _apply("floor", math.floor, self)


class ExceptionNode(Node):
    """An error that an operation raised; its data is the message."""

    __slots__ = ()
    kind = "exception"


def node(value: object, name: str = "", *, trainable: bool = False, description: str = "") -> Node:
    """Return a node that holds ``value``; a node is returned as it is.

    Args:
        value: anything.
        name: of the node; made unique in its graph.
        trainable: an optimizer may change it.
        description: what it is for.
    """
    if isinstance(value, Node):
        return value
    made = Node(value, name=name)
    made.trainable, made.description = trainable, description
    return made


def data_of(value: object) -> Any:  # noqa: ANN401 - whatever the node holds
    """Return what a node holds; anything else as it is."""
    return value.data if isinstance(value, Node) else value


def is_tracing() -> bool:
    """Say whether operations are being recorded."""
    return _TRACING.get()


@contextmanager
def stop_tracing() -> Iterator[None]:
    """Run a block without recording: operations on nodes give nodes without parents."""
    token = _TRACING.set(False)
    try:
        yield
    finally:
        _TRACING.reset(token)


def _apply(operator: str, function: Callable[..., Any], *arguments: object) -> Node:
    parents = tuple(item if isinstance(item, Node) else node(item, "constant") for item in arguments)
    value = function(*(parent.data for parent in parents))
    return Node(value, parents=parents if _TRACING.get() else (), operator=operator)
