"""Model-based search over decision lists as an Optuna sampler: a Gaussian process on n-grams scores many rollouts."""

from __future__ import annotations

from optuna.samplers import BaseSampler

from autoagent.search.trees.sampling import DecisionSampler
from autoagent.search.trees.surrogate import Smbo
from autoagent.search.trees.tree import Rollouts


def build(
    *,
    seed: int,
    space: Rollouts | None = None,
    startup: int = Smbo.startup,
    rollouts: int = Smbo.rollouts,
    epsilon: float = Smbo.epsilon,
) -> BaseSampler:
    """Return the sampler; with the objective's own ``Tree`` as ``space`` it rolls out structures never seen."""
    return DecisionSampler(Smbo(startup=startup, rollouts=rollouts, epsilon=epsilon), seed=seed, space=space)
