"""Training images as rows that are read when they are indexed, so that no set is in memory as a whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autoagent.data.images.store import PIXELS
from autoagent.inference import FORMAT, apply_recipe, resized

Bytes = NDArray[np.uint8]
_RESIZED_AT_ONCE = 256


@dataclass(frozen=True)
class PixelRows:
    """Some rows of a memory map of images, indexed as an array ``(n, h, w, c)`` of uint8 would be.

    Attributes:
        pixels: ``(m, h, w, c)`` or, of grey images, ``(m, h, w, 1)``.
        places: ``(n,)`` the rows of it.
        channels: 3 repeats grey images.
    """

    pixels: Bytes
    places: NDArray[np.int64]
    channels: int

    def __len__(self) -> int:
        return len(self.places)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(n, h, w, c)``."""
        _, height, width, _ = self.pixels.shape
        return len(self), height, width, self.channels

    def __getitem__(self, rows: slice | NDArray[Any]) -> PixelRows:
        """Return some of the rows, unread."""
        return PixelRows(self.pixels, self.places[rows], self.channels)

    def read(self, rows: slice | NDArray[Any] = slice(None)) -> Bytes:
        """Return the images of some rows, ``(k, h, w, c)``."""
        found = np.asarray(self.pixels[self.places[rows]])
        return np.repeat(found, 3, axis=3) if found.shape[3] < self.channels else found


def image_recipe(frame: pd.DataFrame, column: str, *, resolution: int, channels: int) -> dict[str, Any]:
    """Return the recipe of a network on images: it has one block, whose output is no matrix but uint8 images."""
    block = {
        "kind": "image",
        "column": column,
        "side": int(frame.attrs["side"]),
        "channels": channels or int(frame.attrs["channels"]),
        "resolution": resolution or int(frame.attrs["side"]),
        "flat": False,
    }
    return {"format": FORMAT, "impute": False, "blocks": [block], "width": 0}


def pixel_rows(recipe: Mapping[str, Any], frame: pd.DataFrame) -> PixelRows:
    """Return what the recipe makes of rows of the cache, unread; of other rows it is read at once."""
    block = recipe["blocks"][0]
    cells = frame[block["column"]].tolist()
    if not all(str(cell).startswith(f"{PIXELS}#") for cell in cells):
        read: Any = apply_recipe(recipe, frame)
        return PixelRows(read, np.arange(len(read)), block["channels"])
    places = np.array([int(cell.rpartition("#")[2]) for cell in cells], dtype=np.int64)
    return PixelRows(_cache(Path(frame.attrs["root"]), block["resolution"]), places, block["channels"])


def _cache(data: Path, resolution: int) -> Bytes:
    """Return the cache at a resolution; one that is not there yet is made from the first, whole or not at all."""
    whole: Bytes = np.load(data / PIXELS, mmap_mode="r", allow_pickle=False)
    n, side, _, channels = whole.shape
    if side == resolution:
        return whole
    path = data / f"pixels-{resolution}.npy"
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{os.getpid()}.part")
        made = np.lib.format.open_memmap(fresh, mode="w+", dtype=np.uint8, shape=(n, resolution, resolution, channels))
        for at in range(0, n, _RESIZED_AT_ONCE):
            made[at : at + _RESIZED_AT_ONCE] = resized(whole[at : at + _RESIZED_AT_ONCE], resolution)
        made.flush()
        fresh.replace(path)
    found: Bytes = np.load(path, mmap_mode="r", allow_pickle=False)
    return found
