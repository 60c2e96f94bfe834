"""What is predicted of an image when it is no class and no number: a mask, boxes or joints.

A truth is an array with a row for each image, and so is a prediction; coordinates run from 0 to 1 over the square that
images are pressed into.

| kind | truth | prediction |
|---|---|---|
| segmentation | ``(n, S, S)`` uint8 class codes, 255 counts nowhere | ``(n, S, S)`` uint8 |
| detection | ``(n, M, 6)`` float32 class, x0, y0, x1, y1, counts nowhere | ``(n, P, 6)`` class, score, x0, y0, x1, y1 |
| keypoints | ``(n, J, 5)`` float32 x, y, seen (0, 1, 2), unit of x, unit of y | ``(n, J, 3)`` x, y, score |

Rows of boxes that are not there have the class -1.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from autoagent.data.images.mask_values import MaskCoding
from autoagent.errors import DataError

StructureKind = Literal["segmentation", "detection", "keypoints"]
STRUCTURES: tuple[str, ...] = get_args(StructureKind)
MOST_BOXES = 100  # that are predicted of one image, as in COCO's metric
FILE = "structure.json"
_UNPREDICTED = 254  # the code of all pixels of a mask that was not predicted


class Structure(BaseModel):
    """What the targets of a run hold.

    Attributes:
        kind: masks, boxes or joints.
        side: S, pixels of the square.
        classes: names by their codes, of masks and boxes.
        joints: names by their places.
        skeleton: pairs of places of joints that a line connects.
        flip_pairs: places of the left and the right joint of each pair.
        coding: what the values of mask files mean.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: StructureKind
    side: int
    classes: tuple[str, ...] = ()
    joints: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    flip_pairs: tuple[tuple[int, int], ...] = ()
    coding: MaskCoding | None = None

    def row_shape(self) -> tuple[int, ...]:
        """Return the shape of one image's prediction."""
        if self.kind == "segmentation":
            return (self.side, self.side)
        return (MOST_BOXES, 6) if self.kind == "detection" else (len(self.joints), 3)

    def unpredicted(self, n: int) -> NDArray[Any]:
        """Return the predictions of ``n`` images that nobody has predicted yet."""
        if self.kind == "segmentation":
            return np.full((n, *self.row_shape()), _UNPREDICTED, dtype=np.uint8)
        return np.full((n, *self.row_shape()), np.nan, dtype=np.float32)

    def check(self, predictions: NDArray[Any], n: int) -> None:
        """Check what a worker wrote before it is scored.

        Raises:
            DataError: it is not one prediction, or the mark of none, for each of ``n`` images.
        """
        wanted = (n, *self.row_shape())
        if predictions.shape != wanted or np.isinf(predictions).any():
            raise DataError(f"predictions are {predictions.shape} or not finite; expected {wanted}")
        known = predictions[is_predicted(predictions)]
        if np.isnan(known).any():
            raise DataError("predictions have numbers that are missing")
        if self.kind == "segmentation" and predictions.dtype != np.uint8:
            raise DataError(f"masks are {predictions.dtype}; expected uint8")
        codes = known if self.kind == "segmentation" else known[:, :, 0] if self.kind == "detection" else known[:0]
        if codes.size and codes.max() >= len(self.classes):
            raise DataError(f"predicted class codes run to {codes.max():g}; there are {len(self.classes)} classes")

    def shares(self, truth: NDArray[Any]) -> dict[str, float]:
        """Return the share of pixels or of boxes of each class, or the share of images in which a joint is marked."""
        if self.kind == "segmentation":
            counts = np.bincount(truth.ravel(), minlength=256)[: len(self.classes)]
            return _shares(self.classes, counts)
        if self.kind == "detection":
            codes = truth[:, :, 0].ravel()
            return _shares(self.classes, np.bincount(codes[codes >= 0].astype(np.int64), minlength=len(self.classes)))
        marked = (truth[:, :, 2] > 0).mean(axis=0)
        return {name: float(share) for name, share in zip(self.joints, marked, strict=True)}


@dataclass(frozen=True)
class Wanted:
    """Which labels of images a request means, where a folder may hold several.

    Attributes:
        kind: "segmentation", "detection" or "keypoints"; None where it says none of them.
        file: name of the file that holds them; None where none is named.
    """

    kind: str | None = None
    file: str | None = None


@dataclass(frozen=True)
class Targets:
    """The targets of a table of images.

    Attributes:
        structure: what they hold.
        truth: one row for each row of the table.
    """

    structure: Structure
    truth: NDArray[Any]


def is_predicted(predictions: NDArray[Any]) -> NDArray[np.bool_]:
    """Return of which images there is a prediction, ``(n,)``."""
    first = predictions.reshape(len(predictions), -1)[:, 0]
    return np.asarray(first != _UNPREDICTED if predictions.dtype == np.uint8 else ~np.isnan(first))


def write_structure(data: Path, structure: Structure) -> None:
    """Write it beside the training rows."""
    (data / FILE).write_text(structure.model_dump_json(), encoding="utf-8")


def read_structure(data: Path) -> Structure | None:
    """Read what ``write_structure`` wrote; None where targets are classes or numbers."""
    path = data / FILE
    return Structure.model_validate_json(path.read_text(encoding="utf-8")) if path.is_file() else None


def delivered(structure: Structure) -> dict[str, Any]:
    """Return what a delivered model needs to know, as JSON."""
    facts = json.loads(structure.model_dump_json(exclude={"coding", "flip_pairs"}))
    return cast("dict[str, Any]", facts)


def _shares(names: tuple[str, ...], counts: NDArray[np.int64]) -> dict[str, float]:
    total = max(int(counts.sum()), 1)
    return {name: float(count / total) for name, count in zip(names, counts, strict=True)}
