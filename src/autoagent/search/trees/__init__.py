"""Spaces of structures as trees of decisions, and samplers that propose decision lists."""

from __future__ import annotations

from autoagent.search.trees.nodes import Block, Choice, Node, Optional, Part, Repeat, Seq, Structure, Value
from autoagent.search.trees.replies import describe, faults, from_json, repair, repair_message, schema, to_json
from autoagent.search.trees.tree import Decisions, Grown, Rollouts, Tree, build, canonical
from autoagent.search.trees.variation import cross, mutate

__all__ = [
    "Block",
    "Choice",
    "Decisions",
    "Grown",
    "Node",
    "Optional",
    "Part",
    "Repeat",
    "Rollouts",
    "Seq",
    "Structure",
    "Tree",
    "Value",
    "build",
    "canonical",
    "cross",
    "describe",
    "faults",
    "from_json",
    "mutate",
    "repair",
    "repair_message",
    "schema",
    "to_json",
]
