"""What the pixels of mask files mean: classes, colours or numbered objects, and which of them count nowhere."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autoagent.data.images.folders import is_inside
from autoagent.data.images.source import looks_like_image
from autoagent.errors import DataError
from autoagent.inference import IMAGE_FORMATS, MAX_IMAGE_BYTES, MAX_PIXELS, InputError

MaskKind = Literal["grey", "index", "colour", "threshold", "objects"]
Packed = NDArray[np.int32]  # a grey value or an index, or 65536 r + 256 g + b

IGNORED = 255  # the code of pixels that count nowhere
MOST_CLASSES = 100
_FEW_GREYS = 8  # above, greys between black and white are the blurred edges of two classes
_NEAR, _MOSTLY, _MOSTLY_ONE = 48, 0.95, 0.8  # how near to black or white most pixels then are, in all files and in one
_VOC_VOID = 224 << 16 | 224 << 8 | 192  # the colour around objects in PASCAL VOC's masks
_LARGEST_CODE = 64
_FEWEST_OBJECTS = 10  # in one file, for numbers to be those of objects
_OPAQUE = 128


@dataclass(frozen=True)
class MaskFacts:
    """What was found by looking at one mask once.

    Attributes:
        width: in pixels.
        height: in pixels.
        kind: how its file holds values.
        values: that occur, packed.
        colours: what each index stands for, packed; of ``index`` only.
        counts: pixels of each grey value, ``(256,)``; of 8-bit ``grey`` only.
        numbered: its values are 1, 2, 3 … without a gap, and each is one connected object.
        lossy: its file is a JPEG, which changes values.
    """

    width: int
    height: int
    kind: Literal["grey", "index", "colour"]
    values: frozenset[int]
    colours: Mapping[int, int] = field(default_factory=dict)
    counts: NDArray[np.int64] | None = None
    numbered: bool = False
    lossy: bool = False


@dataclass(frozen=True)
class MaskCoding:
    """How pixel values become class codes.

    Attributes:
        kind: how files are read; ``threshold`` halves greys, ``objects`` are all of one class.
        values: the value of each class, in the order of the codes: ``(v,)``, or ``(r, g, b)`` of colours.
        ignored: values that count nowhere.
    """

    kind: MaskKind
    values: tuple[tuple[int, ...], ...]
    ignored: tuple[tuple[int, ...], ...] = ()


def look_at_mask(cell: str, root: Path) -> MaskFacts:
    """Open a mask once.

    Raises:
        InputError: it cannot be read, or holds so many colours that it is a photo.
    """
    image = _opened(cell, root)
    colours: dict[int, int] = {}
    if image.mode == "P":
        table = np.asarray(image.getpalette("RGB"), dtype=np.int32).reshape(-1, 3)
        packed = np.asarray(image, dtype=np.int32)
        values = [int(value) for value in pd.unique(packed.ravel())]
        colours = {value: _pack(table[value]) if value < len(table) else 0 for value in values}
        return MaskFacts(image.width, image.height, "index", frozenset(values), colours)
    packed, kind = _packed(image)
    values = [int(value) for value in pd.unique(packed.ravel())]
    counts = np.bincount(packed.ravel(), minlength=256) if kind == "grey" and max(values) < 256 else None
    numbered, lossy = kind == "grey" and _is_numbered(packed, values), cell.lower().endswith((".jpg", ".jpeg"))
    if len(values) > MOST_CLASSES and not numbered and (counts is None or _share_of_ends(counts) < _MOSTLY_ONE):
        blurred = (
            "; JPEG blurs the borders of colours, PNG keeps them" if cell.lower().endswith(("jpg", "jpeg")) else ""
        )
        raise InputError(f"{cell!r} has {len(values)} values: it is a photo, not a mask{blurred}")
    return MaskFacts(image.width, image.height, kind, frozenset(values), colours, counts, numbered, lossy)


def decide(facts: Sequence[MaskFacts]) -> tuple[MaskCoding, list[str]]:
    """Decide what the values of all masks together mean.

    Returns:
        The coding, and what was decided, one sentence each.

    Raises:
        DataError: they hold one class only, or more than ``MOST_CLASSES``.
    """
    if all(one.kind == "index" for one in facts) and _one_palette(facts):
        return _coded("index", {value for one in facts for value in one.values})
    if any(one.kind != "grey" for one in facts):
        colours = {value for one in facts for value in _as_colours(one)}
        if not all(_is_grey(value) for value in colours):
            return _coded("colour", colours)
    values = {value for one in facts for value in _as_greys(one)}
    if _is_blurred(facts, values):
        note = f"masks hold {len(values)} greys, nearly all black or white: from 128 on they are the class, below not"
        return MaskCoding("threshold", ((0,), (255,))), [note]
    if _are_objects(facts, values):
        most = max(values)
        note = f"masks number their objects (up to {most} in one image): every object is the same class"
        return MaskCoding("objects", ((0,), (1,))), [note]
    return _coded("grey", values)


def read_mask(cell: str, root: Path, coding: MaskCoding, side: int = 0) -> NDArray[np.uint8]:
    """Return the class codes of a mask; ``IGNORED`` where a pixel counts nowhere.

    Args:
        cell: path of the file, or of a folder with a file for each object, relative to ``root``.
        root: its folder.
        coding: what values mean.
        side: of the square that it is pressed into, by the nearest pixel; 0 leaves it as it is.

    Returns:
        ``(side, side)``, or ``(h, w)``.

    Raises:
        InputError: it cannot be read, or holds a value that the coding does not know.
    """
    image = _opened(cell, root)
    if coding.kind == "index":
        values = np.asarray(image, dtype=np.int32)
    else:
        values, kind = _packed(image.convert("RGB") if image.mode == "P" else image)
        if coding.kind == "colour" and kind == "grey":
            values = values * 0x010101
    if side:
        rows, columns = (((np.arange(side) + 0.5) * n / side).astype(np.int64) for n in values.shape)
        values = values[rows[:, None], columns[None, :]]
    if coding.kind in ("threshold", "objects"):
        return np.asarray(values >= (128 if coding.kind == "threshold" else 1), dtype=np.uint8)
    return _codes(values, coding, cell)


def _codes(values: Packed, coding: MaskCoding, cell: str) -> NDArray[np.uint8]:
    known = [_pack(value) for value in (*coding.values, *coding.ignored)]
    codes = [*range(len(coding.values)), *[IGNORED] * len(coding.ignored)]
    order = np.argsort(known)
    ordered = np.array(known)[order]
    place = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    if (wrong := ordered[place] != values).any():
        shown = _shown(coding.kind, int(values[wrong][0]))
        raise InputError(f"{cell!r} holds the value {shown}, which no mask held when they were looked at")
    return np.array(codes, dtype=np.uint8)[order][place]


def _coded(kind: MaskKind, values: set[int]) -> tuple[MaskCoding, list[str]]:
    ignored = _ignored(kind, values)
    classes = sorted(values - ignored)
    if len(classes) < 2:
        shown = ", ".join(_shown(kind, value) for value in classes) or "none"
        raise DataError(f"all masks hold one value only ({shown}); there is nothing to tell apart")
    if len(classes) > MOST_CLASSES:
        raise DataError(
            f"the masks hold {len(classes)} different values, at most {MOST_CLASSES} classes are known; masks are "
            "saved as PNG, without blurred edges, with one value or colour for each class"
        )
    notes = [f"pixels of value {_shown(kind, value)} are marked as ignored and count nowhere" for value in ignored]
    if kind == "colour" or classes != list(range(len(classes))):
        shown = ", ".join(f"{_shown(kind, value)} is {code}" for code, value in enumerate(classes[:8]))
        more = f" and {len(classes) - 8} more" if len(classes) > 8 else ""
        notes.append(f"values of the masks became class codes: {shown}{more}")
    return MaskCoding(kind, tuple(_unpack(kind, v) for v in classes), tuple(_unpack(kind, v) for v in ignored)), notes


def _ignored(kind: MaskKind, values: set[int]) -> set[int]:
    """Return the values that count nowhere: 255 beside small codes, and VOC's colour around objects beside black."""
    if kind == "colour":
        return {_VOC_VOID} & values if {0, _VOC_VOID} <= values else set()
    others = values - {IGNORED}
    are_codes = len(others) >= 2 and max(others) < _LARGEST_CODE and max(others) <= 2 * len(others)
    return {IGNORED} & values if are_codes else set()


