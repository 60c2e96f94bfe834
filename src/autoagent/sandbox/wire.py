"""The only form in which anything passes the wall: a JSON tree beside raw arrays, checked on arrival.

Loaded by file in the child too, so it imports nothing of this package. What ``decode`` is given may be hostile:
every length is compared with what is there, nothing is unpickled, and it raises ``WireError`` and nothing else.
"""

from __future__ import annotations

import json
import math
import re
import struct
import sys
from collections.abc import Mapping
from types import CoroutineType, GeneratorType
from typing import Any

MAGIC = b"AAW1"
_HEAD = struct.Struct(">4sQ")
_DTYPE = re.compile(
    r"[<>|=]?(b1|[iu][1248]|f[248]|c8|c16|[mM]8\[(ns|us|ms|s|m|h|D|W|M|Y)\]|U[1-9]\d{0,4}|S[1-9]\d{0,4})"
)
_MAX_DEPTH = 64
_MAX_EMPTY_ROWS = 10_000_000
_MAX_COLUMNS = 100_000
_LAST_CODE_POINT = 0x10FFFF


class WireError(ValueError):
    """A value is not data, or a message is not what it says it is."""


def collected(value: object) -> object:
    """Run a coroutine to its end and a generator to its last item: only data can pass.

    Raises:
        RuntimeError: the coroutine waits for something that is not its own.
    """
    if isinstance(value, GeneratorType):
        return list(value)
    if not isinstance(value, CoroutineType):
        return value
    try:
        value.send(None)
    except StopIteration as done:
        result: object = done.value
        return result
    value.close()
    raise RuntimeError("it waits for something outside; in the sandbox a coroutine can wait for its own ones alone")


