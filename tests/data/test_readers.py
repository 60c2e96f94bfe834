"""Whatever the input, reading gives a table with stated repairs or one clear error."""

from __future__ import annotations

import gzip
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autoagent.data.card import inspect
from autoagent.data.readers import read_table
from autoagent.data.table import Table
from autoagent.errors import DataError


def read(folder: Path, name: str, content: str | bytes) -> Table:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("deep.jsonl", '{"a":' + "[" * 100_000, "line 1 is nested too deeply"),
        ("broken.jsonl", '{"a":1}\n{"a":', "line 2 is not JSON"),
        ("list.jsonl", '{"a":1}\n\n[1]', "line 3 must be a JSON object"),
        ("bad.xlsx", "no zip", "is not a .xlsx file"),
        ("bad.npz", "no zip", "is not a .npz file"),
        ("torn.xlsx", b"PK\x03\x04torn", "is not a .xlsx file"),
        ("bad.parquet", "no", "cannot be read as .parquet"),
        ("a.csv", gzip.compress(b"a,b\n1,2\n"), "is compressed; unpack it first"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n"), "is compressed; unpack it first"),
        ("a.csv", b"a,b\n\0\1", "is binary"),
        ("wide.csv", "a,b\n1,x,5\n2,y,6\n", "2 of the 2 rows .* more fields than the 2 names"),
        ("header.csv", "a,b\n\n", "only a header"),
        ("blank.csv", "\n\n", "no rows"),
        ("empty.csv", "", "has 0 bytes"),
        ("a.doc", "x", "not a format"),
    ],
)
def test_a_bad_file_gives_one_clear_error(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, name, content)


@pytest.mark.parametrize("source", ["a" * 5000, "no\0path.csv"])
def test_an_impossible_path_is_an_error_of_the_data(source: str) -> None:
    with pytest.raises(DataError, match=r"is not a path|does not exist") as caught:
        read_table(source)
    assert len(str(caught.value)) < 500


def test_arrays_of_unequal_length_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.zeros((3, 2)), y=np.zeros(2))
    with pytest.raises(DataError, match="3 rows in 'X' and 2 in 'y'"):
        read_table(tmp_path / "a.npz")


def test_line_separators_inside_json_texts_are_kept(tmp_path: Path) -> None:
    table = read(tmp_path, "a.jsonl", '{"a":"x\u2028y"}\r\n{"a":"b"}\n')
    assert table.frame["a"].tolist() == ["x\u2028y", "b"]


def test_a_wide_row_is_left_out_beside_quotes_and_said(tmp_path: Path) -> None:
    table = read(tmp_path, "a.csv", 'a,b\n1,"x\nx,x"\n2,y,z\n3,w\n')
    assert table.frame["b"].tolist() == ["x\nx,x", "w"]
    assert table.repairs == ("1 rows with more than 2 fields were left out",)


def test_short_rows_are_filled_and_said(tmp_path: Path) -> None:
    table = read(tmp_path, "a.csv", "a,b,c\n1,2\n\n3,4,5\n")
    assert table.frame["c"].isna().tolist() == [True, False]
    assert table.repairs == ("1 rows with fewer than 3 fields were filled with missing values",)


def test_old_line_ends_are_read(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", "a,b\r1,2\r3,4\r").frame.to_numpy().tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("content", "expected", "repair"),
    [
        ('a,b\n"1,234",x\n"12,345",y\n', [1234, 12345], "commas between thousands"),
        ('a,b\n"1,234.5",x\n-7,y\n', [1234.5, -7], "commas between thousands"),
        ('a,b\n"1,5",x\n"2,25",y\n', [1.5, 2.25], "decimal commas"),
        ("a;b\n1.234,5;x\n2,5;y\n", [1234.5, 2.5], "points between thousands"),
        ("a;b\n1,5;x\n2,5;y\n", [1.5, 2.5], "decimal commas"),
        ("a;b\n1,234;x\n2,345;y\n", [1.234, 2.345], "decimal commas"),
    ],
)
def test_numbers_with_marks_are_read_and_said(tmp_path: Path, content: str, expected: list[float], repair: str) -> None:
    table = read(tmp_path, "a.csv", content)
    assert table.frame["a"].tolist() == expected
    assert repair in " ".join(table.repairs)


