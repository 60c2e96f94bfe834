"""Read the exchanges with a language model that a run recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Exchange:
    """One request and what came back.

    Attributes:
        messages: ``(role, content)`` in order.
        reply: the text that came back; empty when none did.
        error: why none did.
    """

    number: str
    model: str
    purpose: str
    messages: tuple[tuple[str, str], ...]
    reply: str
    error: str
    prompt_tokens: float | None
    completion_tokens: float | None
    cost_usd: float | None
    seconds: float | None


def read_exchanges(folder: Path, read_json: Callable[[Path], Any]) -> Iterator[Exchange]:
    """Yield every recorded exchange, in the order of the files."""
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        value = read_json(path)
        if isinstance(value, dict):
            yield _exchange(path.stem, value)


def _exchange(number: str, value: Mapping[str, Any]) -> Exchange:
    request, reply = _table(value.get("request")), _table(value.get("reply"))
    usage = {**_table(value.get("tokens")), **_table(value.get("usage")), **reply}
    text = value.get("reply")
    return Exchange(
        number=number,
        model=_text(reply.get("model") or request.get("model") or value.get("model")),
        purpose=_text(request.get("schema_name") or value.get("schema_name") or value.get("key")),
        messages=tuple(_messages(request.get("messages") or value.get("messages"))),
        reply=_text(reply.get("text") if reply else text),
        error=_text(value.get("error")),
        prompt_tokens=_first(usage, value, "prompt_tokens"),
        completion_tokens=_first(usage, value, "completion_tokens"),
        cost_usd=_first(usage, value, "cost_usd", "cost"),
        seconds=_first(usage, value, "seconds"),
    )


def _messages(value: object) -> Iterator[tuple[str, str]]:
    for row in value if isinstance(value, list) else []:
        if isinstance(row, dict):
            yield _text(row.get("role")), _text(row.get("content"))
        elif isinstance(row, list | tuple) and len(row) == 2:
            yield _text(row[0]), _text(row[1])


def _first(one: Mapping[str, Any], other: Mapping[str, Any], *names: str) -> float | None:
    for name in names:
        for table in (one, other):
            if isinstance(table.get(name), int | float):
                return float(table[name])
    return None


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
