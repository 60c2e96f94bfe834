"""What a model's tokens cost: what the user states, nothing on this machine, and otherwise unknown, which is said.

There is no list of prices here: providers change them, for weeks at a time, and a dollar limit that is kept by last
year's prices is not kept (docs/decisions/0010-prices.md).
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

from autoagent.errors import UserError

PRICES_FILE = "AUTOAGENT_PRICES"  # environment variable that names a JSON file: {"MODEL": "PROMPT:COMPLETION"}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_FORM = "write PROMPT:COMPLETION or PROMPT:CACHED:COMPLETION in US dollars per million tokens, for example 1.25:10"


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


def parse_price(text: str) -> Price:
    """Read ``PROMPT:COMPLETION`` or ``PROMPT:CACHED:COMPLETION``; without a cached price, cached tokens cost as others.

    Raises:
        UserError: it is neither.
    """
    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or not all(0 <= number < math.inf for number in numbers):
        raise UserError(f"{text!r} is no price; {_FORM}")
    return Price(numbers[0], numbers[0] if len(numbers) == 2 else numbers[1], numbers[-1])


def price_of(model: str, *, base_url: str | None = None) -> Price | None:
    """Return a model's price: stated in the file that AUTOAGENT_PRICES names, 0 on this machine, else None.

    Raises:
        UserError: the file cannot be read, or the price in it.
    """
    name = os.environ.get(PRICES_FILE)
    if name and (text := _read(Path(name)).get(model)) is not None:
        return parse_price(str(text))
    return FREE if base_url is not None and is_local(base_url) else None


def is_local(base_url: str) -> bool:
    """Say whether a URL points at this machine."""
    return urlsplit(base_url).hostname in _LOOPBACK


def _read(path: Path) -> dict[str, object]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{PRICES_FILE}={str(path)!r} cannot be read: {error}") from error
    if not isinstance(table, dict):
        raise UserError(f'{PRICES_FILE}={str(path)!r} must hold one object: {{"MODEL": "1.25:10"}}')
    return table
