"""Particle swarm (Kennedy and Eberhart 1995) with Clerc and Kennedy's constriction; a tuner in arXiv:2109.08021."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from optuna.samplers import BaseSampler

from autoagent.search.samplers.members import member_of, next_member, noted, position, stratified
from autoagent.search.samplers.vectors import Array, Past, Step, VectorSampler

_FASTEST = 0.5  # of a range in one step


@dataclass(frozen=True)
class Swarm:
    """How the particles move.

    Attributes:
        particles: in the swarm.
        inertia: share of the velocity that is kept.
        own: pull towards the particle's own best point.
        social: pull towards the best point of its neighbours.
        neighbours: all particles, or the one on each side in a ring.
        seed: of the first positions.
    """

    particles: int = 6
    inertia: float = 0.7298
    own: float = 1.4962
    social: float = 1.4962
    neighbours: Literal["all", "ring"] = "all"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.particles < 2 or not 0.0 <= self.inertia < 1.0:
            raise ValueError(f"needs 2 particles and 0 <= inertia < 1; got {self.particles} and {self.inertia}")


def constriction(phi: float = 4.1) -> tuple[float, float]:
    """Return the inertia and the pull of each kind under which a swarm contracts (Clerc and Kennedy 2002).

    Raises:
        ValueError: ``phi``, the sum of both pulls before constriction, is not above 4.
    """
    if phi <= 4.0:
        raise ValueError(f"phi must be above 4, not {phi!r}")
    chi = 2.0 / abs(2.0 - phi - math.sqrt(phi * phi - 4.0 * phi))
    return chi, chi * phi / 2.0


def propose(past: Past, rng: np.random.Generator, swarm: Swarm) -> Step:
    """Move the particle that has had the fewest trials.

    ``v <- inertia v + own r1 (own best - x) + social r2 (neighbours' best - x)``, then ``x <- x + v``. The velocity is
    the difference of the particle's last two positions, so that whoever can read the study knows it.
    """
    members = member_of(past, swarm.particles)
    mine = next_member(members, swarm.particles)
    rows = np.flatnonzero(members == mine)
    if len(rows) == 0:
        return _at(stratified(past, mine, swarm.particles, swarm.seed, rng), mine, past)
    here = position(past, int(rows[-1]), rng)
    before = position(past, int(rows[-2]), rng) if len(rows) > 1 else 1.5 * here - 0.5 * rng.random(here.size)
    velocity = swarm.inertia * (here - before)
    for pull, group in ((swarm.own, rows), (swarm.social, _neighbourhood(members, mine, swarm))):
        best = past.best(group)
        if best is not None:
            velocity += pull * rng.random(here.size) * (position(past, best, rng) - here)
    return _at(np.clip(here + np.clip(velocity, -_FASTEST, _FASTEST), 0.0, 1.0), mine, past)


def build(
    *,
    seed: int,
    particles: int = 6,
    inertia: float = 0.7298,
    own: float = 1.4962,
    social: float = 1.4962,
    neighbours: Literal["all", "ring"] = "all",
) -> BaseSampler:
    """Return a particle swarm as a sampler of any Optuna study.

    Differs: particles move one by one as trials are asked for, each knowing what has ended by then; a position that
    leaves the range stops at its bound, and so does its velocity; categories are one column for each choice, of which
    the largest is taken; first positions are a Latin hypercube and first velocities half the way to a random point
    (as in the standard of 2011).
    """
    swarm = Swarm(particles, inertia, own, social, neighbours, seed)
    return VectorSampler("pso", functools.partial(propose, swarm=swarm), seed=seed)


def _neighbourhood(members: NDArray[np.int64], mine: int, swarm: Swarm) -> NDArray[np.intp]:
    if swarm.neighbours == "all":
        return np.arange(len(members))
    near = [(mine + step) % swarm.particles for step in (-1, 0, 1)]
    return np.flatnonzero(np.isin(members, near))


def _at(point: Array, member: int, past: Past) -> Step:
    return Step(point, {"member": member, "point": noted(point, past)})
