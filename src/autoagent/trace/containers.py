"""Nodes inside lists, tuples and dictionaries: finding them, and taking their values out."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from autoagent.trace.nodes import Node

_ATOMS = frozenset({int, float, str, bool, bytes, complex, type(None)})


def nodes_in(value: object) -> Iterator[Node]:
    """Yield the nodes in a value, in order, each as often as it occurs."""
    if type(value) in _ATOMS:
        return
    waiting, opened = [value], set[int]()  # a container may contain itself
    while waiting:
        here = waiting.pop()
        if isinstance(here, Node):
            yield here
        elif isinstance(here, dict | list | tuple) and id(here) not in opened:
            opened.add(id(here))
            waiting.extend(reversed(list(here.values() if isinstance(here, dict) else here)))


def plain(value: Any) -> Any:  # noqa: ANN401 - arguments of any function
    """Return the value with data in the place of nodes; one without nodes is returned itself, not a copy."""
    if isinstance(value, Node):
        return value._value
    if next(nodes_in(value), None) is None:
        return value
    if isinstance(value, tuple):
        items = [plain(item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    fresh = copy.copy(value)
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        fresh[key] = plain(value[key])
    return fresh
