"""Find masks beside images: folders ``images`` and ``masks``, names such as ``x_mask.png``, or a table of two paths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from autoagent.data.images.folders import Found, is_inside
from autoagent.data.images.look import look
from autoagent.data.images.mask_names import name_classes
from autoagent.data.images.mask_values import MaskCoding, MaskFacts, decide, look_at_mask
from autoagent.data.images.source import COLUMN, ImageFacts, looks_like_image
from autoagent.errors import DataError
from autoagent.inference import InputError

MASK = "mask"  # the column of masks, of a folder
_MASK_WORDS = ("mask", "label", "annotation", "segmentation", "target")
_MASK_FOLDERS = frozenset(
    [*_MASK_WORDS, *(f"{word}s" for word in _MASK_WORDS), "segmentationclass", "gt", "groundtruth", "ground_truth"]
)
_IMAGE_WORDS = ("image", "img", "input", "photo", "original")
_IMAGE_FOLDERS = frozenset([*_IMAGE_WORDS, *(f"{word}s" for word in _IMAGE_WORDS), "jpegimages"])
_MASK_ENDS = tuple(
    f"{mark}{word}"
    for mark in "_-."
    for word in ("mask", "masks", "label", "labels", "seg", "segmentation", "gt", "groundtruth")
)
_IMAGE_ENDS = ("_image", "_img", "-image", ".image")
_MASK_COLUMNS = ("mask", "label", "segment", "annotation", "target", "truth")
_SHOWN, _MAX_BAD_SHARE, _MAX_BAD_FEW = 5, 0.1, 2
_LOOKED_AT = 200  # first cells of a column


@dataclass(frozen=True)
class MaskedImages:
    """Images with their masks.

    Attributes:
        frame: a column of images and a column of masks, paths relative to the folder, and what else a table had.
        image: the name of the column of images.
        mask: of the column of masks.
        facts: of the images, by path.
        coding: what the values of the masks mean.
        classes: names, in the order of the codes.
        notes: what was decided and what was left out, one sentence each.
    """

    frame: pd.DataFrame
    image: str
    mask: str
    facts: dict[str, ImageFacts]
    coding: MaskCoding
    classes: tuple[str, ...]
    notes: list[str]


def find_masks(root: Path, found: Found) -> MaskedImages | None:
    """Return the images of a folder that have a mask beside them; None where none has.

    Raises:
        DataError: many images have no mask or a mask that does not fit, or the masks hold no classes.
    """
    pairs, notes = _paired(root, found)
    if pairs is None:
        return None
    frame = pd.DataFrame(pairs, columns=[COLUMN, MASK])
    return _looked_at(frame, COLUMN, MASK, root, found.others, [*found.notes, *notes])


def names_masks(frame: pd.DataFrame) -> bool:
    """Say whether a table has two columns of images, one of which has a name that says masks."""
    columns = [str(name) for name in frame.columns if _holds_images(frame[name])]
    return len(columns) == 2 and len(_hinted(columns)) == 1


def masks_of_table(frame: pd.DataFrame, root: Path) -> MaskedImages | None:
    """Return the images and masks that two columns of a table name; None where there are no such two columns.

    Raises:
        DataError: as ``find_masks``; or a path leads out of the folder.
    """
    columns = [str(name) for name in frame.columns if _holds_images(frame[name])]
    if len(columns) != 2:
        return None
    hinted = _hinted(columns)
    mask = hinted[0] if len(hinted) == 1 else columns[1]
    image = columns[0] if columns[1] == mask else columns[1]
    cells = frame.assign(**{name: frame[name].astype(object).fillna("").astype(str) for name in columns})
    others = sorted(path.name for path in root.iterdir() if path.is_file() and not looks_like_image(path.name))
    return _looked_at(cells, image, mask, root, others, [])


def _hinted(columns: Sequence[str]) -> list[str]:
    return [name for name in columns if any(word in name.lower() for word in _MASK_COLUMNS)]


def _holds_images(column: pd.Series) -> bool:
    if pd.api.types.is_numeric_dtype(column.dtype):
        return False
    texts = column.dropna().head(_LOOKED_AT).astype(str)
    return bool(len(texts) and texts.map(looks_like_image).mean() > 0.9)


def _paired(root: Path, found: Found) -> tuple[list[tuple[str, str]] | None, list[str]]:
    """Return pairs of paths, None where the folder is not one of masks, and what was left out."""
    images, masks = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for cell in found.images:
        is_mask, key = _key(cell)
        (masks if is_mask else images)[key].append(cell)
    pairs = [(images[key][0], masks[key][0]) for key in images if key in masks and _is_single(images, masks, key)]
    if not pairs and (folders := _with_folders(found)):
        return folders, [f"each of {len(folders)} images has a folder of masks, one for each object: all are one class"]
    if not pairs:
        if masks and _has_folder(images, _IMAGE_FOLDERS):
            shown = _named([one for some in masks.values() for one in some])
            raise DataError(
                f"{str(root)!r} has {len(masks)} masks, and none has the name of an image; images/x.png belongs to "
                f"masks/x.png, x.png to x_mask.png. There are {shown}"
            )
        return None, []
    lone = [cell for key, some in images.items() if key not in masks for cell in some]
    many = [
        cell for key, some in images.items() if key in masks and not _is_single(images, masks, key) for cell in some
    ]
    total = len(pairs) + len(lone) + len(many)
    if total - len(pairs) > max(_MAX_BAD_FEW, _MAX_BAD_SHARE * total):
        raise DataError(
            f"{len(lone)} of {total} images in {str(root)!r} have no mask, and {len(many)} have several; more than the "
            f"{_MAX_BAD_SHARE:.0%} that are left out: {_named([*lone, *many])}"
        )
    spare = [cell for key, some in masks.items() if key not in images for cell in some]
    notes = [
        *_told("images without a mask were left out:", lone),
        *_told("images with several masks, or files of the same name, were left out:", many),
        *_told("masks without an image were left out:", spare),
    ]
    return sorted(pairs), notes


def _with_folders(found: Found) -> list[tuple[str, str]]:
    """Return images that are alone in their folder with the folder of masks beside them: ``7/images``, ``7/masks``."""
    images, masks = defaultdict[str, list[str]](list), dict[str, str]()
    for cell in found.images:
        folder = cell.rpartition("/")[0]
        above, _, last = folder.rpartition("/")
        if last.lower() in _MASK_FOLDERS:
            masks[above] = folder
        else:
            images[above if last.lower() in _IMAGE_FOLDERS else folder].append(cell)
    return sorted((images[above][0], folder) for above, folder in masks.items() if above and len(images[above]) == 1)


def _is_single(images: dict[str, list[str]], masks: dict[str, list[str]], key: str) -> bool:
    return len(images[key]) == 1 and len(masks[key]) == 1


def _has_folder(cells: dict[str, list[str]], names: frozenset[str]) -> bool:
    return any(part.lower() in names for some in cells.values() for one in some for part in one.split("/")[:-1])


def _key(cell: str) -> tuple[bool, str]:
    """Return whether a path is that of a mask, and what it has in common with its image's."""
    *folders, name = cell.split("/")
    stem = name.rpartition(".")[0].lower()
    lower = [folder.lower() for folder in folders]
    in_masks = bool(_MASK_FOLDERS & set(lower))
    end = next((end for end in _MASK_ENDS if stem.endswith(end) and stem != end), "")
    rest = [folder for folder, low in zip(folders, lower, strict=True) if low not in _MASK_FOLDERS | _IMAGE_FOLDERS]
    if not (in_masks or end):
        end = next((end for end in _IMAGE_ENDS if stem.endswith(end) and stem != end), "")
        return False, "/".join([*rest, stem.removesuffix(end)])
    return True, "/".join([*rest, stem.removesuffix(end)])


