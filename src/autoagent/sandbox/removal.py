"""Removes a folder that foreign code has had; loaded by file behind the wall too, so it imports nothing of ours."""

from __future__ import annotations

import contextlib
import os


def remove_tree(folder: str) -> None:
    """Remove a folder that foreign code has had: however deep, whatever its permissions, without following a link.

    Folders are lifted up one level before they are removed, so no path grows with the depth. What cannot be removed
    stays; the processes that could have raced with this are gone before it starts.
    """
    prefix, moved = os.urandom(8).hex(), 0
    with contextlib.suppress(OSError):
        while entries := list(os.scandir(_opened(folder))):
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)
                    continue
                for name in os.listdir(_opened(entry.path)):
                    moved += 1
                    os.rename(f"{entry.path}/{name}", f"{folder}/{prefix}-{moved}")
                os.rmdir(entry.path)
        os.rmdir(folder)


def _opened(folder: str) -> str:
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        with contextlib.suppress(OSError):  # behind the wall this is refused, and the parent does it later
            os.chmod(folder, 0o700)
    return folder
