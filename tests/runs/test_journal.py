"""The journal: whatever a kill leaves behind, the whole events stay readable and appendable."""

import json
from pathlib import Path

import pytest

from autoagent.errors import RunFolderError
from autoagent.runs.journal import Journal, read_events


def _write(path: Path, count: int) -> None:
    with Journal(path, now=lambda: "t") as journal:
        for number in range(count):
            journal.append("tick", {"n": number, "text": "ünïcode\nline"})


def test_events_come_back_as_they_were_written(tmp_path: Path) -> None:
    _write(tmp_path / "j", 3)
    events = read_events(tmp_path / "j")
    assert [event.seq for event in events] == [0, 1, 2]
    assert events[2].data == {"n": 2, "text": "ünïcode\nline"}


def test_a_file_cut_at_any_byte_loses_only_its_torn_line_and_can_be_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "j"
    _write(path, 3)
    raw = path.read_bytes()
    for length in range(len(raw) + 1):
        path.write_bytes(raw[:length])
        whole = raw[:length].count(b"\n")
        assert len(read_events(path)) == whole
        with Journal(path, now=lambda: "t") as journal:
            journal.append("after", {})
        events = read_events(path)
        assert [event.kind for event in events] == ["tick"] * whole + ["after"]
        assert [event.seq for event in events] == list(range(whole + 1))


def test_a_damaged_line_in_the_middle_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "j"
    _write(path, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b'{"half":\n' + lines[2])
    with pytest.raises(RunFolderError, match="line 2 is damaged"):
        read_events(path)


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "j"
    row = {"version": 2, "seq": 0, "time": "t", "kind": "x", "data": {}}
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(RunFolderError, match="newer"):
        read_events(path)


def test_a_number_that_json_does_not_know_is_never_written(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal, pytest.raises(ValueError, match="JSON compliant"):
        journal.append("x", {"score": float("nan")})
    assert read_events(tmp_path / "j") == []
