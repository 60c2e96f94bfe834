"""The delivered folder: whole or absent, without pickle, each recipe once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
from tests.train.export.small_run import SmallRun, make_run

from autoagent import inference
from autoagent.errors import RunFolderError
from autoagent.inference import Model
from autoagent.train.export.package import assemble


@pytest.fixture
def run(tmp_path: Path) -> SmallRun:
    return make_run(tmp_path / "run")


def members(run: SmallRun) -> list[tuple[Path, float]]:
    return [(run.trial(0), 3.0), (run.trial(1), 1.0)]


def test_the_folder_holds_all_that_prediction_needs_and_nothing_executable_but_the_script(run: SmallRun) -> None:
    facts = assemble(run.root, members(run), run.root / "model", run.export_job())
    kinds = {path.suffix for path in (run.root / "model").rglob("*") if path.is_file()}
    assert kinds == {".json", ".onnx", ".py", ".txt", ""}  # SHA256SUMS has no suffix
    assert facts == json.loads((run.root / "model" / "model.json").read_text())
    assert (run.root / "model" / "predict.py").read_bytes() == Path(inference.__file__).read_bytes()
    assert [member["weight"] for member in facts["members"]] == [3.0, 1.0]
    assert set(facts["examples"]) == set(facts["roles"]) == {"size", "weight", "colour", "day"}
    assert set(facts["ranges"]["colour"]) == {"red", "green", "blue"}


def test_the_schema_takes_the_examples_and_refuses_a_row_without_a_column(run: SmallRun) -> None:
    facts = assemble(run.root, members(run), run.root / "model", run.export_job())
    schema = Model.load(run.root / "model").schema
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(facts["examples"], schema)
    with pytest.raises(jsonschema.ValidationError, match="'size' is a required property"):
        jsonschema.validate({"weight": 1.0, "colour": None, "day": None}, schema)


def test_a_recipe_that_two_parts_share_is_kept_once(run: SmallRun) -> None:
    shutil.copyfile(run.trial(0) / "parts/p0/recipe.json", run.trial(1) / "parts/p0/recipe.json")
    facts = assemble(run.root, members(run), run.root / "model", run.export_job())
    assert facts["recipes"] == {"m1/p0": "m0/p0"}
    assert not (run.root / "model/m1/p0/recipe.json").exists()
    assert Model.load(run.root / "model").raw(run.frame).shape == (200, 2)


def test_a_model_that_is_there_is_replaced_and_nothing_else_is_left(run: SmallRun) -> None:
    out = run.root / "model"
    assemble(run.root, members(run), out, run.export_job())
    (out / "old.txt").write_text("")
    assemble(run.root, members(run)[:1], out, run.export_job())
    assert not (out / "old.txt").exists()
    assert [path.name for path in run.root.iterdir() if path.name.startswith(".")] == []


def test_a_trial_without_a_model_leaves_the_old_folder_alone(run: SmallRun) -> None:
    out = run.root / "model"
    assemble(run.root, members(run), out, run.export_job())
    before = sorted(out.rglob("*"))
    shutil.rmtree(run.trial(1) / "parts")
    with pytest.raises(RunFolderError, match="0001 has no saved model"):
        assemble(run.root, members(run), out, run.export_job())
    assert sorted(out.rglob("*")) == before


def test_no_members_are_refused(run: SmallRun) -> None:
    with pytest.raises(RunFolderError, match="at least one trial"):
        assemble(run.root, [], run.root / "model", run.export_job())
