"""What the disk refuses, said so that a person knows what to do: full, read-only, over a quota, moved away."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

from autoagent.errors import RunFolderError

_ADVICE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space, or ask for a larger quota",
    errno.EFBIG: "raise the limit on the size of a file (ulimit -f)",
    errno.EROFS: "copy it to a disk that can be written",
    errno.EACCES: "make it yours to write",
    errno.EPERM: "make it yours to write",
    errno.EIO: "copy what can be read to another disk",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "close other programs",
}


def advice(error: OSError) -> str | None:
    """Return what a person can do about ``error``; None when it is not the disk's doing."""
    return _ADVICE.get(error.errno or 0)


def sentence(error: OSError, root: Path | None) -> str:
    """Return the message for what ``error`` stopped; ``root`` is where it can go on, None where nothing was kept."""
    what = f"{error.filename}: {error.strerror}" if error.filename else f"{error.strerror}"
    how = "run it again; nothing was kept" if root is None else f"resume {root}"
    return f"it cannot go on ({what}); {advice(error)}, then {how}"


@contextmanager
def explained(root: Path) -> Iterator[None]:
    """Turn what the disk refuses inside the block into an error that says what to do; other errors pass.

    Raises:
        RunFolderError: the disk is full or read-only, or a limit on files was met.
    """
    try:
        yield
    except OSError as error:
        if advice(error) is None:
            raise
        raise RunFolderError(sentence(error, root)) from error


def check_room(folder: Path, num_bytes: int = 1_000_000) -> None:
    """Ask whether the disk takes one more file; for a step that failed in a process which could not say why.

    Args:
        folder: of a run.
        num_bytes: of the file, which is taken away again.

    Raises:
        RunFolderError: it does not.
    """
    probe = folder / ".room"
    with explained(folder):
        try:
            probe.write_bytes(bytes(num_bytes))
        finally:
            probe.unlink(missing_ok=True)


@contextmanager
def undamaged() -> Iterator[None]:
    """Take what cannot be read inside the block, which reads what a run wrote earlier, for damage of its folder.

    Raises:
        RunFolderError: a file is missing or not what was written.
    """
    how = "restore it from a copy, or start the run again"
    try:
        yield
    except FileNotFoundError as error:
        raise RunFolderError(f"{error.filename} is missing; {how}") from error
    except (ValueError, KeyError, EOFError, BadZipFile) as error:
        first = f"{type(error).__name__}: {error}".splitlines()[0]
        raise RunFolderError(f"a file of the run is damaged ({first[:200]}); {how}") from error
