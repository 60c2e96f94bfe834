"""Masks, boxes and joints with a delivered model of images; in the delivered folder this file is ``predict.py``.

A marker says what is where in an image. Its network sees the image pressed into a square; what it marks is given in the
pixels of the image as it is, turned upright.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING or __package__:
    from autoagent.inference import (
        Cells,
        InputError,
        Model,
        image_column,
        open_image,
        read_rows,
        visible,
        write_answers,
    )
    from autoagent.structured import decode_boxes, decode_joints, decode_masks
else:  # alone in the delivered folder
    from inference import Cells, InputError, Model, image_column, open_image, read_rows, visible, write_answers
    from structured import decode_boxes, decode_joints, decode_masks

_AT_ONCE = 32  # images
_COLOURS = ((0, 0, 0), (230, 60, 60), (60, 140, 230), (60, 180, 75), (245, 170, 40), (150, 80, 200), (70, 200, 200))


class Marker(Model):
    """A delivered model of masks, boxes or joints.

    Attributes:
        structure: ``kind``, ``side``, ``classes``, ``joints`` and ``skeleton``.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        super().__init__(folder, threads=threads)
        self.structure: dict[str, Any] = self.facts["structure"]

    @property
    def kind(self) -> str:
        """``segmentation``, ``detection`` or ``keypoints``."""
        return str(self.structure["kind"])

    def raw(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Return what is marked in the square: ``(n, S, S)`` class codes, ``(n, P, 6)`` boxes or ``(n, J, 3)`` joints.

        Coordinates run from 0 to 1. A box is its class, score, x0, y0, x1 and y1, class -1 is none; a joint is x, y and
        score.

        Raises:
            InputError: columns are missing or named twice.
        """
        self._check(frame)
        chunks = [
            self.decode(self._blend(Cells(frame.iloc[at : at + _AT_ONCE]))) for at in range(0, len(frame), _AT_ONCE)
        ]
        return np.concatenate(chunks) if chunks else np.empty((0, 0, 0), dtype=np.float32)

    def decode(self, maps: NDArray[Any]) -> NDArray[Any]:
        """Return what the maps of a network mark, as ``raw`` does."""
        if self.kind == "segmentation":
            return decode_masks(maps, int(self.structure["side"]))
        return decode_boxes(maps) if self.kind == "detection" else decode_joints(maps)

    def predict(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Return ``(n,)`` objects, what is marked in each image, in its own pixels.

        A mask is an array ``(h, w)`` of class codes, whose names are ``classes_``; boxes are a list of dictionaries
        ``class``, ``score`` and ``box`` (x0, y0, x1, y1), the surest first; joints a list of ``joint``, ``x``, ``y``
        and ``score``.

        Raises:
            InputError: columns are missing or named twice, or an image cannot be read.
        """
        marks = np.empty(len(frame), dtype=object)
        for place, (one, size) in enumerate(zip(self.raw(frame), self.sizes(frame), strict=True)):
            marks[place] = self.enlarged(one, size)
        return marks

    def decided(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return what ``raw`` gave; there is no decision to make."""
        return values

    def predict_proba(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Raise: there are no probabilities of rows."""
        raise InputError(f"this model marks images ({self.kind}) and has no class probabilities; use predict")

    def sizes(self, frame: pd.DataFrame) -> list[tuple[int, int]]:
        """Return width and height of each image, upright."""
        column = image_column(self.facts["roles"])
        return [open_image(cell, frame.attrs.get("root")).size for cell in frame[str(column)]]

    def enlarged(self, one: NDArray[Any], size: tuple[int, int]) -> Any:  # noqa: ANN401 - an array, or a list
        """Return one row of ``raw`` as ``predict`` says it, in the pixels of an image of ``size`` (width, height)."""
        wide, high = size
        if self.kind == "segmentation":
            rows, columns = (((np.arange(n) + 0.5) * len(one) / n).astype(np.int64) for n in (high, wide))
            return one[rows[:, None], columns[None, :]]
        if self.kind == "detection":
            scale, names = np.array([wide, high, wide, high]), self.structure["classes"]
            return [
                {
                    "class": names[int(row[0])],
                    "score": _short(row[1]),
                    "box": _places(row[2:] * scale),
                }
                for row in one[one[:, 0] >= 0]
            ]
        return [
            {"joint": name, "x": _short(x * wide), "y": _short(y * high), "score": _short(score)}
            for name, (x, y, score) in zip(self.structure["joints"], one.tolist(), strict=True)
        ]


def is_marker(facts: Mapping[str, Any]) -> bool:
    """Say whether a delivered model marks images."""
    return "structure" in facts


def coloured(mask: NDArray[np.uint8], classes: int) -> bytes:
    """Return a mask as a PNG file: its pixels are the class codes, with a palette to look at them."""
    from PIL import Image

    image = Image.fromarray(mask, mode="P")
    image.putpalette([part for code in range(classes) for part in colour_of(code)])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def colour_of(code: int) -> tuple[int, int, int]:
    """Return the colour that a class is shown in; black for the first, which is mostly the background."""
    if code < len(_COLOURS):
        return _COLOURS[code]
    spread = (code * 2654435761) & 0xFFFFFF
    return (spread >> 16 | 64, spread >> 8 & 255 | 64, spread & 255)


def as_json(model: Marker, mark: Any) -> Any:  # noqa: ANN401 - as ``predict`` says it
    """Return one prediction as JSON: a mask becomes the base64 text of a PNG file, and the share of each class."""
    if model.kind != "segmentation":
        return mark
    classes = model.structure["classes"]
    counts = np.bincount(mark.ravel(), minlength=len(classes)) / max(mark.size, 1)
    shares = {name: _short(share) for name, share in zip(classes, counts.tolist(), strict=True) if share}
    return {"mask": base64.b64encode(coloured(mark, len(classes))).decode(), "shares": shares}


def marked(model: Marker, frame: pd.DataFrame, folder: Path | None = None) -> pd.DataFrame:
    """Return a table of images and what is marked in them, as JSON text.

    Args:
        model: the marker.
        frame: the images.
        folder: where masks are written to as PNG files, whose names the table then has in the place of the text.
    """
    column = str(image_column(model.facts["roles"]))
    cells = [cell if isinstance(cell, str) else f"image {place}" for place, cell in enumerate(frame[column])]
    said = list[str]()
    for place, mark in enumerate(model.predict(frame)):
        if model.kind == "segmentation" and folder is not None:
            path = folder / f"{place:05d}_{Path(cells[place]).stem[:80]}.png"
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(coloured(mark, len(model.structure["classes"])))
            said.append(path.relative_to(folder.parent).as_posix())
        else:
            said.append(json.dumps(as_json(model, mark)))
    return pd.DataFrame({column if column != "prediction" else "file": cells, "prediction": said})


def mask_folder(output: Path | None) -> Path | None:
    """Return where masks are written beside a table: ``out.csv`` has them in ``out_masks``."""
    return None if output is None else output.with_name(f"{output.stem}_masks")


def _places(values: NDArray[Any]) -> list[float]:
    return [_short(value) for value in values.tolist()]


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Mark the images of a file or a folder."""
    parser = argparse.ArgumentParser(description="Mark images with the model beside this script.")
    parser.add_argument("images", type=Path, help="a folder of images, an image, or a table that names some")
    parser.add_argument("-o", "--output", type=Path, help="a .csv file, with masks beside it; else the terminal")
    parser.add_argument("--model", type=Path, default=Path(__file__).resolve().parent, help="another model folder")
    parser.add_argument("--threads", type=int, default=1, help="for many images")
    options = parser.parse_args(arguments)
    try:
        model = Marker.load(options.model, threads=options.threads)
        rows = read_rows(options.images, column=image_column(model.facts["roles"]))
        notes = model.check(rows)
        table = marked(model, rows, mask_folder(options.output))
        notes += write_answers(table, options.output)
    except InputError as error:
        sys.stderr.write(f"error: {visible(str(error))}\n")
        return 2
    sys.stderr.writelines(f"note: {visible(note)}\n" for note in notes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
