"""Draw small images for tests: bright bars on a dark noisy ground, one class for each direction."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("across", "down", "slant")


def draw(kind: str, rng: np.random.Generator, *, side: int = 16, colour: bool = True) -> np.ndarray:
    """Return one image ``(side, side, 3)`` or ``(side, side)``."""
    image = rng.integers(0, 60, (side, side, 3))
    at = int(rng.integers(2, side - 4))
    bright = rng.integers(150, 255, 3)
    if kind == "across":
        image[at : at + 2] = bright
    elif kind == "down":
        image[:, at : at + 2] = bright
    else:
        for i in range(side):
            image[i, (i + at) % side] = bright
            image[i, (i + at + 1) % side] = bright
    whole = image.astype(np.uint8)
    return whole if colour else whole.mean(axis=2).astype(np.uint8)


def write_folder(root: Path, each: int, *, seed: int = 0, side: int = 16) -> Path:
    """Write a folder for each class."""
    rng = np.random.default_rng(seed)
    for kind in CLASSES:
        (root / kind).mkdir(parents=True)
        for i in range(each):
            Image.fromarray(draw(kind, rng, side=side)).save(root / kind / f"{kind}{i:03d}.png")
    return root