@pytest.mark.parametrize("cells", [["192.168.100.101", "192.168.100.102"], ["1,2,3", "4,5,6"], ["1,234", "many"]])
def test_texts_that_only_look_like_numbers_stay(tmp_path: Path, cells: list[str]) -> None:
    table = read(tmp_path, "a.csv", "a,b\n" + "".join(f'"{cell}",1\n' for cell in cells))
    assert table.frame["a"].tolist() == cells
    assert table.repairs == ()


def test_nested_cells_become_json_text_and_are_said() -> None:
    cells = [[1], {"k": np.arange(2)}, None, (1, 2), "x"] * 4
    table = read_table(pd.DataFrame({"a": cells, "y": [0, 1] * 10}))
    assert table.frame["a"].tolist()[:2] == ["[1]", '{"k": [0, 1]}']
    assert table.frame["a"].isna().sum() == 4
    assert table.repairs == ("lists and mappings were kept as JSON text: 'a'",)
    assert inspect(table.frame, target="y").columns[0].role == "categorical"


@pytest.mark.parametrize(
    "cells",
    [
        [1, "x"],
        ["1", 2.5],
        [True, "x"],
        [b"a", b"b"],
        [date(2020, 1, 1), date(2020, 1, 2)],
        [10**30, 1],
        [1, 2.5],
        [pd.Timedelta(1), pd.Timedelta(2)],
        [pd.Interval(0, 1), pd.Interval(1, 2)],
        [True, None],
        [None, None],
    ],
)
def test_odd_cells_survive_parquet(tmp_path: Path, cells: list[object]) -> None:
    frame = pd.DataFrame({"a": pd.Series(cells, dtype=object), "y": ["u", "v"]})
    frame["c"] = pd.Categorical(frame["a"]) if frame["a"].map(type).nunique() == 1 else "x"
    table = read_table(frame)
    table.frame.to_parquet(tmp_path / "a.parquet")
    assert len(pd.read_parquet(tmp_path / "a.parquet")) == 2


def test_a_target_of_mixed_kinds_is_text_throughout() -> None:
    table = read_table(pd.DataFrame({"a": range(4), "y": [1, "1", "x", 2]}))
    assert table.frame["y"].tolist() == ["1", "1", "x", "2"]
    assert table.repairs == ("values of mixed kinds were read as text: 'y'",)


def test_whole_numbers_in_objects_stay_whole() -> None:
    frame = read_table(pd.DataFrame({"a": pd.Series([1, 2], dtype=object)})).frame
    assert frame["a"].dtype == "int64"


@pytest.mark.parametrize("dtype", [complex, object])
def test_complex_numbers_are_refused(dtype: type) -> None:
    with pytest.raises(DataError, match="'a' holds complex numbers"):
        read_table(pd.DataFrame({"a": pd.Series([1j, 2j], dtype=dtype)}))


def test_infinite_values_are_missing_and_said() -> None:
    table = read_table(pd.DataFrame({"a": [1.0, np.inf, -np.inf], "b": [1.0, 2.0, 3.0]}))
    assert table.frame["a"].isna().sum() == 2
    assert table.repairs == ("2 infinite values were read as missing",)


def test_repeated_names_are_numbered() -> None:
    table = read_table(pd.DataFrame([[1, 2, 3]], columns=["a", " a", "a.1"]))
    assert list(table.frame.columns) == ["a", "a.1", "a.1.1"]
    assert table.repairs == ("repeated column names were numbered",)


def test_a_wide_table_is_read_in_seconds(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(20, 10_000)).round(3)
    pd.DataFrame(rows, columns=[f"c{i}" for i in range(10_000)]).to_csv(tmp_path / "a.csv", index=False)
    start = time.monotonic()
    assert read_table(tmp_path / "a.csv").frame.shape == (20, 10_000)
    assert time.monotonic() - start < 10  # 0.6 s alone; the machine is shared
