"""Writes every exchange with a model to a folder, and answers from it what was asked before."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from autoagent.durable import write_durably
from autoagent.errors import AutoAgentError, LLMError, RunFolderError
from autoagent.llm.client import LLM
from autoagent.llm.messages import Reply, Request
from autoagent.llm.meter import MeteredLLM
from autoagent.llm.prices import FREE, Price, Priced, price_of
from autoagent.llm.redact import redact, redact_json

_PENDING = ".pending"
_REPLY_KEYS = ("text", "prompt_tokens", "completion_tokens", "cached_tokens", "model", "finish_reason", "cost_usd")


@runtime_checkable
class Skips(Protocol):
    """A model whose replies come in order, so that one given earlier must be passed over."""

    def skip(self) -> None:
        """Pass over the next reply."""


class RecordingLLM:
    """Records to ``folder/0001.json`` and so on; a recorded request is answered from there, once, without a call.

    Attributes:
        folder: of the records.
        num_replayed: how many requests were answered from the folder.
    """

    def __init__(self, inner: LLM | None, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Wrap a model; None answers from the folder alone.

        Raises:
            RunFolderError: a record is damaged.
        """
        self.folder = folder
        self.num_replayed = 0
        self._inner = inner
        self._clock = clock
        self._lock = threading.Lock()
        self._records = [_read(path) for path in sorted(folder.glob("[0-9]*.json"))]
        self._unused = list(self._records)
        self._count = len(self._records)

    @property
    def name(self) -> str:
        """The model's name; without a model, the recorded one."""
        if self._inner is not None:
            return self._inner.name
        return str(self._records[0]["request"]["model"]) if self._records else "recorded"

    @property
    def price(self) -> Price | None:
        """The price of the model behind it."""
        if self._inner is None:
            return FREE
        return self._inner.price if isinstance(self._inner, Priced) else price_of(self._inner.name)

    def complete(self, request: Request, *, timeout_s: float) -> Reply:
        """Return the recorded reply of the same request, or ask and record.

        Raises:
            LLMError: the model gave no reply, now or when it was recorded; or there is neither record nor model.
            BudgetExceeded: the call would pass a limit; nothing was sent, so nothing is recorded.
        """
        record = self._take(request.digest())
        if record is not None:
            if isinstance(self._inner, Skips):
                self._inner.skip()
            return _replayed(record)
        if self._inner is None:
            raise LLMError(
                f"no recorded reply to this request in {self.folder.name}/; it differs from the recorded run"
            )
        started, most = self._clock(), _most(self._inner, request)
        with self._under_way(most):
            try:
                reply = self._inner.complete(request, timeout_s=timeout_s)
            except LLMError as error:
                booked = _most(self._inner, request, attempts=error.unclear)
                outcome = {"error": redact(str(error)), "reply": None, "booked": booked}
                self._write(request, outcome, self._clock() - started)
                raise
            replied = {key: getattr(reply, key) for key in _REPLY_KEYS}
            self._write(request, {"error": None, "reply": replied, "booked": _booked(reply)}, self._clock() - started)
        return reply

    @contextmanager
    def _under_way(self, most: dict[str, float]) -> Iterator[None]:
        """Leave a note of the most that a call can cost while it is under way: a kill must not make it free."""
        path = self.folder / f"call-{secrets.token_hex(4)}{_PENDING}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, json.dumps(most))
        try:
            yield
        except AutoAgentError:  # anything else, like a kill, leaves it unknown what was billed
            path.unlink(missing_ok=True)
            raise
        path.unlink(missing_ok=True)

    def _take(self, digest: str) -> dict[str, Any] | None:
        with self._lock:
            for record in self._unused:
                if record["hash"] == digest:
                    self._unused.remove(record)
                    self.num_replayed += 1
                    return record
        return None

    def _write(self, request: Request, outcome: dict[str, Any], seconds: float) -> None:
        with self._lock:
            self._count += 1
            path = self.folder / f"{self._count:04d}.json"
        reply = outcome["reply"] or {}
        record = {
            "hash": request.digest(),
            "request": request.to_json(),
            **outcome,
            "prompt_tokens": reply.get("prompt_tokens"),
            "completion_tokens": reply.get("completion_tokens"),
            "cost_usd": reply.get("cost_usd"),
            "seconds": round(seconds, 3),
        }
        _write_whole(path, redact_json(record))


def spent_in(folder: Path) -> dict[str, float]:
    """Return what the calls recorded in a folder used by name of the resource; one that a kill cut off at its most.

    Raises:
        RunFolderError: a record is damaged.
    """
    rows = [_booking(_read(path)) for path in sorted(folder.glob("[0-9]*.json"))]
    rows += [_most_of(path) for path in sorted(folder.glob(f"*{_PENDING}"))]
    return {name: sum(row.get(name, 0.0) for row in rows) for name in {name for row in rows for name in row}}


def _booking(record: dict[str, Any]) -> dict[str, float]:
    booked: dict[str, float] | None = record.get("booked")
    if booked is not None:
        return booked
    tokens = (record.get("prompt_tokens") or 0) + (record.get("completion_tokens") or 0)
    return {"llm_calls": 1.0, "llm_tokens": float(tokens), "llm_cost_usd": record.get("cost_usd") or 0.0}


def _booked(reply: Reply) -> dict[str, float]:
    tokens = (reply.prompt_tokens or 0) + (reply.completion_tokens or 0)
    return {"llm_calls": 1.0, "llm_tokens": float(tokens), "llm_cost_usd": reply.cost_usd or 0.0}


def _most(inner: LLM, request: Request, *, attempts: int | None = None) -> dict[str, float]:
    if not isinstance(inner, MeteredLLM):
        return {"llm_calls": 1.0}
    return {str(name): amount for name, amount in inner.most(request, attempts=attempts).items()}


def _most_of(path: Path) -> dict[str, float]:
    try:
        found: dict[str, float] = {str(key): float(value) for key, value in json.loads(path.read_text("utf-8")).items()}
    except (ValueError, TypeError, AttributeError):
        return {"llm_calls": 1.0}  # torn as it was written: the call had not begun
    return found


def _replayed(record: dict[str, Any]) -> Reply:
    if record["error"] is not None:
        raise LLMError(record["error"])
    return Reply(**record["reply"])


def _read(path: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        complete = {"hash", "request", "reply", "error"} <= set(record) and record["request"]["model"]
    except (ValueError, KeyError, TypeError):
        complete = False
    if not complete:
        raise RunFolderError(f"{path.parent.name}/{path.name} is damaged: it is no recorded exchange; move it away")
    return record


def _write_whole(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, json.dumps(record, ensure_ascii=False, indent=1))
