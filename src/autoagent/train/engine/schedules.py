"""Shapes of the learning rate: functions of the progress of a training, which goes from 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal

Schedule = Literal["cosine", "linear", "wsd", "constant"]


def cosine(t: float, _cooldown: float) -> float:
    """Half a wave from 1 to 0."""
    return 0.5 * (1 + math.cos(math.pi * t))


def linear(t: float, _cooldown: float) -> float:
    """A line from 1 to 0."""
    return 1 - t


def wsd(t: float, cooldown: float) -> float:
    """Return 1, and in the last ``cooldown`` of the progress ``1 - sqrt`` of its share (arXiv:2405.18392)."""
    start = 1 - cooldown
    return 1.0 if t <= start or cooldown == 0 else 1 - math.sqrt((t - start) / cooldown)


def constant(_t: float, _cooldown: float) -> float:
    """Return 1 to the end."""
    return 1.0


SCHEDULES: Mapping[Schedule, Callable[[float, float], float]] = {
    "cosine": cosine,
    "linear": linear,
    "wsd": wsd,
    "constant": constant,
}


def rate(schedule: Schedule, progress: float, *, warmup: float, cooldown: float, floor: float) -> float:
    """Return the share of the peak learning rate at a progress in [0, 1].

    The shape spans what follows the warm-up, so that it ends with the training whatever the warm-up is.
    """
    if progress < warmup:
        return progress / warmup
    t = (progress - warmup) / (1 - warmup) if warmup < 1 else 1.0
    return floor + (1 - floor) * SCHEDULES[schedule](min(t, 1.0), cooldown)
