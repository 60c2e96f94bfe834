"""Generated images for boxes, masks and joints: shapes and stick figures on textured grounds, known to the pixel."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from autoagent.errors import DataError

Kind = Literal["boxes", "masks", "joints"]

SHAPES = ("disc", "square", "triangle", "star")
JOINTS = ("head", "neck", "left_hand", "right_hand", "hip", "left_foot", "right_foot")
SKELETON = ((0, 1), (1, 2), (1, 3), (1, 4), (4, 5), (4, 6))  # places in JOINTS
SIGMAS = (0.05, 0.05, 0.07, 0.07, 0.08, 0.08, 0.08)  # of each joint, as COCO's are: shares of the object's scale

_FINER = 4  # pixels of the drawing to one of the image, each way: edges are smooth
_MOST_SHAPES = 5
_MOST_HIDDEN = 0.4  # share of a shape's pixels that others may cover
_HIDDEN_JOINT = 0.15  # chance that a patch covers a joint

Pixels = NDArray[np.float64]


@dataclass(frozen=True)
class _Shape:
    """One shape: which, its outline's corners ``(m, 2)`` in pixels, and its colour ``(3,)``."""

    which: int
    corners: Pixels
    colour: Pixels


def write(folder: Path, kind: Kind, n: int, side: int, seed: int) -> Path:
    """Write images and what is known of them; the same arguments write the same bytes.

    Boxes and joints come as ``labels.json`` in COCO's form, masks as ``masks/0007.png`` beside ``images/0007.png``, a
    pixel's value being 0 for the ground and 1 to 4 for the shapes that ``classes.txt`` names. A box holds the pixels
    of its shape that are inside the image, also those that another shape covers. Every tenth image has no shape.

    Args:
        folder: to write into; made where it is missing.
        kind: "boxes" and "masks" of shapes, "joints" of one stick figure an image.
        n: images.
        side: their width and height in pixels, at least 32.
        seed: of everything.

    Returns:
        The folder.

    Raises:
        DataError: the images are too small for the shapes.
    """
    if side < 32 or n < 1:
        raise DataError(f"shapes need at least one image of at least 32 pixels, not {n} of {side}")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    if kind == "joints":
        _write_joints(folder, n, side, seed)
    else:
        _write_shapes(folder, n, side, seed, masks=kind == "masks")
    return folder


def _write_shapes(folder: Path, n: int, side: int, seed: int, *, masks: bool) -> None:
    if masks:
        (folder / "masks").mkdir(exist_ok=True)
        (folder / "classes.txt").write_text("\n".join(("background", *SHAPES)) + "\n", "utf-8")
    notes: list[dict[str, Any]] = []
    for place in range(n):
        rng = np.random.default_rng([seed, place])
        shapes = [] if place % 10 == 9 else _shapes(rng, side)
        image, owner = _paint(rng, shapes, side)
        _save(image, folder / "images" / f"{place:04d}.png")
        if masks:
            codes = np.array([0, *(1 + shape.which for shape in shapes)], dtype=np.uint8)[owner]
            _save(codes, folder / "masks" / f"{place:04d}.png")
        notes += [_box_note(place, shape, side) for shape in shapes]
    if not masks:
        _write_labels(folder, n, side, notes, [{"id": 1 + place, "name": name} for place, name in enumerate(SHAPES)])


def _write_joints(folder: Path, n: int, side: int, seed: int) -> None:
    notes: list[dict[str, Any]] = []
    for place in range(n):
        image, joints = _figure(np.random.default_rng([seed, place]), side)
        _save(image, folder / "images" / f"{place:04d}.png")
        low, high = joints[:, :2].min(0) - 0.04 * side, joints[:, :2].max(0) + 0.04 * side
        notes.append(
            {
                "image_id": place,
                **_extent(np.stack([low, high]), side),
                "category_id": 1,
                "keypoints": [round(float(value), 2) for value in joints.reshape(-1)],
                "num_keypoints": int((joints[:, 2] > 0).sum()),
            }
        )
    skeleton = [[1 + a, 1 + b] for a, b in SKELETON]  # COCO counts joints from one
    person = {"id": 1, "name": "figure", "keypoints": list(JOINTS), "skeleton": skeleton, "sigmas": list(SIGMAS)}
    _write_labels(folder, n, side, notes, [person])


