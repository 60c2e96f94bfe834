"""The computation graph: what ran, on what, and what came of it."""

from __future__ import annotations

from autoagent.trace.bundling import ExecutionError, bundle
from autoagent.trace.feedback import backward, zero_feedback
from autoagent.trace.graph import ExceptionNode, Graph, Node, node, stop_tracing
from autoagent.trace.show import show, to_svg
from autoagent.trace.verdict import Feedback

__all__ = [
    "ExceptionNode",
    "ExecutionError",
    "Feedback",
    "Graph",
    "Node",
    "backward",
    "bundle",
    "node",
    "show",
    "stop_tracing",
    "to_svg",
    "zero_feedback",
]
