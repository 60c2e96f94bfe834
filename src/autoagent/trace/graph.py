"""The graph that records nodes. No global graph: one is current only inside its ``with`` block."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Token
from threading import Lock
from typing import Any, Self

from autoagent.trace.context import GRAPH
from autoagent.trace.nodes import ExceptionNode, Literal, Node
from autoagent.trace.operators import Operator
from autoagent.trace.parameters import RecordedParameter
from autoagent.trace.verdict import Feedback

VERSION = 1


class Graph:
    """The nodes that came to be inside its ``with`` block, in order.

    It is kept in a context variable, so threads and asyncio tasks do not see each other's. Names are function name
    and call index, so the same program gives the same graph, byte for byte.
    """

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._counts: dict[str, int] = {}
        self._names: set[str] = set()
        self._tokens: list[Token[Graph | None]] = []
        self._lock = Lock()

    def __enter__(self) -> Self:
        self._tokens.append(GRAPH.set(self))
        return self

    def __exit__(self, *exception: object) -> None:
        GRAPH.reset(self._tokens.pop())

    def nodes(self) -> list[Node]:
        """Return the nodes in the order in which they came to be."""
        return list(self._nodes)

    def add(self, made: Node, name: str) -> None:
        """Record a node under a fresh name: ``name``, or ``name_2`` and so on when it is taken."""
        with self._lock:
            count = self._counts.get(name, 0)
            fresh = name if count == 0 else f"{name}_{count + 1}"
            while fresh in self._names:
                count += 1
                fresh = f"{name}_{count + 1}"
            self._counts[name] = count + 1
            self._names.add(fresh)
            made.name = fresh
            self._nodes.append(made)

    def to_json(self, *, whole: bool = False) -> dict[str, Any]:
        """Return the graph as JSON.

        Args:
            whole: keep values that are JSON themselves at any length, so that a worker process can return its part of
                a graph; else, and for all others, a summary that is never longer than 2 kB.
        """
        return {"version": VERSION, "nodes": [made.to_json(whole=whole) for made in self._nodes]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], *, known: Mapping[str, Node] | None = None) -> Graph:
        """Read what ``to_json`` wrote; the nodes hold what it kept of their values, and new ones may follow.

        Args:
            data: the JSON.
            known: nodes of this process to take in the place of those of the same name, for example its parameters:
                feedback then finds its way back to them through what a worker did.
        """
        graph = cls()
        found: dict[str, Node] = {}
        operators: dict[tuple[object, ...], Operator] = {}
        for row in data["nodes"]:
            name = row["name"]
            found[name] = known[name] if known and name in known else _restored(row, found, operators)
            graph._keep(found[name], name)
        return graph

    def _keep(self, made: Node, name: str) -> None:
        self._names.add(name)
        self._counts[made.stem] = self._counts.get(made.stem, 0) + 1
        self._nodes.append(made)


def _restored(row: Mapping[str, Any], found: Mapping[str, Node], operators: dict[tuple[object, ...], Operator]) -> Node:
    kind = ExceptionNode if row["kind"] == "exception" else RecordedParameter if row["trainable"] else Node
    made = kind.__new__(kind)
    made._value, made.name, made.stem = row["value"], row["name"], row.get("stem", row["operator"] or row["name"])
    made.operation = None
    if row["operator"]:
        fresh = Operator(row["operator"], row["description"], code=found.get(row.get("code", "")))
        made.operation = operators.setdefault(fresh.key, fresh)
    made.parents = tuple(found[name] for name in row["parents"])
    given = tuple(_decoded(item, found) for item in row["inputs"]) if "inputs" in row else made.parents
    made.inputs, made.labels = given, tuple(row.get("labels", ()))
    made._about, made.seconds = row["description"] or None, row.get("seconds")
    made._feedback = tuple(Feedback(**entry) for entry in row.get("feedback", []))
    if isinstance(made, ExceptionNode):
        made.error = row.get("error", "")
    return made


def _decoded(row: Mapping[str, Any], found: Mapping[str, Node]) -> object:
    ((kind, value),) = row.items()
    match kind:
        case "node":
            return found[value]
        case "list":
            return [_decoded(item, found) for item in value]
        case "tuple":
            return tuple(_decoded(item, found) for item in value)
        case "dict":
            return {key: _decoded(item, found) for key, item in value}
        case _:
            return Literal(value)