def _write_labels(
    folder: Path, n: int, side: int, notes: list[dict[str, Any]], categories: list[dict[str, Any]]
) -> None:
    images = [{"id": place, "file_name": f"{place:04d}.png", "width": side, "height": side} for place in range(n)]
    numbered = [{"id": 1 + place, "iscrowd": 0, **note} for place, note in enumerate(notes)]
    labels = {"images": images, "annotations": numbered, "categories": categories}
    (folder / "labels.json").write_text(json.dumps(labels), "utf-8")


def _box_note(image: int, shape: _Shape, side: int) -> dict[str, Any]:
    return {"image_id": image, "category_id": 1 + shape.which, **_extent(shape.corners, side)}


def _extent(corners: Pixels, side: int) -> dict[str, Any]:
    low, high = np.clip(corners.min(0), 0, side), np.clip(corners.max(0), 0, side)
    box = [round(float(value), 2) for value in (*low, *(high - low))]
    return {"bbox": box, "area": round(box[2] * box[3], 2)}


def _shapes(rng: np.random.Generator, side: int) -> list[_Shape]:
    """Draw shapes that stay visible: none is covered by more than a part of it, their middles are in the image."""
    shapes: list[_Shape] = []
    for _ in range(int(rng.integers(1, _MOST_SHAPES + 1))):
        for _ in range(20):  # tries
            one = _shape(rng, side)
            if _all_visible([*shapes, one], side):
                shapes.append(one)
                break
    return shapes


def _shape(rng: np.random.Generator, side: int) -> _Shape:
    which = int(rng.integers(len(SHAPES)))
    radius = side * math.exp(rng.uniform(math.log(0.07), math.log(0.24)))
    middle = rng.uniform(0.06 * side, 0.94 * side, size=2)
    points = {"disc": 48, "square": 4, "triangle": 3, "star": 10}[SHAPES[which]]
    angles = np.arange(points) * 2 * math.pi / points + rng.uniform(0, 2 * math.pi)
    radii = np.where(np.arange(points) % 2, 0.45, 1.0) if SHAPES[which] == "star" else np.ones(points)
    corners = middle + radius * radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return _Shape(which, corners, rng.uniform(0, 255, size=3))


def _all_visible(shapes: list[_Shape], side: int) -> bool:
    owner = np.zeros((side, side), dtype=np.int64)
    whole = []
    for place, shape in enumerate(shapes):
        inside = _inside(shape.corners, side, 1) > 0
        owner[inside] = 1 + place
        whole.append(int(inside.sum()))
    seen = np.bincount(owner.reshape(-1), minlength=1 + len(shapes))[1:]
    return all(size > 0 and left >= (1 - _MOST_HIDDEN) * size for left, size in zip(seen, whole, strict=True))


def _inside(corners: Pixels, side: int, finer: int) -> Pixels:
    """Return how much of each pixel is inside an outline, 0 to 1, ``(side, side)``."""
    from PIL import Image, ImageDraw  # an extra: pip install 'autoagent[vision]'

    drawing = Image.new("L", (side * finer, side * finer))
    ImageDraw.Draw(drawing).polygon([(float(x) * finer - 0.5, float(y) * finer - 0.5) for x, y in corners], fill=1)
    share: Pixels = np.asarray(drawing, dtype=np.float64).reshape(side, finer, side, finer).mean(axis=(1, 3))
    return share


def _paint(rng: np.random.Generator, shapes: list[_Shape], side: int) -> tuple[Pixels, NDArray[np.int64]]:
    """Return the image ``(side, side, 3)``, 0 to 255, and which shape a pixel shows, 0 for the ground."""
    image, owner = _ground(rng, side), np.zeros((side, side), dtype=np.int64)
    mean = image.mean(axis=(0, 1))
    for place, shape in enumerate(shapes):
        share = _inside(shape.corners, side, _FINER)[:, :, None]
        colour = _apart(shape.colour, mean)
        image = image * (1 - share) + share * (colour + rng.normal(0, 8, size=image.shape))
        owner[share[:, :, 0] >= 0.5] = 1 + place
    return image, owner


