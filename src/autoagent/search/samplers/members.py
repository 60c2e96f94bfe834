"""Which trial belongs to which member of a population, told from the trials themselves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from autoagent.search.samplers.vectors import Array, Past


def member_of(past: Past, size: int) -> NDArray[np.int64]:
    """Return ``(n,)``: the member of each trial, as it was noted; trials of others are dealt out in turn."""
    members, dealt = np.empty(len(past.notes), dtype=np.int64), 0
    for row, note in enumerate(past.notes):
        if "member" in note:
            members[row] = int(note["member"]) % size
        else:
            members[row] = dealt % size
            dealt += 1
    return members


def next_member(members: NDArray[np.int64], size: int) -> int:
    """Return the member with the fewest trials, running ones included; a failed trial is made up for."""
    return int(np.argmin(np.bincount(members, minlength=size)))


def noted(point: Array, past: Past) -> dict[str, list[float]]:
    """Return a vector as JSON by parameter, so that it can be read when the space has grown."""
    return {name: [float(value) for value in point[block]] for name, block in past.blocks.items()}


def position(past: Past, row: int, rng: np.random.Generator) -> Array:
    """Return the vector that a trial was at: as noted before rounding, else as it ran, else random."""
    point = past.points[row].copy()
    latent: Mapping[str, list[float]] = past.notes[row].get("point", {})
    for name, block in past.blocks.items():
        if len(latent.get(name, ())) == block.stop - block.start:
            point[block] = latent[name]
    drawn = past.encoding.encode(past.encoding.random(rng)) if np.isnan(point).any() else point
    return np.where(np.isnan(point), drawn, point)


def stratified(past: Past, cell: int, cells: int, seed: int, rng: np.random.Generator) -> Array:
    """Return a cell of a Latin hypercube: each column's range is divided into as many parts as there are cells.

    Args:
        past: for the width, and for what was tried; a point that failed there is replaced by a random one.
        cell: which one.
        cells: how many there are.
        seed: of the hypercube.
        rng: for the replacement.
    """
    width = past.encoding.width
    fixed = np.random.default_rng([seed, cells, width])
    strata = np.array([fixed.permutation(cells) for _ in range(width)])
    point = (strata[:, cell % cells] + fixed.random((width, cells))[:, cell % cells]) / cells
    return rng.random(width) if past.repeats(past.encoding.decode(point)) else np.asarray(point)
