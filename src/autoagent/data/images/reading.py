"""From a folder, a table beside files or an array file to a table with a column of images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autoagent.data.images.arrays import as_bytes, is_idx, labels_beside, read_idx
from autoagent.data.images.coco import TARGETS, find_labels
from autoagent.data.images.folders import Found, by_class, find, from_rows, is_inside, table_beside
from autoagent.data.images.look import look, look_at_arrays, skipped
from autoagent.data.images.marked import table_of_labels, table_of_masks
from autoagent.data.images.masks import find_masks, masks_of_table, names_masks
from autoagent.data.images.source import COLUMN, TARGET, ImageSource
from autoagent.data.images.structures import Wanted
from autoagent.data.table import Table
from autoagent.errors import DataError
from autoagent.inference import read_rows

ANYTHING = Wanted()


def read_folder(root: Path, wanted: Wanted = ANYTHING) -> Table | Path:
    """Read a folder of images: boxes, joints or masks beside them, a folder for each class, IDX files, or their table.

    Args:
        root: the folder.
        wanted: labels that are looked for before a table.

    Returns:
        What it holds, or the path of a table that names the images.

    Raises:
        DataError: it holds no images, or none can be read.
    """
    found = find(root)
    packed = [name for name in found.others if is_idx(Path(name)) and "image" in name.lower() and "/" not in name]
    if not found.images and packed:
        train = [name for name in packed if "train" in name.lower()]
        return read_idx_pair(root / (train or packed)[0])
    if not found.images:
        raise DataError(f"{str(root)!r} is a folder without images; give a table, or a folder with images in it")
    if wanted != ANYTHING and (marked := _read_marked(root, found, wanted)) is not None:
        return marked
    if (table := table_beside(root, found)) is not None:
        return table
    return _read_marked(root, found, ANYTHING) or read_classes(root, found)


def _read_marked(root: Path, found: Found, wanted: Wanted) -> Table | None:
    """Return images with boxes, joints or masks, the wanted ones or what there is; None where there are none."""
    named = (root.name, str(root))
    if wanted.kind != "segmentation":
        kind = next((kind for kind in TARGETS if kind == wanted.kind), None)
        labelled = find_labels(root, _only(root, found, wanted.file), kind)
        if labelled is not None:
            return table_of_labels(labelled, root, named)
    masked = find_masks(root, found) if wanted.kind in (None, "segmentation") else None
    return None if masked is None else table_of_masks(masked, root, named)


def _only(root: Path, found: Found, file: str | None) -> Found:
    """Return the files of a folder without other label files than the named one.

    Raises:
        DataError: it is a JSON file that is not there.
    """
    if file is None or not file.lower().endswith(".json"):
        return found
    name = file.replace("\\", "/").removeprefix(f"{root.name}/")
    kept = [one for one in found.others if not one.lower().endswith(".json") or one == name or one.endswith(f"/{name}")]
    labels = [one for one in found.others if one.lower().endswith(".json")]
    if not {*kept} & {*labels}:
        there = ", ".join(map(repr, labels[:5])) or "none"
        raise DataError(f"there is no file {file!r} in {str(root)!r}; JSON files there: {there}")
    return replace(found, others=kept)


def read_classes(root: Path, found: Found | None = None) -> Table:
    """Read a folder with a folder of images for each class.

    Raises:
        DataError: there are no such folders, or too many images cannot be read.
    """
    frame, notes = by_class(root, found or find(root))
    return _looked_at(frame, COLUMN, root, (root.name, str(root)), notes, default_target=TARGET)


def read_beside(table: Table, root: Path) -> Table:
    """Return a table with its images, and their masks, if its columns name files beside it; else as it is.

    Raises:
        DataError: the column names images, and too many are missing or unreadable.
    """
    column = from_rows(table.frame, root)
    if column is None:
        return table
    if names_masks(table.frame) and (masked := masks_of_table(table.frame, root)) is not None:
        return table_of_masks(masked, root, (table.name, table.source), table.repairs)
    frame = table.frame.copy()
    cells = frame[column].astype(object)
    frame[column] = cells.where(cells.notna(), "")
    outside = {c: f"{c!r} is outside the folder" for c in frame[column].astype(str).unique() if not is_inside(c, root)}
    return _looked_at(frame, column, root, (table.name, table.source), list(table.repairs), outside=outside)


def read_pairs(X: NDArray[Any], y: NDArray[Any], path: Path) -> Table:
    """Return the table of an array of images and its labels.

    Raises:
        DataError: they are not equally many, or hold values that are no pixels.
    """
    if len(X) != len(y):
        raise DataError(f"{str(path)!r} has {len(X)} images and {len(y)} labels")
    pixels, notes = as_bytes(X, name=path.name)
    facts = look_at_arrays(path.name, pixels)
    frame = pd.DataFrame({COLUMN: list(facts), TARGET: np.asarray(y).reshape(len(y))})
    source = ImageSource(COLUMN, path.parent.resolve(), facts, pixels)
    name = path.name.split(".")[0]
    return Table(frame, name, str(path), (*notes, *source.notes()), TARGET, images=source)


def read_idx_pair(path: Path) -> Table:
    """Read IDX images with the labels beside them.

    Raises:
        DataError: a file is missing or damaged.
    """
    return read_pairs(read_idx(path), read_idx(labels_beside(path)), path)


def rows_to_predict(path: Path, column: str) -> tuple[pd.DataFrame, list[str]]:
    """Return images to predict, labelled or not, and what was left out.

    Args:
        path: a folder, an image, an array file, or a table with a column of paths beside it.
        column: the model's column of images.

    Raises:
        DataError: there are none.
    """
    if path.is_dir():
        found = find(path)
        if not found.images:
            raise DataError(f"{str(path)!r} is a folder without images")
        rows = pd.DataFrame({column: found.images})
        rows.attrs["root"] = str(path)
        return rows, found.notes
    if is_idx(path) and path.is_file():
        pixels, notes = as_bytes(read_idx(path), name=path.name)
        return pd.DataFrame({column: pd.Series(list(pixels), dtype=object)}), notes
    if path.suffix.lower() == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            pixels, notes = as_bytes(arrays["X"], name=path.name)
        return pd.DataFrame({column: pd.Series(list(pixels), dtype=object)}), notes
    return read_rows(path, column=column), []


def _looked_at(
    frame: pd.DataFrame,
    column: str,
    root: Path,
    named: tuple[str, str],
    notes: list[str],
    *,
    default_target: str | None = None,
    outside: dict[str, str] | None = None,
) -> Table:
    """Open every image once and leave out the rows of the few that do not open."""
    cells = dict.fromkeys(frame[column].astype(str))
    facts, bad = look((cell for cell in cells if cell not in (outside or {})), root)
    bad = {**(outside or {}), **bad}
    notes = [*notes, *skipped(bad, len(cells))]
    kept = frame[~frame[column].astype(str).isin(bad)].reset_index(drop=True)
    if not len(kept):
        raise DataError(f"{named[1]!r} holds no image that can be read")
    source = ImageSource(column, root.resolve(), facts)
    return Table(kept, *named, (*notes, *source.notes()), default_target, images=source)
