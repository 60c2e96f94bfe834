"""Regularised evolution over decision lists: the oldest dies, the best of a few has a changed child."""

from __future__ import annotations

import random
from dataclasses import dataclass

from autoagent.search.trees.evidence import Evidence
from autoagent.search.trees.policy import Chooser, Random, planned
from autoagent.search.trees.tree import Rollouts
from autoagent.search.trees.variation import cross, mutate


@dataclass(frozen=True)
class Evolution:
    """Aging evolution (Real et al. 2018, arXiv:1802.01548 algorithm 1).

    Attributes:
        population: the youngest so many ended trials are alive; as many are drawn first.
        sample: so many of them compete to be the parent.
        crossover: probability that a child takes a subtree of a second parent before it is changed.

    Differs: a crossover, which the paper has not (0 is the paper); a child may come before its parents' generation
    has ended, for trials run side by side.
    """

    population: int = 20
    sample: int = 5
    crossover: float = 0.25

    def begin(self, evidence: Evidence, space: Rollouts | None, rng: random.Random) -> Chooser:
        """Return what answers from a child's decision list."""
        alive = range(max(0, len(evidence) - self.population), len(evidence))
        if space is None or len(evidence) < self.population:
            return Random().begin(evidence, space, rng)
        scores = evidence.scores()

        def parent() -> int:
            return max(rng.sample(alive, min(self.sample, len(alive))), key=lambda i: scores[i])

        child = space.complete(evidence.ended[parent()].decisions, rng)
        if rng.random() < self.crossover:
            child = cross(space, child, space.complete(evidence.ended[parent()].decisions, rng), rng)
        return planned(mutate(space, child, rng), rng)
