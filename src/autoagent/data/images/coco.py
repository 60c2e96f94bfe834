"""Read boxes and joints beside images, of COCO, YOLO or VOC files, into a table of paths and cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from autoagent.data.images.coco_files import (
    CocoFile,
    LeftOut,
    Picture,
    load,
    looks_like_coco,
    named,
    number_list,
    pictures_of,
)
from autoagent.data.images.coco_joints import joints_of_files
from autoagent.data.images.folders import Found
from autoagent.data.images.label_cells import MOST_OBJECTS, Box, Kind, Labels, boxes_cell
from autoagent.data.images.source import COLUMN, ImageFacts
from autoagent.data.images.voc import find_voc
from autoagent.data.images.yolo import find_yolo
from autoagent.errors import DataError

TARGETS: Mapping[Kind, str] = {"detection": "boxes", "keypoints": "joints"}  # the column of labels
_LEAST_SIDE = 0.5  # pixels of a box inside its image
_OUTSIDE = 1.0  # pixels that a box may reach out of its image without a word


@dataclass(frozen=True)
class LabelledImages:
    """Images with their boxes or joints.

    Attributes:
        frame: a column of images, paths relative to the folder, and a column of cells as ``label_cells`` has them.
        image: the name of the column of images.
        target: of the column of boxes or joints.
        facts: of the images, by path.
        labels: what is known of all cells together.
        notes: what was decided and what was left out, one sentence each.
    """

    frame: pd.DataFrame
    image: str
    target: str
    facts: dict[str, ImageFacts]
    labels: Labels
    notes: list[str]


def find_labels(root: Path, found: Found, kind: Kind | None = None) -> LabelledImages | None:
    """Return the images of a folder that have boxes or joints, of a COCO file, else of YOLO's or VOC's; None without.

    Several COCO files, for example one for each split, are read as one where they name the same categories.

    Raises:
        DataError: as ``read_coco``, ``find_yolo`` and ``find_voc``; or there are files of different categories.
    """
    files = [name for name in found.others if name.lower().endswith(".json") and looks_like_coco(root / name)]
    if files:
        return read_coco([root / name for name in files], root, found, kind)
    beside = None if kind == "keypoints" else find_yolo(root, found) or find_voc(root, found)
    if beside is None:
        return None
    file, images, notes = beside
    cells, labels, told = _boxes(file, images)
    return _table(cells, labels, images, [*found.notes, *notes, *told])


def read_coco(files: Sequence[Path], root: Path, found: Found, kind: Kind | None = None) -> LabelledImages:
    """Return the images and labels of COCO files.

    Args:
        files: below ``root``.
        root: the folder of the images.
        found: what is in it; no other images are read.
        kind: None reads joints where the files have them, else boxes.

    Raises:
        DataError: a file is no COCO file, or too many images or labels of it cannot be used.
    """
    parts = [load(path, root) for path in files]
    names = {tuple(sorted(set(one.classes.values()))) for one in parts}
    if len(names) > 1:
        shown = "; ".join(f"{one.name!r} has {named(sorted(one.classes.values()))}" for one in parts[:3])
        raise DataError(f"{str(root)!r} holds COCO files of different categories; leave one of them there: {shown}")
    if kind is None:
        kind = "keypoints" if all(one.has_joints for one in parts) else "detection"
    images, notes = pictures_of(parts, found, root)
    if kind == "keypoints":
        cells, labels, told = joints_of_files(parts, images)
    else:
        cells, labels, told = _boxes(parts[0], images)
    return _table(cells, labels, images, [*found.notes, *notes, *told])


def _table(cells: Mapping[str, str], labels: Labels, images: Sequence[Picture], notes: list[str]) -> LabelledImages:
    target = TARGETS[labels.kind]
    frame = pd.DataFrame({COLUMN: list(cells), target: list(cells.values())})
    facts = {one.cell: one.facts for one in images if one.cell in cells}
    return LabelledImages(frame, COLUMN, target, facts, labels, notes)


def _boxes(file: CocoFile, images: Sequence[Picture]) -> tuple[dict[str, str], Labels, list[str]]:
    """Return a cell for each image, what is known of all, and notes."""
    bad, clipped, total, most = LeftOut(), list[str](), 0, 1
    cells, used, wanted = dict[str, str](), set[str](), Counter[str]()
    for image in images:
        boxes = list[Box]()
        for one in image.annotations:
            total += 1
            corners, outside = _corners(one.get("bbox"), image.size)
            if corners is None:
                bad.add(outside, f"{image.cell}: {str(one.get('bbox'))[:60]}")
                continue
            clipped += [image.cell] if outside else []
            ignored = bool(one.get("iscrowd")) or bool(one.get("ignore"))
            boxes.append(Box(image.file.classes[one["category_id"]], corners, ignored))
        if len(boxes) > MOST_OBJECTS:
            raise DataError(f"{image.cell!r} has {len(boxes)} boxes; at most {MOST_OBJECTS} in an image are known")
        used.update(one.name for one in boxes)
        wanted.update(one.name for one in boxes if not one.ignored)
        most, cells[image.cell] = max(most, len(boxes)), boxes_cell(boxes)
    if not wanted or bad.is_too_much(total):
        reasons = "; ".join(bad.told()) or "there is none to find"
        raise DataError(f"{bad.count()} of {total} boxes of {file.name!r} cannot be used: {reasons}")
    order = dict.fromkeys(file.classes.values())
    notes = [f"left out: {text}" for text in bad.told()]
    if clipped:
        notes.append(f"{len(clipped)} boxes reached out of their image and were cut: {named(clipped)}")
    if unused := [name for name in order if name not in used]:
        notes.append(f"{len(unused)} categories have no box and were left out: {named(unused)}")
    if bare := sum(cell == "[]" for cell in cells.values()):
        notes.append(f"{bare} of {len(cells)} images have no box")
    if crowds := sum(cell.count('"ignored":true') for cell in cells.values()):
        notes.append(f"{crowds} boxes are marked as crowds and count nowhere")
    return cells, Labels("detection", tuple(name for name in order if name in used), most), notes


def _corners(box: object, size: tuple[float, float]) -> tuple[tuple[float, float, float, float] | None, str]:
    """Return corners from 0 to 1 inside the image, and whether it was cut; or None, and what is wrong."""
    numbers = number_list(box, 4)
    if numbers is None:
        return None, "boxes are no four numbers"
    x, y, wide, high = numbers
    if wide <= 0 or high <= 0:
        return None, "boxes have no width or no height"
    x0, x1, y0, y1 = max(x, 0), min(x + wide, size[0]), max(y, 0), min(y + high, size[1])
    if min(x1 - x0, y1 - y0) < min(_LEAST_SIDE, wide, high):
        return None, "boxes are outside their image"
    outside = max(-x, -y, x + wide - size[0], y + high - size[1]) > _OUTSIDE
    return (x0 / size[0], y0 / size[1], x1 / size[0], y1 / size[1]), "cut" if outside else ""
