"""Read delimited text as people and spreadsheets write it; every repair is stated."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from pathlib import Path

import pandas as pd

from autoagent.errors import DataError

_DELIMITERS = ",;\t|"
_MISSING = ["", "?", "NA", "N/A", "n/a", "na", "NaN", "nan", "null", "NULL", "None", "#N/A", "-nan", "missing"]
_PLAIN = r"[-+]?\d+(?:\.\d+)?"
_THOUSANDS = r"[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?"
_COMMA = r"[-+]?(?:[1-9]\d{0,2}(?:\.\d{3})+|\d+)(?:,\d+)?"
_NUMBERLIKE = re.compile(r"\s*[-+]?\d[\d.,]*\s*")


def read_delimited(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows of a delimited text file, and what was mended.

    Raises:
        DataError: the file is binary or compressed, holds no rows, or its rows do not fit the header.
    """
    raw = path.read_bytes()
    if raw.startswith((b"\x1f\x8b", b"PK\x03\x04")):
        raise DataError(f"{str(path)!r} is compressed; unpack it first")
    if b"\0" in raw[:4096] and not raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{str(path)!r} is binary, not delimited text")
    text, repairs = _decode(raw)
    delimiter = max(_DELIMITERS, key=lambda mark: _narrowest(text, mark))
    text, more = _fit_rows(text, delimiter, str(path))
    decimal = "," if delimiter in ";\t" and _looks_decimal_comma(text, delimiter) else "."
    frame = pd.read_csv(
        io.StringIO(text), sep=delimiter, decimal=decimal, na_values=_MISSING, low_memory=False, skip_blank_lines=True
    )
    repairs += more
    if decimal == ",":
        repairs.append("decimal commas were read as decimal points")
    frame, more = _mend_numbers(frame, european=decimal == ",", semicolons=delimiter == ";")
    return frame, repairs + more


def _decode(raw: bytes) -> tuple[str, list[str]]:
    repairs = []
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = raw.decode("utf-16")
    else:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
            repairs.append("the text is not UTF-8 and was read as Latin-1")
    return text if "\n" in text else text.replace("\r", "\n"), repairs


def _narrowest(text: str, delimiter: str) -> int:
    start = text[:100_000]  # a wrong delimiter makes one field of it all, and csv refuses more than 131,072 letters
    rows = csv.reader(io.StringIO(start, newline=""), delimiter=delimiter)
    return min((len(row) for row in itertools.islice(rows, 20) if not _is_blank(row)), default=0)


def _is_blank(row: list[str]) -> bool:
    return len(row) <= 1 and not "".join(row).strip()


def _fit_rows(text: str, delimiter: str, source: str) -> tuple[str, list[str]]:
    """Leave out the rows that are wider than the header, and count the shorter ones."""
    rows = (row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if not _is_blank(row))
    width = len(next(rows, []))
    widths = Counter(len(row) for row in rows)
    total = sum(widths.values())
    if not total:
        raise DataError(f"{source!r} holds {'only a header' if width else 'no rows'}")
    wide = sum(count for fields, count in widths.items() if fields > width)
    short = sum(count for fields, count in widths.items() if fields < width)
    if wide > total / 2:
        raise DataError(
            f"{wide} of the {total} rows of {source!r} have more fields than the {width} names in its first line; "
            "name every column there, or quote the texts that hold the delimiter"
        )
    repairs = [f"{short} rows with fewer than {width} fields were filled with missing values"] if short else []
    if not wide:
        return text, repairs
    kept = io.StringIO(newline="")
    writer = csv.writer(kept, delimiter=delimiter)
    again = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    writer.writerows(row for row in again if len(row) <= width and not _is_blank(row))
    return kept.getvalue(), [f"{wide} rows with more than {width} fields were left out", *repairs]


def _looks_decimal_comma(text: str, delimiter: str) -> bool:
    rows = itertools.islice(csv.reader(io.StringIO(text[:200_000], newline=""), delimiter=delimiter), 1, 200)
    cells = [cell.strip() for row in rows for cell in row if "," in cell]
    numbers = [cell for cell in cells if re.fullmatch(_COMMA, cell)]
    return bool(cells) and len(numbers) > 0.9 * len(cells)


def _mend_numbers(frame: pd.DataFrame, *, european: bool, semicolons: bool) -> tuple[pd.DataFrame, list[str]]:
    """Read texts such as ``1,234`` and ``1.234,5`` as numbers where the whole column is written so."""
    mended: dict[str, pd.Series] = {}
    repairs = []
    for place, dtype in enumerate(frame.dtypes):
        if pd.api.types.is_numeric_dtype(dtype):
            continue
        column = frame.iloc[:, place]
        start = column.first_valid_index()
        if start is None or not _NUMBERLIKE.fullmatch(str(column.loc[start])):
            continue
        numbers, how = _numbers(column.dropna().astype(str).str.strip(), european, semicolons)
        if numbers is not None:
            mended[str(column.name)] = pd.to_numeric(numbers).reindex(column.index)
            repairs.append(f"{column.name!r}: {how}")
    if not mended:
        return frame, []
    return frame.assign(**mended), repairs


def _numbers(cells: pd.Series, european: bool, semicolons: bool) -> tuple[pd.Series | None, str]:
    plain, comma = cells.str.fullmatch(_PLAIN), cells.str.fullmatch(_COMMA)
    thousands = cells.str.fullmatch(_THOUSANDS)
    if european and plain.all() and not comma.all():
        return cells, "decimal points were kept in its numbers"
    if thousands.any() and (plain | thousands).all() and not (european or semicolons):
        return cells.str.replace(",", ""), "commas between thousands were left out of its numbers"
    if comma.all() and (european or cells.str.contains(",").any()):
        points = cells.str.replace(".", "").str.replace(",", ".")
        return points, "points between thousands were left out and decimal commas read as points"
    return None, ""
