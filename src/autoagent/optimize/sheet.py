"""A problem as an optimizer is shown it: bounded text, loops collapsed, long values summarised, JSON both ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from autoagent.optimize.loops import Gap, collapse
from autoagent.trace.problem import Operation, Problem
from autoagent.trace.summary import literal_text
from autoagent.trace.verdict import Feedback

_MOST_LINES = 200
_MOST_INPUTS = 100
_MOST_ARGUMENTS = 12
_VALUE = 240  # characters of an intermediate value
_TEXT = 4000  # characters of a feedback, a documentation or an error


@dataclass(frozen=True)
class Line:
    """One operation.

    Attributes:
        name: of the result; empty for a line that stands for operations left out.
        operator: the function.
        arguments: pairs of argument name (or empty) and what was passed.
        value: the result, as short text; of a gap, what was left out.
        kind: ``operation``, ``exception``, ``output`` or ``gap``.
        error: the source with the failing line marked.
    """

    name: str
    operator: str
    arguments: tuple[tuple[str, str], ...]
    value: str
    kind: str
    error: str = ""

    @property
    def text(self) -> str:
        """The operation as Python writes it, its value behind it."""
        if self.kind == "gap":
            return f"# … {self.value}"
        given = ", ".join(f"{name}={what}" if name else what for name, what in self.arguments)
        mark = "raised " if self.kind == "exception" else ""
        return f"{self.name} = {self.operator}({given})  # {mark}{self.value}"


@dataclass(frozen=True)
class Sheet:
    """What is shown of a problem.

    Attributes:
        variables: names of the parameters that led to a judged output.
        inputs: triples of name, value and description.
        lines: the operations, parents first.
        outputs: names of the judged operations.
        feedback: pairs of output name and what was said of it.
        documentation: pairs of operator and description.
    """

    variables: tuple[str, ...] = ()
    inputs: tuple[tuple[str, str, str], ...] = ()
    lines: tuple[Line, ...] = ()
    outputs: tuple[str, ...] = ()
    feedback: tuple[tuple[str, str], ...] = ()
    documentation: tuple[tuple[str, str], ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value that ``from_json`` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Sheet:
        """Read what ``to_json`` wrote."""
        lines = (Line(**{**line, "arguments": _tuples(line["arguments"])}) for line in row["lines"])
        parts = {name: _tuples(row[name]) for name in ("inputs", "feedback", "documentation")}
        return cls(variables=tuple(row["variables"]), outputs=tuple(row["outputs"]), lines=tuple(lines), **parts)


def sheet_of(problem: Problem) -> Sheet:
    """Return what is shown of a problem; O(operations)."""
    kept = collapse(problem.operations, most=_MOST_LINES)
    lines = tuple(_gap(part) if isinstance(part, Gap) else _line(part) for part in kept)
    shown = {what for line in lines for _, given in line.arguments for what in _words(given)}
    operators = {line.operator for line in lines}
    read = [entry for entry in problem.inputs if entry.name in shown]
    inputs = [(entry.name, short(entry.value, 800), cut(entry.description, 300)) for entry in read[:_MOST_INPUTS]]
    if missing := len(problem.inputs) - len(inputs):
        inputs.append(("…", f"{missing} more inputs, of operations left out", ""))
    return Sheet(
        tuple(variable.name for variable in problem.variables),
        tuple(inputs),
        lines,
        problem.outputs[:_MOST_INPUTS],
        tuple((name, feedback_text(said)) for name, said in problem.feedback[:_MOST_INPUTS]),
        tuple((name, cut(text, _TEXT)) for name, text in problem.documentation.items() if name in operators and text),
    )


def feedback_text(said: Feedback) -> str:
    """Return feedback in words, everything that it holds."""
    parts = [] if said.score is None else [f"score {said.score:.6g}"]
    parts += [f"{name} {value:.6g}" for name, value in {**said.scores, **said.metrics}.items()]
    if said.error:
        parts.append(f"error: {cut(said.error, _TEXT)}")
    if said.text:
        parts.append(cut(said.text, _TEXT))
    return "; ".join(parts)


def short(value: object, most: int) -> str:
    """Return a value on one line; arrays and tables as shape, dtype and statistics, what is long cut and said so."""
    return cut(literal_text(value).replace("\n", "\\n"), most)


def cut(text: str, most: int) -> str:
    """Return a text, its middle left out where it is longer than ``most`` characters."""
    if len(text) <= most:
        return text
    head, tail = (most * 2) // 3, most // 3
    return f"{text[:head]} … ({len(text) - head - tail} characters left out) … {text[-tail:]}"


def _line(operation: Operation) -> Line:
    given = [(name, cut(what, _VALUE)) for name, what in _bounded(operation.arguments)]
    return Line(
        operation.name,
        operation.operator,
        tuple(given),
        short(operation.value, _VALUE * 4 if operation.kind != "operation" else _VALUE),
        operation.kind,
        cut(operation.error, _TEXT),
    )


def _bounded(arguments: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    if len(arguments) <= _MOST_ARGUMENTS:
        return list(arguments)
    half = _MOST_ARGUMENTS // 2
    between = ("", f"… {len(arguments) - 2 * half} more arguments …")
    return [*arguments[:half], between, *arguments[-half:]]


def _gap(gap: Gap) -> Line:
    return Line("", "", (), gap.text, "gap")


def _words(text: str) -> list[str]:
    word = "".join(letter if letter.isalnum() or letter == "_" else " " for letter in text)
    return word.split()


def _tuples(rows: Sequence[Sequence[str]]) -> tuple[Any, ...]:
    return tuple(tuple(row) for row in rows)
