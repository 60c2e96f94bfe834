"""Where a function failed: the line, and its source with that line marked."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from types import TracebackType
from typing import Any


class CodeFailed(Exception):  # noqa: N818 - the error is that of the learned code
    """Learned code raised.

    Attributes:
        source: it, with the failing line marked.
    """

    def __init__(self, message: str, source: str) -> None:
        super().__init__(message)
        self.source = source


def message_of(error: BaseException) -> str:
    """Return an error's type, message and innermost line."""
    return str(error) if isinstance(error, CodeFailed) else f"{type(error).__name__}: {error}{failing_line(error)}"


def failing_line(error: BaseException) -> str:
    """Return the innermost line, as `` (line 3 of name)``; empty when it is not known."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f" (line {trace.tb_lineno} of {trace.tb_frame.f_code.co_name})"


def marked(function: Callable[..., Any], error: BaseException) -> str:
    """Return a function's source with the line marked at which the error left it; empty when there is no source."""
    if isinstance(error, CodeFailed):
        return error.source
    try:
        lines, first = inspect.getsourcelines(inspect.unwrap(function))
    except (OSError, TypeError):
        return ""
    number = _line_within(error.__traceback__, function, first, len(lines))
    source = textwrap.dedent("".join(lines)).rstrip("\n").split("\n")
    return mark(source, number - first, f"{type(error).__name__}: {error}") if number is not None else "\n".join(source)


def mark(source: list[str], place: int, said: str) -> str:
    """Return source lines as one text, with an arrow and what went wrong after the line at ``place``."""
    return "\n".join(
        f"{line}  # <--- {said.splitlines()[0]}" if at == place else line for at, line in enumerate(source)
    )


def marked_source(kind: str, detail: str, line: int, source: str) -> tuple[str, str]:
    """Return what learned code raised, with its line, and the source with that line marked."""
    said = f"{kind}: {detail}"
    where = f" (line {line})" if line else ""
    return f"{said}{where}", mark(source.rstrip("\n").split("\n"), line - 1, said)


def _line_within(trace: TracebackType | None, function: Callable[..., Any], first: int, count: int) -> int | None:
    name = inspect.unwrap(function).__code__.co_filename
    found = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == name and first <= trace.tb_lineno < first + count:
            found = trace.tb_lineno
        trace = trace.tb_next
    return found
