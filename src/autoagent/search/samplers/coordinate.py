"""Coordinate descent: one change at a time until none helps, the tuning protocol of arXiv:2509.02046 (section 3)."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler

from autoagent.search.encoding import Encoding
from autoagent.search.priors import Prior
from autoagent.search.samplers.vectors import Array, Past, Step, VectorSampler


@dataclass(frozen=True)
class Descent:
    """What is changed, and what counts as better.

    Attributes:
        factor: between two neighbours of a parameter on a log scale.
        levels: grid points of one that is not, so that neighbours are a ``1 / (levels - 1)`` of its range apart.
        least_gain: loss by which a change must improve.
        halvings: how often the steps are halved when no change helps; then the descent starts anew elsewhere.
        start: where to begin; the middle of each range and the first choice for what it does not name.
    """

    factor: float = 2.0
    levels: int = 9
    least_gain: float = 0.0
    halvings: int = 3
    start: Prior = field(default_factory=lambda: Prior("none"))

    def __post_init__(self) -> None:
        if self.factor <= 1.0 or self.levels < 2 or self.least_gain < 0.0 or self.halvings < 0:
            raise ValueError(
                "needs factor > 1, levels >= 2, least_gain >= 0 and halvings >= 0; "
                f"got {self.factor}, {self.levels}, {self.least_gain}, {self.halvings}"
            )


@dataclass(frozen=True)
class Stand:
    """Where a descent is.

    Attributes:
        row: of the incumbent.
        turned: the parameter by which it differs from the incumbent before it; the next change starts there.
        sign: the direction of that change, 1 or -1.
    """

    row: int
    turned: str
    sign: float


def propose(past: Past, rng: np.random.Generator, descent: Descent) -> Step:
    """Return the next single change of the incumbent that was not tried; halve the steps when all were."""
    count = max((int(note.get("descent", 0)) for note in past.notes), default=0)
    rows = [row for row, note in enumerate(past.notes) if int(note.get("descent", 0)) == count]
    stand = incumbent(past, rows, descent)
    if stand is None:
        start = _start(past, descent)
        unused = not rows and not past.repeats(past.encoding.decode(start))
        return Step(start if unused else rng.random(start.size), {"descent": count})
    here = _filled(past, stand.row, descent)
    halved = max((int(past.notes[row].get("halved", 0)) for row in rows), default=0)
    for level in range(halved, descent.halvings + 1):
        for point in neighbours(past, here, stand, descent, 0.5**level):
            if not past.repeats(past.encoding.decode(point)):
                return Step(point, {"descent": count, "halved": level})
    return Step(rng.random(here.size), {"descent": count + 1})


def incumbent(past: Past, rows: Sequence[int], descent: Descent) -> Stand | None:
    """Return the point that every later trial of the descent failed to improve on; None before one has ended."""
    stand: Stand | None = None
    for row in rows:
        if not np.isfinite(past.ranks[row]):
            continue
        if stand is None:
            stand = Stand(row, next(iter(past.blocks)), 1.0)
        elif past.ranks[row] < past.ranks[stand.row] and _gain(past, stand.row, row) >= descent.least_gain:
            stand = Stand(row, *_change(past, stand, row))
    return stand


def neighbours(past: Past, here: Array, stand: Stand, descent: Descent, scale: float) -> Iterator[Array]:
    """Yield the points that differ from the incumbent in one parameter that it uses, from the last one turned on."""
    names = list(past.blocks)
    first = names.index(stand.turned)
    for name in [*names[first:], *names[:first]]:
        block = past.blocks[name]
        if np.isnan(past.points[stand.row, block]).any():
            continue
        if isinstance(past.space[name], CategoricalDistribution):
            values = [choice for choice in np.eye(block.stop - block.start) if choice.argmax() != here[block].argmax()]
        else:
            step = scale * stride(past.space[name], descent)
            values = [np.clip(here[block] + sign * step, 0.0, 1.0) for sign in (stand.sign, -stand.sign)]
        for value in values:
            point = here.copy()
            point[block] = value
            yield point


def stride(distribution: BaseDistribution, descent: Descent) -> float:
    """Return the distance of two neighbours as a share of the range: a factor on a log scale, a level on others."""
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        raise TypeError(f"only numbers have a stride, not {distribution!r}")
    if distribution.log:
        return min(1.0, math.log(descent.factor) / math.log(distribution.high / distribution.low))
    least = (distribution.step or 0.0) / (distribution.high - distribution.low)
    return min(1.0, max(1.0 / (descent.levels - 1), least))


def build(
    *,
    seed: int,
    factor: float = 2.0,
    levels: int = 9,
    least_gain: float = 0.0,
    halvings: int = 3,
    start: Prior | None = None,
) -> BaseSampler:
    """Return coordinate descent as a sampler of any Optuna study.

    Differs: the protocol tries every point of a hand-made grid of one parameter before the next; here the two
    neighbours are tried, and a direction that pays is followed. When no single change helps, where the protocol ends,
    the steps are halved and after that another descent starts at a random point, so that a budget is used up.
    """
    descent = Descent(factor, levels, least_gain, halvings, start or Prior("none"))

    def first(name: str, distribution: BaseDistribution, rng: np.random.Generator) -> object:
        encoding = Encoding({name: distribution})
        middle = encoding.decode(np.full(encoding.width, 0.5))
        return (middle | descent.start.start({name: distribution}))[name]

    return VectorSampler("coordinate", functools.partial(propose, descent=descent), seed=seed, first=first)


def _gain(past: Past, old: int, new: int) -> float:
    gain = float(past.losses[old] - past.losses[new])
    return gain if math.isfinite(gain) and gain > 0 else math.inf  # it is better by another measure: whole, or legal


def _change(past: Past, stand: Stand, row: int) -> tuple[str, float]:
    """Return the parameter that changed most, and which way."""
    before, after = np.nan_to_num(past.points[stand.row]), np.nan_to_num(past.points[row])
    turned = max(
        past.blocks, key=lambda name: float(np.abs(after[past.blocks[name]] - before[past.blocks[name]]).max())
    )
    block = past.blocks[turned]
    return turned, 1.0 if float(after[block][0]) >= float(before[block][0]) else -1.0


def _start(past: Past, descent: Descent) -> Array:
    middle = past.encoding.decode(np.full(past.encoding.width, 0.5))
    return np.asarray(past.encoding.encode(middle | descent.start.start(past.space)))


def _filled(past: Past, row: int, descent: Descent) -> Array:
    """Return the incumbent, with what it did not use from the best trial that did, else from the start."""
    point: Array = past.points[row].copy()
    for block in past.blocks.values():
        if np.isnan(point[block]).any():
            used = np.flatnonzero(~np.isnan(past.points[:, block]).any(axis=1))
            best = past.best(used)
            point[block] = _start(past, descent)[block] if best is None else past.points[best, block]
    return point
