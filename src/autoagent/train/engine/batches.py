"""Batches as nests of tensors: their size, their parts, and where they are."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autoagent.errors import UserError
from autoagent.train.engine.task import Batch


def size(batch: Batch) -> int:
    """Return the number of examples.

    Raises:
        UserError: there is nothing in the batch that counts examples.
    """
    match batch:
        case Tensor() | np.ndarray() if batch.ndim:
            return int(batch.shape[0])
        case list():
            return len(batch)
        case tuple() if batch:
            return size(batch[0])
        case Mapping() if batch:
            return size(next(iter(batch.values())))
    raise UserError(
        f"a batch holds tensors, arrays, lists, tuples and mappings of examples, not {type(batch).__name__}"
    )


def part(batch: Batch, start: int, end: int) -> Batch:
    """Return the examples from ``start`` to ``end``; tensors are views."""
    match batch:
        case Tensor() | np.ndarray() | list():
            return batch[start:end]
        case tuple():
            fields = [part(one, start, end) for one in batch]
            return type(batch)(*fields) if hasattr(batch, "_fields") else tuple(fields)
        case Mapping():
            return {key: part(one, start, end) for key, one in batch.items()}
    raise UserError(f"{type(batch).__name__} cannot be split into examples")


def split(batch: Batch, most: int) -> list[Batch]:
    """Return parts of at most so many examples, as even as can be; the batch itself where it is small enough."""
    count = size(batch)
    if count <= most:
        return [batch]
    pieces = -(-count // most)
    edges = [count * i // pieces for i in range(pieces + 1)]
    return [part(batch, a, b) for a, b in itertools.pairwise(edges)]


def share_of(batch: Batch, rank: int, world: int) -> Batch:
    """Return the examples of one process; the shares differ by one example at most and may be empty."""
    count = size(batch)
    return part(batch, count * rank // world, count * (rank + 1) // world)


def moved(batch: Batch, device: torch.device, *, channels_last: bool) -> Batch:
    """Return the batch with its tensors on a device; four-dimensional ones in channels-last order if asked for."""

    def move(tensor: Tensor) -> Tensor:
        if channels_last and tensor.ndim == 4 and tensor.is_floating_point():
            return tensor.to(device, memory_format=torch.channels_last, non_blocking=True)
        return tensor if tensor.device == device else tensor.to(device, non_blocking=True)

    return mapped(batch, move)


def mapped(batch: Batch, change: Callable[[Tensor], Any]) -> Any:  # noqa: ANN401 - the nest with whatever it gives
    """Return the nest with every tensor changed."""
    match batch:
        case Tensor():
            return change(batch)
        case list():
            return [mapped(one, change) for one in batch]
        case tuple():
            fields = [mapped(one, change) for one in batch]
            return type(batch)(*fields) if hasattr(batch, "_fields") else tuple(fields)
        case Mapping():
            return {key: mapped(one, change) for key, one in batch.items()}
        case _:
            return batch
