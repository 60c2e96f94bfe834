"""A cut of the power: what the journal says was decided is on disk by then, and in a delivered folder every file is."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.train.export.small_run import make_run

import autoagent
from autoagent.agent.recorder import NullView
from autoagent.runs.folder import list_runs
from autoagent.train.export.package import assemble

REQUEST = "classify the species, accuracy, use only knn models"
DERIVED = {".lock", "journal.jsonl", "clock", "graph.json", "leaks.json"}  # none of these is read to go on


class Waited:
    """Notes what was waited for, by identity: a rename does not change it."""

    def __init__(self) -> None:
        self.seen: set[tuple[int, int]] = set()
        self._fsync = os.fsync

    def __call__(self, handle: int) -> None:
        self._fsync(handle)
        found = os.fstat(handle)
        self.seen.add((found.st_dev, found.st_ino))

    def missed(self, root: Path) -> set[str]:
        """Return the files and folders below and at ``root`` that were not waited for."""
        paths = [root, *root.rglob("*")]
        stats = {path.relative_to(root).as_posix(): path.stat() for path in paths}
        return {name for name, found in stats.items() if (found.st_dev, found.st_ino) not in self.seen}


class AtThePlan(NullView):
    """Asks, once the plan is in the journal, what was not waited for, and ends the run."""

    def __init__(self, out: Path, waited: Waited) -> None:
        self.out, self.waited = out, waited
        self.missed: set[str] = {"the plan was never recorded"}

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        if kind == "planned":
            self.missed = self.waited.missed(self.out)
            raise KeyboardInterrupt


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> Waited:
    waited = Waited()
    monkeypatch.setattr(os, "fsync", waited)
    return waited


@pytest.mark.parametrize("kept", [False, True], ids=["a name", "a frame"])
def test_all_that_a_resume_reads_is_on_disk_before_the_plan_is_recorded(
    tmp_path: Path, waited: Waited, kept: bool
) -> None:
    data: Any = "iris"
    if kept:
        data = autoagent.data.readers.read_table("iris").frame
    view = AtThePlan(tmp_path, waited)
    with pytest.raises(KeyboardInterrupt):
        autoagent.run(data, REQUEST, out=tmp_path, max_trials=1, workers=1, view=view)
    run = list_runs(tmp_path)[0].root
    derived = {(run / name).relative_to(tmp_path).as_posix() for name in DERIVED}
    assert view.missed - derived == set()
    assert (run / "data/train.parquet").exists()
    assert (run / "input.parquet").exists() == kept


def test_a_delivered_folder_is_on_disk_before_it_has_its_name(tmp_path: Path, waited: Waited) -> None:
    run = make_run(tmp_path / "run")
    waited.seen.clear()
    assemble(run.root, [(run.trial(0), 1.0)], run.root / "model", run.export_job())
    assert waited.missed(run.root / "model") == set()
    found = run.root.stat()
    assert (found.st_dev, found.st_ino) in waited.seen
