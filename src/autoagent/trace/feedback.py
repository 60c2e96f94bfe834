"""Feedback and its way back: one iterative pass from an output to every node that led to it."""

from __future__ import annotations

from autoagent.trace.graph import Node
from autoagent.trace.verdict import Feedback


def backward(output: Node, feedback: Feedback | float | str) -> list[Node]:
    """Give feedback to an output and to everything that led to it; O(nodes + edges), no recursion.

    Several calls merge: each node keeps every different feedback that reached it, in order.

    Returns:
        the nodes that were reached, the output first.
    """
    said = _typed(feedback)
    reached, waiting, seen = [], [output], {id(output)}
    while waiting:
        here = waiting.pop()
        reached.append(here)
        if said not in here.feedback:
            here.feedback.append(said)
        for parent in here.parents:
            if id(parent) not in seen:
                seen.add(id(parent))
                waiting.append(parent)
    return reached


def zero_feedback(nodes: list[Node]) -> None:
    """Forget the feedback of nodes."""
    for here in nodes:
        here.feedback.clear()


def _typed(feedback: Feedback | float | str) -> Feedback:
    if isinstance(feedback, Feedback):
        return feedback
    return Feedback(text=feedback) if isinstance(feedback, str) else Feedback(score=float(feedback))
