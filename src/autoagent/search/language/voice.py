"""A model with a limit of requests, for one turn of a sampler: what goes wrong is counted and is no exception."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel

from autoagent.errors import BudgetExceeded, LLMError, ReplyError
from autoagent.llm.ask import converse
from autoagent.llm.client import LLM
from autoagent.llm.messages import Message, Reply, Request
from autoagent.prompts.render import render
from autoagent.search.language.ledger import Entry

ReplyT = TypeVar("ReplyT", bound=BaseModel)


class Voice:
    """Asks a model on behalf of one trial.

    Attributes:
        entry: where the counts go.
        left: requests that may still be sent.
    """

    def __init__(self, llm: LLM, entry: Entry, *, left: int, timeout_s: float) -> None:
        self.entry = entry
        self.left = left
        self.timeout_s = timeout_s
        self._llm = _CountingLLM(llm, self)
        self._is_silent = False

    def ask(
        self,
        template: str,
        context: Mapping[str, object],
        reply_type: type[ReplyT],
        *,
        seed: int,
        temperature: float,
        max_tokens: int,
    ) -> ReplyT | None:
        """Return a validated reply to one prompt, or None after a counted failure."""
        prompt = (Message("user", render(template, context)),)
        return self.converse(prompt, reply_type, seed=seed, temperature=temperature, max_tokens=max_tokens)

    def converse(
        self,
        messages: tuple[Message, ...],
        reply_type: type[ReplyT],
        *,
        seed: int,
        temperature: float,
        max_tokens: int,
    ) -> ReplyT | None:
        """Return a validated reply to a conversation, or None after a counted failure.

        An endpoint that failed, and a limit that was reached, are not tried again in this turn.
        """
        if self._is_silent:
            return None
        try:
            return converse(
                self._llm,
                messages,
                reply_type,
                timeout_s=self.timeout_s,
                temperature=temperature,
                max_tokens=max_tokens,
                seed=seed,
            )
        except ReplyError as error:
            self.entry.count("unusable")
            self.entry.why = str(error)[:300]
        except BudgetExceeded as error:
            self._is_silent = True
            self.entry.count("over_budget")
            self.entry.why = str(error)[:300]
        except LLMError as error:
            self._is_silent = True
            self.entry.count("no_answer")
            self.entry.why = str(error)[:300]
        return None


class _CountingLLM:
    def __init__(self, inner: LLM, voice: Voice) -> None:
        self.name = inner.name
        self._inner = inner
        self._voice = voice

    def complete(self, request: Request, *, timeout_s: float) -> Reply:
        if self._voice.left <= 0:
            raise BudgetExceeded("the sampler's own limit of requests is reached", resource="llm_calls")
        self._voice.left -= 1
        self._voice.entry.count("requests")
        return self._inner.complete(request, timeout_s=timeout_s)
