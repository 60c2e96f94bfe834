"""Reads the JSON object of a reply that is not quite JSON, where there is only one way to read it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection
from typing import Any

from autoagent.errors import ReplyError
from autoagent.llm.parse import decode_object, no_duplicates

_BEGINS = re.compile(r"""\{\s*["'}]""")  # `{x}` of prose is no object
_LITERALS = {"true": True, "false": False, "null": None}
_ESCAPES = frozenset("\\'\"abfnrtvuUxN\n")  # Python warns of any other, and means something else by digits
_MOST_BYTES = 2_000_000


def find_keyed_object(text: str, keys: Collection[str]) -> tuple[dict[str, Any], bool] | None:
    """Return the one object of a text that has one of the keys, and whether it was JSON as it stood.

    Prose, and objects without any of the keys, may stand around it. A trailing comma, a raw line break inside a
    string and Python's spelling (single quotes, ``True``, ``None``) have one meaning and are read; all else that is
    not JSON is refused, as are duplicate keys, NaN and infinite numbers.

    Returns:
        the object and True where it was strict JSON; None where the text holds no such object.

    Raises:
        ReplyError: an object that cannot be read, or two that could be meant.
    """
    found: list[tuple[dict[str, Any], bool]] = []
    place = 0
    while (begin := _BEGINS.search(text, place)) is not None:
        value, place, strict = _read(text, begin.start())
        if set(value) & set(keys):
            found.append((value, strict))
    if len(found) > 1:
        raise ReplyError("the reply holds more than one JSON object that could be meant", reply=text)
    return found[0] if found else None


def _read(text: str, start: int) -> tuple[dict[str, Any], int, bool]:
    try:
        value, end = decode_object(text, start)
        return value, end, True
    except ReplyError as error:
        fault = error
    stop = _closing(text, start)
    if stop is None or stop - start > _MOST_BYTES:
        raise fault
    region = text[start:stop]
    for read in (_with_mended_commas, _as_python):
        try:
            return read(region), stop, False
        except (ReplyError, ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    raise fault


def _closing(text: str, start: int) -> int | None:
    """Return the place after the brace that closes the one at ``start``; strings are passed over."""
    depth, quote, place = 0, "", start
    while place < len(text):
        sign = text[place]
        if quote:
            if sign == "\\":
                place += 1
            elif sign == quote:
                quote = ""
        elif sign in "\"'":
            quote = sign
        elif sign in "{[":
            depth += 1
        elif sign in "}]":
            depth -= 1
            if depth == 0:
                return place + 1
        place += 1
    return None


def _with_mended_commas(region: str) -> dict[str, Any]:
    pieces = re.findall(r'"(?:[^"\\]|\\.)*"|[^"]+', region, flags=re.DOTALL)
    if "".join(pieces) != region:
        raise ValueError("a string is not closed")
    mended = "".join(piece if piece.startswith('"') else re.sub(r",(\s*[}\]])", r"\1", piece) for piece in pieces)
    value, end = decode_object(mended, 0, strict=False)
    if end != len(mended):
        raise ValueError("something stands after the object")
    return value


def _as_python(region: str) -> dict[str, Any]:
    if set(re.findall(r"\\(.)", region, flags=re.DOTALL)) - _ESCAPES:
        raise ValueError("an escape with no agreed meaning")
    tree = ast.parse(region.strip(), mode="eval")
    value = _literal(tree.body)
    if not isinstance(value, dict):
        raise ValueError("no dictionary")
    checked = json.loads(json.dumps(value, allow_nan=False))
    if not isinstance(checked, dict):
        raise ValueError("no dictionary")
    return checked


def _literal(tree: ast.expr) -> Any:  # noqa: ANN401 - any JSON value
    match tree:
        case ast.Constant(value=bool() | int() | float() | str() | None as value):
            return value
        case ast.Name(id=name) if name in _LITERALS:
            return _LITERALS[name]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)) if not isinstance(
            value, bool
        ):
            return -value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_literal(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            return no_duplicates([(_key(key), _literal(value)) for key, value in zip(keys, values, strict=True)])
    raise ValueError("no literal")


def _key(tree: ast.expr | None) -> str:
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        return tree.value
    raise ValueError("a key is text")
