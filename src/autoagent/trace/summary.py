"""Values as short, stable JSON: what a person or a model can read of an array, a table or a record."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

MAX_BYTES = 2000
_ITEMS = 20
_TEXT = 400
_DEPTH = 4
_BITS = 1024  # Python refuses to print very long integers


def summarise(value: object, *, depth: int = _DEPTH) -> Any:  # noqa: ANN401 - any JSON value
    """Return a JSON value that says what ``value`` is, with what was left out named."""
    if value is None or isinstance(value, bool | int):
        return value if value is None or value.bit_length() <= _BITS else f"(integer of {value.bit_length()} bits)"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return value if len(value) <= _TEXT else f"{value[:_TEXT]}… ({len(value)} characters)"
    if depth == 0:
        return f"({type(value).__name__})"
    if isinstance(value, Mapping):
        return _mapping(value, depth)
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        rows = [summarise(item, depth=depth - 1) for item in list(items)[:_ITEMS]]
        return [*rows, f"… {len(items) - _ITEMS} more"] if len(items) > _ITEMS else rows
    return _record(value, depth)


def fit(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value, or the beginning of its JSON as text where that is longer than `MAX_BYTES`."""
    text = json.dumps(value, ensure_ascii=False)
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= MAX_BYTES:
        return value
    return f"{encoded[: MAX_BYTES // 2].decode('utf-8', 'ignore')}… ({len(text)} characters)"


def literal_text(value: object) -> str:
    """Return a plain value as Python would write it, cut like ``summarise``; an address is never in it."""
    summary = summarise(value)
    if isinstance(summary, str) and not isinstance(value, str):
        return summary
    return repr(tuple(summary)) if isinstance(value, tuple) and isinstance(summary, list) else repr(summary)


def whole_or_summary(value: object) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value itself where JSON gives it back unchanged, its summary otherwise."""
    try:
        same = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return fit(summarise(value))
    return value if repr(same) == repr(value) else fit(summarise(value))


def _mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    rows = {str(key): summarise(item, depth=depth - 1) for key, item in list(value.items())[:_ITEMS]}
    return {**rows, "…": f"{len(value) - _ITEMS} more"} if len(value) > _ITEMS else rows


def _record(value: object, depth: int) -> Any:  # noqa: ANN401 - any JSON value
    shape = getattr(value, "shape", None)
    if shape is not None:
        return _array(value, shape)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _mapping({f.name: getattr(value, f.name) for f in dataclasses.fields(value)}, depth)
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return _mapping({k: v for k, v in dump(exclude_none=True).items() if v not in ({}, [])}, depth)
    return f"({type(value).__name__})"


def _array(value: object, shape: object) -> dict[str, Any]:
    facts: dict[str, Any] = {"type": type(value).__name__, "shape": [int(n) for n in shape]}  # type: ignore[attr-defined]  # duck-typed
    columns = getattr(value, "columns", None)
    if columns is not None:
        return {**facts, "columns": [str(name) for name in list(columns)[:_ITEMS]]}
    facts["dtype"] = str(getattr(value, "dtype", ""))
    for name in ("min", "mean", "max"):
        try:
            facts[name] = float(f"{float(getattr(value, name)()):.6g}")
        except (TypeError, ValueError, AttributeError):
            break  # no numbers, or none at all
    return facts
