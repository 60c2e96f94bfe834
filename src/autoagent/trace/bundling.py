"""Functions as traced operations: what went in, what came out, how long it took, and the error if there was one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import Any

from autoagent.errors import AutoAgentError
from autoagent.trace.containers import nodes_in, plain
from autoagent.trace.context import READS
from autoagent.trace.failing import marked, message_of
from autoagent.trace.nodes import ExceptionNode, ExecutionError, Node
from autoagent.trace.operators import Operator

Function = Callable[..., Any]
_ATOMS = frozenset({int, float, str, bool, bytes, type(None)})
_RUNNING: ContextVar[tuple[Call, ...]] = ContextVar("running", default=())


class Call:
    """The calls of one operation: turns arguments into values and links, and results and errors into nodes."""

    __slots__ = ("catches", "function", "operation", "recursive")

    def __init__(self, function: Function, operation: Operator, *, catches: bool = True) -> None:
        self.function, self.operation, self.catches = function, operation, catches
        code = getattr(function, "__code__", None)
        name = getattr(function, "__name__", "")
        self.recursive = code is not None and name in (*code.co_names, *code.co_freevars)

    def done(self, value: object, given: Given, reads: list[Node], began: float) -> Node:
        """Return the node of a result."""
        parents = given.parents
        if type(value) not in _ATOMS:
            inner = list(nodes_in(value))
            if inner:
                parents, value = [*parents, *inner], plain(value)
        made = Node(value, "", self.operation, *given.links([*parents, *reads] if reads else parents))
        made.seconds = perf_counter() - began
        if given.labels and made.inputs:
            made.labels = given.labels
        return made

    def failed(self, error: Exception, given: Given, reads: list[Node], began: float) -> Exception:
        """Record an error, and return what to raise: errors of ours as they are, others as `ExecutionError`."""
        inner = error.exception_node if isinstance(error, ExecutionError) else None
        message = message_of(error) if inner is None else inner._value
        parents = [*given.parents, *reads, *([inner] if inner is not None else [])]
        made = ExceptionNode(message, "", self.operation, *given.links(parents))
        made.error = marked(self.function, error)
        made.seconds = perf_counter() - began
        if given.labels and made.inputs:
            made.labels = given.labels
        if not self.catches or (isinstance(error, AutoAgentError) and inner is None):
            return error
        return ExecutionError(made)


class Given:
    """The arguments of one call: their plain values, and the nodes among them."""

    __slots__ = ("args", "inputs", "kwargs", "labels", "parents")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.parents: list[Node] = []
        self.args = [self._value(given) for given in args]
        self.kwargs = {name: self._value(given) for name, given in kwargs.items()} if kwargs else kwargs
        self.inputs = (*args, *kwargs.values()) if kwargs else args
        self.labels = tuple(kwargs)

    def _value(self, given: Any) -> Any:  # noqa: ANN401 - arguments of any function
        if isinstance(given, Node):
            self.parents.append(given)
            return given._value
        if type(given) in _ATOMS:
            return given
        inner = list(nodes_in(given))
        self.parents += inner
        return plain(given) if inner else given

    def links(self, parents: list[Node]) -> tuple[tuple[object, ...], tuple[Node, ...]]:
        """Return the inputs and the parents of a node; one tuple where they are the same."""
        linked = tuple(dict.fromkeys(parents)) if len(parents) > 1 else tuple(parents)
        inputs = self.inputs
        same = len(inputs) == len(linked) and all(a is b for a, b in zip(inputs, linked, strict=True))
        return (linked if same else inputs), linked


def bundled(function: Function, call: Call) -> Function:
    """Return the function of the same kind (plain, coroutine, generator, async generator) that makes nodes."""
    if inspect.isasyncgenfunction(function):
        return _async_generator(function, call)
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, call)
    return _generator(function, call) if inspect.isgeneratorfunction(function) else _plain_function(function, call)


def _plain_function(function: Function, call: Call) -> Function:
    @functools.wraps(function)
    def run(*args: object, **kwargs: object) -> Any:  # noqa: ANN401 - a node, or inside itself what the function gives
        if call.recursive and call in _RUNNING.get():
            return function(*args, **kwargs)
        began, given, reads = perf_counter(), Given(args, kwargs), list[Node]()
        running = _RUNNING.set((*_RUNNING.get(), call)) if call.recursive else None
        token = READS.set(reads)
        try:
            value = function(*given.args, **given.kwargs)
        except Exception as error:
            READS.reset(token)
            raise call.failed(error, given, reads, began) from error
        else:
            READS.reset(token)
            return call.done(value, given, reads, began)
        finally:
            if running is not None:
                _RUNNING.reset(running)

    return run


def _coroutine(function: Function, call: Call) -> Function:
    @functools.wraps(function)
    async def run(*args: object, **kwargs: object) -> Node:
        began, given = perf_counter(), Given(args, kwargs)
        reads = list[Node]()
        with _reading(reads):
            try:
                value = await function(*given.args, **given.kwargs)
            except Exception as error:
                raise call.failed(error, given, reads, began) from error
        return call.done(value, given, reads, began)

    return run


def _generator(function: Function, call: Call) -> Function:
    @functools.wraps(function)
    def run(*args: object, **kwargs: object) -> Iterator[Node]:
        given, reads = Given(args, kwargs), list[Node]()  # an item depends on what earlier ones read
        inner = function(*given.args, **given.kwargs)
        try:
            while True:
                began = perf_counter()
                try:
                    with _reading(reads):
                        value = next(inner)
                except StopIteration:
                    return
                except Exception as error:
                    raise call.failed(error, given, reads, began) from error
                yield call.done(value, given, reads, began)
        finally:
            inner.close()

    return run


def _async_generator(function: Function, call: Call) -> Function:
    @functools.wraps(function)
    async def run(*args: object, **kwargs: object) -> AsyncIterator[Node]:
        given, reads = Given(args, kwargs), list[Node]()  # an item depends on what earlier ones read
        inner = function(*given.args, **given.kwargs)
        try:
            while True:
                began = perf_counter()
                try:
                    with _reading(reads):
                        value = await anext(inner)
                except StopAsyncIteration:
                    return
                except Exception as error:
                    raise call.failed(error, given, reads, began) from error
                yield call.done(value, given, reads, began)
        finally:
            await inner.aclose()

    return run


@contextmanager
def _reading(reads: list[Node]) -> Iterator[None]:
    token = READS.set(reads)
    try:
        yield
    finally:
        READS.reset(token)
