"""The problem that feedback poses: exactly the operations on a path from a parameter to a judged output, with names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from autoagent.space import Domain
from autoagent.trace.containers import nodes_in
from autoagent.trace.naming import Names, identifier
from autoagent.trace.nodes import ExceptionNode, Node, written
from autoagent.trace.operators import Operator
from autoagent.trace.parameters import ParameterNode
from autoagent.trace.slices import ancestors, between
from autoagent.trace.verdict import Feedback

Verdict = tuple[Node, Feedback]


@dataclass(frozen=True)
class Variable:
    """A parameter that may be changed: its value is the one under the current `override`."""

    name: str
    value: object
    domain: Domain
    description: str
    parameter: ParameterNode


@dataclass(frozen=True)
class Operation:
    """One operation that a parameter led to.

    Attributes:
        name: of its result.
        operator: the function's name; that of a variable when the function is itself learned code.
        arguments: pairs of argument name (empty when positional) and a node's name, or the text of a plain value or of
            a container with names in it. ``uses`` names a node that the function used without being passed it.
        value: the result; of an exception its message.
        kind: "output" is an operation that was judged.
        error: the operation's source with the failing line marked.
    """

    name: str
    operator: str
    arguments: tuple[tuple[str, str], ...]
    value: object
    kind: Literal["operation", "exception", "output"]
    error: str = ""


@dataclass(frozen=True)
class Input:
    """A node that the operations read and that no parameter led to."""

    name: str
    value: object
    description: str


@dataclass(frozen=True)
class Problem:
    """What an optimizer is shown. Identical states give identical problems, names included.

    Attributes:
        variables: the parameters that led to a judged output; all of them when nothing was judged.
        inputs: what the operations read beside the variables.
        operations: every operation on a path from a variable to a judged output, and no other; parents first.
        outputs: names of the judged nodes, each once.
        feedback: pairs of output name and feedback, in the order in which it was given.
        documentation: operator -> description, in the order of first use.
    """

    variables: tuple[Variable, ...]
    inputs: tuple[Input, ...]
    operations: tuple[Operation, ...]
    outputs: tuple[str, ...]
    feedback: tuple[tuple[str, Feedback], ...]
    documentation: Mapping[str, str]


def problem(parameters: Sequence[ParameterNode], verdicts: Sequence[Verdict] | None = None) -> Problem:
    """Return the problem of some parameters; O(V + E). Call it under the `override` that the outputs came from.

    Args:
        parameters: what may be changed; their names come first, so that these stay the same between steps.
        verdicts: outputs and feedback, as `record` collects them; None for those kept on the parameters.
    """
    parameters = list(dict.fromkeys(parameters))
    judged = _kept(parameters) if verdicts is None else list(verdicts)
    order = ancestors(dict.fromkeys(output for output, _ in judged))
    known = set(order)
    used = [parameter for parameter in parameters if parameter in known] if judged else parameters
    reached = between(used, order)
    operations = [here for here in order if here in reached and here.parents]
    naming = _Naming(parameters, operations)
    inputs = dict.fromkeys(p for here in operations for p in here.parents if p not in reached)
    outputs = dict.fromkeys(output for output, _ in judged if output in reached)
    return Problem(
        tuple(Variable(naming.of(p), p._value, p.domain, p.description, p) for p in used),
        tuple(Input(naming.of(here), here._value, here.description) for here in inputs),
        tuple(_operation(here, naming, here in outputs) for here in operations),
        tuple(naming.of(here) for here in outputs),
        tuple((naming.of(output), said) for output, said in judged if output in reached),
        naming.documentation,
    )


def variable_names(parameters: Sequence[ParameterNode]) -> dict[ParameterNode, str]:
    """Return the names under which a problem of these parameters shows them."""
    names = Names()
    return {parameter: names.named(parameter.stem) for parameter in dict.fromkeys(parameters)}


class _Naming:
    """Parameters keep their names; then inputs theirs; operations are numbered by function, in order."""

    def __init__(self, parameters: Sequence[ParameterNode], operations: Sequence[Node]) -> None:
        self._names: dict[Node, str] = dict(variable_names(parameters).items())
        self._operators: dict[tuple[object, ...], str] = {}
        self.documentation: dict[str, str] = {}
        functions = Names(set(self._names.values()))
        for here in operations:
            operation = here.operation
            if operation is None or operation.key in self._operators:
                continue
            code = operation.code
            name = functions.named(operation.name) if code is None or code not in self._names else self._names[code]
            self._operators[operation.key] = name
            self.documentation[name] = operation.description
        taken = set(self._names.values()) | set(self._operators.values())
        self._fresh = Names(taken)
        for here in operations:
            for parent in here.parents:
                if parent not in self._names and not parent.parents:
                    self._names[parent] = self._fresh.named(parent.stem)

    def of(self, here: Node) -> str:
        if here not in self._names:
            self._names[here] = self._fresh.numbered(here.stem)
        return self._names[here]

    def function(self, here: Node) -> str:
        return identifier(here.stem) if here.operation is None else self._operators[here.operation.key]


def _operation(here: Node, naming: _Naming, is_output: bool) -> Operation:
    failed = isinstance(here, ExceptionNode)
    return Operation(
        naming.of(here),
        naming.function(here),
        arguments(here, naming.of),
        here._value,
        "exception" if failed else "output" if is_output else "operation",
        here.error if isinstance(here, ExceptionNode) else "",
    )


def arguments(here: Node, names: Callable[[Node], str]) -> tuple[tuple[str, str], ...]:
    """Return what an operation was called with, as pairs of argument name and text."""
    operation, inputs = here.operation or Operator(here.stem), here.inputs
    if operation.arguments or here.labels:
        labels = [operation.label(place, len(inputs), here.labels) for place in range(len(inputs))]
    else:
        labels = [""] * len(inputs)
    pairs = [
        (label, names(given) if isinstance(given, Node) else written(given, names))
        for label, given in zip(labels, inputs, strict=True)
    ]
    if labels and labels[0] == "self" and not isinstance(inputs[0], Node):
        del pairs[0]  # the instance of a method
    if inputs is here.parents:
        return tuple(pairs)
    passed, code = set(nodes_in(inputs)), operation.code
    return (*pairs, *(("uses", names(used)) for used in here.parents if used not in passed and used is not code))


def _kept(parameters: Sequence[ParameterNode]) -> list[Verdict]:
    kept: dict[Node, list[Feedback]] = {}
    for parameter in parameters:
        for output, verdicts in parameter.verdicts.items():
            known = kept.setdefault(output, [])
            known.extend(said for said in verdicts if said not in known)
    return [(output, said) for output, verdicts in kept.items() for said in verdicts]
