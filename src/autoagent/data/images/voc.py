"""Read the labels of PASCAL VOC (10.1007/s11263-009-0275-4, section 3) and LabelImg: an XML file for each image."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from autoagent.data.images.coco_files import CocoFile, LeftOut, Picture, named, size_of, whole
from autoagent.data.images.folders import Found
from autoagent.data.images.label_cells import MOST_CLASSES
from autoagent.data.images.look import look
from autoagent.errors import DataError

_MOST_BYTES = 1_000_000
_TRIED = 10  # files that are looked into
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def find_voc(root: Path, found: Found) -> tuple[CocoFile, list[Picture], list[str]] | None:
    """Return the images of a folder that have an XML file of boxes, as if a COCO file held them; None where none has.

    A file belongs to the image of its name, in its folder or, where only one image has the name, anywhere. Corners are
    pixels counted from one, the last one included, as VOC has them. Difficult objects count nowhere.

    Raises:
        DataError: many files, or their images, cannot be used.
    """
    files = [name for name in found.others if name.lower().endswith(".xml")]
    pairs = _paired(found.images, files)
    if not pairs or not _are_labels([root / name for name in pairs.values()]):
        return None
    facts, unread = look(pairs, root)
    bad, pictures = LeftOut(), list[Picture]()
    for text in unread.values():
        bad.add("images cannot be read", text)
    file = CocoFile("the XML files", [], [], [], {})
    for cell, fact in facts.items():
        try:
            objects, stated = _objects_in(root / pairs[cell])
        except ValueError as error:
            bad.add("files are no labels of VOC", f"{pairs[cell]}: {error}")
            continue
        size = size_of(stated, fact)
        if size is None:
            bad.add("images have another shape than their file says (turned or cut after they were labelled)", cell)
            continue
        file.classes.update({one["category_id"]: one["category_id"] for one in objects})
        pictures.append(Picture(cell, fact, size, file, objects))
    if not pictures or bad.is_too_much(len(pairs)) or len(file.classes) > MOST_CLASSES:
        reasons = "; ".join(bad.told()) or f"there are {len(file.classes)} classes, at most {MOST_CLASSES} are known"
        raise DataError(f"{bad.count()} of {len(pairs)} images with XML files cannot be used: {reasons}")
    ordered = CocoFile(file.name, [], [], [], dict(sorted(file.classes.items())))
    notes = [f"left out: {text}" for text in bad.told()]
    if lone := [cell for cell in found.images if cell not in pairs]:
        notes.append(f"{len(lone)} images without an XML file were left out: {named(lone)}")
    return ordered, pictures, notes


def _paired(images: Sequence[str], files: Sequence[str]) -> dict[str, str]:
    """Return the file of each image that has one."""
    by_name = defaultdict[str, list[str]](list)
    for name in files:
        by_name[_stem(name)].append(name)
    times = defaultdict[str, int](int)
    for cell in images:
        times[_stem(cell)] += 1
    pairs = {}
    for cell in images:
        same = by_name.get(_stem(cell), [])
        beside = [name for name in same if posixpath.dirname(name) == posixpath.dirname(cell)]
        alone = same if len(same) == 1 and times[_stem(cell)] == 1 else []
        if len(chosen := beside or alone) == 1:
            pairs[cell] = chosen[0]
    return pairs


def _stem(name: str) -> str:
    return posixpath.splitext(posixpath.basename(name))[0]


def _are_labels(paths: Sequence[Path]) -> bool:
    """Say whether one of some files holds an object's corners."""
    for path in paths[:: max(len(paths) // _TRIED, 1)][:_TRIED]:
        try:
            if _objects_in(path)[0]:
                return True
        except ValueError:
            continue
    return False


def _objects_in(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return a file's objects as annotations of COCO, and the width and height that it states.

    Raises:
        ValueError: it is something else, larger than any such file, or declares entities, which can be bombs.
    """
    text = path.read_bytes().decode("utf-8-sig") if path.stat().st_size <= _MOST_BYTES else ""
    if not text or "<!" in text.replace("<!--", ""):
        raise ValueError("it is empty, too large, or declares a document type")
    try:
        tree = ElementTree.fromstring(text)  # a text, so that no declared encoding can hide a document type
    except ElementTree.ParseError as error:
        raise ValueError(str(error)[:80]) from error
    if tree.tag != "annotation":
        raise ValueError(f"its root is {tree.tag[:40]!r}")
    stated = {name: _number(tree.findtext(f"size/{name}")) for name in ("width", "height")}
    return [_annotation(one) for one in tree.iter("object")], stated


def _annotation(one: ElementTree.Element) -> dict[str, Any]:
    name = whole((one.findtext("name") or "").strip())
    corners = [_number(one.findtext(f"bndbox/{corner}")) for corner in _CORNERS]
    if not name or None in corners:
        raise ValueError("an object has no name or no corners")
    x0, y0, x1, y1 = (float(value) for value in corners if value is not None)
    difficult = (one.findtext("difficult") or "0").strip() == "1"
    return {"category_id": name, "bbox": [x0 - 1, y0 - 1, x1 - x0 + 1, y1 - y0 + 1], "iscrowd": difficult}


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
