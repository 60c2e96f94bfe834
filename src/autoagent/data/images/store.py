"""Keep the training images of a run as a memory map of bytes, and seal what the test needs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autoagent.data.images.source import ImageSource
from autoagent.errors import RunFolderError
from autoagent.inference import InputError, read_image

FACTS = "images.json"  # in the data folder and among the sealed files
PIXELS = "pixels.npy"
ARRAYS = "images.npy"


def write_images(data: Path, sealed: Path, source: ImageSource) -> None:
    """Write the cache of the training images into ``data``; of the test images only their names and hashes.

    Both folders hold their rows already. Images of an array file are copied, each part into its own folder, and the
    cells name them there.
    """
    for folder, rows in ((data, "train.parquet"), (sealed, "test.parquet")):
        frame = pd.read_parquet(folder / rows)
        cells = frame[source.column].astype(str)
        root = source.root
        facts: dict[str, Any] = {"column": source.column, "side": source.side, "channels": source.channels}
        if source.arrays is not None:
            places = [int(cell.rpartition("#")[2]) for cell in cells]
            np.save(folder / ARRAYS, source.arrays[places], allow_pickle=False)
            frame[source.column] = [f"{ARRAYS}#{place}" for place in range(len(cells))]
            frame.to_parquet(folder / rows)
            root = folder
        elif folder == sealed:
            facts["digests"] = [source.facts[cell].digest for cell in cells]
        facts["root"] = "" if source.arrays is not None else str(root)
        if folder == data:
            _write_pixels(folder / PIXELS, frame[source.column].astype(str).tolist(), root, source)
        (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")


def read_facts(folder: Path) -> dict[str, Any] | None:
    """Return column, side, channels and root of the images of a folder; None where its rows have none."""
    if not (folder / FACTS).is_file():
        return None
    facts: dict[str, Any] = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    facts["root"] = facts["root"] or str(folder)
    return facts


def rooted(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Return rows that know where their images are."""
    facts = read_facts(folder)
    if facts is not None:
        frame.attrs["root"] = facts["root"]
    return frame


def cached(frame: pd.DataFrame, data: Path) -> pd.DataFrame:
    """Return all training rows with cells that name the cache, which is quicker to read than the files."""
    facts = read_facts(data)
    if facts is None:
        return frame
    quick = frame.assign(**{facts["column"]: [f"{PIXELS}#{place}" for place in range(len(frame))]})
    quick.attrs |= {"root": str(data), "side": facts["side"], "channels": facts["channels"]}
    return quick


def check_sealed(frame: pd.DataFrame, sealed: Path) -> None:
    """Compare the files of the test images with what they were when they were sealed.

    Raises:
        RunFolderError: one is gone or was changed.
    """
    facts = read_facts(sealed)
    for cell, digest in zip(frame[facts["column"]], facts.get("digests", []), strict=False) if facts else ():
        path = Path(facts["root"], cell) if facts else Path(cell)
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise RunFolderError(f"the sealed test image {cell!r} was changed or is gone")


def _write_pixels(path: Path, cells: list[str], root: Path, source: ImageSource) -> None:
    shape = (len(cells), source.side, source.side, source.channels)
    pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    for place, cell in enumerate(cells):
        try:
            pixels[place] = read_image(cell, side=source.side, channels=source.channels, root=root)
        except InputError as error:  # it opened a moment ago
            raise RunFolderError(f"{error}; was it changed while the run began?") from error
    pixels.flush()
