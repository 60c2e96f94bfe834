"""Find images that are nearly the same on both sides of a split, by their perceptual hashes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from autoagent.data.images.source import ImageFacts

Codes = NDArray[np.uint64]
NEAR_BITS = 3  # of 64 that may differ; resized and recompressed copies differ in 0 to 3
_MEAN_DIFFERENCE = 5.0  # of 255, between the small pictures
_BLOCK = 512
_COUNTS = np.array([value.bit_count() for value in range(1 << 16)], dtype=np.uint8)
_FLAT_BITS = 5  # a hash with fewer bits set, or unset, is of a picture with hardly any structure


def near_pairs(
    left: Sequence[ImageFacts], right: Sequence[ImageFacts], *, bits: int = NEAR_BITS
) -> list[tuple[int, int, int]]:
    """Return ``(left place, right place, differing bits)`` of the nearest right image of each left one, if near.

    Args:
        left: what was seen of each.
        right: of those to compare with.
        bits: of the hash that may differ; the small pictures must be alike too, for many drawings have like hashes.
    """
    if not len(left) or not len(right):
        return []
    a, b = (np.array([one.dhash for one in side], dtype=np.uint64) for side in (left, right))
    telling = _telling(b)
    if not telling.any():
        return []
    known = np.flatnonzero(telling)
    return [
        (place, int(known[other]), distance)
        for place, other, distance in _nearest(a, b[known])
        if distance <= bits and _alike(left[place], right[int(known[other])])
    ]


def _alike(one: ImageFacts, other: ImageFacts) -> bool:
    a, b = (np.frombuffer(facts.small, dtype=np.uint8).astype(np.int16) for facts in (one, other))
    return one.digest == other.digest or float(np.abs(a - b).mean()) <= _MEAN_DIFFERENCE


def _nearest(a: Codes, b: Codes) -> Iterator[tuple[int, int, int]]:
    for start in range(0, len(a), _BLOCK):
        different = _ones(a[start : start + _BLOCK, None] ^ b[None, :])
        best = different.argmin(axis=1)
        for i, other in enumerate(best):
            yield start + i, int(other), int(different[i, other])


def _ones(codes: Codes) -> NDArray[np.uint8]:
    """Count the bits that are set."""
    quarters = np.ascontiguousarray(codes).view(np.uint16).reshape(*codes.shape, 4)
    return np.asarray(_COUNTS[quarters].sum(axis=-1, dtype=np.uint8))


def _telling(codes: Codes) -> NDArray[np.bool_]:
    """Say which hashes have enough bits of both kinds to tell pictures apart."""
    ones = _ones(codes)
    return np.asarray((ones >= _FLAT_BITS) & (ones <= 64 - _FLAT_BITS))
