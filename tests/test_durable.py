"""Files that outlive a cut of the power: in which order they reach the disk, and what a refusal leaves."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from autoagent.durable import sync_tree, write_durably


class Disk:
    """Notes what is waited for, and what was under that name by then."""

    def __init__(self, watched: Path) -> None:
        self.watched = watched
        self.seen: list[tuple[str, str | None]] = []

    def __call__(self, handle: int) -> None:
        before = self.watched.read_text() if self.watched.exists() else None
        self.seen.append((Path(f"/proc/self/fd/{handle}").readlink().name, before))


def test_the_content_is_on_disk_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plan.json"
    path.write_text("old")
    disk = Disk(path)
    monkeypatch.setattr(os, "fsync", disk)
    write_durably(path, "new")
    (first, before), (second, after) = disk.seen
    assert first.startswith(".plan.json.")
    assert (before, second, after) == ("old", tmp_path.name, "new")
    assert [one.name for one in tmp_path.iterdir()] == ["plan.json"]


def test_what_the_disk_refuses_leaves_the_old_file_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plan.json"
    path.write_text("old")

    def refuse(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_durably(path, "new")
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {"plan.json": "old"}


def test_line_ends_and_the_mode_stay_as_given(tmp_path: Path) -> None:
    write_durably(tmp_path / "a", "one\r\ntwo\n", mode=0o600)
    assert (tmp_path / "a").read_bytes() == b"one\r\ntwo\n"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_every_file_and_folder_below_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "top" / "in").mkdir(parents=True)
    (tmp_path / "top" / "a").write_text("")
    (tmp_path / "top" / "in" / "b").write_text("")
    disk = Disk(tmp_path / "none")
    monkeypatch.setattr(os, "fsync", disk)
    sync_tree(tmp_path / "top")
    assert sorted(name for name, _ in disk.seen) == ["a", "b", "in", "top"]
