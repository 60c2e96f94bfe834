"""Parameters: nodes that an optimizer may change, each inside its domain."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from autoagent.errors import DomainError
from autoagent.space import Domain
from autoagent.trace.context import OVERRIDES
from autoagent.trace.inferred import infer
from autoagent.trace.nodes import Node
from autoagent.trace.verdict import Feedback

Projection = Callable[[Any], Any]


class ParameterNode(Node):
    """A value that an optimizer may change; nothing outside its domain is ever stored in it.

    A list or dictionary is handed out as a copy, an array read-only, so that it cannot be changed behind its domain.

    Attributes:
        domain: the legal values.
        projections: applied to a proposed value, in order, before it is checked; for example a formatter.
        verdicts: output that it led to -> what came of it, from ``backward`` until ``zero_feedback``.
    """

    __slots__ = ("_stored", "domain", "projections", "verdicts")
    kind = "parameter"
    trainable = True

    def __init__(
        self,
        value: object,
        name: str = "",
        *,
        domain: Domain | None = None,
        description: str = "",
        projections: Sequence[Projection] = (),
    ) -> None:
        self.domain: Domain = infer(value) if domain is None else domain
        self.projections = tuple(projections)
        self.verdicts: dict[Node, list[Feedback]] = {}
        super().__init__(self.domain.check(value), name)
        self._about = description

    @property
    def _value(self) -> Any:  # noqa: ANN401 - whatever the domain holds
        values = OVERRIDES.get()
        value = self._stored if values is None or self not in values else values[self]
        return copy.deepcopy(value) if type(value) in (list, dict) else value

    @_value.setter
    def _value(self, value: object) -> None:
        self._stored = value

    @property
    def data(self) -> Any:  # noqa: ANN401 - whatever the domain holds
        """The value under the current `override`, else the stored one."""
        return super().data

    @data.setter
    def data(self, value: object) -> None:
        self.set(value)

    def check(self, value: object) -> Any:  # noqa: ANN401 - whatever the domain holds
        """Return the value, projected and legal, without storing it.

        Raises:
            DomainError: it is not legal, or a projection failed.
        """
        for project in self.projections:
            try:
                value = project(value)
            except Exception as error:
                name = getattr(project, "__name__", type(project).__name__)
                raise DomainError(f"the projection {name} failed on {value!r:.200}: {error}") from error
        return self.domain.check(value)

    def set(self, value: object) -> None:
        """Project, check and store a value.

        Raises:
            DomainError: it is not legal; the old value stays.
        """
        self._stored = self.check(value)

    @property
    def feedback(self) -> list[Feedback]:
        """The different verdicts that reached the parameter, in order."""
        found: list[Feedback] = []
        for verdicts in self.verdicts.values():
            found.extend(said for said in verdicts if said not in found)
        return found

    def hear(self, output: Node, said: Feedback, *, recorded: bool = False) -> None:
        """Keep what came of an output, once; nothing of a recorded run, which keeps it itself."""
        if recorded:
            return
        known = self.verdicts.setdefault(output, [])
        if said not in known:
            known.append(said)

    def zero_feedback(self) -> None:
        """Forget the verdicts."""
        super().zero_feedback()
        self.verdicts.clear()

    def __deepcopy__(self, memo: dict[int, object]) -> ParameterNode:
        stored = copy.deepcopy(self._stored, memo)
        fresh = ParameterNode.__new__(ParameterNode)
        fresh.domain, fresh.projections, fresh.verdicts = self.domain, self.projections, {}
        Node.__init__(fresh, stored, self.stem)
        fresh._about = self.description
        return fresh


def node(
    value: object,
    name: str = "",
    *,
    trainable: bool = False,
    description: str = "",
    domain: Domain | None = None,
    projections: Sequence[Projection] = (),
) -> Node:
    """Return a node that holds ``value``; a node is returned as it is, unless it is to become trainable.

    Args:
        value: anything; of a trainable node what its domain allows.
        name: of the node; made unique in its graph.
        trainable: an optimizer may change it.
        description: what it is for, in words that an optimizer reads.
        domain: the legal values of a trainable node; inferred from the value when None.
        projections: of a trainable node; see `ParameterNode`.

    Raises:
        DomainError: the value is not legal, no domain can be inferred, or a domain was given to a fixed node.
    """
    if isinstance(value, Node):
        if value.trainable or not (trainable or domain is not None):
            return value
        value = value.data
    if trainable:
        return ParameterNode(value, name, domain=domain, description=description, projections=projections)
    if domain is not None or projections:
        raise DomainError("a domain and projections are for trainable nodes; say trainable=True")
    made = Node(value, name)
    made._about = description or None
    return made


@contextmanager
def override(values: Mapping[ParameterNode, object]) -> Iterator[None]:
    """Run a block in which parameters have other values: a candidate. For this thread or task alone; it may be nested.

    Raises:
        DomainError: values outside their domain, all of them named.
    """
    legal, faults = dict[Node, object](OVERRIDES.get() or {}), []
    for parameter, value in values.items():
        try:
            legal[parameter] = parameter.check(value)
        except DomainError as error:
            faults.append(f"{parameter.name}: {error}")
    if faults:
        raise DomainError("; ".join(faults))
    token = OVERRIDES.set(legal)
    try:
        yield
    finally:
        OVERRIDES.reset(token)


class RecordedParameter(Node):
    """A parameter in a graph that was read from JSON; it cannot be changed."""

    __slots__ = ()
    kind = "parameter"
    trainable = True
