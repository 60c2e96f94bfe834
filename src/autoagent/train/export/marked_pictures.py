"""Pictures for the report: test images with the masks, boxes or joints, true and said; and what came of each class."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autoagent.data.images.mask_values import IGNORED
from autoagent.data.images.structures import Structure
from autoagent.data.metrics import raw
from autoagent.data.segmentation_formulas import class_ious, confusions
from autoagent.errors import DataError
from autoagent.inference import InputError, image_column, open_image
from autoagent.marking import colour_of

_SIDE = 160  # pixels of a picture
_EXAMPLES, _WORST = 8, 8
_SURE = 0.25  # score from which boxes are drawn
_FOUND = 0.5  # of their union that a box and a true one have in common
_NEAR = 0.2  # units of distance within which a joint is found
_INK = 0.55  # of a mask over its image


def marked_pictures(
    structure: Structure,
    roles: dict[str, str],
    frame: pd.DataFrame,
    truth: NDArray[Any],
    said: NDArray[Any],
    metric: str,
    *,
    seed: int,
) -> dict[str, Any] | None:
    """Return what the report shows of the test images; None where the model reads none.

    Args:
        structure: what the arrays hold.
        roles: of the model's columns.
        frame: the opened test rows, which know where their images are.
        truth: one row for each image.
        said: the prediction, likewise.
        metric: that each image by itself is ranked by.
        seed: of the choice of examples.
    """
    column = image_column(roles)
    if column is None:
        return None
    alone = np.array([_alone(metric, truth[i : i + 1], said[i : i + 1]) for i in range(len(truth))])
    ranked = [int(i) for i in np.argsort(alone, kind="stable") if alone[i] < 1][:_WORST]
    picked = np.random.default_rng(seed).permutation(len(truth))[:_EXAMPLES].tolist()

    def shown(row: int) -> dict[str, Any]:
        cell, score = frame[column].iloc[row], float(alone[row])
        root = frame.attrs.get("root")
        pair = [_drawn(structure, cell, root, marks[row], true=marks is truth) for marks in (truth, said)]
        told = f"{metric} {score:.3g}" if np.isfinite(score) else "nothing to find"
        return {"name": str(cell), "picture": beside(*pair), "truth": "left; the model's: right", "said": told}

    return {
        "examples": [shown(row) for row in picked],
        "worst": [shown(row) for row in ranked],
        "parts": _PARTS[structure.kind](structure, truth, said),
        "wrong": None,
    }


def beside(left: bytes, right: bytes) -> str:
    """Return two PNG files side by side as the base64 text of one; empty where there is none."""
    from PIL import Image

    if not left or not right:
        return ""
    images = [Image.open(io.BytesIO(data), formats=("PNG",)) for data in (left, right)]
    whole = Image.new("RGB", (sum(one.width for one in images) + 4, max(one.height for one in images)), "white")
    whole.paste(images[0], (0, 0))
    whole.paste(images[1], (images[0].width + 4, 0))
    return base64.b64encode(_png(whole)).decode()


def _alone(metric: str, truth: NDArray[Any], said: NDArray[Any]) -> float:
    """Return the metric of one image; NaN where it has nothing to find."""
    try:
        return raw(metric, truth, said)
    except DataError:
        return float("nan")


def _drawn(structure: Structure, cell: object, root: str | None, marks: NDArray[Any], *, true: bool) -> bytes:
    """Return a square PNG of an image with what is marked in it; nothing where the image cannot be read."""
    try:
        image = open_image(cell, root, draft=_SIDE).convert("RGB").resize((_SIDE, _SIDE))
    except InputError:
        return b""
    if structure.kind == "segmentation":
        return _png(_with_mask(image, marks))
    from PIL import ImageDraw

    draw = ImageDraw.Draw(image)
    if structure.kind == "detection":
        _draw_boxes(draw, marks, true=true)
    else:
        _draw_joints(draw, marks, structure)
    return _png(image)


def _with_mask(image: Any, mask: NDArray[np.uint8]) -> Any:  # noqa: ANN401 - PIL has no types
    from PIL import Image

    place = np.minimum(((np.arange(_SIDE) + 0.5) * len(mask) / _SIDE).astype(np.int64), len(mask) - 1)
    codes = mask[place[:, None], place[None, :]]
    table = np.array([colour_of(code) for code in range(256)], dtype=np.float64)
    table[IGNORED] = (255, 255, 255)
    pixels = np.asarray(image, dtype=np.float64)
    inked = np.where((codes > 0)[:, :, None], (1 - _INK) * pixels + _INK * table[codes], pixels)
    return Image.fromarray(inked.astype(np.uint8))


def _draw_boxes(draw: Any, marks: NDArray[Any], *, true: bool) -> None:  # noqa: ANN401 - PIL has no types
    """Draw boxes: true ones ``class, x0, y0, x1, y1, ignored`` or said ones ``class, score, x0, y0, x1, y1``."""
    for row in marks[marks[:, 0] >= 0]:
        corners = row[1:5] if true else row[2:6]
        if true or row[1] >= _SURE:
            draw.rectangle([float(v) * (_SIDE - 1) for v in corners], outline=colour_of(int(row[0]) + 1), width=2)


def _draw_joints(draw: Any, marks: NDArray[Any], structure: Structure) -> None:  # noqa: ANN401 - PIL has no types
    points = [(float(x) * _SIDE, float(y) * _SIDE) for x, y in marks[:, :2]]
    seen = marks[:, 2] > 0
    for a, b in structure.skeleton:
        if seen[a] and seen[b]:
            draw.line([points[a], points[b]], fill=(245, 170, 40), width=2)
    for place, (x, y) in enumerate(points):
        if seen[place]:
            draw.ellipse([x - 3, y - 3, x + 3, y + 3], fill=colour_of(_colour(place)), outline=(255, 255, 255))


def _png(image: Any) -> bytes:  # noqa: ANN401 - PIL has no types
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _masks_by_class(structure: Structure, truth: NDArray[Any], said: NDArray[Any]) -> list[dict[str, Any]]:
    """Return the share of pixels and the intersection over union of each class."""
    counts = np.asarray(confusions(truth, said, len(structure.classes)).sum(axis=0))
    total = max(int(counts.sum()), 1)
    return [
        _part(name, code, f"{counts[code].sum() / total:.1%} of pixels", "intersection over union", value)
        for code, (name, value) in enumerate(zip(structure.classes, class_ious(counts), strict=True))
    ]


def _boxes_by_class(structure: Structure, truth: NDArray[Any], said: NDArray[Any]) -> list[dict[str, Any]]:
    """Return the number of boxes and the average precision of each class, at half of the union in common."""
    rows = []
    for code, name in enumerate(structure.classes):
        only = [np.where((marks[:, :, :1] == code), marks, -1.0) for marks in (truth, said)]
        count = int((truth[:, :, 0] == code).sum())
        found = _alone("map_50", only[0], only[1])
        rows.append(_part(name, code + 1, f"{count} boxes", "average precision at 0.5", found))
    return rows


def _joints_by_name(structure: Structure, truth: NDArray[Any], said: NDArray[Any]) -> list[dict[str, Any]]:
    """Return how often each joint is marked and found."""
    rows = []
    for place, name in enumerate(structure.joints):
        one = truth[:, place : place + 1]
        found = _alone("pck", one, said[:, place : place + 1])
        rows.append(_part(name, _colour(place), f"marked in {int((one[:, 0, 2] > 0).sum())} images", "found", found))
    return rows


def _colour(joint: int) -> int:
    """Return the code of the colour of a joint."""
    return joint % 6 + 1


def _part(name: str, code: int, count: str, what: str, value: float) -> dict[str, Any]:
    colour = "#{:02x}{:02x}{:02x}".format(*colour_of(code))
    return {
        "name": name,
        "colour": colour,
        "count": count,
        "what": what,
        "value": float(value) if np.isfinite(value) else None,
    }


_PARTS: dict[str, Callable[[Structure, NDArray[Any], NDArray[Any]], list[dict[str, Any]]]] = {
    "segmentation": _masks_by_class,
    "detection": _boxes_by_class,
    "keypoints": _joints_by_name,
}
