"""Walks over the graph: what led to an output, and what lies between parameters and outputs. Iterative, O(V + E)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoagent.trace.nodes import Node


def ancestors(outputs: Iterable[Node]) -> list[Node]:
    """Return the outputs and all that led to them, each once, parents first.

    The order is that of a depth-first walk through the parents in turn: for ordinary code the order of evaluation. It
    depends on the graph alone, never on when threads or tasks happened to run.
    """
    order: list[Node] = []
    seen: set[Node] = set()
    for output in outputs:
        waiting = [(output, False)]
        while waiting:
            here, opened = waiting.pop()
            if opened:
                order.append(here)
            elif here not in seen:
                seen.add(here)
                waiting.append((here, True))
                waiting.extend([(parent, False) for parent in reversed(here.parents) if parent not in seen])
    return order


def between(parameters: Collection[Node], order: Iterable[Node]) -> set[Node]:
    """Return the nodes that the parameters led to, themselves included; ``order`` has parents first."""
    reached = set(parameters)
    for here in order:
        if not reached.isdisjoint(here.parents):
            reached.add(here)
    return reached