def encode(value: object) -> bytes:
    """Return the message of a value: None, bool, int, float, str, list, tuple, dict, numpy array, Series, DataFrame.

    Raises:
        WireError: anything else inside, or nested deeper than 64.
    """
    blobs: list[tuple[str, list[int], bytes]] = []
    tree = _freeze(value, blobs, 0)
    head = {"value": tree, "arrays": [[dtype, shape] for dtype, shape, _ in blobs]}
    try:
        text = json.dumps(head, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    except ValueError as error:
        raise WireError(str(error)) from None
    return b"".join([_HEAD.pack(MAGIC, len(text)), text, *(raw for _, _, raw in blobs)])


def decode(data: bytes | memoryview, *, max_json_bytes: int) -> Any:  # noqa: ANN401 - whatever data was sent
    """Return the value of a message.

    Raises:
        WireError: it is not a message of ours, lies about a size, is too deep, or holds what is not data.
    """
    view = memoryview(data)
    if len(view) < _HEAD.size:
        raise WireError("the message is cut short")
    magic, length = _HEAD.unpack(view[: _HEAD.size])
    if magic != MAGIC or length > min(max_json_bytes, len(view) - _HEAD.size):
        raise WireError(
            f"the message says {length} bytes of JSON; at most {max_json_bytes} are taken, and only if sent"
        )
    body = _HEAD.size + length
    head = _json(bytes(view[_HEAD.size : body]))
    if not isinstance(head, dict) or set(head) != {"value", "arrays"} or not isinstance(head["arrays"], list):
        raise WireError("the message has no value")
    try:
        reader = _Reader(head["arrays"], view[body:])
        value = reader.thaw(head["value"], 0)
        reader.finish()
    except WireError:
        raise
    except (ValueError, TypeError, OverflowError, KeyError, RecursionError, MemoryError) as error:
        raise WireError(f"the message cannot be read: {type(error).__name__}") from None
    return value


def printable(text: str) -> str:
    """Return ``text`` with everything that could act on a terminal made visible; newlines and tabs stay."""
    return "".join(c if c in "\n\t" or c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _freeze(value: object, blobs: list[tuple[str, list[int], bytes]], depth: int) -> Any:  # noqa: ANN401 - a JSON tree
    if depth > _MAX_DEPTH:
        raise WireError(f"nested deeper than {_MAX_DEPTH}")
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, list | tuple):
        items = [_freeze(item, blobs, depth + 1) for item in value]
        return items if isinstance(value, list) else {"$tuple": items}
    if isinstance(value, Mapping):
        plain = all(type(key) is str and not key.startswith("$") for key in value)
        pairs = [(key, _freeze(item, blobs, depth + 1)) for key, item in value.items()]
        return dict(pairs) if plain else {"$dict": [[_key(key), item] for key, item in pairs]}
    return _freeze_array(value, blobs, depth)


def _key(key: object) -> object:
    if key is None or type(key) in (bool, int, float, str):
        return key
    raise WireError(f"a key of type {type(key).__name__} is not data; keys are text, numbers, true, false or none")


def _freeze_array(value: object, blobs: list[tuple[str, list[int], bytes]], depth: int) -> Any:  # noqa: ANN401
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if pandas is not None and isinstance(value, pandas.DataFrame):
        columns = [[_key(name), _column(value[name], blobs, depth + 1)] for name in _unique(value.columns)]
        return {"$frame": columns, "rows": len(value)}
    if pandas is not None and isinstance(value, pandas.Series | pandas.Index):
        return _column(value, blobs, depth)
    if numpy is not None and isinstance(value, numpy.generic):
        return _freeze(value.item(), blobs, depth)
    if numpy is not None and isinstance(value, numpy.ndarray):
        if not _DTYPE.fullmatch(value.dtype.str):
            raise WireError(f"an array of type {value.dtype} is not data; numbers, booleans, times and text are")
        raw = numpy.ascontiguousarray(value)
        blobs.append((value.dtype.str, list(value.shape), raw.tobytes()))
        return {"$array": len(blobs) - 1}
    if isinstance(value, bool | int | float | str):  # a subclass, for example an enum
        for base in (bool, int, float, str):
            if isinstance(value, base):
                return base(value)
    raise WireError(f"a {type(value).__name__} is not data; none, true, numbers, text, lists, dicts and arrays are")


def _unique(names: Any) -> list[Any]:  # noqa: ANN401 - a pandas Index
    if not names.is_unique:
        raise WireError("the table has two columns of one name")
    return list(names)


def _column(series: Any, blobs: list[tuple[str, list[int], bytes]], depth: int) -> Any:  # noqa: ANN401 - pandas
    values = series.to_numpy()
    if values.dtype.kind in "biufmM":
        return _freeze(values, blobs, depth)
    missing = series.isna()
    return [None if gone else _freeze(item, blobs, depth + 1) for item, gone in zip(values, missing, strict=True)]


def _json(raw: bytes) -> Any:  # noqa: ANN401 - unchecked
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise WireError("the message is not JSON that can be read") from None


class _Reader:
    """Turns a checked-as-it-goes tree into values; each array may be used once, in order."""

    def __init__(self, specs: list[Any], blobs: memoryview) -> None:
        self._specs, self._blobs = specs, blobs
        self._used = self._offset = 0

    def finish(self) -> None:
        if self._used != len(self._specs) or self._offset != len(self._blobs):
            raise WireError("the message holds more than its value needs")

    def thaw(self, tree: Any, depth: int) -> Any:  # noqa: ANN401 - unchecked JSON in, data out
        if depth > 2 * _MAX_DEPTH:
            raise WireError(f"nested deeper than {_MAX_DEPTH}")
        if isinstance(tree, str):
            return _text(tree)
        if isinstance(tree, list):
            return [self.thaw(item, depth + 1) for item in tree]
        if not isinstance(tree, dict):
            return tree
        tag = next(iter(tree), "")
        if not tag.startswith("$"):
            return {_text(key): self.thaw(item, depth + 1) for key, item in tree.items()}
        return self._tagged(tag, tree, depth)

    def _tagged(self, tag: str, tree: dict[str, Any], depth: int) -> Any:  # noqa: ANN401
        if tag == "$tuple":
            return tuple(self.thaw(item, depth + 1) for item in _list(tree[tag]))
        if tag == "$dict":
            return {_scalar(key): self.thaw(item, depth + 1) for key, item in _list(tree[tag])}
        if tag == "$array":
            return self._array(tree[tag])
        if tag == "$frame":
            return self._frame(_list(tree[tag]), tree["rows"], depth)
        raise WireError(f"the message holds an unknown mark {tag[:20]!r}")

    def _array(self, index: object) -> Any:  # noqa: ANN401 - a numpy array
        import numpy

        if type(index) is not int or index != self._used or index >= len(self._specs):
            raise WireError("the message uses an array that it does not hold, or twice")
        dtype_name, shape = self._specs[index]
        self._used += 1
        if not isinstance(dtype_name, str) or not _DTYPE.fullmatch(dtype_name):
            raise WireError("the message holds an array that is not data")
        if not isinstance(shape, list) or len(shape) > 16 or not all(type(n) is int and n >= 0 for n in shape):
            raise WireError("the message holds an array without a shape")
        dtype = numpy.dtype(dtype_name)
        size = math.prod(shape)
        num_bytes = size * dtype.itemsize
        if num_bytes > len(self._blobs) - self._offset or (
            not size and math.prod(filter(None, shape)) > _MAX_EMPTY_ROWS
        ):
            raise WireError(f"an array says {shape} of {dtype}; the message does not hold that")
        raw = self._blobs[self._offset : self._offset + num_bytes]
        self._offset += num_bytes
        return _sound(numpy, numpy.frombuffer(raw, dtype).reshape(shape).copy())

    def _frame(self, columns: list[Any], rows: object, depth: int) -> Any:  # noqa: ANN401 - a pandas DataFrame
        import pandas

        if type(rows) is not int or not 0 <= rows <= _MAX_EMPTY_ROWS * 10 or len(columns) > _MAX_COLUMNS:
            raise WireError("the message holds a table of impossible size")
        if not columns and rows > _MAX_EMPTY_ROWS:
            raise WireError("the message holds a table of impossible size")
        table = {_scalar(name): self.thaw(column, depth + 1) for name, column in columns}
        if len(table) != len(columns) or any(len(column) != rows for column in table.values()):
            raise WireError("the columns of a table differ in length or share a name")
        return pandas.DataFrame(table, index=range(rows))


def _sound(numpy: Any, array: Any) -> Any:  # noqa: ANN401 - a numpy array
    if array.dtype.kind == "b":
        return array.view("u1") != 0
    if array.dtype.kind == "U" and array.size:
        points = numpy.ascontiguousarray(array).view(array.dtype.str[0] + "u4")
        if points.max() > _LAST_CODE_POINT or ((points >= 0xD800) & (points <= 0xDFFF)).any():
            raise WireError("an array of text holds what is not text")
    return array


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise WireError("the message holds a mark without its list")
    return value


def _scalar(value: object) -> Any:  # noqa: ANN401 - a JSON scalar
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return _text(value)
    raise WireError("a key is not text or a number")


def _text(value: str) -> str:
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise WireError("a text holds what is not text (half a surrogate pair)") from None
    return value
