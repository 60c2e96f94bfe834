"""One run of learned code as the kind of function that it stands for: plain, coroutine, generator, async generator."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from autoagent.errors import AutoAgentError
from autoagent.trace.failing import CodeFailed, marked_source


@dataclass(frozen=True)
class Execution:
    """Learned code that is about to run.

    Attributes:
        runner: takes source, arguments and keyword arguments; in this process it returns what the function returns, a
            coroutine or an iterator perhaps; a sandbox waits for the coroutine and collects the iterator.
        source: of the function.
        args: plain values.
        kwargs: plain values.
        is_here: it runs in this process, and may wait for what belongs to this event loop.
    """

    runner: Callable[[str, tuple[Any, ...], Mapping[str, Any]], Any]
    source: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    is_here: bool

    def start(self) -> Any:  # noqa: ANN401 - whatever the learned code returns
        """Call it."""
        return self.runner(self.source, self.args, self.kwargs)


def of_its_kind(
    function: Callable[..., Any], execute: Callable[[tuple[Any, ...], Mapping[str, Any]], Execution]
) -> Callable[..., Any]:
    """Return a function of the same kind as ``function`` that runs what ``execute`` prepares."""
    file = f"<learned.{function.__name__}>"

    @functools.wraps(function)
    def plain(*args: object, **kwargs: object) -> Any:  # noqa: ANN401 - whatever the learned code returns
        return execute(args, kwargs).start()

    @functools.wraps(function)
    async def coroutine(*args: object, **kwargs: object) -> Any:  # noqa: ANN401 - whatever the learned code returns
        execution = execute(args, kwargs)
        value = execution.start() if execution.is_here else await asyncio.to_thread(execution.start)
        with telling(execution.source, file):
            return await value if inspect.isawaitable(value) else value

    @functools.wraps(function)
    def generator(*args: object, **kwargs: object) -> Iterator[Any]:
        execution = execute(args, kwargs)
        items = execution.start()
        with telling(execution.source, file):
            yield from items

    @functools.wraps(function)
    async def async_generator(*args: object, **kwargs: object) -> AsyncIterator[Any]:
        execution = execute(args, kwargs)
        items = execution.start()
        with telling(execution.source, file):
            async for item in items:
                yield item

    if inspect.isasyncgenfunction(function):
        return async_generator
    if inspect.iscoroutinefunction(function):
        return coroutine
    return generator if inspect.isgeneratorfunction(function) else plain


@contextmanager
def telling(source: str, file: str) -> Iterator[None]:
    """Turn what learned code raises in this process into `CodeFailed`, with the failing line marked."""
    try:
        yield
    except (AutoAgentError, CodeFailed):
        raise
    except Exception as error:
        trace, line = error.__traceback__, 0
        while trace is not None:
            line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == file else line
            trace = trace.tb_next
        raise CodeFailed(*marked_source(type(error).__name__, str(error), line, source)) from error
