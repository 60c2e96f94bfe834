"""Open COCO files (https://cocodataset.org/#format-data): their parts, and which images they mean."""

from __future__ import annotations

import json
import math
import posixpath
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autoagent.data.images.folders import Found
from autoagent.data.images.label_cells import MOST_CLASSES
from autoagent.data.images.look import look
from autoagent.data.images.source import ImageFacts
from autoagent.errors import DataError

_MOST_BYTES = 300_000_000
_SHOWN, _MAX_BAD_SHARE, _MAX_BAD_FEW = 5, 0.1, 2
_BESIDE = ("", "images", "image", "img", "imgs", "JPEGImages")  # where images are, from their file
_LOOKED_AT = 4096
_PARTS = ("images", "annotations", "categories")
_WORDS = tuple(
    f'"{word}"'.encode()
    for word in (*_PARTS, "file_name", "image_id", "category_id", "bbox", "keypoints", "supercategory")
)
_SAME_SHAPE = 1.05  # how far the ratio of width and height may be from the labels'
_LARGEST = 1e9  # of any number in a file


@dataclass
class LeftOut:
    """What was left out, by its reason: an example for each time."""

    found: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, reason: str, example: str) -> None:
        """Add one."""
        self.found[reason].append(example)

    def count(self) -> int:
        """Return how many there are."""
        return sum(len(some) for some in self.found.values())

    def told(self) -> list[str]:
        """Return a sentence on each reason."""
        return [f"{len(some)} {reason}: {named(some)}" for reason, some in self.found.items()]

    def is_too_much(self, total: int) -> bool:
        """Say whether these are more than two and more than a tenth."""
        return self.count() > max(_MAX_BAD_FEW, _MAX_BAD_SHARE * total)


@dataclass(frozen=True)
class CocoFile:
    """A COCO file.

    Attributes:
        name: its path, relative to the folder.
        images: as they are in it, and ``annotations`` and ``categories`` likewise.
        classes: names of the categories by their ids, in the order of the file.
    """

    name: str
    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    categories: list[dict[str, Any]]
    classes: dict[Any, str]

    @property
    def has_joints(self) -> bool:
        """Whether a category names joints and an annotation places them."""
        named_ones = any(one.get("keypoints") for one in self.categories)
        return named_ones and any(one.get("keypoints") for one in self.annotations)


@dataclass(frozen=True)
class Picture:
    """An image of a COCO file that is there.

    Attributes:
        cell: its path, relative to the folder.
        facts: what was found by looking at it.
        size: width and height that its labels are in.
        file: that names it.
        annotations: those of it, whose category the file has.
    """

    cell: str
    facts: ImageFacts
    size: tuple[float, float]
    file: CocoFile
    annotations: list[dict[str, Any]]


def looks_like_coco(path: Path) -> bool:
    """Say whether a file is a JSON object whose first or last few thousand characters have two of COCO's words."""
    with path.open("rb") as file:
        start = file.read(_LOOKED_AT)
        file.seek(max(path.stat().st_size - _LOOKED_AT, 0))
        ends = start + file.read(_LOOKED_AT)
    return start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and sum(word in ends for word in _WORDS) >= 2


def load(path: Path, root: Path) -> CocoFile:
    """Read a COCO file below a folder.

    Raises:
        DataError: it is too large, no JSON, or does not have COCO's parts.
    """
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise DataError(f"{name!r} has {size / 1e6:.0f} MB; COCO files of at most {_MOST_BYTES / 1e6:.0f} MB are read")
    try:
        told = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0][:120]
        raise DataError(f"{name!r} cannot be read as JSON: {reason}") from error
    parts: list[Any] = [told.get(part) for part in _PARTS] if isinstance(told, dict) else []
    if not parts or not all(isinstance(part, list) and all(isinstance(one, dict) for one in part) for part in parts):
        raise DataError(f"{name!r} is no COCO file: it needs the lists 'images', 'annotations' and 'categories'")
    images, annotations, categories = parts
    return CocoFile(name, images, annotations, categories, _classes(name, categories))


