"""Read images that are packed as arrays: NPZ files with ``X`` and ``y``, and the IDX files of MNIST."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoagent.errors import DataError

_IDX = {0x08: np.uint8, 0x09: np.int8, 0x0B: np.int16, 0x0C: np.int32, 0x0D: np.float32, 0x0E: np.float64}
_MAX_BYTES = 8_000_000_000
_MAX_RATIO = 1000  # gzip packs blank images so far; a bomb of more is refused
_CHUNK = 1 << 20


def is_image_array(X: NDArray[Any]) -> bool:
    """Say whether an array has the shape of images: ``(n, h, w)`` or ``(n, h, w, c)`` with 1, 3 or 4 channels."""
    if X.ndim == 3:
        return bool(min(X.shape[1:]) >= 4)
    return bool(X.ndim == 4 and X.shape[3] in (1, 3, 4) and min(X.shape[1:3]) >= 4)


def as_bytes(X: NDArray[Any], *, name: str) -> tuple[NDArray[np.uint8], list[str]]:
    """Return images as uint8, and what was done to them.

    Raises:
        DataError: the values are neither 0 to 255 nor 0 to 1, or not finite.
    """
    if X.dtype == np.uint8:
        return X, []
    if X.dtype.kind not in "biuf":
        raise DataError(f"{name!r} holds {X.dtype}; images are numbers")
    low, high = float(X.min()), float(X.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataError(f"{name!r} holds values that are not finite")
    if X.dtype == np.uint16 and high > 255:
        return (X // 257).astype(np.uint8), ["16-bit images were kept with 8 bits"]
    if low >= 0 and high <= 1:
        return np.round(X * 255).astype(np.uint8), ["values from 0 to 1 were kept with 8 bits"]
    if low >= 0 and high <= 255:
        return np.round(X).astype(np.uint8), []
    raise DataError(f"{name!r} holds values from {low:g} to {high:g}; images have 0 to 255, or 0 to 1")


def is_idx(path: Path) -> bool:
    """Say whether a name is that of an IDX file: ``train-images-idx3-ubyte``, ``images.idx``, packed or not."""
    name = path.name.lower().removesuffix(".gz")
    return name.endswith((".idx", ".idx3", "-ubyte", ".ubyte"))


def read_idx(path: Path) -> NDArray[Any]:
    """Read an IDX file: two zero bytes, a type, the number of dimensions, their sizes (big-endian), the values.

    Source: yann.lecun.com/exdb/mnist, "the IDX file format".

    Raises:
        DataError: it is not one, is cut short or unpacks to too much.
    """
    data = _unpacked(path)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _IDX or not 1 <= data[3] <= 4:
        raise DataError(f"{str(path)!r} is no IDX file")
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise DataError(f"{str(path)!r} ends within its header")
    shape = struct.unpack(f">{data[3]}I", data[4:start])
    dtype = np.dtype(_IDX[data[2]]).newbyteorder(">")
    wanted = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if len(data) - start != wanted:
        raise DataError(f"{str(path)!r} should hold {wanted} bytes of values and holds {len(data) - start}")
    return np.frombuffer(data, dtype, offset=start).reshape(shape)


def labels_beside(path: Path) -> Path:
    """Return the labels that go with a file of images.

    Raises:
        DataError: there is none of that name.
    """
    name = path.name.replace("images", "labels").replace("idx3", "idx1")
    for other in (name, name.removesuffix(".gz"), f"{name}.gz"):
        if other != path.name and (path.parent / other).is_file():
            return path.parent / other
    raise DataError(f"{path.name!r} needs its labels beside it, as {name!r}")


def _unpacked(path: Path) -> bytes:
    size = path.stat().st_size
    if path.suffix.lower() != ".gz":
        if size > _MAX_BYTES:
            raise DataError(f"{str(path)!r} has {size} bytes; at most {_MAX_BYTES} are read")
        return path.read_bytes()
    pieces, total = list[bytes](), 0
    try:
        with gzip.open(path, "rb") as file:
            while piece := file.read(_CHUNK):
                pieces.append(piece)
                total += len(piece)
                if total > min(_MAX_BYTES, _MAX_RATIO * size):
                    raise DataError(f"{str(path)!r} unpacks to more than {_MAX_RATIO} times its size; it is refused")
    except (OSError, EOFError) as error:
        raise DataError(f"{str(path)!r} cannot be unpacked: {error}") from error
    return b"".join(pieces)
