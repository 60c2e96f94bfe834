"""Choices that are made by trying them on the first batches: the precision, and whether to compile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch

Choice = TypeVar("Choice")
_WORTH = 0.9  # a choice other than the first must take less than this share of the first one's time
_TRIES = 3


def fastest(
    choices: Mapping[Choice, Callable[[], object]], *, clock: Callable[[], float]
) -> tuple[Choice, dict[Choice, float]]:
    """Return the choice whose pass takes the least time, and the seconds of each; the first unless one is clearly less.

    Each is warmed up once, then they are run in turns and the least time counts.
    """
    for run in choices.values():
        _timed(run, clock)
    seconds = {name: float("inf") for name in choices}
    for _ in range(_TRIES):
        for name, run in choices.items():
            seconds[name] = min(seconds[name], _timed(run, clock))
    first, best = next(iter(choices)), min(seconds, key=lambda name: seconds[name])
    return (best if seconds[best] < _WORTH * seconds[first] else first), seconds


def _timed(run: Callable[[], object], clock: Callable[[], float]) -> float:
    before = clock()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - before
