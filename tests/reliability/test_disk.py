"""A disk that is full, read-only or limited: nothing recorded is lost, and the error says what to do."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import autoagent
from autoagent.agent.recorder import NullView
from autoagent.errors import RunFolderError
from autoagent.runs.disk import advice, check_room, explained
from autoagent.runs.folder import list_runs
from autoagent.runs.journal import Journal, read_events
from autoagent.runs.state import fold

SMALL = ["classify the species, accuracy, use only knn models", "--max-trials", "3", "--workers", "1", "--yes"]


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "autoagent", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


@contextmanager
def limited_files(most_bytes: int) -> Iterator[None]:
    """Let no file of this process grow past ``most_bytes``: writing more fails, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@contextmanager
def small_disk(where: Path, size: str) -> Iterator[Path]:
    """Mount a file system of ``size`` at ``where``, or skip where that is not allowed."""
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(where)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True)


@pytest.mark.parametrize("room", [0, 1, 17, 60])
def test_a_line_that_the_disk_did_not_take_whole_is_taken_back(tmp_path: Path, room: int) -> None:
    path = tmp_path / "j"
    with Journal(path, now=lambda: "t") as journal:
        journal.append("one", {})
        with limited_files(path.stat().st_size + room), pytest.raises(RunFolderError, match="then resume"):
            journal.append("two", {"text": "x" * 100})
        assert path.read_bytes().count(b"\n") == 1
        assert path.read_bytes().endswith(b"\n")
        journal.append("two", {"text": "there is room again"})
    assert [event.kind for event in read_events(path)] == ["one", "two"]


def test_a_fault_that_is_not_the_disks_is_not_explained_away(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError), explained(tmp_path):
        raise ConnectionResetError(errno.ECONNRESET, "reset")
    assert advice(OSError("no number")) is None


def test_a_run_whose_folder_is_taken_away_stops_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    with Journal(tmp_path / "here" / "j") as journal:
        journal.append("one", {})
        (tmp_path / "here").rename(tmp_path / "there")
        with pytest.raises(RunFolderError, match="was moved or deleted"):
            journal.append("two", {})
    assert not (tmp_path / "here").exists()
    assert len(read_events(tmp_path / "there" / "j")) == 1


def test_a_run_on_a_full_disk_stops_in_one_line_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "3m") as disk:
        run = None
        for filler_kb in (2900, 2700):  # full before the plan, full in the search
            filler = disk / "filler"
            filler.write_bytes(b"\0" * 1024 * filler_kb)
            done = cli("resume", str(run)) if run else cli("run", "iris", *SMALL, "--out", str(disk / "runs"))
            assert done.returncode in (1, 2), done.stdout
            assert "Traceback" not in done.stderr
            assert "No space left on device); free some space, then" in done.stderr
            assert len(done.stderr.strip().splitlines()) == 1
            filler.unlink()
            found = list_runs(disk / "runs")
            if found:
                run = found[0].root
        done = cli("resume", str(run)) if run else cli("run", "iris", *SMALL, "--out", str(disk / "runs"))
        assert done.returncode == 0, done.stderr
        folder = list_runs(disk / "runs")[0]
        state = fold(read_events(folder.journal))
        assert len(state.finished) == len(set(state.finished)) == 3
        assert (folder.model / "model.json").is_file()


class Fills(NullView):
    """Fills the disk to the last byte at an event, as something else on the machine may."""

    def __init__(self, kind: str, disk: Path) -> None:
        self.kind, self.disk = kind, disk

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        if kind == self.kind:
            found = os.statvfs(self.disk)
            (self.disk / "filler").write_bytes(bytes(found.f_bavail * found.f_frsize))


@pytest.mark.parametrize("kind", ["searched", "exported"])
def test_a_disk_that_is_full_when_the_model_is_delivered_or_tested_is_said_at_once(tmp_path: Path, kind: str) -> None:
    with small_disk(tmp_path / "disk", "3m") as disk:
        with pytest.raises(RunFolderError, match=r"No space left on device.*free some space, then resume"):
            autoagent.run("iris", SMALL[0], out=disk / "runs", max_trials=3, workers=1, view=Fills(kind, disk))
        (disk / "filler").unlink()
        folder = list_runs(disk / "runs")[0]
        assert not (folder.root / ".room").exists()
        result = autoagent.resume(folder.root)
        assert len(result.state.finished) == 3
        assert result.state.test is not None
        assert autoagent.load(folder.root).classes_.tolist()


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_worker_whose_log_cannot_be_written_ends_all_the_same(stream: str) -> None:
    program = f"""
import os, sys
from autoagent.train import worker
class Full:
    def write(self, text): return len(text)
    def flush(self): raise OSError(28, "No space left on device")
sys.{stream} = Full()
try:
    worker._become_child({{"out": "/proc/nowhere"}}, os.getppid())
finally:
    os.write(1, b"came back")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")


def test_room_is_asked_for_and_given_back(tmp_path: Path) -> None:
    check_room(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with limited_files(1000), pytest.raises(RunFolderError, match="then resume"):
        check_room(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_disk_is_said_in_one_line(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "3m") as disk:
        (disk / "run").mkdir()
        with Journal(disk / "run" / "journal.jsonl") as journal:
            journal.append("started", {})
        (disk / "run" / "settings.json").write_text('{"data": "iris"}')
        (disk / "run" / "request.txt").write_text("accuracy")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for done in (cli("resume", str(disk / "run")), cli("run", "iris", *SMALL, "--out", str(disk / "runs"))):
            assert done.returncode == 2
            assert len(done.stderr.strip().splitlines()) == 1
            assert "Read-only file system" in done.stderr
