"""Files built to fill the memory, or to reach elsewhere, are refused before they are unpacked."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autoagent.data.readers import read_table
from autoagent.errors import DataError


def bomb(path: Path, names: list[str], size: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            with archive.open(name, "w", force_zip64=True) as member:
                for _ in range(size >> 20):
                    member.write(bytes(1 << 20))
    return path


@pytest.mark.parametrize(
    ("name", "members"), [("t.xlsx", ["xl/workbook.xml", "xl/worksheets/sheet1.xml"]), ("t.npz", ["X.npy", "y.npy"])]
)
def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, name: str, members: list[str]) -> None:
    path = bomb(tmp_path / name, members, 120 << 20)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(DataError, match="more than 100 times its size"):
        read_table(path)


def test_an_archive_with_paths_that_climb_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "in" / "t.npz"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../escaped.npy", b"x")
        archive.writestr("/tmp/escaped.npy", b"x")
    with pytest.raises(DataError, match="needs arrays 'X' and 'y'"):
        read_table(path)
    assert [found.name for found in tmp_path.rglob("*")] == ["in", "t.npz"]


def test_an_array_that_lies_about_its_shape_is_refused(tmp_path: Path) -> None:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (1 << 50,)})
    path = tmp_path / "t.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", head.getvalue())
        archive.writestr("y.npy", head.getvalue())
    with pytest.raises(DataError, match=r"cannot be read as \.npz"):
        read_table(path)


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, X=np.array([{"a": 1}] * 3, dtype=object), y=np.arange(3))
    with pytest.raises(DataError, match="allow_pickle"):
        read_table(path)


def test_a_parquet_file_of_endless_repeats_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoagent.data.readers._MAX_CELL_BYTES", 8_000)
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": np.zeros(10_000)}).to_parquet(path)
    with pytest.raises(DataError, match="holds 10000 cells"):
        read_table(path)


def test_honest_archives_are_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "t.npz", X=np.zeros((1000, 50)), y=np.arange(1000))
    assert len(read_table(tmp_path / "t.npz").frame) == 1000
