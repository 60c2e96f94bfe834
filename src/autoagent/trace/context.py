"""What is current in this thread or task: whether to trace, which values parameters have, who is reading nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoagent.trace.graph import Graph
    from autoagent.trace.nodes import Node

GRAPH: ContextVar[Graph | None] = ContextVar("graph", default=None)
TRACING: ContextVar[bool] = ContextVar("tracing", default=True)
READS: ContextVar[list[Node] | None] = ContextVar("reads", default=None)
OVERRIDES: ContextVar[Mapping[Node, object] | None] = ContextVar("overrides", default=None)


def is_tracing() -> bool:
    """Say whether operations are being recorded."""
    return TRACING.get()


@contextmanager
def stop_tracing() -> Iterator[None]:
    """Run a block without recording: operations on nodes give nodes without parents.

    It may be nested, and holds for this thread or task alone.
    """
    token = TRACING.set(False)
    try:
        yield
    finally:
        TRACING.reset(token)
