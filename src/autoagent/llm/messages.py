"""What is sent to a language model and what comes back, as values."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

Speaker = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Speaker
    content: str


@dataclass(frozen=True)
class Request:
    """Everything that decides a reply.

    Attributes:
        model: the model's name as the endpoint knows it.
        messages: the conversation so far.
        schema: JSON schema of the reply; None for free text.
        schema_name: letters, digits, ``_`` and ``-`` only.
        temperature: 0 is greedy.
        max_tokens: upper bound of the reply.
        seed: for endpoints that honour one.
    """

    model: str
    messages: tuple[Message, ...]
    schema: dict[str, Any] | None = None
    schema_name: str = "reply"
    temperature: float = 0.2
    max_tokens: int = 1500
    seed: int | None = 0

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value with every field."""
        return {**asdict(self), "messages": [asdict(message) for message in self.messages]}

    def digest(self) -> str:
        """Return a hash of every field: equal requests have equal digests, on any machine."""
        text = json.dumps(self.to_json(), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()


@dataclass(frozen=True)
class Reply:
    """One completion.

    Attributes:
        text: as it came.
        prompt_tokens: None when the server did not count.
        completion_tokens: None when the server did not count.
        cached_tokens: the part of ``prompt_tokens`` that was served from a cache.
        model: as the server names it.
        finish_reason: ``stop``, or ``length`` when the reply was cut off.
        cost_usd: filled in by the meter; None is an unknown price.
        unclear: earlier attempts at this reply that may have been billed too.
    """

    text: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int = 0
    model: str = ""
    finish_reason: str = "stop"
    cost_usd: float | None = None
    unclear: int = 0
