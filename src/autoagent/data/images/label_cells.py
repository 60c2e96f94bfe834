"""Boxes and joints as the cells of a table: JSON text in, arrays out, and what is known of all cells together.

A cell of boxes is ``[{"class": "disc", "box": [x0, y0, x1, y1]}, ...]``, with ``"ignored": true`` for what counts
nowhere; ``[]`` is an image without objects. A cell of joints is ``{"joints": [[x, y, v], ...], "unit": [sx, sy],
"factors": [...]}``. Coordinates run from 0 to 1 over the image, wherever it is pressed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from autoagent.inference import InputError

Kind = Literal["detection", "keypoints"]

MOST_CLASSES = 1000
MOST_OBJECTS = 1000  # in one image
MOST_JOINTS = 500
_DIGITS = 6  # of coordinates: a millionth of the image
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_SIDES = {"left": 0, "l": 0, "right": 1, "r": 1}


@dataclass(frozen=True)
class Labels:
    """What is known of the boxes or joints of all images.

    Attributes:
        kind: ``detection`` has boxes, ``keypoints`` joints.
        classes: names, in the order of the codes; of joints, the one kind of figure.
        most: objects of the fullest image, at least 1.
        joints: names.
        skeleton: pairs of joints that belong together, from 0.
        flip_pairs: the left and the right joint of each pair, from 0, which a mirrored image exchanges.
    """

    kind: Kind
    classes: tuple[str, ...]
    most: int = 1
    joints: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    flip_pairs: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Box:
    """An object of an image: its class, corners x0, y0, x1, y1 from 0 to 1, and whether it counts nowhere."""

    name: str
    corners: tuple[float, float, float, float]
    ignored: bool = False


def boxes_cell(boxes: Sequence[Box]) -> str:
    """Return the cell of an image's boxes."""
    rows = []
    for one in boxes:
        row: dict[str, Any] = {"class": one.name, "box": [round(value, _DIGITS) for value in one.corners]}
        rows.append({**row, "ignored": True} if one.ignored else row)
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def joints_cell(joints: NDArray[Any], unit: Sequence[float], factors: Sequence[float]) -> str:
    """Return the cell of a figure.

    Args:
        joints: ``(J, 3)``: x, y from 0 to 1, v (0 unlabelled, 1 hidden, 2 visible).
        unit: what distances in x and in y are multiplied by to be in units of the longer side of the figure's box.
        factors: ``(J,)`` what such a distance is multiplied by for the object keypoint similarity.
    """
    rows = [[round(float(x), _DIGITS), round(float(y), _DIGITS), int(v)] for x, y, v in joints]
    numbers = {"unit": unit, "factors": factors}
    told = {name: [round(float(value), _DIGITS) for value in some] for name, some in numbers.items()}
    return json.dumps({"joints": rows, **told}, separators=(",", ":"))


def read_boxes(cell: str) -> list[Box]:
    """Return the boxes of a cell.

    Raises:
        InputError: it is no JSON of boxes, or holds more than ``MOST_OBJECTS``.
    """
    rows = _parsed(cell, "boxes")
    if not isinstance(rows, list) or len(rows) > MOST_OBJECTS:
        raise InputError(f"{cell[:80]!r} is no list of at most {MOST_OBJECTS} boxes")
    return [_box(row) for row in rows]


def boxes_of(cell: str, classes: Sequence[str], most: int) -> NDArray[np.float32]:
    """Return the boxes of a cell, ``(most, 6)``: class, x0, y0, x1, y1, ignored; the class is -1 where there is none.

    Raises:
        InputError: as ``read_boxes``; or a class is not known, or there are more boxes than ``most``.
    """
    boxes, codes = read_boxes(cell), {name: code for code, name in enumerate(classes)}
    if unknown := sorted({one.name for one in boxes} - set(codes)):
        raise InputError(f"the class {unknown[0][:80]!r} of a box is none of {', '.join(map(repr, list(classes)[:8]))}")
    if len(boxes) > most:
        raise InputError(f"an image has {len(boxes)} boxes; at most {most} were expected")
    found = np.full((most, 6), -1, dtype=np.float32)
    for row, one in zip(found, boxes, strict=False):
        row[:] = [codes[one.name], *one.corners, one.ignored]
    return found


def joints_of(cell: str, joints: int) -> NDArray[np.float32]:
    """Return the joints of a cell, ``(J, 6)``: x, y, v, the units of distance in x and in y, and the factor.

    Raises:
        InputError: it is no JSON of so many joints.
    """
    told = _parsed(cell, "joints")
    parts = [told.get(name) for name in ("joints", "unit", "factors")] if isinstance(told, dict) else []
    shapes = [(joints, 3), (2,), (joints,)]
    for part, shape in zip(parts or [None], shapes, strict=False):
        if not _has_shape(part, shape):
            raise InputError(f"{cell[:80]!r} holds no {joints} joints with their units and factors")
    places, unit, factors = (np.array(part, dtype=np.float32) for part in parts)
    if not np.isin(places[:, 2], (0, 1, 2)).all() or unit.min() <= 0 or (len(factors) and factors.min() <= 0):
        raise InputError(f"{cell[:80]!r} has a joint that is neither 0, 1 nor 2, or a unit that is not above 0")
    return np.concatenate([places, np.tile(unit, (joints, 1)), factors[:, None]], axis=1)


def flip_pairs(names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return the places of joints whose names differ in left and right only: ``left_hand``, ``LHand``, ``hand-r``."""
    sides: dict[tuple[str, ...], list[list[int]]] = {}
    for place, name in enumerate(names):
        words = [word.lower() for word in _WORDS.findall(re.sub("(?i)left|right", lambda m: f" {m[0].lower()} ", name))]
        marks = [_SIDES[word] for word in words if word in _SIDES]
        if len(marks) == 1:
            rest = tuple("" if word in _SIDES else word for word in words)
            sides.setdefault(rest, [[], []])[marks[0]].append(place)
    return tuple(sorted((some[0], other[0]) for some, other in sides.values() if len(some) == len(other) == 1))


def _box(row: object) -> Box:
    name = row.get("class") if isinstance(row, dict) else None
    corners = row.get("box") if isinstance(row, dict) else None
    if not (
        isinstance(row, dict) and isinstance(name, str) and isinstance(corners, list) and _has_shape(corners, (4,))
    ):
        raise InputError(f"{str(row)[:80]!r} is no box; it has a class and a box of four numbers")
    x0, y0, x1, y1 = (float(value) for value in corners)
    if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
        raise InputError(f"the box {[x0, y0, x1, y1]} is not inside its image, from 0 to 1")
    return Box(name, (x0, y0, x1, y1), bool(row.get("ignored", False)))


def _parsed(cell: str, what: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    try:
        return json.loads(cell)
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{str(cell)[:80]!r} is no JSON of {what}") from error


def _has_shape(values: object, shape: tuple[int, ...]) -> bool:
    """Say whether these are nested lists of finite numbers."""
    if not shape:
        return isinstance(values, int | float) and not isinstance(values, bool) and abs(values) < 1e30
    return isinstance(values, list) and len(values) == shape[0] and all(_has_shape(one, shape[1:]) for one in values)
