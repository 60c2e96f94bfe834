"""Draws from a prior: published settings as the first trials of a warm start."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from autoagent.search.encoding import Encoding
from autoagent.search.priors import Prior

_DRAWN = "autoagent:prior"  # system attribute: the how manieth trial from the prior it is


class PriorSampler(BaseSampler):
    """Proposes the prior's centre first, then draws from it; what it says nothing of is drawn at random.

    It learns nothing: put it in front of a sampler that does, as ``first`` of `autoagent.search.mixers.WarmStart`.

    Args:
        prior: see `autoagent.search.priors` and `autoagent.search.calibrated`.
        seed: of the draws.
    """

    def __init__(self, prior: Prior, *, seed: int) -> None:
        self._prior = prior
        self._seed = seed

    def reseed_rng(self) -> None:
        """Take a new seed, for a copy of the sampler in another process."""
        self._seed = int(np.random.SeedSequence().generate_state(1)[0])

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Count the trials that came from the prior."""
        earlier = sum(_DRAWN in other.system_attrs for other in study.get_trials(deepcopy=False))
        study._storage.set_trial_system_attr(trial._trial_id, _DRAWN, earlier)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return nothing: the parameters of a prior are independent."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 - Optuna's own signature
        """Return the centre in the first trial, a draw in the others."""
        rng = np.random.default_rng([self._seed, trial.number, zlib.crc32(param_name.encode())])
        space = {param_name: param_distribution}
        first = study._storage.get_trial_system_attrs(trial._trial_id).get(_DRAWN) == 0
        known = self._prior.start(space) if first else self._prior.draw(space, rng)
        return known[param_name] if param_name in known else Encoding(space).random(rng)[param_name]


def build(*, seed: int, prior: Prior | None = None) -> BaseSampler:
    """Return a sampler of a prior; without one it draws at random."""
    return PriorSampler(prior or Prior("none"), seed=seed)