def _looked_at(
    frame: pd.DataFrame, image: str, mask: str, root: Path, others: Sequence[str], notes: list[str]
) -> MaskedImages:
    """Open every image and every mask once; leave out the few that do not fit."""
    bad = dict[str, str]()
    for cell in (*frame[image], *frame[mask]):
        if not is_inside(cell, root):
            bad[cell] = f"{cell[:200]!r} is outside the folder"
    facts, unread = look([cell for cell in dict.fromkeys(frame[image]) if cell not in bad], root)
    bad |= unread
    masks = dict[str, MaskFacts]()
    for cell, mask_cell in zip(frame[image], frame[mask], strict=True):
        if cell in bad or mask_cell in bad:
            continue
        try:
            masks[mask_cell] = _fitting(mask_cell, cell, facts[cell], root)
        except InputError as error:
            bad[mask_cell] = str(error)
    wrong = frame[image].isin(list(bad)) | frame[mask].isin(list(bad))
    notes = [*notes, *_left_out([text for cell, text in bad.items()], int(wrong.sum()), len(frame))]
    kept = frame[~wrong].reset_index(drop=True)
    coding, decided = decide([masks[cell] for cell in dict.fromkeys(kept[mask])])
    coding, classes, named = name_classes(coding, root, list(others))
    used = {cell: facts[cell] for cell in dict.fromkeys(kept[image])}
    return MaskedImages(kept, image, mask, used, coding, classes, [*notes, *decided, *named])


def _fitting(cell: str, image: str, facts: ImageFacts, root: Path) -> MaskFacts:
    found = look_at_mask(cell, root)
    if (found.width, found.height) != (facts.width, facts.height):
        raise InputError(
            f"the mask {cell!r} is {found.width}x{found.height} pixels, its image {image!r} is "
            f"{facts.width}x{facts.height}"
        )
    return found


def _left_out(texts: list[str], rows: int, total: int) -> list[str]:
    """Return the sentence on what was left out.

    Raises:
        DataError: it is more than a tenth of the images (and more than two), or all.
    """
    if not rows:
        return []
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    shown = "; ".join(texts[:_SHOWN]) + more
    if rows == total or rows > max(_MAX_BAD_FEW, _MAX_BAD_SHARE * total):
        raise DataError(f"{rows} of {total} images with masks cannot be used: {shown}")
    return [f"{rows} of {total} images with masks were left out: {shown}"]


def _told(what: str, cells: list[str]) -> list[str]:
    return [f"{len(cells)} {what} {_named(cells)}"] if cells else []


def _named(cells: list[str]) -> str:
    shown = ", ".join(repr(cell[:100]) for cell in cells[:_SHOWN])
    return shown + (f" and {len(cells) - _SHOWN} more" if len(cells) > _SHOWN else "")
