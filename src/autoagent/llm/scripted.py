"""A language model that says what it was told to say: for tests, demonstrations and replays."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from autoagent.errors import LLMError
from autoagent.llm.messages import Reply, Request
from autoagent.llm.prices import FREE, Price

Answer = Callable[[list[dict[str, str]]], str]
Line = str | Mapping[str, Any] | BaseModel | Callable[[Request], str] | Exception


class ScriptedLLM:
    """Answers requests from a list, in order, or from one function of the conversation.

    Attributes:
        name: the model's name.
        price: nothing.
        requests: every request that it was sent.
    """

    price: Price | None = FREE

    def __init__(self, replies: Sequence[Line] | Answer, *, loop: bool = False, name: str = "scripted") -> None:
        """Take the script.

        Args:
            replies: text, a mapping or pydantic model (sent as JSON), a function of the request, or an error; or, in
                place of the list, one function that answers every conversation, a list of ``{"role", "content"}``.
            loop: begin again when the script has run out.
            name: the model's name.
        """
        self.name = name
        self.requests: list[Request] = []
        self._replies = [_answering(replies)] if callable(replies) else list(replies)
        self._loop = loop or callable(replies)
        self._next = 0

    def complete(self, request: Request, *, timeout_s: float) -> Reply:
        """Return the next reply of the script; its tokens are counted as four characters each.

        Raises:
            LLMError: the script has run out.
        """
        self.requests.append(request)
        line = self._take()
        if isinstance(line, Exception):
            raise line
        text = _text(line, request)
        prompt = sum(len(message.content) for message in request.messages)
        return Reply(text, prompt_tokens=prompt // 4 + 1, completion_tokens=len(text) // 4 + 1, model=self.name)

    def skip(self) -> None:
        """Pass over the next reply: it was given in an earlier sitting and is on record."""
        self._take()

    def _take(self) -> Line:
        if self._loop and self._replies:
            self._next %= len(self._replies)
        if self._next >= len(self._replies):
            raise LLMError(f"the script has only {len(self._replies)} replies; give ScriptedLLM more, or loop=True")
        self._next += 1
        return self._replies[self._next - 1]


def _answering(answer: Answer) -> Callable[[Request], str]:
    def reply(request: Request) -> str:
        return answer([{"role": message.role, "content": message.content} for message in request.messages])

    return reply


def _text(line: Line, request: Request) -> str:
    if isinstance(line, str):
        return line
    if isinstance(line, BaseModel):
        return line.model_dump_json()
    if isinstance(line, Mapping):
        return json.dumps(line)
    if callable(line):
        return line(request)
    raise TypeError(f"a scripted reply is text, a mapping, a pydantic model, a function or an error, not {line!r}")
