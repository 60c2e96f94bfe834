"""What is known of a table's images: where they are, how large, and what each one's content is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autoagent.inference import IMAGE_SUFFIXES

COLUMN = "image"  # of a folder or an array; a CSV file has its own name for it
TARGET = "class"
_MOST_SIDE = 128  # pixels of the square that is kept; larger images are pressed into it
_MOST_CACHE_BYTES = 2_000_000_000
_ROUNDED_ABOVE = 32


@dataclass(frozen=True)
class ImageFacts:
    """What was found by looking at one image once.

    Attributes:
        width: in pixels, upright.
        height: in pixels.
        grey: it has no colours.
        dhash: 64 bits; images that look alike differ in few of them.
        small: the image in 16 x 16 grey bytes, which confirms what the hash says.
        digest: SHA-256 of the file's bytes, or of an array's.
    """

    width: int
    height: int
    grey: bool
    dhash: int
    small: bytes
    digest: str


@dataclass(frozen=True)
class ImageSource:
    """The images of a table.

    Attributes:
        column: that holds them.
        root: what the paths in it are relative to.
        facts: of each image, by the cell that names it.
        arrays: pixels ``(n, h, w)`` or ``(n, h, w, c)`` of a source that is no folder of files; a cell is then
            ``FILE#PLACE``.
    """

    column: str
    root: Path
    facts: Mapping[str, ImageFacts] = field(default_factory=dict)
    arrays: NDArray[np.uint8] | None = None

    @property
    def channels(self) -> int:
        """1 where all images are grey, else 3."""
        return 1 if all(one.grey for one in self.facts.values()) else 3

    @property
    def side(self) -> int:
        """Pixels of the squares that are kept: the median of the longer sides, at most 128, less for huge sets."""
        longer = np.median([max(one.width, one.height) for one in self.facts.values()])
        side = int(min(max(longer, 8), _MOST_SIDE))
        if side > _ROUNDED_ABOVE:
            side = round(side / 8) * 8
        while side > _ROUNDED_ABOVE and len(self.facts) * side * side * self.channels > _MOST_CACHE_BYTES:
            side -= 8
        return side

    def notes(self) -> tuple[str, ...]:
        """Return what the data card says of them."""
        widths, heights = ([getattr(one, name) for one in self.facts.values()] for name in ("width", "height"))
        sizes = f"{min(widths)}x{min(heights)} to {max(widths)}x{max(heights)}"
        grey = sum(one.grey for one in self.facts.values())
        kinds = "all grey" if grey == len(widths) else "all in colour" if not grey else f"{grey} of them grey"
        copies = len(self.facts) - len({one.digest for one in self.facts.values()})
        told = [
            f"{len(self.facts)} images of {sizes} pixels (median {int(np.median(widths))}x{int(np.median(heights))}), "
            f"{kinds}; models see them as {self.side}x{self.side} with {self.channels} "
            f"channel{'' if self.channels == 1 else 's'}"
        ]
        return (*told, *([f"{copies} images are exact copies of another"] if copies else []))


def looks_like_image(name: str) -> bool:
    """Say whether a file's name has the suffix of a format that is read."""
    return name.lower().endswith(IMAGE_SUFFIXES)
