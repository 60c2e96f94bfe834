"""One question to a model about parameters: render, call, read, one repair turn, and a count of what failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from autoagent.errors import ReplyError, UserError
from autoagent.llm.client import LLM
from autoagent.llm.messages import Message, Request
from autoagent.llm.meter import MeteredLLM
from autoagent.prompts.render import render
from autoagent.runs.budget import Budget

_QUOTED = 6000  # characters of a bad reply that are shown to the model again
AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True)
class Failure:
    """A reply that could not be used, after one chance to mend it.

    Attributes:
        message: all that was wrong with it.
        reply: the last reply as it came.
    """

    message: str
    reply: str


@dataclass(frozen=True)
class Style:
    """How a model is asked.

    Attributes:
        temperature: 0 is greedy.
        max_tokens: upper bound of one reply.
        timeout_s: for one reply.
        seed: for endpoints that honour one.
    """

    temperature: float = 0.2
    max_tokens: int = 3000
    timeout_s: float = 300.0
    seed: int = 0


class Talk:
    """Asks a model, counts calls, repairs and failures.

    Attributes:
        llm: the model, or None: every question is an error.
        style: how it is asked.
        num_calls: replies that were asked for.
        num_repairs: second turns among them.
        failed: questions without a usable reply, in order.
    """

    def __init__(self, llm: LLM | None, style: Style) -> None:
        self.llm = self._bare = llm
        self.style = style
        self.num_calls = self.num_repairs = 0
        self.failed: list[Failure] = []

    def spend_from(self, budget: Budget | None, wrap: Callable[[LLM], LLM]) -> None:
        """Put a budget before every later call, and ``wrap`` between the budget and the model; None takes both away."""
        self.llm = self._bare
        if self._bare is not None and budget is not None:
            self.llm = MeteredLLM(wrap(self._bare), budget)

    def ask(self, prompt: str, read: Callable[[str], AnswerT], schema: Mapping[str, Any] | None) -> AnswerT | None:
        """Return what was read from the reply, or None after a counted failure.

        Args:
            prompt: the first message.
            read: from a reply to an answer; raises `ReplyError` with all faults.
            schema: JSON schema of the reply; None where the reply is more than one JSON object.

        Raises:
            LLMError: the endpoint gave no reply.
            BudgetExceeded: the call would pass a limit.
            UserError: there is no model.
        """
        messages: tuple[Message, ...] = (Message("user", prompt),)
        for is_last in (False, True):
            text, fault = self._turn(messages, schema)
            try:
                return read(text)
            except ReplyError as error:
                fault = f"{error}{fault}"
            if is_last:
                self.failed.append(Failure(fault, text))
            else:
                self.num_repairs += 1
                again = render("optimize/repair", {"faults": fault})
                messages = (*messages, Message("assistant", text[:_QUOTED]), Message("user", again))
        return None

    def _turn(self, messages: tuple[Message, ...], schema: Mapping[str, Any] | None) -> tuple[str, str]:
        if self.llm is None:
            raise UserError("this optimizer needs a language model: give llm=, for example ScriptedLLM([...])")
        style = self.style
        request = Request(
            model=self.llm.name,
            messages=messages,
            schema=None if schema is None else dict(schema),
            schema_name="updates",
            temperature=style.temperature,
            max_tokens=style.max_tokens,
            seed=style.seed,
        )
        self.num_calls += 1
        reply = self.llm.complete(request, timeout_s=style.timeout_s)
        cut_off = f"; the reply was cut off after {style.max_tokens} tokens" if reply.finish_reason == "length" else ""
        return reply.text, cut_off
