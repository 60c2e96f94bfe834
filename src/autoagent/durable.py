"""Files that outlive a cut of the power: whole or as they were before, and on the disk before the next step begins."""

from __future__ import annotations

import os
from pathlib import Path


def write_durably(path: Path, content: str | bytes, *, mode: int = 0o666) -> None:
    """Write a file whole or not at all: fill one beside it, wait for the disk, rename it, wait for the folder.

    Args:
        path: an old file of that name is replaced.
        content: text is written as UTF-8, its line ends as they are.
        mode: of the file, less the process's mask.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.part")
    raw = content.encode() if isinstance(content, str) else content
    try:
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, mode), "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    sync_path(path.parent)


def sync_path(path: Path) -> None:
    """Wait until one file, or the list of names of one folder, is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Wait until every file below a folder, and each folder itself, is on disk."""
    for place, _, names in os.walk(folder):
        for name in names:
            sync_path(Path(place, name))
        sync_path(Path(place))
