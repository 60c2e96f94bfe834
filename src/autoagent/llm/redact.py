"""Takes secrets out of any text before it is written, raised or printed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any

HIDDEN = "[hidden]"
_SECRET_NAMES = re.compile(r"(?:_API_KEY|_TOKEN|_SECRET|_PASSWORD)$")
_HIDDEN: set[str] = set()  # secrets that are not in the environment
_SHORTEST = 8  # a shorter value of such a variable is a word like "none", not a secret
_SHAPES = (
    re.compile(r"\bsk-[A-Za-z0-9_\-*]{8,}"),
    re.compile(r"(?<=Bearer )[^\s\"']+", re.IGNORECASE),
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),
    re.compile(r"(?<=[?&]key=)[^&\s\"']+|(?<=[?&]api_key=)[^&\s\"']+|(?<=[?&]token=)[^&\s\"']+", re.IGNORECASE),
)


def hide(secret: str) -> None:
    """Hide a secret from here on, wherever it may turn up in this process."""
    _HIDDEN.add(secret)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return ``text`` with ``secrets``, the environment's keys and whatever looks like a key hidden."""
    known = {secret for secret in secrets if secret}
    known |= _HIDDEN
    known |= {v for k, v in os.environ.items() if _SECRET_NAMES.search(k) and len(v) >= _SHORTEST}
    for secret in sorted(known, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    for shape in _SHAPES:
        text = shape.sub(HIDDEN, text)
    return text


def redact_json(value: Any, secrets: Iterable[str] = ()) -> Any:  # noqa: ANN401 - any JSON value in, the same shape out
    """Return a JSON value with every text in it redacted."""
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, dict):
        return {redact(key, secrets): redact_json(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_json(item, secrets) for item in value]
    return value
