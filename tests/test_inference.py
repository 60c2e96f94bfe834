"""A delivered model: predicts by itself, says what is wrong with the rows, answers in the classes' own type."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.train.export.small_run import SmallRun, make_run

from autoagent import inference
from autoagent.inference import InputError, Model, apply_recipe, level_text, main, read_rows
from autoagent.train.export.package import assemble

LOCKED = """
import runpy, sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("autoagent", "torch", "sklearn", "onnx", "pydantic", "scipy", "lightgbm"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Wall())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def deliver(folder: Path, task: str = "binary", **changes: object) -> tuple[SmallRun, Path]:
    run = make_run(folder / "run", task)  # type: ignore[arg-type]  # a literal
    out = run.root / "model"
    assemble(run.root, [(run.trial(0), 3.0), (run.trial(1), 1.0)], out, run.export_job(**changes))
    return run, out


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallRun, Path]:
    return deliver(tmp_path_factory.mktemp("delivered"))


def test_the_file_imports_only_the_standard_library_and_its_dependencies() -> None:
    tree = ast.parse(Path(inference.__file__).read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    roots = {name.split(".")[0] for name in names}
    assert roots - set(sys.stdlib_module_names) == {"numpy", "pandas", "onnxruntime", "PIL"}  # PIL for images only


def test_the_delivered_script_runs_alone(delivered: tuple[SmallRun, Path], tmp_path: Path) -> None:
    run, folder = delivered
    rows, out = tmp_path / "new rows.csv", tmp_path / "out.csv"
    run.frame.drop(columns="size").assign(size=run.frame["size"], other="x").to_csv(rows, index=False)
    command = [sys.executable, "-I", "-W", "error", "-c", LOCKED, str(folder / "predict.py"), str(rows), "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "note: columns that the model does not use: 'other'\n")
    found, model = pd.read_csv(out), Model.load(folder)
    assert found["prediction"].tolist() == model.predict(run.frame).tolist()
    np.testing.assert_allclose(found[["p_no", "p_yes"]], model.predict_proba(run.frame), rtol=1e-5)


def test_the_blend_is_the_weighted_mean_of_the_members_mean_parts(delivered: tuple[SmallRun, Path]) -> None:
    run, folder = delivered
    model = Model.load(folder)
    means = [
        np.mean([model.part_outputs(run.frame, member=m, part=p) for p in range(3)], axis=0) for m in range(2)
    ]  # each (200, 2)
    np.testing.assert_allclose(model.raw(run.frame), (3 * means[0] + means[1]) / 4, rtol=1e-6)
    np.testing.assert_allclose(model.predict_proba(run.frame).sum(axis=1), 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("task", "changes", "classes"),
    [
        ("binary", {}, ["no", "yes"]),
        ("binary", {"classes": ["False", "True"], "class_kind": "bool"}, [False, True]),
        ("multiclass", {}, [1, 2, 3]),
        ("multiclass", {"classes": ["0.5", "1", "1.5"], "class_kind": "float"}, [0.5, 1.0, 1.5]),
        ("regression", {}, []),
    ],
)
def test_answers_have_the_classes_own_type(
    tmp_path: Path, task: str, changes: dict[str, object], classes: list[object]
) -> None:
    run, folder = deliver(tmp_path, task, **changes)
    model = Model.load(folder)
    found = model.predict(run.frame)
    assert model.classes_.tolist() == classes
    assert [type(value) for value in model.classes_.tolist()] == [type(value) for value in classes]
    assert set(found.tolist()) == set(classes) or not classes
    assert found.shape == (200,)
    if not classes:
        assert found.dtype == np.float64
        with pytest.raises(InputError, match="predicts numbers"):
            model.predict_proba(run.frame)


def test_all_the_faults_of_the_columns_are_said_at_once(delivered: tuple[SmallRun, Path]) -> None:
    run, folder = delivered
    wrong = run.frame.drop(columns=["size", "day"])
    wrong.insert(0, "colour", "red", allow_duplicates=True)
    with pytest.raises(InputError, match=r"missing columns: 'size', 'day'; columns that occur twice: 'colour'"):
        Model.load(folder).predict(wrong)
    with pytest.raises(InputError, match="must be a pandas DataFrame, not list"):
        Model.load(folder).predict([1, 2])  # type: ignore[arg-type]  # the fault under test


def test_a_name_that_is_nearly_right_is_pointed_out(delivered: tuple[SmallRun, Path]) -> None:
    run, folder = delivered
    with pytest.raises(InputError, match=r"missing columns: 'colour'.* Is 'Color' meant for 'colour'\?"):
        Model.load(folder).check(run.frame.rename(columns={"colour": "Color"}))


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("size", "big", "'big'; allowed: a number from"),
        ("size", True, "True; allowed: a number from"),
        ("size", float("inf"), "inf; allowed: a number from"),
        ("size", "1,5", "'1,5'; allowed: a number from"),
        ("day", "soon", "'soon'; allowed: a date such as"),
        ("day", "2024-13-45", "'2024-13-45'; allowed: a date such as"),
        ("day", 5, "5; allowed: a date such as"),
        ("colour", ["red"], "['red']; allowed: a text, a number, true or false"),
    ],
)
def test_a_wrong_cell_is_named_or_with_leave_read_as_missing(
    delivered: tuple[SmallRun, Path], column: str, value: object, told: str
) -> None:
    run, folder = delivered
    model, rows = Model.load(folder), run.frame.head(5).astype(object)
    rows.at[2, column] = value
    with pytest.raises(InputError) as caught:
        model.check(rows)
    assert f"row 3, column {column!r}: {told}" in str(caught.value)
    (note,) = model.check(rows, lenient=True)
    assert note.startswith(f"1 cell of {column!r} read as missing; the first is ")
    assert np.isfinite(model.predict_proba(rows.drop(columns="colour").assign(colour="red"))).all()


