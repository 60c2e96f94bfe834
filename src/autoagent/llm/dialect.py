"""What one endpoint understands of a request: learned from its refusals and remembered."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from autoagent.llm.messages import Request

Format = Literal["json_schema", "json_object", "none"]
_FORMATS: tuple[Format, ...] = ("json_schema", "json_object", "none")
_ABOUT_FORMAT = re.compile(
    r"response_?format|json_?_?schema|json_object|schema|grammar|structured output", re.IGNORECASE
)


class Dialect:
    """Writes requests so that the endpoint takes them."""

    def __init__(self) -> None:
        self._format = 0
        self._left_out: set[str] = set()
        self._max_tokens = "max_tokens"

    @property
    def format(self) -> Format:
        """The strictest reply format that the endpoint was not seen to refuse."""
        return _FORMATS[self._format]

    def arguments(self, request: Request) -> dict[str, Any]:
        """Return the body of a chat completion."""
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        body: dict[str, Any] = {"model": request.model, self._max_tokens: request.max_tokens}
        if request.seed is not None:
            body["seed"] = request.seed
        body["temperature"] = request.temperature
        body = {key: value for key, value in body.items() if key not in self._left_out}
        if request.schema is not None:
            if self.format == "json_schema":
                body["response_format"] = _json_schema(request)
            else:
                messages[-1]["content"] += _schema_in_words(request.schema)
                if self.format == "json_object":
                    body["response_format"] = {"type": "json_object"}
        return {**body, "messages": messages}

    def adapt(self, refusal: str) -> bool:
        """Learn from a 400: leave out, or say otherwise, what it names. Return whether another try makes sense."""
        if "max_completion_tokens" in refusal and self._max_tokens == "max_tokens":
            self._max_tokens = "max_completion_tokens"
            return True
        for name in ("temperature", "seed"):
            if name in refusal and name not in self._left_out:
                self._left_out.add(name)
                return True
        if _ABOUT_FORMAT.search(refusal) and self._format < len(_FORMATS) - 1:
            self._format += 1
            return True
        return False


def is_strict(schema: Any) -> bool:  # noqa: ANN401 - any JSON schema
    """Say whether a schema is in the subset that OpenAI's strict mode takes: closed objects, every key required."""
    if isinstance(schema, list):
        return all(is_strict(item) for item in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object":
        names = set(schema.get("properties", {}))
        if schema.get("additionalProperties") is not False or names != set(schema.get("required", ())):
            return False
    return all(is_strict(item) for item in schema.values())


def _json_schema(request: Request) -> dict[str, Any]:
    inner = {"name": request.schema_name, "schema": request.schema, "strict": is_strict(request.schema)}
    return {"type": "json_schema", "json_schema": inner}


def _schema_in_words(schema: dict[str, Any]) -> str:
    text = json.dumps(schema, ensure_ascii=False)
    return f"\n\nReply with one JSON object that fits this JSON schema, and nothing else:\n{text}"
