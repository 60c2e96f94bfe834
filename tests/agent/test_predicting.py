"""Predictions of a file: each row gets its answer, or the file is refused and every wrong cell named."""

from pathlib import Path

import pandas as pd
import pytest
from tests.train.export.small_run import SmallRun, make_run

from autoagent.agent.predicting import predict_file
from autoagent.errors import DataError, RunFolderError
from autoagent.train.export.package import assemble


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    made = make_run(tmp_path_factory.mktemp("predicted") / "run")
    assemble(made.root, [(made.trial(0), 1.0)], made.root / "model", made.export_job())
    return made


def _file(folder: Path, frame: pd.DataFrame) -> Path:
    path = folder / "rows.csv"
    frame.to_csv(path, index=False)
    return path


def test_every_row_gets_its_answer(run: SmallRun, tmp_path: Path) -> None:
    table, notes = predict_file(run.root, _file(tmp_path, run.frame))
    assert list(table.columns) == ["prediction", "p_no", "p_yes"]
    assert len(table) == len(run.frame)
    assert notes == []


def test_wrong_cells_are_refused_with_the_file_named_or_read_as_missing(run: SmallRun, tmp_path: Path) -> None:
    rows = run.frame.head(4).astype(object)
    rows.at[1, "size"] = "big"
    path = _file(tmp_path, rows)
    with pytest.raises(DataError, match=r"rows\.csv' does not fit the model:\nrow 2, column 'size': 'big'; allowed"):
        predict_file(run.root, path)
    table, notes = predict_file(run.root, path, lenient=True)
    assert len(table) == 4
    assert notes[0].startswith("1 cell of 'size' read as missing")


def test_a_row_that_the_reader_would_leave_out_is_an_error(run: SmallRun, tmp_path: Path) -> None:
    path = _file(tmp_path, run.frame.head(5))
    path.write_text(path.read_text() + "1,2,red,2024-01-01,one,too,many\n")
    with pytest.raises(DataError, match="1 rows with more than 4 fields were left out"):
        predict_file(run.root, path)


def test_a_folder_without_a_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="holds no model"):
        predict_file(tmp_path, tmp_path / "rows.csv")
