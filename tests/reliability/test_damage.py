"""Files of a run that were damaged or lost: the run goes on without them, or one line says which it needs."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import autoagent
from autoagent.errors import RunFolderError
from autoagent.runs.folder import RunFolder, list_runs

SCRIPT = Path(__file__).with_name("small_run.py")
NEEDED = ("plan.json", "classes.json", "data/schema.json", "data/folds.npz", "data/y.npy", "settings.json")


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    out = tmp_path_factory.mktemp("killed")
    done = subprocess.run([sys.executable, str(SCRIPT), str(out), "6"], check=False)
    assert done.returncode == -signal.SIGKILL
    return list_runs(out)[0]


def _damage(path: Path, how: str) -> None:
    if how == "lost":
        path.unlink()
    elif how == "torn":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path.write_bytes(b"\0" * 64)  # as a power cut may leave it


@pytest.mark.parametrize("how", ["lost", "torn", "zeros"])
@pytest.mark.parametrize("name", NEEDED)
def test_a_file_that_is_needed_is_said_to_be_damaged(killed: RunFolder, tmp_path: Path, name: str, how: str) -> None:
    run = Path(shutil.copytree(killed.root, tmp_path / "run"))
    _damage(run / name, how)
    with pytest.raises(RunFolderError, match="start the run again") as caught:
        autoagent.resume(run)
    assert len(str(caught.value).splitlines()) == 1


def test_files_that_only_tell_are_done_without(killed: RunFolder, tmp_path: Path) -> None:
    run = Path(shutil.copytree(killed.root, tmp_path / "run"))
    for name in ("trials.log", "environment.json", "graph.json", "clock", "leaks.json"):
        if (run / name).exists():
            _damage(run / name, "torn")
    assert autoagent.resume(run).score > 0.8
