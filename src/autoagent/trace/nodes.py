"""Nodes: a value, what made it, and out of which nodes. Operators on nodes give nodes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from autoagent.errors import AutoAgentError
from autoagent.trace.context import GRAPH, READS, TRACING
from autoagent.trace.feedback import Propagator, Said, backward
from autoagent.trace.operators import BINARY, CALL, COMPARE, GETITEM, ITEM, METHODS, ROUND, UNARY, Entry, Operator
from autoagent.trace.summary import fit, literal_text, summarise, whole_or_summary
from autoagent.trace.verdict import Feedback


class ExecutionError(AutoAgentError):
    """A traced operation raised.

    Attributes:
        exception_node: the `ExceptionNode`, to which feedback can be given.
    """

    def __init__(self, exception_node: ExceptionNode) -> None:
        super().__init__(str(exception_node.data))
        self.exception_node = exception_node

    @property
    def node(self) -> ExceptionNode:
        """The same under a shorter name."""
        return self.exception_node


def _binary(entry: Entry, *, reflected: bool = False) -> Callable[[Node, object], Node]:
    operation, function = entry

    def forward(self: Node, other: object) -> Node:
        try:
            if isinstance(other, Node):
                both = (self, other)
                return Node(
                    function(self._value, other._value), "", operation, both, both if other is not self else (self,)
                )
            return Node(function(self._value, other), "", operation, (self, other), (self,))
        except Exception as error:
            raise failed(error, operation, (self, other)) from error

    def mirrored(self: Node, other: object) -> Node:
        try:
            return Node(function(other, self._value), "", operation, (other, self), (self,))
        except Exception as error:
            raise failed(error, operation, (other, self)) from error

    return mirrored if reflected else forward


def _unary(entry: Entry) -> Callable[[Node], Node]:
    operation, function = entry

    def call(self: Node) -> Node:
        return apply(operation, function, self)

    return call


def _method(entry: Entry) -> Callable[..., Node]:
    operation, function = entry

    def call(self: Node, *args: object, **kwargs: object) -> Node:
        return apply(operation, function, self, *args, **kwargs)

    call.__doc__ = f"{operation.description} Traced."
    return call


class Node:
    """A value and how it came to be.

    As in Trace: ``==`` and ``!=`` compare the data and give plain bools, as do ``in``, ``bool`` and ``len``;
    arithmetic, ordering, indexing, iteration, ``abs`` and ``round`` are traced and give nodes, and so do ``eq()``,
    ``neq()`` and ``len()``. A sequence is iterated by its items' places; of anything else each item is a node of its
    own. ``and``, ``or`` and ``not`` are Python's own: they return an operand or a bool, and cannot be traced. A node's
    value is not changed in place: there is no ``append`` and no ``pop``.

    Attributes:
        name: unique within a `Graph`; otherwise the stem.
        stem: the name that was given, or the operation's, or the type's.
        inputs: what the operation was called with: nodes, containers of nodes, and plain values.
        labels: the names of the last inputs, those that were given by keyword.
        parents: the nodes among the inputs, in containers, read inside or returned, each once.
        seconds: how long the operation took, where it was measured.
    """

    __slots__ = (
        "__weakref__",
        "_about",
        "_feedback",
        "_value",
        "inputs",
        "labels",
        "name",
        "operation",
        "parents",
        "seconds",
        "stem",
    )
    kind = "node"
    trainable = False
    __array_ufunc__ = None  # or numpy would add a node to each item of an array

    _about: str | None
    seconds: float | None
    inputs: tuple[object, ...]
    parents: tuple[Node, ...]

    def __init__(
        self,
        value: object,
        name: str = "",
        operation: Operator | None = None,
        inputs: tuple[object, ...] = (),
        parents: tuple[Node, ...] = (),
    ) -> None:
        self._value: Any = value
        self.operation = operation
        self.labels: tuple[str, ...] = ()
        self._about = self.seconds = None
        self._feedback: tuple[Feedback, ...] = ()
        self.name = self.stem = name or (operation.name if operation is not None else type(value).__name__)
        if TRACING.get():
            self.inputs, self.parents = inputs, parents
            graph = GRAPH.get()
            if graph is not None:
                graph.add(self, self.stem)
        else:
            self.inputs = self.parents = ()

    @property
    def data(self) -> Any:  # noqa: ANN401 - whatever the node holds
        """What the node holds. Reading it inside a bundled function links the node to the function's result."""
        reads = READS.get()
        if reads is not None:
            reads.append(self)
        return self._value

    @property
    def operator(self) -> str:
        """The name of the operation that made it; empty for an input."""
        return "" if self.operation is None else self.operation.name

    @property
    def description(self) -> str:
        """What it is for: as given, or as its operation says."""
        return self._about if self._about is not None else self.operation.description if self.operation else ""

    @description.setter
    def description(self, text: str) -> None:
        self._about = text

    @property
    def feedback(self) -> list[Feedback]:
        """The different verdicts that reached the node, in order."""
        return list(self._feedback)

    def backward(self, feedback: Said, *, propagators: Mapping[str, Propagator] | None = None) -> list[Node]:
        """Give feedback to this node and to all that led to it; see `autoagent.trace.backward`."""
        return backward(self, feedback, propagators=propagators)

    def hear(self, output: Node, said: Feedback, *, recorded: bool = False) -> None:
        """Keep what came of an output, once; of a recorded run only what the run made, as inputs may be shared."""
        if (not recorded or self.parents) and said not in self._feedback:
            self._feedback = (*self._feedback, said)

    def zero_feedback(self) -> None:
        """Forget the verdicts."""
        self._feedback = ()

    def clone(self) -> Node:
        """Return a node of the same value that is linked to this one."""
        return apply(_CLONE, copy.deepcopy, self)

    def detach(self) -> Node:
        """Return a copy that is linked to nothing, as ``copy.deepcopy`` does; no recursion over the graph."""
        return copy.deepcopy(self)

    def __copy__(self) -> Node:
        return self.clone()

    def __deepcopy__(self, memo: dict[int, object]) -> Node:
        fresh = Node(copy.deepcopy(self._value, memo), self.stem)
        fresh._about = self.description
        return fresh

    def to_json(self, *, whole: bool = False) -> dict[str, Any]:
        """Return the node as JSON; ``whole`` keeps values that are JSON themselves at any length."""
        row: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "operator": self.operator,
            "parents": [parent.name for parent in self.parents],
            "value": whole_or_summary(self._value) if whole else fit(summarise(self._value)),
            "trainable": self.trainable,
            "description": self.description,
        }
        if self.stem not in (self.name, self.operator):
            row["stem"] = self.stem
        if self.operation is not None and self.inputs:
            count, operation = len(self.inputs), self.operation
            row["inputs"] = [_encoded(given) for given in self.inputs]
            row["labels"] = [operation.label(place, count, self.labels) for place in range(count)]
            if operation.code is not None:
                row["code"] = operation.code.name
        if isinstance(self, ExceptionNode):
            row["error"] = self.error
        if self.seconds is not None:
            row["seconds"] = round(self.seconds, 4)
        if self._feedback:
            row["feedback"] = [entry.to_json() for entry in self._feedback]
        return row

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self._value!r})"

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        mine, theirs = self.data, data_of(other)
        if hasattr(mine, "shape") or hasattr(theirs, "shape"):
            same = getattr(mine, "shape", None) == getattr(theirs, "shape", None)
            return same and bool((mine == theirs).all())
        return bool(mine == theirs)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __bool__(self) -> bool:
        return bool(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __contains__(self, item: object) -> bool:
        return data_of(item) in self.data

    def __iter__(self) -> Iterator[Node]:
        if isinstance(self._value, Sequence) or hasattr(self._value, "shape"):
            yield from (self[place] for place in range(len(self._value)))
            return
        for item in self._value:
            yield Node(item, "", ITEM, (self,), (self,))

    def __getitem__(self, key: object) -> Node:
        return apply(GETITEM, lambda a, b: a[b], self, key)

    def __call__(self, *args: object, **kwargs: object) -> Node:
        """Call the data, traced."""
        return apply(CALL, lambda function, *a, **k: function(*a, **k), self, *args, **kwargs)

    def __round__(self, digits: int | None = None) -> Node:
        return apply(ROUND, round, self) if digits is None else apply(ROUND, round, self, digits)

    __add__, __radd__ = _binary(BINARY["add"]), _binary(BINARY["add"], reflected=True)
    __sub__, __rsub__ = _binary(BINARY["sub"]), _binary(BINARY["sub"], reflected=True)
    __mul__, __rmul__ = _binary(BINARY["mul"]), _binary(BINARY["mul"], reflected=True)
    __truediv__, __rtruediv__ = _binary(BINARY["truediv"]), _binary(BINARY["truediv"], reflected=True)
    __floordiv__, __rfloordiv__ = _binary(BINARY["floordiv"]), _binary(BINARY["floordiv"], reflected=True)
    __mod__, __rmod__ = _binary(BINARY["mod"]), _binary(BINARY["mod"], reflected=True)
    __divmod__, __rdivmod__ = _binary(BINARY["divmod"]), _binary(BINARY["divmod"], reflected=True)
    __pow__, __rpow__ = _binary(BINARY["pow"]), _binary(BINARY["pow"], reflected=True)
    __matmul__, __rmatmul__ = _binary(BINARY["matmul"]), _binary(BINARY["matmul"], reflected=True)
    __lshift__, __rlshift__ = _binary(BINARY["lshift"]), _binary(BINARY["lshift"], reflected=True)
    __rshift__, __rrshift__ = _binary(BINARY["rshift"]), _binary(BINARY["rshift"], reflected=True)
    __and__, __rand__ = _binary(BINARY["and"]), _binary(BINARY["and"], reflected=True)
    __or__, __ror__ = _binary(BINARY["or"]), _binary(BINARY["or"], reflected=True)
    __xor__, __rxor__ = _binary(BINARY["xor"]), _binary(BINARY["xor"], reflected=True)
    __lt__, __le__ = _binary(COMPARE["lt"]), _binary(COMPARE["le"])
    __gt__, __ge__ = _binary(COMPARE["gt"]), _binary(COMPARE["ge"])
    __pos__, __neg__, __abs__ = _unary(UNARY["pos"]), _unary(UNARY["neg"]), _unary(UNARY["abs"])
    __invert__, __floor__ = _unary(UNARY["invert"]), _unary(UNARY["floor"])
    __ceil__, __trunc__ = _unary(UNARY["ceil"]), _unary(UNARY["trunc"])
    eq, neq, len = _method(METHODS["eq"]), _method(METHODS["neq"]), _method(METHODS["len"])
    getattr, call = _method(METHODS["getattr"]), _method(METHODS["call"])
    format, join = _method(METHODS["format"]), _method(METHODS["join"])
    capitalize, lower, upper = _method(METHODS["capitalize"]), _method(METHODS["lower"]), _method(METHODS["upper"])
    swapcase, title, strip = _method(METHODS["swapcase"]), _method(METHODS["title"]), _method(METHODS["strip"])
    split, splitlines, replace = _method(METHODS["split"]), _method(METHODS["splitlines"]), _method(METHODS["replace"])
    startswith, endswith = _method(METHODS["startswith"]), _method(METHODS["endswith"])
    get, items = _method(METHODS["get"]), _method(METHODS["items"])
    keys, values = _method(METHODS["keys"]), _method(METHODS["values"])


class ExceptionNode(Node):
    """An error that an operation raised; its data is the message.

    Attributes:
        error: the operation's own source with the failing line marked, where it is known.
    """

    __slots__ = ("error",)
    kind = "exception"
    error: str


def data_of(value: object) -> Any:  # noqa: ANN401 - whatever the node holds
    """Return what a node holds; anything else as it is."""
    return value.data if isinstance(value, Node) else value


def apply(operation: Operator, function: Callable[..., Any], *args: object, **kwargs: object) -> Node:
    """Call a function on the values of nodes and plain values, and return a linked node.

    Raises:
        ExecutionError: it raised.
    """
    inputs = (*args, *kwargs.values())
    try:
        value = function(*[raw(given) for given in args], **{name: raw(given) for name, given in kwargs.items()})
    except Exception as error:
        raise failed(error, operation, inputs) from error
    parents = tuple(dict.fromkeys(given for given in inputs if isinstance(given, Node)))
    made = Node(value, "", operation, inputs if len(parents) != len(inputs) else parents, parents)
    if kwargs and made.inputs:
        made.labels = tuple(kwargs)
    return made


def raw(value: object) -> Any:  # noqa: ANN401 - whatever the node holds
    """Return what a node holds, without counting as a reader of it."""
    return value._value if isinstance(value, Node) else value


def failed(error: Exception, operation: Operator, inputs: tuple[object, ...]) -> Exception:
    """Record that a built-in operation raised, and return what to raise."""
    parents = tuple(dict.fromkeys(given for given in inputs if isinstance(given, Node)))
    made = ExceptionNode(f"{type(error).__name__}: {error}", "", operation, inputs, parents)
    made.error = ""
    return ExecutionError(made)


class Literal(str):
    """The text of a plain value in a graph that was read from JSON."""

    __slots__ = ()


def written(given: object, names: Callable[[Node], str], depth: int = 20) -> str:
    """Return an input as Python would write it, with names in the place of nodes."""
    if isinstance(given, Node):
        return names(given)
    if isinstance(given, Literal):
        return str(given)
    if depth == 0 or not _holds_nodes(given, depth):
        return literal_text(given)
    if isinstance(given, dict):
        return "{" + ", ".join(f"{key!r}: {written(item, names, depth - 1)}" for key, item in given.items()) + "}"
    rows = [written(item, names, depth - 1) for item in cast("list[object]", given)]
    items = ", ".join(rows)
    return f"[{items}]" if isinstance(given, list) else f"({items}{',' * (len(rows) == 1)})"


def _holds_nodes(given: object, depth: int = 20) -> bool:
    if isinstance(given, Node):
        return True
    if depth == 0 or not isinstance(given, list | tuple | dict):
        return False
    return any(_holds_nodes(item, depth - 1) for item in (given.values() if isinstance(given, dict) else given))


def _encoded(given: object, depth: int = 20) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(given, Node):
        return {"node": given.name}
    if depth and isinstance(given, list | tuple) and _holds_nodes(given):
        kind = "list" if isinstance(given, list) else "tuple"
        return {kind: [_encoded(item, depth - 1) for item in given]}
    if depth and isinstance(given, dict) and _holds_nodes(given):
        return {"dict": [[str(key), _encoded(item, depth - 1)] for key, item in given.items()]}
    return {"text": written(given, lambda here: here.name)}


_CLONE = Operator("clone", "Return x itself.")
