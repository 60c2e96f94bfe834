"""Images as uploaded files: ``multipart/form-data`` (RFC 7578), as `curl -F` and an HTML form send it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any

from autoagent.inference import InputError, image_column
from autoagent.serve.images import MAX_IMAGES

FORM_TYPE = "multipart/form-data"
FILE = "file"  # the name of a part that holds an image; the image column's own name is taken too
_MAX_HEAD = 4096  # bytes of the headers of one part
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")  # RFC 2046, section 5.1.1


@dataclass(frozen=True)
class Part:
    """One part of a form; a file's name is not kept, since nothing may come of it."""

    name: str
    content: bytes


def form_rows(body: bytes, content_type: str, roles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return one row for each image of a form, in order; the other columns of a model are fields of their names.

    Args:
        body: of the request.
        content_type: of the request, with the boundary.
        roles: of the model's columns.

    Raises:
        InputError: it is no form, holds other parts, too many images, or lacks a column.
    """
    column = image_column(roles)
    if column is None:
        raise InputError("a form is for models of images; send rows as JSON")
    others = [name for name in roles if name != column]
    file = _file_name(column, others)
    images, fields = list[bytes](), dict[str, str | None]()
    for part in read_parts(body, content_type, most=MAX_IMAGES + len(others)):
        if part.name in (FILE, column) and part.name not in others:
            images.append(part.content)
        elif part.name in others and part.name not in fields:
            fields[part.name] = _text(part) or None
        else:
            allowed = ", ".join(map(repr, [file, *others]))
            raise InputError(f"part {part.name[:80]!r} is unknown or sent twice; allowed: {allowed}")
    missing = [name for name in others if name not in fields]
    if missing or not images:
        raise InputError(f"the form lacks {', '.join(map(repr, [file] * (not images) + missing))}")
    if len(images) > (1 if others else MAX_IMAGES):
        most = 1 if others else MAX_IMAGES
        raise InputError(f"{len(images)} images were sent; allowed: 1 to {most} in one form")
    return [{column: image, **fields} for image in images]


def read_parts(body: bytes, content_type: str, *, most: int) -> list[Part]:
    """Return the parts of a form; strict, and of no more work than the body is long.

    Raises:
        InputError: it is cut off, malformed, or has more than ``most`` parts.
    """
    head = Message()
    head["content-type"] = content_type
    boundary = head.get_param("boundary")
    if not isinstance(boundary, str) or not _BOUNDARY.fullmatch(boundary):
        raise InputError("the form has no boundary in its content-type, or one that is none")
    mark = b"\r\n--" + boundary.encode()
    whole = b"\r\n" + body
    if (count := whole.count(mark)) > most + 1:
        raise InputError(f"the form has {count - 1} parts; allowed: 1 to {most}")
    pieces = whole.split(mark)[1:]  # what is before the first is no part
    if not pieces or not pieces[-1].startswith(b"--"):
        raise InputError("the form is cut off: its last boundary is missing")
    return list(_parts(pieces[:-1]))


def _parts(pieces: list[bytes]) -> Iterator[Part]:
    for number, piece in enumerate(pieces, 1):
        line_end = piece.find(b"\r\n")
        end = piece.find(b"\r\n\r\n", 0, _MAX_HEAD)
        if line_end < 0 or piece[:line_end].strip(b" \t") or end < 0:
            raise InputError(f"part {number} of the form is malformed, or has headers of more than {_MAX_HEAD} bytes")
        name = _name(piece[line_end + 2 : max(end, line_end + 2)])
        if name is None:
            raise InputError(f"part {number} of the form has no name in its content-disposition")
        yield Part(name, piece[end + 4 :])


def _name(headers: bytes) -> str | None:
    for line in headers.decode("utf-8", errors="replace").split("\r\n"):
        key, _, value = line.partition(":")
        if key.strip().lower() == "content-disposition":
            head = Message()
            head["content-disposition"] = value.strip().replace("\n", " ").replace("\r", " ")
            found = head.get_param("name", header="content-disposition")
            is_form = head.get_content_disposition() == "form-data"
            return found if is_form and isinstance(found, str) else None
    return None


def _text(part: Part) -> str:
    try:
        return part.content.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"field {part.name!r} is no UTF-8 text") from None


def form_schema(roles: Mapping[str, str]) -> dict[str, Any]:
    """Return what OpenAPI says of a form for a model of images: the file, and the other columns as texts."""
    column = image_column(roles) or FILE
    file = {"type": "string", "contentMediaType": "application/octet-stream", "description": "an image file"}
    others = {name: {"type": "string"} for name in roles if name != column}
    files = file if others else {"type": "array", "items": file, "minItems": 1, "maxItems": MAX_IMAGES}
    name = _file_name(column, others)
    return {"type": "object", "properties": {name: files, **others}, "required": [name, *others]}


def _file_name(column: str, others: Iterable[str]) -> str:
    """Return the name of the part that holds an image; where another column has taken it, the image column's own."""
    return FILE if FILE not in others else column
