"""What a model's tokens cost; an unknown model has an unknown price, and that is said."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens."""

    prompt: float
    cached: float
    completion: float

    def cost(self, *, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float:
        """Return US dollars."""
        fresh = max(0, prompt_tokens - cached_tokens)
        return (fresh * self.prompt + cached_tokens * self.cached + completion_tokens * self.completion) / 1e6


FREE = Price(0.0, 0.0, 0.0)


@runtime_checkable
class Priced(Protocol):
    """A model that knows its price; None is unknown."""

    @property
    def price(self) -> Price | None:
        """The price of its tokens."""


def price_of(model: str, *, base_url: str | None = None) -> Price | None:
    """Return a model's price, or None when it is unknown; a server on this machine is free."""
    if base_url is not None and is_local(base_url):
        return FREE
    row = _table().get(_DATED.sub("", model))
    return Price(*row) if row else None


def prices_as_of() -> str:
    """Return the month that the table is from."""
    return str(_file()["as_of"])


def is_local(base_url: str) -> bool:
    """Say whether a URL points at this machine."""
    return urlsplit(base_url).hostname in _LOOPBACK


def _table() -> dict[str, list[float]]:
    models: dict[str, list[float]] = _file()["models"]  # type: ignore[assignment]  # our own file, checked by a test
    return models


@cache
def _file() -> dict[str, object]:
    data: dict[str, object] = json.loads((files(__package__) / "prices.json").read_text(encoding="utf-8"))
    return data
