"""Read YOLO's labels (https://docs.ultralytics.com/datasets/detect/): a text file for each image, a box in a line."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autoagent.data.images.coco_files import CocoFile, LeftOut, Picture, named, number_list
from autoagent.data.images.folders import Found
from autoagent.data.images.label_cells import MOST_CLASSES
from autoagent.data.images.look import look
from autoagent.errors import DataError

_LABELS, _IMAGES = "labels", "images"
_NAMES = ("classes.txt", "obj.names", "labels.txt", "names.txt")
_DECLARED = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml")
_MOST_BYTES = 1_000_000  # of a text file
_TRIED, _MOSTLY = 20, 0.9  # files that are looked into, and the share that must hold boxes


def find_yolo(root: Path, found: Found) -> tuple[CocoFile, list[Picture], list[str]] | None:
    """Return the images of a folder with YOLO's labels, as if a COCO file held them; None where it has none.

    ``images/7.png`` belongs to ``labels/7.txt``, and ``7.png`` to ``7.txt`` beside it. A line is a class and a middle,
    width and height from 0 to 1, or a class and an outline of at least three points, of which the box is taken. An
    empty file, or none, is an image without objects. Names come from ``data.yaml`` or ``classes.txt``.

    Raises:
        DataError: many files hold something else, or many images cannot be read, or a class has no name.
    """
    texts = {name for name in found.others if name.lower().endswith(".txt")}
    pairs = {cell: text for cell in found.images if (text := _beside(cell, texts))}
    if not pairs or not _hold_boxes([root / text for text in pairs.values()]):
        return None
    facts, unread = look(found.images, root)
    bad, pictures = LeftOut(), list[Picture]()
    for text in unread.values():
        bad.add("images cannot be read", text)
    lines: dict[str, list[list[float]]] = {}
    for cell in facts:
        try:
            lines[cell] = _boxes_in(root / pairs[cell]) if cell in pairs else []
        except ValueError as error:
            bad.add("files hold a line that is no box", f"{pairs[cell]}: {error}")
    if not lines or bad.is_too_much(len(found.images)):
        raise DataError(
            f"{bad.count()} of {len(found.images)} images with boxes cannot be used: {'; '.join(bad.told())}"
        )
    classes, told = _names(root, found, max((int(row[0]) for rows in lines.values() for row in rows), default=0))
    file = CocoFile("labels", [], [], [], dict(enumerate(classes)))
    for cell, rows in lines.items():
        size = (float(facts[cell].width), float(facts[cell].height))
        pictures.append(Picture(cell, facts[cell], size, file, [_note(row, size) for row in rows]))
    lone = [cell for cell in lines if cell not in pairs]
    notes = [*(f"left out: {text}" for text in bad.told()), *told]
    if lone:
        notes.append(f"{len(lone)} images have no file of boxes and count as images without objects: {named(lone)}")
    return file, pictures, notes


def _beside(cell: str, texts: set[str]) -> str:
    """Return the file of an image's boxes; nothing where there is none."""
    stem, parts = posixpath.splitext(cell)[0], cell.split("/")
    for place in [i for i, part in enumerate(parts[:-1]) if part.lower() == _IMAGES][::-1]:
        other = "/".join([*parts[:place], _LABELS, *parts[place + 1 :]])
        if (text := f"{posixpath.splitext(other)[0]}.txt") in texts:
            return text
    for text in (f"{stem}.txt", f"{_LABELS}/{stem}.txt"):
        if text in texts:
            return text
    return ""


def _hold_boxes(paths: Sequence[Path]) -> bool:
    """Say whether files hold lines of a class and numbers from 0 to 1, most of them and at least one line."""
    step = max(len(paths) // _TRIED, 1)
    kinds = [_kind(path) for path in paths[::step][:_TRIED]]
    full = [one for one in kinds if one is not None]
    return bool(full) and sum(full) >= _MOSTLY * len(full)


def _kind(path: Path) -> bool | None:
    """Say whether a file holds boxes; None where it is empty."""
    try:
        return True if _boxes_in(path) else None
    except ValueError:
        return False


def _boxes_in(path: Path) -> list[list[float]]:
    """Return class, middle, width and height of each line of a file; of outlines, those of their box.

    Raises:
        ValueError: a line is something else, or the file is larger than any such file.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{path.stat().st_size} bytes")
    rows = []
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        if not line.strip():
            continue
        words = line.split()
        numbers = number_list([float(word) for word in words], len(words))
        count = len(words)
        if numbers is None or not (count == 5 or (count >= 7 and count % 2)) or numbers[0] != int(numbers[0]):
            raise ValueError(repr(line[:60]))
        if not 0 <= numbers[0] < MOST_CLASSES or min(numbers[1:]) < -0.5 or max(numbers[1:]) > 1.5:
            raise ValueError(repr(line[:60]))
        rows.append(numbers if count == 5 else _of_outline(numbers))
    return rows


def _of_outline(numbers: list[float]) -> list[float]:
    x, y = numbers[1::2], numbers[2::2]
    low, high = (min(x), min(y)), (max(x), max(y))
    return [numbers[0], (low[0] + high[0]) / 2, (low[1] + high[1]) / 2, high[0] - low[0], high[1] - low[1]]


def _note(row: list[float], size: tuple[float, float]) -> dict[str, Any]:
    code, x, y, wide, high = row
    box = [(x - wide / 2) * size[0], (y - high / 2) * size[1], wide * size[0], high * size[1]]
    return {"category_id": int(code), "bbox": box}


def _names(root: Path, found: Found, most: int) -> tuple[list[str], list[str]]:
    """Return the names of the classes, at least ``most + 1``, and a note where nobody says them.

    Raises:
        DataError: a file names fewer.
    """
    for wanted, read in ((_DECLARED, _declared), (_NAMES, _listed)):
        for name in sorted(found.others, key=lambda one: one.count("/")):
            if posixpath.basename(name).lower() not in wanted or (root / name).stat().st_size > _MOST_BYTES:
                continue
            names = read((root / name).read_text(encoding="utf-8-sig", errors="replace"))
            if names and len(names) <= most:
                raise DataError(f"{name!r} names {len(names)} classes, and boxes are of classes up to {most}")
            if names:
                return names, []
    return [f"class {code}" for code in range(most + 1)], [
        "no file names the classes; they are called by their numbers"
    ]


def _listed(text: str) -> list[str]:
    names = [line.strip() for line in text.splitlines() if line.strip()]
    return names if len(set(names)) == len(names) <= MOST_CLASSES else []


def _declared(text: str) -> list[str]:
    """Return the names of a data.yaml: a list in one line, or one a line after a dash or a number."""
    match = re.search(r"^names:[ \t]*(.*)$", text, re.MULTILINE)
    if match is None:
        return []
    inline, names = match[1].partition("#")[0].strip(), list[str]()
    if inline.startswith(("[", "{")):
        whole = text[match.start(1) :]
        inside = whole[1 : max(whole.find("]" if inline[0] == "[" else "}"), 1)]
        names = [re.sub(r"^\s*\d+\s*:", "", one) for one in inside.split(",")]
    else:
        for line in text[match.end() :].splitlines()[1:]:
            item = re.match(r"\s*(?:-|\d+\s*:)\s*(.+)$", line)
            if item is None and line.strip() and not line.strip().startswith("#"):
                break
            names += [item[1].partition(" #")[0]] if item else []
    return _listed("\n".join(one.strip().strip("'\"") for one in names))
