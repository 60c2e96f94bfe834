"""The hashes of a delivered folder: a changed or missing file is told before anything is predicted with it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from tests.train.export.small_run import SmallRun, make_run

import autoagent
from autoagent import cli
from autoagent.errors import RunFolderError
from autoagent.inference import SUMS, InputError, Model, check_files, file_sha256
from autoagent.train.export.package import add_file, assemble


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallRun, Path]:
    run = make_run(tmp_path_factory.mktemp("delivered") / "run")
    assemble(run.root, [(run.trial(0), 3.0), (run.trial(1), 1.0)], run.root / "model", run.export_job())
    return run, run.root / "model"


@pytest.fixture
def folder(delivered: tuple[SmallRun, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(delivered[1], tmp_path / "model"))


def flip(path: Path) -> None:
    """Flip the lowest bit of the byte in the middle."""
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_every_delivered_file_is_listed_as_sha256sum_reads_it(folder: Path) -> None:
    lines = (folder / SUMS).read_text().splitlines()
    assert [line[66:] for line in lines] == [name for name in files(folder) if name != SUMS]
    assert all(line == f"{file_sha256(folder / line[66:])}  {line[66:]}" for line in lines)
    if (tool := shutil.which("sha256sum")) is not None:
        subprocess.run([tool, "--check", "--strict", SUMS], cwd=folder, check=True, capture_output=True)


def test_one_bit_of_any_file_is_noticed_and_the_file_is_named(folder: Path) -> None:
    for name in files(folder):
        whole = (folder / name).read_bytes()
        flip(folder / name)
        told = "" if name == SUMS else f"'{name}' was changed since delivery"
        with pytest.raises(RunFolderError, match="copy the folder again") as caught:
            autoagent.load(folder)
        assert told in str(caught.value)
        (folder / name).write_bytes(whole)
    assert autoagent.load(folder).classes_.tolist() == ["no", "yes"]


def test_a_file_that_is_missing_is_named(folder: Path) -> None:
    for name in files(folder):
        whole = (folder / name).read_bytes()
        (folder / name).unlink()
        with pytest.raises(InputError, match="is missing") as caught:
            Model.load(folder)
        assert name in str(caught.value)
        (folder / name).write_bytes(whole)
    assert Model.load(folder).classes_.tolist() == ["no", "yes"]


def test_all_that_is_wrong_is_said_at_once(folder: Path) -> None:
    flip(folder / "m0/p0/model.onnx")
    (folder / "m1/p0/model.onnx").unlink()
    with pytest.raises(InputError) as caught:
        check_files(folder)
    assert "'m0/p0/model.onnx' was changed since delivery, 'm1/p0/model.onnx' is missing" in str(caught.value)
    assert f"If a change is yours, write the file's new sha256 into {SUMS}" in str(caught.value)


@pytest.mark.parametrize("command", [["predict", "rows.csv"], ["serve", "--port", "0"]], ids=["predict", "serve"])
def test_a_command_says_so_in_one_line_and_does_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    flip(folder / "m0/p0/model.onnx")
    monkeypatch.setattr(sys, "argv", ["autoagent", command[0], str(folder), *command[1:]])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    shown = capsys.readouterr()
    assert (stopped.value.code, shown.out) == (2, "")
    assert "'m0/p0/model.onnx' was changed since delivery" in shown.err.replace("\n", " ")
    assert "Traceback" not in shown.err


def test_the_delivered_script_says_so_too(folder: Path, tmp_path: Path) -> None:
    flip(folder / "m0/p0/model.onnx")
    (tmp_path / "rows.csv").write_text("size\n1\n")
    command = [sys.executable, "-I", str(folder / "predict.py"), str(tmp_path / "rows.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert "'m0/p0/model.onnx' was changed since delivery" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_of_before_there_were_hashes_still_loads(folder: Path, delivered: tuple[SmallRun, Path]) -> None:
    (folder / SUMS).unlink()
    facts = json.loads((folder / "model.json").read_text())
    del facts["sums"]
    (folder / "model.json").write_text(json.dumps(facts))
    frame = delivered[0].frame
    assert autoagent.load(folder).predict(frame).tolist() == Model.load(delivered[1]).predict(frame).tolist()


@pytest.mark.parametrize("name", ["model.json", "schema.json", "m0/p0/recipe.json", "m0/p0/model.onnx"])
@pytest.mark.parametrize("how", ["missing", "cut", "noise"])
def test_a_damaged_folder_without_hashes_is_one_error_too(folder: Path, name: str, how: str) -> None:
    (folder / SUMS).unlink()
    facts = json.loads((folder / "model.json").read_text())
    del facts["sums"]
    (folder / "model.json").write_text(json.dumps(facts))
    whole = (folder / name).read_bytes()
    (folder / name).unlink()
    if how != "missing":
        (folder / name).write_bytes(whole[: len(whole) // 2] if how == "cut" else b"\xff\x00" * 50)
    with pytest.raises(InputError, match="copy the folder again") as caught:
        Model.load(folder)
    assert name in str(caught.value)


@pytest.mark.parametrize("key", ["format", "classes", "class_kind", "members", "recipes"])
@pytest.mark.parametrize(
    "value", [None, [], {}, "x", -1, ["../x"], {"a": 1}, [[]], [{"weight": 1, "parts": ["../m0/p0"]}]]
)
def test_a_model_that_says_nonsense_is_refused_or_read_and_nothing_else(folder: Path, key: str, value: object) -> None:
    (folder / SUMS).unlink()
    facts = json.loads((folder / "model.json").read_text())
    del facts["sums"]
    (folder / "model.json").write_text(json.dumps({**facts, key: value}))
    readable = suppress(InputError)  # a value that means something, such as classes of no name, is read
    with pytest.raises(InputError, match="copy the folder again") if key == "members" else readable:
        Model.load(folder)


def test_files_of_other_names_are_left_alone(folder: Path) -> None:
    (folder / "MODEL_CARD.md").write_text("mine")
    (folder / "notes.txt").write_text("mine")
    assert check_files(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b"])
def test_a_list_that_points_out_of_the_folder_is_damaged(folder: Path, name: str) -> None:
    (folder / SUMS).write_text(f"{'0' * 64}  {name}\n")
    with pytest.raises(InputError, match="is damaged at"):
        check_files(folder)


def test_a_file_that_comes_later_is_listed_and_checked(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("day,y\n1,2\n")
    add_file(tmp_path / "history.csv", folder)
    add_file(tmp_path / "history.csv", folder)  # of a sitting that was killed before it could record that
    assert (folder / SUMS).read_text().count("history.csv") == 1
    assert check_files(folder)
    flip(folder / "history.csv")
    with pytest.raises(InputError, match=r"'history\.csv' was changed"):
        Model.load(folder)
