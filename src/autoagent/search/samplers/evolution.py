"""Regularised evolution as an Optuna sampler: the best of a few living trials has a child with one change."""

from __future__ import annotations

from optuna.samplers import BaseSampler

from autoagent.search.trees.evolution import Evolution
from autoagent.search.trees.sampling import DecisionSampler
from autoagent.search.trees.tree import Rollouts


def build(
    *,
    seed: int,
    space: Rollouts | None = None,
    population: int = Evolution.population,
    sample: int = Evolution.sample,
    crossover: float = Evolution.crossover,
) -> BaseSampler:
    """Return the sampler; with the objective's own ``Tree`` as ``space`` a change may uncover parts never seen."""
    policy = Evolution(population=population, sample=sample, crossover=crossover)
    return DecisionSampler(policy, seed=seed, space=space)
