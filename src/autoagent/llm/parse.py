"""From a reply's text to a validated object, or a refusal that says exactly why; nothing is guessed."""

from __future__ import annotations

import json
import math
import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from autoagent.errors import ReplyError

ReplyT = TypeVar("ReplyT", bound=BaseModel)
_MAX_FAULTS = 8


def parse_reply(text: str, reply_type: type[ReplyT]) -> ReplyT:
    """Return the one JSON object of a reply, validated without coercion.

    A code fence and prose without braces may stand around the object. Two objects, duplicate keys, ``NaN``, trailing
    commas and cut-off text are refused.

    Raises:
        ReplyError: the reply cannot be used; the message tells the model what to mend.
    """
    value = find_object(text)
    try:
        return reply_type.model_validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        raise ReplyError(_faults(error), reply=text) from None
    except (ValueError, RecursionError) as error:
        raise ReplyError(f"the JSON cannot be read: {error}", reply=text) from None


def find_object(text: str) -> dict[str, Any]:
    """Return the one JSON object in a text.

    Raises:
        ReplyError: there is none, more than one, or it is not valid JSON.
    """
    start = text.find("{")
    if start < 0:
        raise ReplyError("the reply holds no JSON object", reply=text)
    if text[:start].rstrip().endswith("["):
        raise ReplyError("the reply is a JSON array; one JSON object was asked for", reply=text)
    value, end = decode_object(text, start)
    if re.search(r"[{}]", text[end:]):
        raise ReplyError("the reply holds more than one JSON object", reply=text)
    return value


def decode_object(text: str, start: int, *, strict: bool = True) -> tuple[dict[str, Any], int]:
    """Return the JSON object that begins at ``start``, and the place after it.

    Args:
        text: a reply.
        start: where a ``{`` stands.
        strict: refuse raw line breaks inside strings.

    Raises:
        ReplyError: no valid JSON; a key twice; NaN or an infinite number.
    """
    decoder = json.JSONDecoder(
        object_pairs_hook=no_duplicates, parse_constant=_no_constant, parse_float=_finite, strict=strict
    )
    try:
        return decoder.raw_decode(text, start)
    except json.JSONDecodeError as error:
        near = text[max(start, error.pos - 20) : error.pos + 20]
        raise ReplyError(f"the reply is not valid JSON: {error.msg} near {near!r}", reply=text) from None
    except (ValueError, RecursionError) as error:
        raise ReplyError(f"the reply is not valid JSON: {error}", reply=text) from None


def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs as a dictionary.

    Raises:
        ValueError: a key stands twice.
    """
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return value


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large a number")
    return number


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _faults(error: ValidationError) -> str:
    rows = [
        f"{'.'.join(map(str, row['loc'])) or 'reply'}: {row['msg']} (got {str(row.get('input'))[:80]!r})"
        for row in error.errors(include_url=False)[:_MAX_FAULTS]
    ]
    return "the JSON does not fit the schema: " + "; ".join(rows)
