"""Feedback and its way back: one iterative pass from an output to everything that led to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from autoagent.trace.slices import ancestors
from autoagent.trace.verdict import Feedback

if TYPE_CHECKING:
    from autoagent.trace.nodes import Node

Said = Feedback | float | str | Mapping[str, float]
Propagator = Callable[["Node", Sequence[Any]], Sequence[Any]]
"""Given a node and the messages that reached it, return a message for each of its parents, in order, or None."""

_RUN: ContextVar[Run | None] = ContextVar("run", default=None)


class Run:
    """What came of the outputs of one execution.

    Attributes:
        verdicts: pairs of output and feedback, in the order of the ``backward`` calls.
    """

    def __init__(self) -> None:
        self.verdicts: list[tuple[Node, Feedback]] = []


@contextmanager
def record() -> Iterator[Run]:
    """Collect the feedback that is given inside the block, of this thread or task, instead of keeping it on the nodes.

    So one set of parameters can be evaluated by many candidates at once.
    """
    run = Run()
    token = _RUN.set(run)
    try:
        yield run
    finally:
        _RUN.reset(token)


def backward(output: Node, feedback: Said, *, propagators: Mapping[str, Propagator] | None = None) -> list[Node]:
    """Give feedback to an output and to everything that led to it; O(nodes + edges), no recursion.

    Several calls merge: each node keeps every different feedback that reached it, in order, and each parameter the
    output that it belongs to.

    Args:
        output: the judged node, or the `ExceptionNode` of an `ExecutionError`.
        feedback: what came of it; see `Feedback.of`.
        propagators: operations whose inputs are to hear something else than what they themselves heard, by name.

    Returns:
        the nodes that were reached, the output first.
    """
    said, run = Feedback.of(feedback), _RUN.get()
    if run is not None:
        run.verdicts.append((output, said))
    order = ancestors([output])
    order.reverse()
    if propagators is None:
        for here in order:
            here.hear(output, said, recorded=run is not None)
        return order
    heard = propagate(output, said, propagators)
    for here, messages in heard.items():
        for message in messages:
            here.hear(output, Feedback.of(message), recorded=run is not None)
    return list(heard)


def propagate(output: Node, message: object, propagators: Mapping[str, Propagator]) -> dict[Node, list[Any]]:
    """Send a message of any kind back through the graph and return what reached each node, the output first.

    Each operation hears all that its users sent before it speaks itself. An operation without a propagator passes each
    different message on to all of its parents. With the derivative of each operation as its propagator, this is the
    chain rule.

    Raises:
        ValueError: a propagator returned another number of messages than the node has parents.
    """
    order = ancestors([output])
    heard: dict[Node, list[Any]] = {output: [message]}
    for here in reversed(order):
        messages = heard.get(here)
        if not messages or not here.parents:
            continue
        rule = propagators.get(here.operator)
        if rule is None:
            for parent in here.parents:
                known = heard.setdefault(parent, [])
                known.extend(said for said in messages if not any(said is old or said == old for old in known))
            continue
        sent = rule(here, messages)
        if len(sent) != len(here.parents):
            raise ValueError(
                f"the propagator of {here.operator!r} sent {len(sent)} messages to {len(here.parents)} parents"
            )
        for parent, said in zip(here.parents, sent, strict=True):
            if said is not None:
                heard.setdefault(parent, []).append(said)
    return heard


def zero_feedback(nodes: Iterable[Node]) -> None:
    """Forget the feedback of nodes, and of parameters the outputs that it belongs to."""
    for here in nodes:
        here.zero_feedback()
