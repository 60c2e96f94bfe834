"""An append-only file of events that survives a kill: fsynced lines, a torn last line left out and cut away."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from autoagent.durable import sync_path
from autoagent.errors import RunFolderError
from autoagent.runs.disk import advice, sentence
from autoagent.runs.versions import MIGRATIONS, VERSION, Migrations, upgrade

_LEAST_FREE_BYTES = 1 << 18  # with less, a trial may have failed for want of space; it is not recorded as its fault


class Event(BaseModel):
    """One line of a journal.

    Attributes:
        version: of the format.
        seq: its place, counted from 0 without gaps.
        time: when it was written, ISO 8601 in UTC.
        kind: what happened, for example ``finished``.
        data: the facts, as JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = VERSION
    seq: int
    time: str
    kind: str
    data: dict[str, Any]


def utc_now() -> str:
    """Return the present as ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def read_events(path: Path, *, version: int = VERSION, migrations: Migrations = MIGRATIONS) -> list[Event]:
    """Return the whole events of a journal, brought to format ``version``; a torn last line is left out.

    Raises:
        RunFolderError: a line before the last is damaged, or the journal is of a newer version.
    """
    return _read(path, version, migrations)[0]


class Journal:
    """Appends events to a file, each on disk before ``append`` returns.

    Opening cuts a torn last line, so that the next event starts on a line of its own. A line that the disk did not
    take whole is taken back, so that what was recorded stays readable.
    """

    def __init__(self, path: Path, *, now: Callable[[], str] = utc_now) -> None:
        self._path = path
        self._now = now
        fresh = not path.exists()
        self.events, self._size = ([], 0) if fresh else _read(path, VERSION, MIGRATIONS)
        self._file = path.open("ab", buffering=0)
        if fresh:
            sync_path(path.parent)
        if self._file.seek(0, os.SEEK_END) != self._size:
            self._file.truncate(self._size)
            os.fsync(self._file.fileno())

    def append(self, kind: str, data: Mapping[str, Any]) -> Event:
        """Write one event and wait until it is on disk.

        Raises:
            RunFolderError: the disk is full or read-only, or the run folder was moved away; nothing was recorded.
        """
        event = Event(seq=len(self.events), time=self._now(), kind=kind, data=dict(data))
        line = json.dumps(event.model_dump(), ensure_ascii=False, allow_nan=False).encode() + b"\n"
        self._check_place()
        try:
            self._write(line)
        except OSError as error:
            self._file.truncate(self._size)
            if advice(error) is None:
                raise
            raise RunFolderError(sentence(error, self._path.parent)) from error
        self._size += len(line)
        self.events.append(event)
        return event

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, line: bytes) -> None:
        space = os.fstatvfs(self._file.fileno())
        if space.f_blocks and space.f_bavail * space.f_frsize < _LEAST_FREE_BYTES + len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        while line:
            line = line[self._file.write(line) :]
        os.fsync(self._file.fileno())

    def _check_place(self) -> None:
        """Refuse to go on with a file that is no longer where the workers look for its folder."""
        mine = os.fstat(self._file.fileno())
        try:
            here = self._path.stat()
        except OSError as error:
            here, why = None, error.strerror
        else:
            why = "it is another file now"
        if here is None or (here.st_ino, here.st_dev) != (mine.st_ino, mine.st_dev):
            raise RunFolderError(
                f"{self._path} is gone ({why}): the run folder was moved or deleted while it was in use; "
                "go on where it is now: autoagent resume FOLDER"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _read(path: Path, version: int, migrations: Migrations) -> tuple[list[Event], int]:
    raw = path.read_bytes()
    whole_bytes = raw.rfind(b"\n") + 1  # what follows the last newline was torn by a kill
    lines = raw[:whole_bytes].split(b"\n")[:-1]
    events = [_parse(line, number, path, version, migrations) for number, line in enumerate(lines, start=1)]
    for number, event in enumerate(events):
        if event.seq != number:
            raise RunFolderError(
                f"{path}: line {number + 1} is damaged: it is event {event.seq} where {number} must follow; "
                "restore the file from a copy"
            )
    return events, whole_bytes


def _parse(line: bytes, number: int, path: Path, version: int, migrations: Migrations) -> Event:
    try:
        row = json.loads(line)
        if not isinstance(row, dict):
            raise ValueError("no object")
        return Event.model_validate(upgrade(row, version=version, migrations=migrations))
    except RunFolderError as error:
        raise RunFolderError(f"{path}: line {number}: {error}") from None
    except (ValueError, ValidationError, RecursionError) as error:
        first = str(error).splitlines()[0]
        raise RunFolderError(f"{path}: line {number} is damaged ({first}); restore the file from a copy") from error
