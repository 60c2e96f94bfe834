"""Find the images of a folder: one folder for each class, or a CSV file that names them."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from autoagent.data.images.source import COLUMN, TARGET, looks_like_image
from autoagent.errors import DataError

_SHOWN = 5
_LOOKED_AT, _MOSTLY = 200, 0.9  # first cells of a column; the share that must look like images
_LONGEST = 4096  # characters of a path
_MAX_FILES = 5_000_000


@dataclass(frozen=True)
class Found:
    """The files of a folder.

    Attributes:
        images: relative to the folder, with forward slashes, in order.
        others: files that are no images.
        notes: what was left out, one sentence each.
    """

    images: list[str]
    others: list[str]
    notes: list[str]


def find(root: Path) -> Found:
    """Find every image below a folder; links that lead out of it are refused, hidden files are left out.

    Raises:
        DataError: there are too many files.
    """
    images, others, hidden, outside = list[str](), list[str](), list[str](), list[str]()
    top = root.resolve()
    for folder, names, files in os.walk(root, followlinks=False):
        here = Path(folder)
        outside += [_relative(here / name, root) for name in names if (here / name).is_symlink()]
        hidden += [_relative(here / name, root) for name in names if name.startswith(".")]
        names[:] = sorted(name for name in names if not name.startswith(".") and not (here / name).is_symlink())
        for name in sorted(files):
            path = here / name
            if name.startswith(".") or name in ("Thumbs.db", "desktop.ini"):
                hidden.append(_relative(path, root))
            elif path.is_symlink() and not is_inside(_relative(path, root), top):
                outside.append(_relative(path, root))
            else:
                (images if looks_like_image(name) else others).append(_relative(path, root))
        if len(images) > _MAX_FILES:
            raise DataError(f"{str(root)!r} has more than {_MAX_FILES} images; take a part of it")
    notes = [*_told("hidden", hidden), *_told("symbolic links, which are not followed:", outside)]
    return Found(images, others, notes)


def by_class(root: Path, found: Found) -> tuple[pd.DataFrame, list[str]]:
    """Return a table of images whose class is the folder that they are in.

    Raises:
        DataError: there is no folder of images, or only one.
    """
    labels = [_class_of(cell) for cell in found.images]
    loose = [cell for cell, label in zip(found.images, labels, strict=True) if not label]
    counts = Counter(label for label in labels if label)
    if len(counts) < 2:
        raise DataError(
            f"{str(root)!r} holds {len(found.images)} images in {len(counts)} folder"
            f"{'' if len(counts) == 1 else 's'}; give each class a folder of its own, or a CSV file beside the "
            "images with a column of paths and a column to predict"
        )
    frame = pd.DataFrame({COLUMN: found.images, TARGET: labels})
    frame = frame[frame[TARGET] != ""].reset_index(drop=True)
    notes = [*found.notes, *_told("images in no class folder:", loose), *_told("no images:", found.others)]
    return frame, notes


def from_rows(frame: pd.DataFrame, root: Path) -> str | None:
    """Return the column of a table that names image files beside it, None where there is none.

    Raises:
        DataError: a column names images, and most of them are not there or are outside the folder.
    """
    for name in frame.columns:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column.dtype):
            continue
        texts = column.dropna().head(_LOOKED_AT).astype(str)
        if len(texts) and texts.map(looks_like_image).mean() > _MOSTLY:
            texts = column.dropna().astype(str)
            there = texts.map(lambda text: is_inside(text, root) and (root / text).is_file())
            if there.mean() < 0.5:
                missing = texts[~there].head(_SHOWN).tolist()
                raise DataError(
                    f"the column {str(name)!r} names images, and {int((~there).sum())} of {len(texts)} are not below "
                    f"{str(root)!r}: {', '.join(map(repr, missing))}; paths are relative to the table's folder"
                )
            return str(name)
    return None


def is_inside(cell: str, root: Path) -> bool:
    """Say whether a path stays in a folder, its links followed."""
    if Path(cell).is_absolute() or "\0" in cell or len(cell) > _LONGEST:
        return False
    try:
        return (root / cell).resolve().is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError):  # a name that is too long, a loop of links
        return False


def table_beside(root: Path, found: Found) -> Path | None:
    """Return the one table of a folder whose images are not in class folders; None where there is none, or several."""
    tables = [name for name in found.others if name.lower().endswith((".csv", ".tsv"))]
    here = [name for name in tables if "/" not in name]
    return root / here[0] if len(here) == 1 else None


def _class_of(cell: str) -> str:
    """Return the innermost folder, so that ``train/cat/1.png`` is a cat."""
    parts = cell.split("/")
    return parts[-2] if len(parts) > 1 else ""


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _told(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    shown = ", ".join(repr(name[:100]) for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"{len(names)} {what} {shown}{more}"]