def pictures_of(files: Sequence[CocoFile], found: Found, root: Path) -> tuple[list[Picture], list[str]]:
    """Return the images of files that are there and open, and a sentence on each reason why others are left out.

    Raises:
        DataError: more than a tenth, and more than two, cannot be used; or a file does not fit together.
    """
    known, by_name = set(found.images), defaultdict[str, list[str]](list)
    for cell in found.images:
        by_name[posixpath.basename(cell)].append(cell)
    bad, wanted, strange = LeftOut(), dict[str, tuple[CocoFile, dict[str, Any]]](), list[str]()
    notes: dict[str, dict[Any, list[dict[str, Any]]]] = {}
    for file in files:
        notes[file.name], told = _by_image(file)
        strange += told
        for one in file.images:
            cell, reason = _cell_of(one.get("file_name"), file.name, known, by_name)
            if not reason and cell in wanted:
                reason = "images are named twice"
            if reason:
                bad.add(reason, str(one.get("file_name")))
            else:
                wanted[cell] = file, one
    facts, unread = look(wanted, root)
    for text in unread.values():
        bad.add("images cannot be read", text)
    pictures = list[Picture]()
    for cell, fact in facts.items():
        file, one = wanted[cell]
        size = size_of(one, fact)
        if size is None:
            shown = f"{cell}: {one['width']}x{one['height']}, it has {fact.width}x{fact.height}"
            bad.add("images have another shape than the file says (turned or cut after they were labelled)", shown)
        else:
            pictures.append(Picture(cell, fact, size, file, notes[file.name].get(one["id"], [])))
    total = len(pictures) + bad.count()
    if not pictures or bad.is_too_much(total):
        reasons = "; ".join(bad.told()) or "it has none"
        raise DataError(f"{bad.count()} of {total} images of {files[0].name!r} cannot be used: {reasons}")
    told = [f"left out: {text}" for text in (*bad.told(), *strange)]
    if spare := sorted(known - set(wanted)):
        told.append(f"{len(spare)} images that no file of labels names were left out: {named(spare)}")
    return pictures, told


def number_list(values: object, count: int) -> list[float] | None:
    """Return so many finite numbers; None where it is no list of them."""
    if not isinstance(values, list) or len(values) != count or not all(_is_number(one) for one in values):
        return None
    return [float(one) for one in values]


def named(names: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are."""
    shown = ", ".join(repr(whole(name[:150])) for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def whole(text: str) -> str:
    """Return a text without halves of characters, which JSON can hold and no file can."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _classes(name: str, categories: list[dict[str, Any]]) -> dict[Any, str]:
    classes: dict[Any, str] = {}
    for one in categories:
        number, label = one.get("id"), one.get("name")
        if not isinstance(number, int | str) or not isinstance(label, str) or not label.strip() or number in classes:
            raise DataError(f"{name!r} has a category without an id and a name of its own: {str(one)[:80]}")
        classes[number] = whole(label.strip())
    if not 1 <= len(classes) <= MOST_CLASSES:
        raise DataError(f"{name!r} has {len(classes)} categories; from 1 to {MOST_CLASSES} are known")
    return classes


def _cell_of(name: object, file: str, known: set[str], by_name: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """Return the path of an image that is there, or why there is none."""
    if not isinstance(name, str) or not name:
        return "", "images have no file name"
    path, folder = name.replace("\\", "/"), posixpath.dirname(file)
    if path.startswith("/") or path[1:2] == ":":
        return "", "images are named by a path that is not relative"
    for start in (folder, ""):
        for beside in _BESIDE:
            cell = posixpath.normpath(posixpath.join(start, beside, path))
            if cell in known:
                return cell, ""
    if posixpath.normpath(posixpath.join(folder, path)).startswith(".."):
        return "", "images are outside the folder"
    same = [cell for cell in by_name.get(posixpath.basename(path), []) if f"/{cell}".endswith(f"/{path}")]
    if len(same) == 1:
        return same[0], ""
    return "", "images are in several folders, and the file does not say in which" if same else "images are missing"


def _by_image(file: CocoFile) -> tuple[dict[Any, list[dict[str, Any]]], list[str]]:
    """Return a file's annotations by the id of their image, and a sentence on each reason why some are left out."""
    ids, strange, found = Counter[Any](), LeftOut(), defaultdict[Any, list[dict[str, Any]]](list)
    for one in file.images:
        if not isinstance(one.get("id"), int | str):
            raise DataError(f"{file.name!r} has an image without an id: {str(one)[:80]}")
        ids[one["id"]] += 1
    if twice := [str(number) for number, times in ids.items() if times > 1]:
        raise DataError(f"{file.name!r} gives the same id to several images, {len(twice)} times: {named(twice)}")
    for one in file.annotations:
        image, category = one.get("image_id"), one.get("category_id")
        if not isinstance(image, int | str) or image not in ids:
            strange.add("annotations are of an image that the file does not have", str(image))
        elif not isinstance(category, int | str) or category not in file.classes:
            strange.add("annotations are of a category that the file does not have", str(category))
        else:
            found[image].append(one)
    if strange.is_too_much(len(file.annotations)):
        raise DataError(f"{file.name!r} does not fit together: {'; '.join(strange.told())}")
    return found, strange.told()


def size_of(one: Mapping[str, Any], facts: ImageFacts) -> tuple[float, float] | None:
    """Return the width and height that an image's labels are in; None where they have another shape than it has."""
    said = number_list([one.get("width"), one.get("height")], 2)
    if said is None or min(said) <= 0:
        return float(facts.width), float(facts.height)
    far = abs(math.log(said[0] / said[1] * facts.height / facts.width))
    return (said[0], said[1]) if far < math.log(_SAME_SHAPE) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST
