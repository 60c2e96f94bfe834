"""Read a table from a file, a built-in name or a DataFrame; bad input gives one clear error or a stated repair."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autoagent.data.delimited import read_delimited
from autoagent.data.images.arrays import is_idx, is_image_array
from autoagent.data.images.reading import ANYTHING, read_beside, read_classes, read_folder, read_idx_pair, read_pairs
from autoagent.data.images.structures import Wanted
from autoagent.data.table import Table
from autoagent.data.tidy import tidy
from autoagent.errors import DataError

MAX_BYTES = 2_000_000_000
BUILTIN = ("digits", "iris", "wine", "breast_cancer", "diabetes")
_UNPACKED_FLOOR = 100_000_000  # bytes that any small file may unpack to
_MAX_RATIO = 100  # spreadsheets pack to about a tenth; a bomb to a thousandth
_MAX_CELL_BYTES = 16_000_000_000  # Parquet packs a repeated value into nothing; a table of these fills 16 GB
_COMPRESSED = (".gz", ".zip", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz", ".rar")


def read_table(source: str | Path | pd.DataFrame, wanted: Wanted = ANYTHING) -> Table:
    """Read a table.

    Args:
        source: a built-in name, a path (.csv .tsv .txt .parquet .jsonl .ndjson .xlsx .npz), a DataFrame, or images: a
            folder with a folder for each class or with labels beside the images, a table with a column of paths beside
            it, an .npz or IDX file.
        wanted: labels of images that the request means.

    Raises:
        DataError: the source does not exist, cannot be read, or holds no rows.
    """
    if isinstance(source, pd.DataFrame):
        return tidy(Table(source.copy(), "table", "DataFrame"))
    text = str(source)
    if text in BUILTIN and not Path(text).exists():
        return _builtin(text)
    path = Path(source)
    try:
        if (images := _images(path, wanted)) is not None:
            return images
        frame, repairs = _reader(path, text)(path)
    except DataError:
        raise
    except Exception as error:  # foreign parsers of a foreign file: they raise what they like, and it is told whole
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        reason = reason.splitlines()[0] if reason else type(error).__name__
        raise DataError(f"{text!r} cannot be read as {path.suffix}: {reason}") from error
    return read_beside(tidy(Table(frame, path.stem, text, tuple(repairs))), path.parent)


def _images(path: Path, wanted: Wanted) -> Table | None:
    """Return the table of a folder or an array file of images; None where the path is neither."""
    try:
        is_file, is_folder = path.is_file(), path.is_dir()
    except (OSError, ValueError):  # no path: said by what reads files
        return None
    if is_idx(path) and is_file:
        return tidy(read_idx_pair(path))
    if path.suffix.lower() == ".npz" and is_file and path.stat().st_size:
        X, y = _npz_arrays(path)
        return tidy(read_pairs(X, y, path)) if is_image_array(X) else None
    if not is_folder:
        return None
    found = read_folder(path, wanted)
    if not isinstance(found, Path):
        return tidy(found)
    table = read_table(found)
    return table if table.images is not None else tidy(read_classes(path))


def _reader(path: Path, text: str) -> Callable[[Path], tuple[pd.DataFrame, list[str]]]:
    shown = text if len(text) <= 200 else f"{text[:200]}..."
    try:
        is_file, what = path.is_file(), "is a folder" if path.is_dir() else "does not exist"
    except (OSError, ValueError) as error:
        raise DataError(f"{shown!r} is not a path: {getattr(error, 'strerror', None) or error}") from error
    if not is_file:
        raise DataError(f"{shown!r} {what}; give a table file ({', '.join(_READERS)}) or one of {', '.join(BUILTIN)}")
    if path.suffix.lower() in _COMPRESSED:
        raise DataError(f"{shown!r} is compressed; unpack it first")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path.suffix!r} is not a format that can be read; there are {', '.join(_READERS)}")
    size = path.stat().st_size
    if not 0 < size <= MAX_BYTES:
        raise DataError(f"{shown!r} has {size} bytes; a table has 1 to {MAX_BYTES}")
    return reader


def _builtin(name: str) -> Table:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    frame = bunch.frame.copy()
    if name != "diabetes":
        frame["target"] = [str(bunch.target_names[code]) for code in frame["target"]]
    return Table(frame, name, name, default_target="target")


def _read_parquet(path: Path) -> tuple[pd.DataFrame, list[str]]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        cells = file.metadata.num_rows * max(1, file.metadata.num_columns)
    if cells * 8 > _MAX_CELL_BYTES:
        raise DataError(f"{str(path)!r} holds {cells} cells; a table has at most {_MAX_CELL_BYTES // 8}")
    return pd.read_parquet(path), []


def _read_jsonl(path: Path) -> tuple[pd.DataFrame, list[str]]:
    lines = path.read_text(encoding="utf-8-sig").split("\n")  # not splitlines: a text may hold other line ends
    rows = [_object(line, number) for number, line in enumerate(lines, 1) if line.strip()]
    flat = [{k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in row.items()} for row in rows]
    nested = any(isinstance(v, dict | list) for row in rows for v in row.values())
    return pd.DataFrame(flat), ["nested values were kept as JSON text"] if nested else []


def _object(line: str, number: int) -> dict[str, object]:
    try:
        row = json.loads(line)
    except RecursionError as error:
        raise DataError(f"line {number} is nested too deeply") from error
    except ValueError as error:
        raise DataError(f"line {number} is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise DataError(f"line {number} must be a JSON object, not {line.strip()[:40]!r}")
    return row


def _read_xlsx(path: Path) -> tuple[pd.DataFrame, list[str]]:
    _require_zip(path)
    sheets = pd.read_excel(path, sheet_name=None)
    first = next(iter(sheets))
    return sheets[first], [f"only sheet {first!r} of {len(sheets)} was read"] if len(sheets) > 1 else []


def _require_zip(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        raise DataError(f"{str(path)!r} is not a {path.suffix} file: it is damaged, or something else under that name")
    with zipfile.ZipFile(path) as archive:  # zipfile reads no more of a member than it says here
        unpacked = sum(member.file_size for member in archive.infolist())
    _require_bounded(path, unpacked)


def _require_bounded(path: Path, unpacked: int) -> None:
    if unpacked > MAX_BYTES or unpacked > max(_UNPACKED_FLOOR, _MAX_RATIO * path.stat().st_size):
        raise DataError(
            f"{str(path)!r} unpacks to {unpacked} bytes, more than {_MAX_RATIO} times its size; it is refused, "
            "for it may be built to fill the memory; save the table as CSV or Parquet if it is honest"
        )


def _npz_arrays(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    _require_zip(path)
    with np.load(path, allow_pickle=False) as arrays:
        if not {"X", "y"} <= set(arrays.files):
            raise DataError(f"{str(path)!r} needs arrays 'X' and 'y'; it has {arrays.files}")
        return arrays["X"], arrays["y"]


def _read_npz(path: Path) -> tuple[pd.DataFrame, list[str]]:
    X, y = _npz_arrays(path)
    if len(X) != len(y):
        raise DataError(f"{str(path)!r} has {len(X)} rows in 'X' and {len(y)} in 'y'")
    X = X.reshape(len(X), -1)
    return pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])]).assign(y=y), []


_READERS: dict[str, Callable[[Path], tuple[pd.DataFrame, list[str]]]] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".txt": read_delimited,
    ".parquet": _read_parquet,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".xlsx": _read_xlsx,
    ".npz": _read_npz,
}
