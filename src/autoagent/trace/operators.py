"""What an operation does: its name, what it says of itself, and the operators of Python under Trace's names."""

from __future__ import annotations

import math
import operator as python
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autoagent.trace.nodes import Node


class Operator:
    """An operation's name and description; one object for all of its calls.

    Attributes:
        name: an identifier.
        description: one or a few sentences.
        arguments: names of its positional arguments.
        code: the parameter that holds its source, when it is learned.
    """

    __slots__ = ("arguments", "code", "description", "name")

    def __init__(
        self, name: str, description: str = "", arguments: tuple[str, ...] = (), code: Node | None = None
    ) -> None:
        self.name, self.description, self.arguments, self.code = name, description, arguments, code

    @property
    def key(self) -> tuple[str, str, Node | None]:
        """What makes two operations the same to a reader, also when one comes from another process."""
        return self.name, self.description, self.code

    def label(self, place: int, count: int, last: tuple[str, ...]) -> str:
        """Return the argument name of the input at ``place`` of ``count``, the ``last`` of which were given by name."""
        if place >= count - len(last):
            return last[place - count + len(last)]
        return self.arguments[place] if place < len(self.arguments) else ""

    def __repr__(self) -> str:
        return f"Operator({self.name!r})"


Entry = tuple[Operator, Callable[..., Any]]


def _entry(name: str, description: str, function: Callable[..., Any]) -> Entry:
    return Operator(name, description), function


def _shared(name: str, description: str) -> Entry:
    def call(value: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - a method of any object
        return getattr(value, name)(*args, **kwargs)

    return _entry(name, description, call)


# method of Node -> operator; each binary one has a reflected twin
BINARY: dict[str, Entry] = {
    "add": _entry("add", "Add x and y.", python.add),
    "sub": _entry("subtract", "Subtract y from x.", python.sub),
    "mul": _entry("multiply", "Multiply x and y.", python.mul),
    "truediv": _entry("divide", "Divide x by y.", python.truediv),
    "floordiv": _entry("floor_divide", "Divide x by y and round down.", python.floordiv),
    "mod": _entry("mod", "Return the remainder of x divided by y, or fill the text x in with y.", python.mod),
    "divmod": _entry("divmod", "Return quotient and remainder of x divided by y.", divmod),
    "pow": _entry("power", "Raise x to the power y.", python.pow),
    "matmul": _entry("matmul", "Multiply the matrices x and y.", python.matmul),
    "lshift": _entry("lshift", "Shift the bits of x left by y.", python.lshift),
    "rshift": _entry("rshift", "Shift the bits of x right by y.", python.rshift),
    "and": _entry("and_", "Return x & y.", python.and_),
    "or": _entry("or_", "Return x | y.", python.or_),
    "xor": _entry("xor", "Return x ^ y.", python.xor),
}
COMPARE: dict[str, Entry] = {
    "lt": _entry("lt", "Say whether x < y.", python.lt),
    "le": _entry("le", "Say whether x <= y.", python.le),
    "gt": _entry("gt", "Say whether x > y.", python.gt),
    "ge": _entry("ge", "Say whether x >= y.", python.ge),
}
UNARY: dict[str, Entry] = {
    "pos": _entry("pos", "Return +x.", python.pos),
    "neg": _entry("neg", "Return -x.", python.neg),
    "abs": _entry("abs", "Return the absolute value of x.", abs),
    "invert": _entry("invert", "Return ~x.", python.invert),
    "floor": _entry("floor", "Round x down.", math.floor),
    "ceil": _entry("ceil", "Round x up.", math.ceil),
    "trunc": _entry("trunc", "Cut the fraction of x off.", math.trunc),
}
METHODS: dict[str, Entry] = {
    "eq": _entry("eq", "Say whether x == y.", python.eq),
    "neq": _entry("neq", "Say whether x != y.", python.ne),
    "len": _entry("len", "Count the items of x.", len),
    "getattr": _entry("getattr", "Return an attribute of x.", getattr),
    "call": _entry("call_method", "Call a method of x.", lambda x, name, *args: getattr(x, name)(*args)),
    "format": _shared("format", "Fill the text in."),
    "capitalize": _shared("capitalize", "Make the first letter upper-case and the others lower-case."),
    "lower": _shared("lower", "Make all letters lower-case."),
    "upper": _shared("upper", "Make all letters upper-case."),
    "swapcase": _shared("swapcase", "Swap upper and lower case."),
    "title": _shared("title", "Make the first letter of each word upper-case."),
    "split": _shared("split", "Split the text."),
    "splitlines": _shared("splitlines", "Split the text into lines."),
    "strip": _shared("strip", "Take characters off both ends of the text."),
    "startswith": _shared("startswith", "Say whether the text starts so."),
    "endswith": _shared("endswith", "Say whether the text ends so."),
    "replace": _shared("replace", "Replace a part of the text."),
    "join": _shared("join", "Join texts."),
    "get": _shared("get", "Return the value of a key, or the default."),
    "items": _entry("items", "List the keys and values of x.", lambda x: list(x.items())),
    "keys": _entry("keys", "List the keys of x.", lambda x: list(x.keys())),
    "values": _entry("values", "List the values of x.", lambda x: list(x.values())),
}
CALL = Operator("call", "Call x.")
GETITEM = Operator("getitem", "Return an item of x.")
ITEM = Operator("item", "Return one item while going through x.")
ROUND = Operator("round", "Round x.")
