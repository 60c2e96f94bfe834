"""Read a table from a file, a built-in name or a DataFrame; bad input gives one clear error or a stated repair."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from autoagent.data.table import Table
from autoagent.errors import DataError

MAX_BYTES = 2_000_000_000
BUILTIN = ("digits", "iris", "wine", "breast_cancer", "diabetes")
_DELIMITERS = ",;\t|"
_MISSING = ["", "?", "NA", "N/A", "n/a", "na", "NaN", "nan", "null", "NULL", "None", "#N/A", "-nan", "missing"]


def read_table(source: str | Path | pd.DataFrame) -> Table:
    """Read a table.

    Args:
        source: a built-in name, a path (.csv .tsv .txt .parquet .jsonl .ndjson .xlsx .npz) or a DataFrame.

    Raises:
        DataError: the source does not exist, cannot be read, or holds no rows.
    """
    if isinstance(source, pd.DataFrame):
        return _tidy(Table(source.copy(), "table", "DataFrame"))
    text = str(source)
    if text in BUILTIN and not Path(text).exists():
        return _builtin(text)
    path = Path(source)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(f"{text!r} {what}; give a table file ({', '.join(_READERS)}) or one of {', '.join(BUILTIN)}")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path.suffix!r} is not a format that can be read; there are {', '.join(_READERS)}")
    size = path.stat().st_size
    if not 0 < size <= MAX_BYTES:
        raise DataError(f"{text!r} has {size} bytes; a table has 1 to {MAX_BYTES}")
    try:
        frame, repairs = reader(path)
    except (ValueError, OSError, KeyError, csv.Error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{text!r} cannot be read as {path.suffix}: {reason}") from error
    return _tidy(Table(frame, path.stem, text, tuple(repairs)))


def _builtin(name: str) -> Table:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    frame = bunch.frame.copy()
    if name != "diabetes":
        frame["target"] = [str(bunch.target_names[code]) for code in frame["target"]]
    return Table(frame, name, name, default_target="target")


def _read_delimited(path: Path) -> tuple[pd.DataFrame, list[str]]:
    raw = path.read_bytes()
    if b"\0" in raw[:4096] and not raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{str(path)!r} is binary, not delimited text")
    text, repairs = _decode(raw)
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        raise DataError(f"{str(path)!r} holds {'only a header' if lines else 'no rows'}")
    delimiter = max(_DELIMITERS, key=lambda mark: min(_fields(line, mark) for line in lines[:20]))
    width = _fields(lines[0], delimiter)
    ragged = {number for number, line in enumerate(lines) if _fields(line, delimiter) > width}
    if ragged and '"' not in text:
        repairs.append(f"{len(ragged)} rows with more than {width} fields were left out")
        lines = [line for number, line in enumerate(lines) if number not in ragged]
        text = "\n".join(lines)
    decimal = "," if delimiter in ";\t" and _looks_decimal_comma(lines[1:200], delimiter) else "."
    frame = pd.read_csv(
        io.StringIO(text), sep=delimiter, decimal=decimal, na_values=_MISSING, low_memory=False, skip_blank_lines=True
    )
    if decimal == ",":
        repairs.append("decimal commas were read as decimal points")
    return frame, repairs


def _fields(line: str, delimiter: str) -> int:
    return len(next(csv.reader([line], delimiter=delimiter)))


def _looks_decimal_comma(lines: list[str], delimiter: str) -> bool:
    cells = [cell.strip() for line in lines for cell in line.split(delimiter) if "," in cell]
    numbers = [cell for cell in cells if cell.replace(",", "", 1).lstrip("-").isdigit()]
    return bool(cells) and len(numbers) > 0.9 * len(cells)


def _decode(raw: bytes) -> tuple[str, list[str]]:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16"), []
    try:
        return raw.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return raw.decode("latin-1"), ["the text is not UTF-8 and was read as Latin-1"]


def _read_parquet(path: Path) -> tuple[pd.DataFrame, list[str]]:
    return pd.read_parquet(path), []


def _read_jsonl(path: Path) -> tuple[pd.DataFrame, list[str]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not all(isinstance(row, dict) for row in rows):
        raise DataError(f"every line of {str(path)!r} must be a JSON object")
    flat = [{k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in row.items()} for row in rows]
    nested = any(isinstance(v, dict | list) for row in rows for v in row.values())
    return pd.DataFrame(flat), ["nested values were kept as JSON text"] if nested else []


def _read_xlsx(path: Path) -> tuple[pd.DataFrame, list[str]]:
    sheets = pd.read_excel(path, sheet_name=None)
    first = next(iter(sheets))
    return sheets[first], [f"only sheet {first!r} of {len(sheets)} was read"] if len(sheets) > 1 else []


def _read_npz(path: Path) -> tuple[pd.DataFrame, list[str]]:
    with np.load(path, allow_pickle=False) as arrays:
        if not {"X", "y"} <= set(arrays.files):
            raise DataError(f"{str(path)!r} needs arrays 'X' and 'y'; it has {arrays.files}")
        X, y = arrays["X"], arrays["y"]
    X = X.reshape(len(X), -1)
    return pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])]).assign(y=y), []


_READERS: dict[str, Callable[[Path], tuple[pd.DataFrame, list[str]]]] = {
    ".csv": _read_delimited,
    ".tsv": _read_delimited,
    ".txt": _read_delimited,
    ".parquet": _read_parquet,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".xlsx": _read_xlsx,
    ".npz": _read_npz,
}


def _tidy(table: Table) -> Table:
    """Make column names unique strings and infinite values missing; say so."""
    frame, repairs = table.frame.reset_index(drop=True), list(table.repairs)
    if frame.empty or not len(frame.columns):
        raise DataError(f"{table.source!r} holds no rows")
    names = [str(name).strip() for name in frame.columns]
    unique: list[str] = []
    for name in names:
        fresh, copy = name, 1
        while fresh in unique:
            fresh, copy = f"{name}.{copy}", copy + 1
        unique.append(fresh)
    if unique != names:
        repairs.append("repeated column names were numbered")
    frame.columns = pd.Index(unique)
    numbers = frame[[name for name in frame.columns if pd.api.types.is_float_dtype(frame[name])]]
    infinite = int(np.isinf(numbers.to_numpy(dtype=float)).sum()) if numbers.shape[1] else 0
    if infinite:
        frame[numbers.columns] = numbers.replace([np.inf, -np.inf], np.nan)
        repairs.append(f"{infinite} infinite values were read as missing")
    return Table(frame, table.name, table.source, tuple(repairs), table.default_target)