def _one_palette(facts: Sequence[MaskFacts]) -> bool:
    """Say whether an index has the same colour in all files, so that it is a class and no way to save a picture."""
    found: dict[int, int] = {}
    return all(found.setdefault(index, colour) == colour for one in facts for index, colour in one.colours.items())


def _as_colours(one: MaskFacts) -> set[int]:
    if one.kind == "index":
        return set(one.colours.values())
    return {value * 0x010101 for value in one.values} if one.kind == "grey" else set(one.values)


def _as_greys(one: MaskFacts) -> set[int]:
    return set(one.values) if one.kind == "grey" else {value & 0xFF for value in _as_colours(one)}


def _is_grey(value: int) -> bool:
    return value % 0x010101 == 0 and value <= 0xFFFFFF


def _is_blurred(facts: Sequence[MaskFacts], values: set[int]) -> bool:
    few = 2 if any(one.lossy for one in facts) else _FEW_GREYS
    if len(values) <= few or max(values) > 255 or min(values) > _NEAR or max(values) < 255 - _NEAR:
        return False
    known = [one.counts for one in facts if one.counts is not None]
    return bool(known) and _share_of_ends(np.sum(known, axis=0)) >= _MOSTLY


def _share_of_ends(counts: NDArray[np.int64]) -> float:
    return float((counts[: _NEAR + 1].sum() + counts[255 - _NEAR :].sum()) / max(counts.sum(), 1))


