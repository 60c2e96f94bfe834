"""Run folders: named, found, and held by one process at a time."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from autoagent.errors import RunFolderError
from autoagent.runs.folder import create_run, list_runs, open_run, slug


def test_a_run_is_named_by_its_day_and_its_words(tmp_path: Path) -> None:
    folder = create_run(tmp_path, "Predict churned, AUROC, please!", today=date(2026, 11, 24), token="abc123")
    assert folder.root.name == "2026-11-24-predict-churned-auroc-please-abc123"


@pytest.mark.parametrize("text", ["", "../../etc/passwd", "日本語", "a" * 500])
def test_no_request_leaves_the_folder(text: str, tmp_path: Path) -> None:
    assert create_run(tmp_path, text).root.parent == tmp_path
    assert len(slug(text)) <= 40


def test_a_folder_without_a_journal_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="not a run"):
        open_run(tmp_path)
    create_run(tmp_path, "x").journal.touch()
    assert len(list_runs(tmp_path)) == 1


def test_a_second_process_cannot_take_a_run_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    folder = create_run(tmp_path, "x")
    code = (
        "import sys, time; from pathlib import Path; from autoagent.runs.folder import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).lock():\n    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder.root)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(RunFolderError, match="in use"), folder.lock():
            pass
        child.kill()
        child.wait()
    with folder.lock():
        pass
