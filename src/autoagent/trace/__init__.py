"""The computation graph: what ran, on what, and what came of it."""

from __future__ import annotations

from autoagent.trace.bundle import bundle
from autoagent.trace.context import stop_tracing
from autoagent.trace.feedback import Run, backward, propagate, record, zero_feedback
from autoagent.trace.graph import Graph
from autoagent.trace.modules import Module, model
from autoagent.trace.nodes import ExceptionNode, ExecutionError, Node
from autoagent.trace.parameters import ParameterNode, node, override
from autoagent.trace.problem import Input, Operation, Problem, Variable, problem
from autoagent.trace.show import show, to_svg
from autoagent.trace.verdict import Feedback

__all__ = [
    "ExceptionNode",
    "ExecutionError",
    "Feedback",
    "Graph",
    "Input",
    "Module",
    "Node",
    "Operation",
    "ParameterNode",
    "Problem",
    "Run",
    "Variable",
    "backward",
    "bundle",
    "model",
    "node",
    "override",
    "problem",
    "propagate",
    "record",
    "show",
    "stop_tracing",
    "to_svg",
    "zero_feedback",
]
