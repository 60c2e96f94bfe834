"""Answers of a model that marks images: a mask as a PNG file, boxes or joints in the pixels of each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from pydantic import BaseModel

from autoagent.marking import Marker, as_json


class Box(BaseModel):
    """One object: x0, y0, x1 and y1 in pixels."""

    name: str
    score: float
    box: list[float]


class Joint(BaseModel):
    """The place of one joint in pixels."""

    joint: str
    x: float
    y: float
    score: float


class Mask(BaseModel):
    """The base64 text of a PNG file whose pixels are the places of ``classes``, and the share of each class."""

    mask: str
    shares: dict[str, float]


class Marks(BaseModel):
    """What is marked in each image; the names of classes by their codes; notes on the images."""

    marks: list[Mask] | list[list[Box]] | list[list[Joint]]
    classes: list[str]
    notes: list[str]


def answer_images(model: Marker, rows: Sequence[Mapping[str, Any]]) -> Marks:
    """Return the answer to some images.

    Raises:
        InputError: one cannot be read.
    """
    frame = pd.DataFrame(list(rows))
    notes = model.check(frame)
    said = [as_json(model, mark) for mark in model.predict(frame)]
    if model.kind == "detection":
        said = [[{"name": one["class"], "score": one["score"], "box": one["box"]} for one in boxes] for boxes in said]
    return Marks.model_validate({"marks": said, "classes": model.structure["classes"], "notes": notes})
