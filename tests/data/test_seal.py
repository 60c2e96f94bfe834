"""Sealing survives kills, and the test rows are opened for one model only."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autoagent.data.seal import Schema, open_sealed, read_folds, read_schema, write_split
from autoagent.data.splits import make_split
from autoagent.errors import RunFolderError

SCHEMA = Schema(roles={"a": "numeric"}, target="y", task="binary", classes=["0", "1"])


def seal(run: Path) -> None:
    y = np.array([0.0, 1.0] * 20)
    write_split(run, pd.DataFrame({"a": range(40)}), y, make_split(y, task="binary", seed=0), SCHEMA)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    seal(tmp_path)
    assert read_schema(tmp_path / "data") == SCHEMA
    assert len(read_folds(tmp_path / "data")) == 5
    frame, y = open_sealed(tmp_path, model_sha256="m")
    assert len(frame) == len(y) == 8
    assert np.array_equal(frame["a"] % 2, y)


def test_the_test_rows_open_for_one_model_only(tmp_path: Path) -> None:
    seal(tmp_path)
    open_sealed(tmp_path, model_sha256="m")
    open_sealed(tmp_path, model_sha256="m")
    with pytest.raises(RunFolderError, match="another model"):
        open_sealed(tmp_path, model_sha256="other")


@pytest.mark.parametrize("torn", ["", '{"model_sha', "{}", "[]", '{"model_sha256": null}'])
def test_a_torn_record_of_an_opening_does_not_lock_the_test_rows(tmp_path: Path, torn: str) -> None:
    seal(tmp_path)
    record = tmp_path / "sealed" / "opened.json"
    record.write_text(torn, encoding="utf-8")
    open_sealed(tmp_path, model_sha256="m")
    assert json.loads(record.read_text(encoding="utf-8")) == {"model_sha256": "m"}
    with pytest.raises(RunFolderError, match="another model"):
        open_sealed(tmp_path, model_sha256="other")


def test_a_changed_test_part_is_refused(tmp_path: Path) -> None:
    seal(tmp_path)
    np.save(tmp_path / "sealed" / "test_y.npy", np.zeros(8))
    with pytest.raises(RunFolderError, match="was changed"):
        open_sealed(tmp_path, model_sha256="m")


def test_a_split_replaces_the_folders_of_a_killed_attempt(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.parquet").write_bytes(b"half a fi")
    (tmp_path / "sealed").mkdir()
    seal(tmp_path)
    assert len(pd.read_parquet(tmp_path / "data" / "train.parquet")) == 32


def test_an_opened_split_is_never_made_anew(tmp_path: Path) -> None:
    seal(tmp_path)
    open_sealed(tmp_path, model_sha256="m")
    with pytest.raises(RunFolderError, match="already opened"):
        seal(tmp_path)


def test_no_half_written_file_is_left(tmp_path: Path) -> None:
    seal(tmp_path)
    open_sealed(tmp_path, model_sha256="m")
    assert not list(tmp_path.rglob("*.new"))
