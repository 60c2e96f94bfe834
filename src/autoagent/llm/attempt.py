"""One attempt at one completion: the reply, or what went wrong and whether it may be tried again."""

from __future__ import annotations

import json
import queue
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from autoagent.llm.connection import UnfitAnswerError
from autoagent.llm.messages import Reply

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

_RETRYABLE = frozenset({408, 409, 429})
T = TypeVar("T")
_CONNECT_S = 10.0
_GRACE_S = 0.25  # the client's own timeout comes first; this one stops a server that sends a byte now and then
_NEVER_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout")
_ADVICE = {
    **dict.fromkeys((301, 302, 303, 307, 308), "the endpoint has moved; give the address that it has now"),
    400: "the request does not suit this model; a shorter prompt or another model may",
    401: "check OPENAI_API_KEY",
    402: "the account has no credit",
    403: "the key may not use this model",
    404: "check the model's name, and that the URL ends in /v1",
    413: "the prompt is too long for this model",
    429: "the endpoint is busy or the quota is used up; wait, or choose another model",
}
_ADVICE_SLOW = "the model needs more time: give the run more, choose a faster model, or go on with --llm none"
_ADVICE_NO_ANSWER = "check that the server runs and the URL is right, or go on with --llm none"


@dataclass(frozen=True)
class Fault:
    """Why an attempt gave no reply.

    Attributes:
        message: what happened, as the server or the client says it.
        status: the HTTP status, or None when there was no answer.
        retryable: whether the same request may succeed later.
        retry_after_s: how long the server asks to wait.
        unclear: whether the attempt may have been billed all the same.
        slow: whether the endpoint took the request and only the time was too short.
    """

    message: str
    status: int | None = None
    retryable: bool = False
    retry_after_s: float | None = None
    unclear: bool = False
    slow: bool = False

    def advice(self) -> str:
        """Return what the user can do."""
        if self.status is not None and self.status >= 500:
            return "the endpoint has a fault of its own; try again later"
        return _ADVICE_SLOW if self.slow else _ADVICE.get(self.status or 0, _ADVICE_NO_ANSWER)


class _Details(BaseModel):
    cached_tokens: int | None = 0


class _Usage(BaseModel):
    prompt_tokens: int | None = Field(None, ge=0)
    completion_tokens: int | None = Field(None, ge=0)
    prompt_tokens_details: _Details | None = None


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Completion(BaseModel):
    model: str = ""
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


def attempt(connection: OpenAI, arguments: Mapping[str, Any], *, timeout_s: float) -> Reply | Fault:
    """Send one request and read one reply, in ``timeout_s`` at most."""

    def send() -> Reply | Fault:
        import openai

        timeout = openai.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s))
        raw = connection.chat.completions.with_raw_response.create(**arguments, timeout=timeout)
        return read_completion(raw.text)

    return _bounded(send, timeout_s=timeout_s)


def list_models(connection: OpenAI, *, timeout_s: float) -> list[str] | Fault:
    """Return the names that ``GET /models`` gives."""

    def send() -> list[str] | Fault:
        raw = connection.models.with_raw_response.list(timeout=timeout_s)
        try:
            return [str(row["id"]) for row in json.loads(raw.text)["data"]]
        except (ValueError, KeyError, TypeError):
            return Fault("its list of models cannot be read")

    return _bounded(send, timeout_s=timeout_s)


def read_completion(text: str) -> Reply | Fault:
    """Read the body of a successful answer."""
    try:
        body = _Completion.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "body"
        fault = f"{where}: {first['msg']}; it begins {text[:120]!r}"
        return Fault(f"the answer is no chat completion ({fault})", retryable=True, unclear=True)
    choice, usage = body.choices[0], body.usage or _Usage()
    details = usage.prompt_tokens_details or _Details()
    return Reply(
        text=choice.message.content or choice.message.refusal or "",
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cached_tokens=min(max(0, details.cached_tokens or 0), usage.prompt_tokens or 0),
        model=body.model,
        finish_reason=choice.finish_reason or "stop",
    )


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return the seconds that a server asks to wait, from ``retry-after-ms`` or ``retry-after`` (seconds or a date)."""
    value = headers.get("retry-after", "")
    seconds = _number(headers.get("retry-after-ms", ""), 0.001)
    if seconds is None:
        seconds = _number(value, 1.0)
    if seconds is None and value:
        seconds = _seconds_until(value, now)
    return None if seconds is None else max(0.0, seconds)


def _number(text: str, factor: float) -> float | None:
    return float(text) * factor if re.fullmatch(r"\d{1,9}(\.\d+)?", text.strip()) else None


def _seconds_until(date: str, now: float) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None


def _bounded(send: Callable[[], T | Fault], *, timeout_s: float) -> T | Fault:
    """Run ``send`` in a thread that is left behind when the time is over: no read can outlast the budget."""
    done: queue.SimpleQueue[T | Fault | BaseException] = queue.SimpleQueue()
    threading.Thread(target=lambda: done.put(_caught(send)), daemon=True, name="llm-attempt").start()
    try:
        outcome = done.get(timeout=timeout_s + _GRACE_S)
    except queue.Empty:
        return Fault(f"no full answer within {timeout_s:.3g} s", retryable=True, unclear=True, slow=True)
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _caught(send: Callable[[], T | Fault]) -> T | Fault | BaseException:
    import openai

    try:
        return send()
    except openai.APITimeoutError as error:
        return _no_answer("no answer in time", error)
    except openai.APIStatusError as error:
        return _refused(error)
    except openai.APIConnectionError as error:
        return _no_answer("the connection failed", error)
    except openai.OpenAIError as error:
        return Fault(str(error))
    except UnfitAnswerError as error:
        return Fault(str(error), retryable=True, unclear=True)
    except BaseException as error:  # noqa: BLE001 - handed over to the caller's thread, which raises it
        return error


def _no_answer(what: str, error: Exception) -> Fault:
    cause = error.__cause__
    unsent = type(cause).__name__ in _NEVER_SENT
    detail = f" ({cause})" if cause is not None and str(cause) else ""
    slow = type(cause).__name__ == "ReadTimeout"
    return Fault(what + detail, retryable=True, unclear=not unsent, slow=slow)


def _refused(error: APIStatusError) -> Fault:
    status = error.status_code
    return Fault(
        f"HTTP {status}: {error.message[:500]}",
        status=status,
        retryable=status in _RETRYABLE or status >= 500,
        retry_after_s=retry_after(error.response.headers, now=time.time()),
    )