def _are_objects(facts: Sequence[MaskFacts], values: set[int]) -> bool:
    """Say whether values number the objects of each image: no gaps, each connected, not equally many everywhere."""
    full = [one for one in facts if one.values != frozenset({0})]
    counts = {max(one.values) for one in full}
    differ = len(counts) > 1 or len(full) == 1
    return bool(full) and max(values) >= _FEWEST_OBJECTS and differ and all(one.numbered for one in full)


def _is_numbered(values: Packed, found: Sequence[int]) -> bool:
    most = max(found)
    if most < 1 or len(set(found) - {0}) != most or most > values.size // 4:
        return False
    from scipy import ndimage

    pieces, allowed = 0, int(1.05 * most)  # a few objects are cut in two by another
    for number, box in enumerate(ndimage.find_objects(values), start=1):
        pieces += int(ndimage.label(values[box] == number, structure=np.ones((3, 3)))[1])
        if pieces > allowed:
            return False
    return True


def _opened(cell: str, root: Path) -> Any:  # noqa: ANN401 - PIL has no place in a signature of this layer
    """Return an image of mode L, I, P, RGB or RGBA, upright."""
    if not is_inside(cell, root):
        raise InputError(f"{cell[:200]!r} is outside the folder")
    path = root / cell
    if path.is_dir():
        return _united(cell, root)
    if not path.is_file():
        raise InputError(f"there is no file {cell[:200]!r}")
    if path.stat().st_size > MAX_IMAGE_BYTES:
        raise InputError(f"{cell[:200]!r} has {path.stat().st_size} bytes; at most {MAX_IMAGE_BYTES} are read")
    try:
        return _decoded(path)
    except InputError:
        raise
    except Exception as error:  # a foreign decoder of a foreign file raises what it likes
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(f"{cell[:200]!r} cannot be read as a mask: {re.sub('<.*?> ?', '', reason)}") from error


def _united(cell: str, root: Path) -> Any:  # noqa: ANN401 - as above
    """Return the mask of a folder with a file for each object: 1 where any of them is."""
    from PIL import Image

    whole: NDArray[np.bool_] | None = None
    for name in sorted(path.name for path in (root / cell).iterdir() if looks_like_image(path.name)):
        image = _opened(f"{cell}/{name}", root)
        one = np.asarray(image) > 0 if image.mode == "P" else _packed(image)[0] > 0
        if whole is not None and whole.shape != one.shape:
            raise InputError(f"the masks in {cell!r} are of several sizes")
        whole = one if whole is None else whole | one
    if whole is None:
        raise InputError(f"there is no mask in {cell!r}")
    return Image.fromarray(whole.astype(np.uint8))


def _decoded(path: Path) -> Any:  # noqa: ANN401 - as above
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged metadata; what matters raises
        with Image.open(io.BytesIO(path.read_bytes()), formats=IMAGE_FORMATS) as image:
            if not 0 < image.width * image.height <= MAX_PIXELS:
                raise InputError(f"a mask of {image.width} x {image.height} pixels is refused; at most {MAX_PIXELS}")
            image.load()
            upright = ImageOps.exif_transpose(image)
    if upright.mode in ("L", "P", "RGB", "RGBA", "I"):
        return upright
    if upright.mode == "1":
        return upright.convert("L")
    if upright.mode.startswith("I;16"):
        return upright.convert("I")
    return upright.convert("RGBA" if upright.mode in ("LA", "PA", "La", "RGBa") else "RGB")


def _packed(image: Any) -> tuple[Packed, Literal["grey", "colour"]]:  # noqa: ANN401 - as above
    """Return one number for each pixel; see-through pixels are black."""
    values = np.asarray(image).astype(np.int32)
    if values.ndim == 2:
        return values, "grey"
    if values.shape[2] == 4:
        values = values[:, :, :3] * (values[:, :, 3:] >= _OPAQUE)
    if bool((values[:, :, 0] == values[:, :, 1]).all() and (values[:, :, 1] == values[:, :, 2]).all()):
        return np.ascontiguousarray(values[:, :, 0]), "grey"
    return values[:, :, 0] << 16 | values[:, :, 1] << 8 | values[:, :, 2], "colour"


def _pack(value: Any) -> int:  # noqa: ANN401 - a sequence of one or three numbers
    return int(value[0]) if len(value) == 1 else int(value[0]) << 16 | int(value[1]) << 8 | int(value[2])


def _unpack(kind: MaskKind, value: int) -> tuple[int, ...]:
    return (value >> 16, value >> 8 & 255, value & 255) if kind == "colour" else (value,)


def _shown(kind: MaskKind, value: int) -> str:
    return f"#{value:06x}" if kind == "colour" else str(value)
