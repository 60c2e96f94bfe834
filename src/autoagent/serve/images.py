"""Images in a request: base64 text in a row, or the file itself as the body; never a path of this machine."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from autoagent.inference import InputError, image_column

MAX_IMAGES = 64  # in one request; a small file may unpack to many pixels
_MAX_FAULTS = 10
FILE_TYPES = ("image/", "application/octet-stream")


def with_images(rows: Sequence[Mapping[str, Any]], roles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return rows whose images are the bytes of files.

    Args:
        rows: whose images are base64 text, with or without ``data:image/png;base64,`` before it.
        roles: of the model's columns.

    Raises:
        InputError: there are too many, or one is no base64 text.
    """
    column = image_column(roles)
    if column is None:
        return [dict(row) for row in rows]
    if len(rows) > MAX_IMAGES:
        raise InputError(f"{len(rows)} images were sent; allowed: 1 to {MAX_IMAGES} in one request")
    made, faults = list[dict[str, Any]](), list[str]()
    for number, row in enumerate(rows, 1):
        try:
            made.append({**row, column: _bytes(row[column])})
        except ValueError as error:
            faults.append(f"row {number}, column {column!r}: {error}; allowed: the base64 text of an image file")
    if faults:
        raise InputError("\n".join(faults[:_MAX_FAULTS]))
    return made


def one_image(body: bytes, roles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the one row of a request whose body is an image file.

    Raises:
        InputError: the model needs other columns too, or no image.
    """
    column = image_column(roles)
    if column is None or len(roles) > 1:
        raise InputError("a body that is an image file is for models of one image and nothing else; send rows as JSON")
    return [{column: body}]


def image_schema(column: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of an image in a row."""
    kept = {name: value for name, value in column.items() if name not in ("type", "examples", "description")}
    text = "the base64 text of an image file; a body of type image/png and the like may be the file itself"
    return {**kept, "type": "string", "contentEncoding": "base64", "description": text}


def _bytes(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:40]!r} is no text")
    head, comma, rest = value.partition(",")
    text = rest if comma and head.startswith("data:") else value
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{value[:40]!r} is no base64 text") from None
