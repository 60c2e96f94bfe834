"""`bundle`: turn a function into a traced operation."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, overload

from autoagent.trace.bundling import Call, bundled
from autoagent.trace.learned import Learned, Runner
from autoagent.trace.naming import identifier
from autoagent.trace.operators import Operator
from autoagent.trace.parameters import Projection

_NAMED = re.compile(r"\s*\[([^\]\n]+)\]\s*")


@overload
def bundle(description: Callable[..., Any], /) -> Callable[..., Any]: ...
@overload
def bundle(
    description: str | None = None,
    *,
    trainable: bool = False,
    trusted: bool = False,
    projections: Sequence[Projection] = (),
    catch_execution_error: bool = True,
    sandbox: Runner | None = None,
    policy: Callable[[str], None] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...
def bundle(
    description: str | Callable[..., Any] | None = None,
    *,
    trainable: bool = False,
    trusted: bool = False,
    projections: Sequence[Projection] = (),
    catch_execution_error: bool = True,
    sandbox: Runner | None = None,
    policy: Callable[[str], None] | None = None,
) -> Callable[..., Any]:
    """Turn a function, method, coroutine function or generator function into a traced operation that gives nodes.

    Nodes in the arguments, also inside lists, tuples and dictionaries, are unwrapped for the call and become the
    parents of the result; so do nodes in what it returns, and nodes whose data it reads though they were not passed.
    A generator gives a node for each item. A function that calls itself runs as plain Python inside itself.

    Args:
        description: what it does; its docstring when None. ``"[name] text"`` also names the operation, as in Trace.
        trainable: its source is a `Code` parameter that an optimizer may replace, name, signature and docstring fixed.
        trusted: learned code runs in this process instead of the sandbox.
        projections: applied to proposed source before it is checked.
        catch_execution_error: raise `ExecutionError`, which carries the node of the error, in the place of the error.
        sandbox: runs learned code; one with the default limits when None.
        policy: called with proposed source, raises `DomainError` for what it does not allow; the sandbox's when None,
            nothing more than name, signature and docstring when trusted.

    Raises:
        ExecutionError: when the operation runs: it raised. Errors of autoagent itself pass as they are; both are
            recorded.
        DomainError: a trainable function has no source, or needs more than the sandbox offers.
    """
    if callable(description):
        return bundled(description, Call(description, operation_of(description)))

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        operation = operation_of(function, description)
        if trainable:
            return Learned(
                function, operation, trusted=trusted, projections=projections, sandbox=sandbox, policy=policy
            )
        return bundled(function, Call(function, operation, catches=catch_execution_error))

    return decorate


def operation_of(function: Callable[..., Any], description: str | None = None) -> Operator:
    """Return the operator of a function: its name, what it says of itself, and the names of its arguments."""
    said = description if description is not None else (inspect.getdoc(function) or "").split("\n\n")[0]
    named = _NAMED.match(said)
    name = identifier(named[1]) if named else function.__name__
    return Operator(identifier(name), said[named.end() :] if named else said, _arguments(function))


def _arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    kinds = inspect.Parameter
    positional = (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)
    try:
        signature = inspect.signature(function)
    except ValueError:  # a built-in that does not tell
        return ()
    return tuple(p.name for p in signature.parameters.values() if p.kind in positional)
