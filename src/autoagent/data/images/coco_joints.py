"""Read the joints of COCO files: one figure for each image, names, skeleton, sides and how far annotators are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoagent.data.images.coco_files import CocoFile, LeftOut, Picture, named, number_list, whole
from autoagent.data.images.label_cells import MOST_JOINTS, Labels, flip_pairs, joints_cell
from autoagent.data.keypoint_formulas import AREA_OF_BOX, COCO_SIGMAS, USUAL_SIGMA
from autoagent.errors import DataError

_NOSE_TO_ANKLES = ("nose", "right_ankle")  # the first and the last of COCO's 17
_LEAST_SIDE = 1.0  # pixels of a figure's box


@dataclass(frozen=True)
class _Figure:
    """One figure: joints ``(J, 3)`` and the box's longer side in pixels of the labels, and its area."""

    joints: NDArray[np.float64]
    side: float
    area: float


def joints_of_files(files: Sequence[CocoFile], images: Sequence[Picture]) -> tuple[dict[str, str], Labels, list[str]]:
    """Return a cell for each image that has a figure, what is known of all, and notes.

    Where an image has several figures, the largest is taken.

    Raises:
        DataError: the files name no joints, or several kinds of figures, or too many figures cannot be used.
    """
    labels, sigmas, told = _labels(files)
    bad, bare, crowded, outside = LeftOut(), list[str](), list[str](), 0
    cells, total = dict[str, str](), 0
    for image in images:
        figures = list[_Figure]()
        for one in image.annotations:
            if not one.get("keypoints") or one.get("iscrowd"):
                continue
            total += 1
            figure = _figure(one, len(labels.joints))
            if isinstance(figure, str):
                bad.add(figure, f"{image.cell}: {str(one.get('keypoints'))[:60]}")
            elif (figure.joints[:, 2] > 0).any():
                figures.append(figure)
        if not figures:
            bare.append(image.cell)
            continue
        crowded += [image.cell] if len(figures) > 1 else []
        cells[image.cell], away = _cell(max(figures, key=lambda one: one.area), image.size, sigmas)
        outside += away
    if not cells or bad.is_too_much(total):
        reasons = "; ".join(bad.told()) or "none has a labelled joint"
        raise DataError(f"{bad.count()} of {total} figures of {files[0].name!r} cannot be used: {reasons}")
    notes = [*told, *(f"left out: {text}" for text in bad.told())]
    if bare:
        notes.append(f"{len(bare)} images without a labelled figure were left out: {named(bare)}")
    if crowded:
        notes.append(f"{len(crowded)} images have several figures, of which the largest is taken: {named(crowded)}")
    if outside:
        notes.append(f"{outside} joints are outside their image and count as not labelled")
    return cells, labels, notes


def _labels(files: Sequence[CocoFile]) -> tuple[Labels, NDArray[np.float64], list[str]]:
    """Return names, skeleton and sides, sigmas ``(J,)``, and notes."""
    kinds = [one for file in files for one in file.categories if one.get("keypoints")]
    names = {
        tuple(whole(str(name)) for name in one["keypoints"]) if isinstance(one["keypoints"], list) else ()
        for one in kinds
    }
    if len(names) != 1 or len({str(one["name"]).strip() for one in kinds}) != 1:
        raise DataError(
            f"{files[0].name!r} names joints of {len(kinds)} kinds of figures; exactly one kind can be learned"
        )
    joints = names.pop()
    if not 1 <= len(joints) <= MOST_JOINTS or len(set(joints)) < len(joints):
        raise DataError(
            f"{files[0].name!r} names {len(joints)} joints; from 1 to {MOST_JOINTS} different ones are known"
        )
    kind, notes = kinds[0], list[str]()
    told: object = kind.get("skeleton")
    drawn = told if isinstance(told, list) else []
    lines = [pair for pair in map(_pair, drawn) if pair is not None]
    skeleton = [(a - 1, b - 1) for a, b in lines if 1 <= a <= len(joints) and 1 <= b <= len(joints)]
    if len(skeleton) < len(drawn):
        notes.append("lines of the skeleton that do not name two joints, counted from 1, were left out")
    stated = number_list(kind.get("sigmas"), len(joints))
    if stated is not None and min(stated) > 0:
        sigmas = np.array(stated)
    elif len(joints) == len(COCO_SIGMAS) and (joints[0], joints[-1]) == _NOSE_TO_ANKLES:
        sigmas = COCO_SIGMAS
    else:
        sigmas = np.full(len(joints), USUAL_SIGMA)
        notes.append(f"the file states no sigmas of its joints: {USUAL_SIGMA} is taken for each, where a metric asks")
    labels = Labels("keypoints", (whole(str(kind["name"]).strip()),), 1, joints, tuple(skeleton), flip_pairs(joints))
    return labels, sigmas, notes


def _figure(one: dict[str, Any], joints: int) -> _Figure | str:
    """Return a figure, or what is wrong with it."""
    numbers = number_list(one.get("keypoints"), 3 * joints)
    if numbers is None:
        return f"figures do not have three numbers for each of {joints} joints"
    places = np.array(numbers).reshape(joints, 3)
    if not np.isin(places[:, 2], (0, 1, 2)).all():
        return "figures have a joint that is marked neither 0, 1 nor 2"
    seen = places[places[:, 2] > 0, :2]
    box = number_list(one.get("bbox"), 4)
    if box is None or min(box[2:]) <= 0:
        extent = np.ptp(seen, axis=0) if len(seen) else np.ones(2)
        box = [0.0, 0.0, *(float(max(value, _LEAST_SIDE)) for value in extent)]
    side, area = max(*box[2:], _LEAST_SIDE), number_list([one.get("area")], 1)
    return _Figure(places, side, area[0] if area is not None and area[0] > 0 else AREA_OF_BOX * box[2] * box[3])


def _cell(figure: _Figure, size: tuple[float, float], sigmas: NDArray[np.float64]) -> tuple[str, int]:
    """Return a figure's cell, and how many of its joints are outside the image."""
    joints = figure.joints / [*size, 1]
    outside = (joints[:, 2] > 0) & ((joints[:, :2] < 0) | (joints[:, :2] > 1)).any(axis=1)
    joints[outside | (joints[:, 2] == 0)] = 0
    unit = (size[0] / figure.side, size[1] / figure.side)
    factors = figure.side / np.sqrt(figure.area) / (2 * sigmas)
    return joints_cell(joints, unit, factors.tolist()), int(outside.sum())


def _pair(line: object) -> tuple[int, int] | None:
    numbers = number_list(line, 2)
    return None if numbers is None else (int(numbers[0]), int(numbers[1]))