@pytest.mark.parametrize("value", [None, float("nan"), "", "NA", " ? ", "-2.5", 7])
def test_empty_cells_and_numbers_written_as_text_are_numbers(delivered: tuple[SmallRun, Path], value: object) -> None:
    run, folder = delivered
    rows = run.frame.head(3).astype(object)
    rows.at[1, "size"] = value
    assert Model.load(folder).check(rows) == []


def test_many_wrong_cells_are_told_in_part_and_counted(delivered: tuple[SmallRun, Path]) -> None:
    run, folder = delivered
    with pytest.raises(InputError) as caught:
        Model.load(folder).check(run.frame.assign(size="x"))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("row 1, column 'size'")
    assert (len(lines), lines[-1]) == (11, "and 190 more cells")


def test_categories_that_training_did_not_see_are_counted(delivered: tuple[SmallRun, Path]) -> None:
    run, folder = delivered
    rows = run.frame.head(4).assign(colour=["red", "mauve", "teal", None], y="no", more=1)
    assert Model.load(folder).check(rows) == [
        "2 rows have a category in 'colour' that training hardly saw: 'mauve', 'teal'",
        "columns that the model does not use: 'more'",
    ]


def test_the_training_rows_have_no_fault(delivered: tuple[SmallRun, Path]) -> None:
    run, folder = delivered
    assert Model.load(folder).check(run.frame) == []
    assert Model.load(folder).check(run.frame.iloc[:0]) == []


def test_no_rows_give_no_answers(delivered: tuple[SmallRun, Path], tmp_path: Path) -> None:
    run, folder = delivered
    none = run.frame.iloc[:0]
    assert Model.load(folder).predict(none).shape == (0,)
    assert Model.load(folder).predict_proba(none).shape == (0, 2)
    numbers, other = deliver(tmp_path, "regression")
    assert Model.load(other).predict(numbers.frame.iloc[:0]).shape == (0,)


def test_rows_of_empty_cells_get_an_answer(delivered: tuple[SmallRun, Path]) -> None:
    run, folder = delivered
    empty = pd.DataFrame([dict.fromkeys(run.frame.columns)] * 3)
    assert np.isfinite(Model.load(folder).predict_proba(empty)).all()
    assert np.isfinite(Model.load(folder).predict_proba(empty.astype("float64"))).all()


def test_a_row_gets_the_same_answer_alone_and_in_company(delivered: tuple[SmallRun, Path]) -> None:
    run, folder = delivered
    model = Model.load(folder)
    alone = [model.predict_proba(run.frame.iloc[[i]])[0] for i in range(10)]
    np.testing.assert_allclose(alone, model.predict_proba(run.frame)[:10], atol=1e-6)  # float32 sums by batch size


def test_more_rows_than_a_chunk_are_all_answered(delivered: tuple[SmallRun, Path]) -> None:
    run, folder = delivered
    many = pd.concat([run.frame] * 101, ignore_index=True)
    model = Model.load(folder, threads=2)
    np.testing.assert_allclose(model.raw(many)[-200:], model.raw(run.frame), atol=1e-6)


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.parquet", "rows.jsonl"])
def test_files_of_every_kind_give_the_same_answers(delivered: tuple[SmallRun, Path], tmp_path: Path, name: str) -> None:
    run, folder = delivered
    path = tmp_path / name
    if name.endswith("parquet"):
        run.frame.to_parquet(path)
    elif name.endswith("jsonl"):
        run.frame.assign(day=run.frame["day"].astype(str)).to_json(path, orient="records", lines=True)
    else:
        run.frame.to_csv(path, index=False, sep="\t" if name.endswith("tsv") else ";")
    model = Model.load(folder)
    np.testing.assert_allclose(model.raw(read_rows(path)), model.raw(run.frame), atol=1e-6)


def test_the_command_says_what_is_wrong_and_ends_with_2(
    delivered: tuple[SmallRun, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, folder = delivered
    assert main([str(tmp_path / "none.csv"), "--model", str(folder)]) == 2
    assert "none.csv" in capsys.readouterr().err
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    assert main([str(tmp_path / "bad.csv"), "--model", str(folder)]) == 2
    assert "missing columns: 'size', 'weight', 'colour', 'day'" in capsys.readouterr().err


def test_without_an_output_file_the_answers_go_to_the_terminal(
    delivered: tuple[SmallRun, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, folder = delivered
    run.frame.head(3).to_csv(tmp_path / "rows.csv", index=False)
    assert main([str(tmp_path / "rows.csv"), "--model", str(folder)]) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert list(table.columns) == ["prediction", "p_no", "p_yes"]
    assert len(table) == 3


def test_a_newer_format_is_refused(delivered: tuple[SmallRun, Path], tmp_path: Path) -> None:
    _, folder = delivered
    (tmp_path / "model.json").write_text(json.dumps({**Model.load(folder).facts, "format": 2}), encoding="utf-8")
    with pytest.raises(InputError, match="model format 2 is not 1"):
        Model.load(tmp_path)
    with pytest.raises(InputError, match="recipe format None is not 1"):
        apply_recipe({}, pd.DataFrame())


def test_a_number_has_one_name_as_a_category() -> None:
    assert {level_text(value) for value in (1, 1.0, np.int8(1), np.float32(1), "1", " 1 ")} == {"1"}
    assert level_text(0.5) == "0.5"
    assert level_text(True) == "True"


def test_loading_the_module_starts_no_runtime() -> None:
    code = "import sys, autoagent.inference; sys.exit('onnxruntime' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, env=dict(os.environ), timeout=60).returncode == 0
