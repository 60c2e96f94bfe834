"""Differential evolution (Storn and Price 1997), and the adaptive variant JADE (Zhang and Sanderson 2009)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from optuna.samplers import BaseSampler

from autoagent.search.samplers.members import member_of, next_member, position, stratified
from autoagent.search.samplers.vectors import Array, Past, Step, VectorSampler

_FRESH = 0.1  # categories that are drawn anew


@dataclass(frozen=True)
class Evolution:
    """How a population evolves.

    Attributes:
        size: members, at least 4.
        weight: bounds of the weight of a difference of two members (F), drawn for each trial.
        crossover: probability that a parameter is the mutant's (CR).
        adaptive: JADE, which starts from .5 and .5 and learns both from what succeeded.
        seed: of the first members.
    """

    size: int = 8
    weight: tuple[float, float] = (0.5, 1.0)
    crossover: float = 0.9
    adaptive: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        low, high = self.weight
        if self.size < 4 or not 0.0 < low <= high <= 2.0 or not 0.0 <= self.crossover <= 1.0:
            raise ValueError(
                "needs size >= 4, 0 < low <= high <= 2 as weights and 0 <= crossover <= 1; "
                f"got {self.size}, {self.weight} and {self.crossover}"
            )


def propose(past: Past, rng: np.random.Generator, evolution: Evolution) -> Step:
    """Return a child for the member that has had the fewest trials; it replaces the member where it is not worse."""
    members = member_of(past, evolution.size)
    mine = next_member(members, evolution.size)
    best = [past.best(np.flatnonzero(members == member)) for member in range(evolution.size)]
    others = [row for member, row in enumerate(best) if row is not None and member != mine]
    target = best[mine]
    if target is None or len(others) < 3:
        return Step(stratified(past, mine, evolution.size, evolution.seed, rng), {"member": mine})
    parent = position(past, target, rng)
    if evolution.adaptive:
        weight, crossover = _drawn(past, members, evolution.size, rng)
        mutant = _towards_the_best(past, parent, others, weight, rng)
    else:
        weight, crossover = float(rng.uniform(*evolution.weight)), evolution.crossover
        a, b, c = (position(past, int(row), rng) for row in rng.choice(others, size=3, replace=False))
        mutant = mutate(past, a, [(b, c)], weight, rng)
    child = cross(past, parent, mutant, crossover, rng)
    return Step(child, {"member": mine, "weight": weight, "crossover": crossover})


def mutate(
    past: Past, base: Array, pairs: Sequence[tuple[Array, Array]], weight: float, rng: np.random.Generator
) -> Array:
    """Return ``base + weight * sum(b - c)``, drawn anew where it leaves the range.

    A category becomes that of ``b`` with probability ``weight`` where ``b`` and ``c`` disagree: a difference of
    one-hot vectors would leave nearly every category as it is. One in ten is drawn anew, since a small population
    soon has lost some.
    """
    mutant = np.asarray(base + weight * sum(b - c for b, c in pairs), dtype=float)
    mutant = np.where((mutant < 0.0) | (mutant > 1.0), rng.random(mutant.size), mutant)
    for block in past.categories:
        mutant[block] = base[block]
        for b, c in pairs:
            if b[block].argmax() != c[block].argmax() and rng.random() < weight:
                mutant[block] = b[block]
        if rng.random() < _FRESH:
            mutant[block] = np.arange(block.stop - block.start) == rng.integers(block.stop - block.start)
    return mutant


def cross(past: Past, parent: Array, mutant: Array, crossover: float, rng: np.random.Generator) -> Array:
    """Return the binomial crossover by parameter; at least one is the mutant's."""
    child = parent.copy()
    forced = int(rng.integers(len(past.blocks)))
    for place, block in enumerate(past.blocks.values()):
        if place == forced or rng.random() < crossover:
            child[block] = mutant[block]
    return child


def learned(past: Past, members: NDArray[np.int64], size: int) -> tuple[float, float]:
    """Return JADE's means of weight and crossover after all successes so far (section III C, c = 0.1).

    A success is a trial that is better than its member was. Each moves the means at once: the weight towards the
    Lehmer mean of what succeeded, which for one value is the value.
    """
    weight, crossover = 0.5, 0.5
    best = np.full(size, np.inf)
    for row, member in enumerate(members):
        if past.ranks[row] < best[member]:
            note = past.notes[row]
            if "weight" in note and np.isfinite(best[member]):
                weight += 0.1 * (float(note["weight"]) - weight)
                crossover += 0.1 * (float(note["crossover"]) - crossover)
            best[member] = past.ranks[row]
    return weight, crossover


def build(
    *,
    seed: int,
    size: int = 8,
    weight: tuple[float, float] = (0.5, 1.0),
    crossover: float = 0.9,
    adaptive: bool = False,
) -> BaseSampler:
    """Return differential evolution (rand/1/bin) as a sampler of any Optuna study.

    Differs: children are made one by one as trials are asked for, from the members as they are by then; the weight is
    drawn for each trial; a coordinate that leaves its range is drawn anew, as in DEHB; categories are exchanged, not
    added, and one in ten is drawn anew; the first members are a Latin hypercube. JADE (``adaptive``): without its
    archive of replaced members, and its means move with each success.
    """
    evolution = Evolution(size, weight, crossover, adaptive, seed)
    return VectorSampler("de", functools.partial(propose, evolution=evolution), seed=seed)


def _towards_the_best(
    past: Past, parent: Array, others: Sequence[int], weight: float, rng: np.random.Generator
) -> Array:
    """Return JADE's mutant: from the parent towards one of the best fifth, plus a difference of two others."""
    ranked = sorted(others, key=lambda row: past.ranks[row])
    top = ranked[: max(1, round(0.2 * len(ranked)))]
    best = position(past, int(rng.choice(top)), rng)
    b, c = (position(past, int(row), rng) for row in rng.choice(others, size=2, replace=False))
    return mutate(past, parent, [(best, parent), (b, c)], weight, rng)


def _drawn(past: Past, members: NDArray[np.int64], size: int, rng: np.random.Generator) -> tuple[float, float]:
    weight, crossover = learned(past, members, size)
    drawn = 0.0
    while drawn <= 0.0:
        drawn = weight + 0.1 * float(rng.standard_cauchy())
    return min(drawn, 1.0), float(np.clip(rng.normal(crossover, 0.1), 0.0, 1.0))
