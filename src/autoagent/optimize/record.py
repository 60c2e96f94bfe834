"""The record of an optimization: every exchange, evaluation and decision; a cut run goes on from it unchanged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from autoagent.errors import LLMError, RunFolderError
from autoagent.llm.client import LLM
from autoagent.llm.messages import Reply, Request
from autoagent.llm.meter import Resource
from autoagent.llm.prices import Price, Priced, price_of
from autoagent.llm.recorded import Skips
from autoagent.llm.redact import redact, redact_json
from autoagent.optimize.candidate import Case
from autoagent.runs.journal import Event, Journal

_REPLY = ("text", "prompt_tokens", "completion_tokens", "cached_tokens", "model", "finish_reason")
_CLOCKED = frozenset({"seconds", "elapsed_s", "spent"})  # differ between two runs of the same thing


class Record:
    """Writes events, or, while a recorded run is being repeated, checks that they come again.

    Attributes:
        path: of the JSONL file; None keeps the events in memory.
        events: kind and data of each, in order.
        num_replayed: events that were on file already.
    """

    def __init__(self, path: Path | None) -> None:
        """Open a record; a torn last line is cut away.

        Raises:
            RunFolderError: a line before the last is damaged.
        """
        self.path = path
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._journal = None if path is None else Journal(path)
        past: list[Event] = [] if self._journal is None else list(self._journal.events)
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._past = [(event.kind, event.data) for event in past]
        self._cases = {
            (data["candidate"], data["case"]["instance"], data["part"]): data["case"]
            for kind, data in self._past
            if kind == "evaluated"
        }
        self._exchanges = [data for kind, data in self._past if kind == "exchange"]
        self.num_replayed = 0

    @property
    def elapsed_s(self) -> float:
        """Wall time that the recorded run had used."""
        return max((float(data.get("elapsed_s", 0.0)) for _, data in self._past), default=0.0)

    @property
    def spent(self) -> dict[Resource, float]:
        """What workflows had spent on models of their own in the recorded run."""
        rows = [data["spent"] for kind, data in self._past if kind == "evaluated" and "spent" in data]
        return dict(rows[-1]) if rows else {}

    @property
    def is_replaying(self) -> bool:
        """Say whether recorded events are still to come."""
        return self.num_replayed < len(self._past)

    def write(self, kind: str, data: Mapping[str, Any]) -> None:
        """Append an event, on disk when this returns; an event that is on file already is checked and passed over.

        Raises:
            RunFolderError: the recorded run did something else here.
        """
        row: dict[str, Any] = redact_json(json.loads(json.dumps(data, ensure_ascii=False, allow_nan=False)))
        self.events.append((kind, row))
        if self.is_replaying:
            old_kind, old = self._past[self.num_replayed]
            if old_kind != kind or _timeless(old) != _timeless(row):
                raise self._other(kind)
            self.num_replayed += 1
        elif self._journal is not None:
            self._journal.append(kind, row)

    def expect_nothing(self, kind: str) -> None:
        """Refuse to spend anything while recorded events are still to come.

        Raises:
            RunFolderError: the recorded run did something else here.
        """
        if self.is_replaying:
            raise self._other(kind)

    def _other(self, kind: str) -> RunFolderError:
        old = self._past[self.num_replayed][0]
        return RunFolderError(
            f"{self.path}: event {self.num_replayed} is {old!r} and differs from what this run does ({kind!r}); it was "
            "made with other code, data or settings, or is finished: give another path"
        )

    def case(self, candidate: str, instance: str, part: str) -> Case | None:
        """Return what is on file of a run."""
        row = self._cases.get((candidate, instance, part))
        return None if row is None else Case.from_json(row)

    def exchange(self) -> dict[str, Any] | None:
        """Return the next exchange on file."""
        return self._exchanges.pop(0) if self._exchanges else None

    def finished(self) -> dict[str, Any] | None:
        """Return the result on file."""
        return next((data for kind, data in self._past if kind == "finished"), None)

    def close(self) -> None:
        """Close the file."""
        if self._journal is not None:
            self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RecordedTalk:
    """A model whose exchanges are written to a record, or taken from it."""

    def __init__(self, inner: LLM, record: Record) -> None:
        self._inner, self._record = inner, record
        self.name = inner.name
        self.price: Price | None = inner.price if isinstance(inner, Priced) else price_of(inner.name)
        self.max_unclear = int(getattr(inner, "max_unclear", 0))

    def complete(self, request: Request, *, timeout_s: float) -> Reply:
        """Return the recorded reply of the same request, or ask and record.

        Raises:
            LLMError: no reply, now or when it was recorded.
            RunFolderError: another request was recorded here.
        """
        past = self._record.exchange()
        if past is None:
            return self._asked(request, timeout_s)
        if isinstance(self._inner, Skips):
            self._inner.skip()
        self._record.write("exchange", {**past, "request": request.digest()})
        if past["error"] is not None:
            raise LLMError(str(past["error"]))
        return Reply(**past["reply"])

    def _asked(self, request: Request, timeout_s: float) -> Reply:
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        self._record.expect_nothing("exchange")
        row: dict[str, Any] = {"request": request.digest(), "messages": messages, "reply": None, "error": None}
        try:
            reply = self._inner.complete(request, timeout_s=timeout_s)
        except LLMError as error:
            self._record.write("exchange", {**row, "error": redact(str(error))})
            raise
        self._record.write("exchange", {**row, "reply": {name: getattr(reply, name) for name in _REPLY}})
        return reply


def _timeless(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {name: _timeless(entry) for name, entry in value.items() if name not in _CLOCKED}
    return [_timeless(entry) for entry in value] if isinstance(value, list) else value
