"""Functions as traced operations: what went in, what came out, how long it took, and the error if there was one."""

from __future__ import annotations

import copy
import functools
import inspect
import time
from collections.abc import Callable, Iterator
from typing import Any

from autoagent.errors import AutoAgentError
from autoagent.trace.graph import ExceptionNode, Node, is_tracing


class ExecutionError(AutoAgentError):
    """A traced operation raised.

    Attributes:
        node: the `ExceptionNode`, to which feedback can be given.
    """

    def __init__(self, node: ExceptionNode) -> None:
        super().__init__(str(node.data))
        self.node = node


def bundle(description: str | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Turn a function, method or coroutine function into a traced operation that returns a node.

    Nodes in the arguments, also inside lists, tuples and dictionaries, are unwrapped for the call and become the
    parents of the result; so do nodes in what it returns. The name comes from the function, the description from its
    docstring unless given.

    Raises:
        ExecutionError: the function raised; errors of autoagent itself pass as they are. Both are recorded.
        TypeError: it was written without parentheses.
    """
    if callable(description):
        raise TypeError("write @bundle(), with parentheses")

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        operation = _Operation(function.__name__, description or (inspect.getdoc(function) or "").split("\n")[0])
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_later(*args: object, **kwargs: object) -> Node:
                began = time.perf_counter()
                try:
                    value = await function(*_plain(args), **_plain(kwargs))
                except Exception as error:
                    raise operation.failed(error, (args, kwargs), began) from error
                return operation.done(value, (args, kwargs), began)

            return run_later

        @functools.wraps(function)
        def run(*args: object, **kwargs: object) -> Node:
            began = time.perf_counter()
            try:
                value = function(*_plain(args), **_plain(kwargs))
            except Exception as error:
                raise operation.failed(error, (args, kwargs), began) from error
            return operation.done(value, (args, kwargs), began)

        return run

    return decorate


class _Operation:
    def __init__(self, name: str, description: str) -> None:
        self.name, self.description = name, description

    def done(self, value: object, arguments: object, began: float) -> Node:
        return self._finish(Node(_plain(value), parents=_parents((arguments, value)), operator=self.name), began)

    def failed(self, error: Exception, arguments: object, began: float) -> Exception:
        inner = error.node if isinstance(error, ExecutionError) else None
        message = f"{type(error).__name__}: {error}{_failing_line(error)}" if inner is None else inner.data
        made = ExceptionNode(message, parents=_parents((arguments, inner)), operator=self.name)
        self._finish(made, began)
        return error if isinstance(error, AutoAgentError) and inner is None else ExecutionError(made)

    def _finish(self, made: Node, began: float) -> Node:
        made.seconds, made.description = time.perf_counter() - began, self.description
        return made


def _parents(arguments: object) -> tuple[Node, ...]:
    return tuple(dict.fromkeys(_nodes(arguments))) if is_tracing() else ()


def _nodes(value: object) -> Iterator[Node]:
    waiting, opened = [value], set[int]()  # a container may contain itself
    while waiting:
        here = waiting.pop()
        if isinstance(here, Node):
            yield here
        elif isinstance(here, dict | list | tuple) and id(here) not in opened:
            opened.add(id(here))
            waiting.extend(reversed(list(here.values() if isinstance(here, dict) else here)))


def _plain(value: Any) -> Any:  # noqa: ANN401 - arguments of any function
    if isinstance(value, Node):
        return value.data
    if next(_nodes(value), None) is None:
        return value  # the caller's own object, not a copy
    if isinstance(value, tuple):
        items = [_plain(item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    fresh = copy.copy(value)
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        fresh[key] = _plain(value[key])
    return fresh


def _failing_line(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f" (line {trace.tb_lineno} of {trace.tb_frame.f_code.co_name})"
