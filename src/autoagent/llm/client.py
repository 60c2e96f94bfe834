"""The one door to a language model: any server that speaks OpenAI's chat completions."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from autoagent.errors import LLMError
from autoagent.llm.attempt import Fault, attempt, list_models
from autoagent.llm.connection import connection_to
from autoagent.llm.dialect import Dialect
from autoagent.llm.messages import Reply, Request
from autoagent.llm.prices import Price, price_of
from autoagent.llm.redact import redact

if TYPE_CHECKING:
    from openai import OpenAI

OPENAI_URL = "https://api.openai.com/v1"
_MAX_UNCLEAR = 1  # an attempt that may have been billed is repeated once, no more: it costs money each time
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 8.0


class LLM(Protocol):
    """A language model."""

    @property
    def name(self) -> str:
        """The model's name, as requests must carry it."""

    def complete(self, request: Request, *, timeout_s: float) -> Reply:
        """Return the reply to a request.

        Raises:
            LLMError: no reply within ``timeout_s``, or refused.
        """


class OpenAIClient:
    """A model behind an OpenAI-compatible endpoint, with retries on what can be retried, within the time given.

    Attributes:
        name: the model's name.
        base_url: of the endpoint.
        price: of its tokens; None when unknown, 0 on this machine.
        max_unclear: how many attempts beyond the one that answers may have been billed.
    """

    max_unclear = _MAX_UNCLEAR

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        price: Price | None = None,
        max_retries: int = 5,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = model
        self.base_url = base_url or OPENAI_URL
        self.price: Price | None = price or price_of(model, base_url=self.base_url)
        self._secrets = (api_key,) if api_key else ()
        self._connection: OpenAI = connection_to(self.base_url, api_key)
        self._dialect = Dialect()
        self._max_retries = max_retries
        self._clock = clock
        self._sleep = sleep
        self._rng = random.Random()

    def complete(self, request: Request, *, timeout_s: float) -> Reply:
        """Return the reply to a request, without secrets that the endpoint may have repeated in it.

        Raises:
            LLMError: no usable answer within ``timeout_s``; the message says what to do, and holds no secret.
        """
        deadline = self._clock() + timeout_s
        retries = unclear = 0
        while True:
            left = deadline - self._clock()
            if left <= 0:
                raise LLMError(f"no answer from {self._where()} within {timeout_s:.3g} s", unclear=unclear)
            outcome = attempt(self._connection, self._dialect.arguments(request), timeout_s=left)
            if isinstance(outcome, Reply):
                return replace(outcome, unclear=unclear, text=redact(outcome.text, self._secrets))
            if outcome.status in (400, 422) and self._dialect.adapt(outcome.message):
                continue
            unclear += outcome.unclear
            pause = self._pause(outcome, retries)
            retries += 1
            left = deadline - self._clock()
            if not outcome.retryable or unclear > _MAX_UNCLEAR or retries > self._max_retries or pause >= left:
                raise self._error(outcome, retries, unclear)
            self._sleep(pause)

    def models(self, *, timeout_s: float = 5.0) -> list[str]:
        """Return the names of the models that the endpoint offers; nothing is spent.

        Raises:
            LLMError: the endpoint cannot be reached or refuses.
        """
        outcome = list_models(self._connection, timeout_s=timeout_s)
        if isinstance(outcome, Fault):
            raise self._error(outcome, 1, 0)
        return outcome

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def __enter__(self) -> OpenAIClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _pause(self, fault: Fault, retries: int) -> float:
        if fault.retry_after_s is not None:
            return fault.retry_after_s
        return float(min(_FIRST_PAUSE_S * 2**retries, _LONGEST_PAUSE_S) * self._rng.uniform(0.5, 1.0))

    def _where(self) -> str:
        return redact(f"{self.name!r} at {self.base_url}", self._secrets)

    def _error(self, fault: Fault, attempts: int, unclear: int) -> LLMError:
        tried = f" after {attempts} attempts" if attempts > 1 else ""
        text = f"{self._where()}: {fault.message}{tried}; {fault.advice()}"
        return LLMError(redact(text, self._secrets), unclear=unclear)
