"""Run folders of older and of newer releases."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import autoagent
from autoagent.agent.plan import Plan
from autoagent.agent.settings import read_settings
from autoagent.errors import RunFolderError
from autoagent.runs.folder import open_run
from autoagent.runs.journal import Journal, read_events
from autoagent.runs.state import fold
from autoagent.runs.versions import MIGRATIONS, VERSION, upgrade

GOLDEN = Path(__file__).with_name("golden")


def _second(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "data": {**row["data"], "second": True}}


def _third(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "kind": row["kind"].upper()}


STEPS = {1: _second, 2: _third}


def test_every_version_before_this_one_has_a_step() -> None:
    assert sorted(MIGRATIONS) == list(range(1, VERSION))


def test_an_older_line_is_brought_up_one_step_at_a_time() -> None:
    row = {"version": 1, "seq": 0, "time": "t", "kind": "x", "data": {}}
    assert upgrade(row, version=3, migrations=STEPS) == {
        "version": 3,
        "seq": 0,
        "time": "t",
        "kind": "X",
        "data": {"second": True},
    }
    assert row == {"version": 1, "seq": 0, "time": "t", "kind": "x", "data": {}}


def test_a_journal_that_two_releases_wrote_reads_as_one(tmp_path: Path) -> None:
    rows = [{"version": v, "seq": v - 1, "time": "t", "kind": "x", "data": {}} for v in (1, 2, 3)]
    path = tmp_path / "j"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    events = read_events(path, version=3, migrations=STEPS)
    assert [event.kind for event in events] == ["X", "X", "x"]
    assert [event.data for event in events] == [{"second": True}, {}, {}]


def test_a_version_that_no_step_leads_from_says_what_to_do() -> None:
    with pytest.raises(RunFolderError, match=r"too old.*finish the run with the release that began it"):
        upgrade({"version": 1}, version=3, migrations={2: _third})


@pytest.mark.parametrize("version", [None, "1", True, -1, 1.5])
def test_a_version_that_is_none_is_damage(version: object) -> None:
    with pytest.raises(RunFolderError, match="its version is"):
        upgrade({"version": version})


@pytest.mark.parametrize("folder", sorted(GOLDEN.iterdir()), ids=lambda path: path.name)
def test_a_run_folder_of_every_earlier_format_still_says_the_same(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    run = open_run(copy)
    settings, request = read_settings(run)
    plan = Plan.model_validate_json(run.plan.read_text(encoding="utf-8"))
    state = fold(read_events(run.journal))
    told = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    assert state.record() == told["record"]
    assert (settings.data, request, plan.metric) == (told["data"], told["request"], told["metric"])
    with Journal(run.journal) as journal:
        journal.append("note", {"text": "by this release"})
    assert fold(read_events(run.journal)).record() == told["record"]


def test_a_run_of_a_newer_release_is_refused_before_any_of_its_files_is_misread(tmp_path: Path) -> None:
    row = {"version": VERSION + 1, "seq": 0, "time": "t", "kind": "started", "data": {}, "new": 1}
    (tmp_path / "journal.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "settings.json").write_text('{"an option of later": 1}')
    with pytest.raises(RunFolderError, match=r"newer autoagent .* upgrade it"):
        autoagent.resume(tmp_path)
