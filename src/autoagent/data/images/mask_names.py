"""Names of the classes of masks: from a table of names, values or colours beside the images, else from the values."""

from __future__ import annotations

import re
from pathlib import Path

from autoagent.data.images.mask_values import MaskCoding

_FILES = (
    "classes.txt",
    "labels.txt",
    "labelmap.txt",
    "label_colors.txt",
    "class_dict.csv",
    "classes.csv",
    "labels.csv",
    "palette.csv",
    "colors.csv",
    "colours.csv",
)
_VOID = frozenset({"void", "ignore", "ignored", "unlabeled", "unlabelled", "dontcare", "don't care"})
_LONGEST, _MOST_BYTES = 60, 100_000
_BACKGROUND = "background"

Value = tuple[int, ...]


def name_classes(coding: MaskCoding, root: Path, others: list[str]) -> tuple[MaskCoding, tuple[str, ...], list[str]]:
    """Return the coding, the names of its classes and what was found.

    A table that names a class "void" or "ignored" takes it out of the classes. A table that does not fit the values
    is told and not used.

    Args:
        coding: of the masks.
        root: the folder.
        others: files in it that are no images, relative to it.
    """
    named = [name for name in others if name.rpartition("/")[2].lower() in _FILES and name.count("/") <= 1]
    for name in sorted(named, key=lambda name: (name.count("/"), name)):
        rows = _rows(root / name)
        fitted = _fitted(coding, rows)
        if fitted is None:
            return coding, _plain(coding), [f"{name!r} names {len(rows)} classes that do not fit the masks; not used"]
        coding, names = _without_void(coding, fitted)
        return coding, names, [f"the names of the classes are those of {name!r}"]
    return coding, _plain(coding), []


def _plain(coding: MaskCoding) -> tuple[str, ...]:
    names = []
    for code, value in enumerate(coding.values):
        if not any(value):
            names.append(_BACKGROUND)
        elif coding.kind == "colour":
            names.append("class #" + "".join(f"{part:02x}" for part in value))
        else:
            names.append(f"class {code if len(coding.values) == 2 else value[0]}")
    return tuple(names)


def _rows(path: Path) -> list[tuple[str, Value]]:
    """Return names and values, ``()`` where a line has a name only."""
    text = path.read_bytes()[:_MOST_BYTES].decode("utf-8", errors="replace")
    found = [row for line in text.lstrip("\ufeff").splitlines() if (row := _row(line)) is not None]
    return [row for place, row in enumerate(found) if place or row[0].lower() not in ("name", "class", "label")]


def _row(line: str) -> tuple[str, Value] | None:
    """Read ``sky``, ``1 sky``, ``sky,0,0,255``, ``0 0 255 sky`` or ``sky:0,0,255::``."""
    if not line.strip() or line.lstrip().startswith("#"):
        return None
    by_marks = [part.strip() for part in re.split(r"[,:;\t]", line)]
    parts = by_marks if len([part for part in by_marks if part]) > 1 else line.split()
    numbers = [int(part) for part in parts if part.isdecimal() and int(part) < 65536]
    words = " ".join(part for part in parts if part and not part.isdecimal())[:_LONGEST]
    if parts is not by_marks and len(numbers) == 1 and not parts[0].isdecimal():
        return " ".join(parts)[:_LONGEST], ()  # "class 1" is a name
    if not words:
        return None
    if by_marks is parts and any(part.lower() in ("r", "g", "b", "red", "value", "id") for part in parts):
        return "name", ()  # the head of a table
    return words, tuple(numbers[:3]) if len(numbers) >= 3 else tuple(numbers[:1])


def _fitted(coding: MaskCoding, rows: list[tuple[str, Value]]) -> tuple[str, ...] | None:
    if all(not value for _, value in rows):
        names = [name for name, _ in rows]
        if len(names) == len(coding.values) - 1 and not any(coding.values[0]):
            names = [_BACKGROUND, *names]
        return tuple(names) if len(names) == len(coding.values) and len(set(names)) == len(names) else None
    by_value = {value: name for name, value in reversed(rows) if value}
    if coding.kind in ("threshold", "objects"):
        return None
    plain = dict(zip(coding.values, _plain(coding), strict=True))
    names = [by_value.get(value, plain[value] if not any(value) else "") for value in coding.values]
    return tuple(names) if all(names) and len(set(names)) == len(names) else None


def _without_void(coding: MaskCoding, names: tuple[str, ...]) -> tuple[MaskCoding, tuple[str, ...]]:
    kept = [place for place, name in enumerate(names) if name.lower() not in _VOID]
    if len(kept) == len(names) or len(kept) < 2:
        return coding, names
    gone = tuple(value for place, value in enumerate(coding.values) if place not in kept)
    values = tuple(coding.values[place] for place in kept)
    return MaskCoding(coding.kind, values, (*coding.ignored, *gone)), tuple(names[place] for place in kept)
