"""An append-only file of events that survives a kill: fsynced lines, a torn last line left out and cut away."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from autoagent.errors import RunFolderError

VERSION = 1


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


def read_events(path: Path) -> list[Event]:
    """Return the whole events of a journal; a torn last line is left out.

    Raises:
        RunFolderError: a line before the last is damaged, or the journal is of a newer version.
    """
    return _read(path)[0]


class Journal:
    """Appends events to a file, each on disk before ``append`` returns.

    Opening cuts a torn last line, so that the next event starts on a line of its own.
    """

    def __init__(self, path: Path, *, now: Callable[[], str] = utc_now) -> None:
        self._now = now
        self.events, whole_bytes = _read(path) if path.exists() else ([], 0)
        self._file = path.open("ab")
        if self._file.tell() != whole_bytes:
            self._file.truncate(whole_bytes)
            os.fsync(self._file.fileno())

    def append(self, kind: str, data: Mapping[str, Any]) -> Event:
        """Write one event and wait until it is on disk."""
        event = Event(seq=len(self.events), time=self._now(), kind=kind, data=dict(data))
        line = json.dumps(event.model_dump(), ensure_ascii=False, allow_nan=False)
        self._file.write(line.encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.events.append(event)
        return event

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _read(path: Path) -> tuple[list[Event], int]:
    raw = path.read_bytes()
    whole_bytes = raw.rfind(b"\n") + 1  # what follows the last newline was torn by a kill
    events: list[Event] = []
    for number, line in enumerate(raw[:whole_bytes].splitlines(), start=1):
        events.append(_parse(line, number, path))
    return events, whole_bytes


def _parse(line: bytes, number: int, path: Path) -> Event:
    try:
        event = Event.model_validate_json(line)
    except ValidationError as error:
        raise RunFolderError(f"{path}: line {number} is damaged; restore the file from a copy: {error}") from error
    if event.version > VERSION:
        raise RunFolderError(
            f"{path}: written by a newer autoagent (format {event.version}, this one reads {VERSION}); upgrade it"
        )
    return event
