"""Make a table that was read fit for everything after: plain names, one kind of value in each column."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from autoagent.data.table import Table
from autoagent.errors import DataError

_NESTED = (list, dict, tuple, set, frozenset, np.ndarray)


def tidy(table: Table) -> Table:
    """Return the table with unique text names, finite numbers and one kind of value in each column; say what changed.

    Raises:
        DataError: there are no rows, or complex numbers.
    """
    frame, repairs = table.frame.reset_index(drop=True), list(table.repairs)
    if frame.empty or not len(frame.columns):
        raise DataError(f"{table.source!r} holds no rows")
    names = [str(name).strip() for name in frame.columns]
    unique = _unique(names)
    if unique != names:
        repairs.append("repeated column names were numbered")
    frame.columns = pd.Index(unique)
    frame, more = _one_kind(frame)
    repairs += more
    frame, infinite = _finite(frame)
    if infinite:
        repairs.append(f"{infinite} infinite values were read as missing")
    return replace(table, frame=frame, repairs=tuple(repairs))


def _unique(names: list[str]) -> list[str]:
    seen: set[str] = set()
    copies: dict[str, int] = {}
    unique = []
    for name in names:
        fresh = name
        while fresh in seen:
            copies[name] = copies.get(name, 0) + 1
            fresh = f"{name}.{copies[name]}"
        seen.add(fresh)
        unique.append(fresh)
    return unique


def _finite(frame: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    floats = np.array([pd.api.types.is_float_dtype(dtype) for dtype in frame.dtypes])
    if not floats.any():
        return frame, 0
    infinite = np.isinf(frame.loc[:, floats].to_numpy(dtype=float, na_value=np.nan))
    if not infinite.any():
        return frame, 0
    hit = frame.columns[floats][infinite.any(axis=0)]
    return frame.assign(**{str(c): frame[c].replace([np.inf, -np.inf], np.nan) for c in hit}), int(infinite.sum())


def _one_kind(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    changed: dict[str, pd.Series] = {}
    told: dict[str, list[str]] = {}
    for place, (name, dtype) in enumerate(zip(frame.columns, frame.dtypes, strict=True)):
        if pd.api.types.is_complex_dtype(dtype):
            raise DataError(f"the column {name!r} holds complex numbers; give its real and imaginary part as two")
        if _is_plain(dtype):
            continue
        column, repair = _mend(frame.iloc[:, place])
        if column is not None:
            changed[name] = column
        if repair:
            told.setdefault(repair, []).append(name)
    if not changed:
        return frame, []
    fresh = pd.DataFrame({name: changed.get(name, frame[name]) for name in frame.columns})
    return fresh, [f"{repair}: {_some(names)}" for repair, names in told.items()]


def _is_plain(dtype: np.dtype[Any] | pd.api.extensions.ExtensionDtype) -> bool:
    if isinstance(dtype, pd.CategoricalDtype):
        return isinstance(dtype.categories.dtype, pd.StringDtype) or pd.api.types.is_numeric_dtype(dtype.categories)
    return (
        pd.api.types.is_numeric_dtype(dtype)
        or isinstance(dtype, pd.StringDtype)
        or pd.api.types.is_datetime64_any_dtype(dtype)
    )


def _some(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _mend(column: pd.Series) -> tuple[pd.Series | None, str]:
    """Return the column with one kind of value and what was done, or None where nothing was to do."""
    cells = column.astype(object)
    kind = pd.api.types.infer_dtype(cells, skipna=True)
    if kind == "complex":
        raise DataError(f"the column {column.name!r} holds complex numbers; give its real and imaginary part as two")
    if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
        return _as_floats(cells), ""
    if kind in ("string", "boolean", "empty"):
        return (None if column.dtype == object else cells), ""
    known = cells.notna()
    if any(isinstance(cell, _NESTED) for cell in cells):
        return _map(cells, known, _json), "lists and mappings were kept as JSON text"
    if kind in ("mixed", "mixed-integer"):
        return _map(cells, known, str), "values of mixed kinds were read as text"
    return _map(cells, known, _text), "values were kept as text"


def _as_floats(cells: pd.Series) -> pd.Series:
    """Return whole numbers as such where they fit, else floats."""
    floats = cells.map(float, na_action="ignore").astype(float)
    exact = cells.notna().all() and (floats == floats.round()).all() and bool((floats.abs() < 2**53).all())
    return floats.astype("int64") if exact and pd.api.types.infer_dtype(cells) == "integer" else floats


def _map(cells: pd.Series, known: pd.Series, write: Callable[[object], str]) -> pd.Series:
    texts = [write(cell) if there else None for cell, there in zip(cells, known, strict=True)]
    return pd.Series(texts, index=cells.index, name=cells.name, dtype=object)


def _text(cell: object) -> str:
    return cell.decode("utf-8", errors="replace") if isinstance(cell, bytes) else str(cell)


def _json(cell: object) -> str:
    return cell if isinstance(cell, str) else json.dumps(cell, default=_plain, sort_keys=False)


def _plain(cell: object) -> object:
    if isinstance(cell, np.ndarray):
        return cell.tolist()
    return sorted(map(str, cell)) if isinstance(cell, set | frozenset) else str(cell)
