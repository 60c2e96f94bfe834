"""Look at every image once: does it open, how large is it, what does it look like, what are its bytes."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoagent.data.images.source import ImageFacts
from autoagent.errors import DataError
from autoagent.inference import InputError, open_image

_SHOWN = 5  # that a sentence names
_MAX_BAD_SHARE = 0.1  # of the files may be unreadable; more say that something else is wrong
_MAX_BAD_FEW = 2  # of a small set
_DRAFT = 64  # JPEG files are unpacked to about so many pixels


def look(cells: Iterable[str], root: Path) -> tuple[dict[str, ImageFacts], dict[str, str]]:
    """Open every image once.

    Args:
        cells: paths relative to ``root``.
        root: the folder.

    Returns:
        The facts of those that open, and what is wrong with the others.

    Raises:
        DataError: the package that reads images is not installed.
    """
    require_pillow()
    found, bad = dict[str, ImageFacts](), dict[str, str]()
    for cell in cells:
        try:
            found[cell] = _facts(open_image(cell, root, draft=_DRAFT), root / cell)
        except InputError as error:
            bad[cell] = str(error)
        except OSError as error:
            bad[cell] = f"{cell!r}: {error.strerror}"
    return found, bad


def look_at_arrays(name: str, arrays: NDArray[np.uint8]) -> dict[str, ImageFacts]:
    """Return the facts of each image of an array ``(n, h, w)`` or ``(n, h, w, c)``, by ``NAME#PLACE``.

    Raises:
        DataError: the package that reads images is not installed.
    """
    require_pillow()
    found = {}
    for place, pixels in enumerate(arrays):
        digest = hashlib.sha256(pixels.tobytes()).hexdigest()
        image = open_image(pixels)
        found[f"{name}#{place}"] = ImageFacts(
            image.width, image.height, image.mode == "L", dhash(image), small(image), digest
        )
    return found


def require_pillow() -> None:
    """Say what to install where the package that reads images is missing.

    Raises:
        DataError: it is.
    """
    try:
        importlib.import_module("PIL")
    except ImportError:
        raise DataError("images need more packages: pip install 'autoagent[vision]'") from None


def skipped(bad: dict[str, str], total: int) -> list[str]:
    """Return the sentence on files that were skipped.

    Raises:
        DataError: more than a tenth of the files (and more than two) cannot be read.
    """
    if not bad:
        return []
    shown = "; ".join(list(bad.values())[:_SHOWN]) + (f"; and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else "")
    if len(bad) > max(_MAX_BAD_FEW, _MAX_BAD_SHARE * total):
        raise DataError(
            f"{len(bad)} of {total} images cannot be read, more than the {_MAX_BAD_SHARE:.0%} that are skipped: {shown}"
        )
    return [f"{len(bad)} of {total} images cannot be read and were left out: {shown}"]


def dhash(image: Any) -> int:  # noqa: ANN401 - PIL has no place in a signature of this layer
    """Return 64 bits: whether each of 8 x 8 cells is darker than its right neighbour.

    Source: "Kind of Like That", hackerfactor.com 2013 (difference hash). Differs: none.
    """
    small = np.asarray(image.convert("L").resize((9, 8), 2), dtype=np.int16)
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")


def small(image: Any) -> bytes:  # noqa: ANN401 - as above
    """Return 16 x 16 grey bytes."""
    return bytes(image.convert("L").resize((16, 16), 2).tobytes())


def _facts(image: Any, path: Path) -> ImageFacts:  # noqa: ANN401 - as above
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    width, height = _full_size(path) if path.suffix.lower() in (".jpg", ".jpeg") else image.size
    grey = image.mode == "L" or _has_no_colour(image)
    return ImageFacts(width, height, grey, dhash(image), small(image), digest)


def _full_size(path: Path) -> tuple[int, int]:
    """Return the size that a file states, upright: a draft is smaller."""
    from PIL import Image

    with Image.open(path) as image:
        turned = image.getexif().get(0x0112, 1) >= 5  # orientations that swap the sides
        return (image.height, image.width) if turned else (image.width, image.height)


def _has_no_colour(image: Any) -> bool:  # noqa: ANN401 - as above
    small = np.asarray(image.resize((16, 16), 2), dtype=np.int16)
    return bool(np.ptp(small, axis=2).max() <= 2)
