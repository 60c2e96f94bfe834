"""Columns of a matrix that were costly to fit, kept in files so that no worker of a run fits them again."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import shutil
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoagent._version import __version__

Matrix = NDArray[np.float32]

_SUFFIX = ".piece"
_PART = ".part"  # of a file that is being written, or of a writer that was killed
_HEAD = struct.Struct("<IQ")  # the checksum of all that follows it, and the bytes of the header
_WORTH_S = 0.01  # of processor time; what is quicker is fitted again: a read takes a few milliseconds
_MOST_BYTES = 1_000_000_000
_DISK_SHARE = 0.1  # of what is free on the disk
_LARGEST = 0.25  # of the limit; a larger piece would throw too many others out
_KEPT = 0.8  # of the limit stays when pieces are thrown out
_STALE_S = 600.0  # a part that nobody has written to for so long is of a killed worker
_LOCKS = 64
_WAIT_S = 2.0  # for a worker that fits the same piece; after that it is fitted here too
_LOOK_S = 0.005


@dataclass(frozen=True)
class Piece:
    """What a column, or several together, give to a recipe and to two matrices.

    Attributes:
        blocks: of the recipe, as JSON holds them.
        train: ``(n, w)`` of the rows that they were fitted on; cross-fitted where the target is looked at.
        other: ``(m, w)`` of the rows that they are only applied to.
    """

    blocks: list[dict[str, Any]]
    train: Matrix
    other: Matrix


@dataclass(frozen=True)
class RecipeCache:
    """Pieces by the content of all that they depend on, in one folder that several processes share.

    A file is there whole or not at all: it is renamed when it is complete, and its checksum is compared when it is
    read, so that neither a kill nor a power cut can change a number. It holds JSON and float32 numbers, nothing that
    could run. The piece that was not used for longest goes first.

    Attributes:
        folder: made when the first piece is kept; may be removed at any time.
        max_bytes: of all files; None is 1 GB, or a tenth of what is free on the disk where that is less.
        worth_s: processor time from which a piece is kept.
    """

    folder: Path
    max_bytes: int | None = None
    worth_s: float = _WORTH_S

    def piece(self, key: str, fit: Callable[[], Piece]) -> Piece:
        """Return a piece that was kept, or fit it and keep it if that took long.

        While another process fits the same piece it is waited for, at most two seconds.

        Args:
            key: from ``key_of``.
            fit: makes the piece; must give the same for the same key.
        """
        kept = self._read(key)
        if kept is not None:
            return kept
        with self._alone(key) as waited:
            kept = self._read(key) if waited else None
            if kept is not None:
                return kept
            before = time.process_time()
            made = fit()
            if time.process_time() - before >= self.worth_s:
                self._write(key, made)
        return made

    def _read(self, key: str) -> Piece | None:
        path = self.folder / f"{key}{_SUFFIX}"
        try:
            content = path.read_bytes()
        except OSError:  # it is not there, or was thrown out just now
            return None
        piece = unpacked(content)
        try:
            if piece is None:
                sys.stderr.write(f"{path.name} is damaged; its columns are fitted again\n")
                path.unlink(missing_ok=True)
            else:
                os.utime(path)
        except OSError as error:
            sys.stderr.write(f"{path.name}: {error}\n")
        return piece

    def _write(self, key: str, piece: Piece) -> None:
        """Keep a piece; a disk that refuses costs time later, not this trial."""
        part = self.folder / f"{key}.{os.getpid()}{_PART}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            limit = self._limit()
            if piece.train.nbytes + piece.other.nbytes > _LARGEST * limit:
                return
            part.write_bytes(packed(piece))
            part.replace(self.folder / f"{key}{_SUFFIX}")
            self._throw_out(limit)
        except OSError as error:
            sys.stderr.write(f"fitted columns are not kept: {error}\n")
            with suppress(OSError):  # it may be what refused
                part.unlink(missing_ok=True)

    def _limit(self) -> int:
        if self.max_bytes is not None:
            return self.max_bytes
        return min(_MOST_BYTES, int(_DISK_SHARE * shutil.disk_usage(self.folder).free))

    def _throw_out(self, limit: int) -> None:
        """Remove the pieces that were not used for longest where all are too many, and what killed writers left."""
        now, found = time.time(), []
        for path in self.folder.iterdir():
            try:
                facts = path.stat()
            except FileNotFoundError:  # another worker was quicker
                continue
            if path.suffix == _PART and now - facts.st_mtime > _STALE_S:
                path.unlink(missing_ok=True)
            elif path.suffix == _SUFFIX:
                found.append((facts.st_mtime_ns, facts.st_size, path))
        total = sum(size for _, size, _ in found)
        if total <= limit:
            return
        for _, size, path in sorted(found):
            if total <= _KEPT * limit:
                return
            path.unlink(missing_ok=True)
            total -= size

    @contextmanager
    def _alone(self, key: str) -> Iterator[bool]:
        """Keep other processes from fitting the same piece; say whether one of them was waited for.

        The kernel opens the lock of a killed process; one that hangs is not waited for any longer than two seconds.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / f"{int(key[:8], 16) % _LOCKS:02d}.lock").open("w")
        except OSError as error:
            sys.stderr.write(f"fitted columns are not shared: {error}\n")
            yield False
            return
        with file:
            waited, end = False, time.monotonic() + _WAIT_S
            while not _locked(file.fileno()) and time.monotonic() < end:
                waited = True
                time.sleep(_LOOK_S)
            yield waited


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def key_of(facts: Mapping[str, object]) -> str:
    """Return a name made of the content of what a piece depends on, and of our version."""
    text = json.dumps({**facts, "version": __version__}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of(*arrays: NDArray[Any]) -> str:
    """Return a digest of arrays: their types, shapes and numbers."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """Return the digest of a file's content; it is read once, unless it has changed."""
    facts = path.stat()
    return _file_digest(path, facts.st_mtime_ns, facts.st_size)


@functools.lru_cache(maxsize=1)
def _file_digest(path: Path, changed_ns: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def packed(piece: Piece) -> bytes:
    """Return the content of a file: a checksum, the recipe's blocks as JSON, two matrices."""
    shapes = [piece.train.shape, piece.other.shape]
    header = json.dumps({"blocks": piece.blocks, "shapes": shapes}, separators=(",", ":")).encode()
    numbers = b"".join(np.ascontiguousarray(matrix, dtype="<f4").tobytes() for matrix in (piece.train, piece.other))
    content = header + numbers
    return _HEAD.pack(zlib.crc32(content), len(header)) + content


def unpacked(content: bytes) -> Piece | None:
    """Return what ``packed`` was given; None where the content is cut or damaged."""
    if len(content) < _HEAD.size:
        return None
    checksum, size = _HEAD.unpack_from(content)
    if zlib.crc32(memoryview(content)[_HEAD.size :]) != checksum:
        return None
    try:
        header = json.loads(content[_HEAD.size : _HEAD.size + size])
        (n, width), (m, _) = header["shapes"]
        numbers = np.frombuffer(content, dtype="<f4", offset=_HEAD.size + size)
        train, other = numbers[: n * width].reshape(n, width), numbers[n * width :].reshape(m, width)
    except (ValueError, KeyError, TypeError):  # the size in the header is not under the checksum
        return None
    return Piece(header["blocks"], train, other)