def _apart(colour: Pixels, ground: Pixels) -> Pixels:
    """Return the colour, or the opposite one where it can hardly be told from the ground."""
    return colour if np.abs(colour - ground).max() > 60 else np.where(ground > 127, colour - 110, colour + 110)


def _ground(rng: np.random.Generator, side: int) -> Pixels:
    """Return cloudy noise: a few coarse cells, interpolated, and fine grain."""
    cells = int(rng.integers(3, 9))
    coarse = rng.uniform(30, 225, size=3) + rng.normal(0, 25, size=(cells, cells, 3))
    at = np.linspace(0, cells - 1, side)
    low = np.minimum(at.astype(np.int64), cells - 2)
    share = at - low
    down = coarse[low] * (1 - share)[:, None, None] + coarse[low + 1] * share[:, None, None]
    across = down[:, low] * (1 - share)[None, :, None] + down[:, low + 1] * share[None, :, None]
    ground: Pixels = across + rng.normal(0, rng.uniform(4, 16), size=across.shape)
    return ground


def _figure(rng: np.random.Generator, side: int) -> tuple[Pixels, Pixels]:
    """Return an image of one figure that faces the viewer, and its joints ``(J, 3)``: x, y in pixels, v as COCO says.

    Its left is on the right of the image, so a mirrored figure is a figure whose left and right are exchanged. A
    joint outside the image has v 0, one behind a patch v 1.
    """
    size, lean = side * rng.uniform(0.28, 0.46), rng.normal(0, 0.2)
    arms, legs = rng.uniform(-0.9, 1.1, size=2), rng.uniform(0.15, 0.7, size=2)
    straight = np.array(
        [
            [0, -1.0],
            [0, -0.7],
            [0.55 * math.cos(arms[0]), -0.7 + 0.55 * math.sin(arms[0])],
            [-0.55 * math.cos(arms[1]), -0.7 + 0.55 * math.sin(arms[1])],
            [0, 0.0],
            [0.85 * math.sin(legs[0]), 0.85 * math.cos(legs[0])],
            [-0.85 * math.sin(legs[1]), 0.85 * math.cos(legs[1])],
        ]
    )
    turn = np.array([[math.cos(lean), math.sin(lean)], [-math.sin(lean), math.cos(lean)]])
    places = straight @ turn * size + side * rng.uniform(0.4, 0.6, size=2)
    image, _ = _paint(rng, _limbs(places, size, rng.uniform(0, 255, size=3)), side)
    return _hide(rng, image, places, size)


def _limbs(places: Pixels, size: float, colour: Pixels) -> list[_Shape]:
    limbs = []
    for a, b in SKELETON:
        along = (places[b] - places[a]) / max(float(np.hypot(*(places[b] - places[a]))), 1e-9)
        aside = np.array([-along[1], along[0]]) * size * 0.05
        corners = np.stack([places[a] + aside, places[b] + aside, places[b] - aside, places[a] - aside])
        limbs.append(_Shape(0, corners, colour))
    angles = np.arange(32) * 2 * math.pi / 32
    head = places[0] + size * 0.16 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return [*limbs, _Shape(0, head, colour)]


def _hide(rng: np.random.Generator, image: Pixels, places: Pixels, size: float) -> tuple[Pixels, Pixels]:
    """Cover some joints with patches of the ground's mean, and say which joints are seen."""
    side = len(image)
    joints = np.concatenate([places, np.full((len(places), 1), 2.0)], axis=1)
    for place, covered in enumerate(rng.random(len(places)) < _HIDDEN_JOINT):
        if covered and place != JOINTS.index("neck"):
            reach = size * rng.uniform(0.08, 0.14)
            low = np.clip(places[place] - reach, 0, side).astype(int)
            high = np.clip(places[place] + reach, 0, side).astype(int)
            image[low[1] : high[1], low[0] : high[0]] = image.mean(axis=(0, 1))
            near = np.abs(places - places[place]).max(axis=1) < reach
            joints[near, 2] = 1
    outside = ((places < 0) | (places > side)).any(axis=1)
    joints[outside] = 0
    return image, joints


def _save(pixels: NDArray[Any], path: Path) -> None:
    from PIL import Image  # an extra: pip install 'autoagent[vision]'

    Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)).save(path)
