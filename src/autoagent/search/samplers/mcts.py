"""Monte-Carlo tree search as an Optuna sampler: parameters are decisions in the order in which they are asked for."""

from __future__ import annotations

from optuna.samplers import BaseSampler

from autoagent.search.trees.sampling import DecisionSampler
from autoagent.search.trees.uct import Uct


def build(
    *, seed: int, exploration: float = Uct.exploration, sharing: float = Uct.sharing, widening: float = Uct.widening
) -> BaseSampler:
    """Return UCT over the parameters of a study; wide ranges are halved, see `Uct` for the options."""
    return DecisionSampler(Uct(exploration=exploration, sharing=sharing, widening=widening), seed=seed)
