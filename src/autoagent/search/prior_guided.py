"""A sampler guided by a prior that fades: piBO over our own encoding of configurations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from autoagent.search.encoding import Encoding
from autoagent.search.history import Observation, observations
from autoagent.search.surrogate.features import Features
from autoagent.search.surrogate.improvement import log_expected_improvement
from autoagent.search.surrogate.outputs import targets_of
from autoagent.search.surrogate.process import fit

Floats = NDArray[np.float64]
Configs = Sequence[Mapping[str, Any]]
Space = Mapping[str, BaseDistribution]
LogAcquisition = Callable[[Space, Configs, Floats, Configs], Floats]


def process_improvement(space: Space, configs: Configs, losses: Floats, candidates: Configs) -> Floats:
    """Return the logarithm of each candidate's expected improvement under a Gaussian process.

    Args:
        space: distributions of all parameters.
        configs: that were tried; at least two.
        losses: ``(n,)`` of theirs.
        candidates: to be scored.
    """
    features = Features(space)
    rows = features.rows(configs)
    process = fit(features, rows, targets_of(losses))
    best = float(process.predict(rows)[0].min())  # the posterior's best, not the luckiest value
    mean, deviation = process.predict(features.rows(candidates))
    return log_expected_improvement(mean, deviation, best)


class PriorGuided(BaseSampler):
    """Maximises an acquisition times a prior that fades: ``acquisition * prior ** (beta / n)`` after ``n`` trials.

    The prior is a belief about where good configurations lie, right or wrong: of a person, of a paper
    (`autoagent.search.priors.Prior.log_density`), or of a language model (`around`). The first trials are drawn from
    it. Candidates are random points, neighbours of the best, and what ``base`` proposes; ``base`` also proposes while
    nothing is known of the space, and fills in parameters that are not.

    Source: piBO, arXiv:2204.11051, equation 4 (beta = N / 10 for N trials; 10 here).
    Differs: the acquisition is maximised over a sample of candidates, not by gradients; conditional parameters that
    a configuration lacks sit in the middle of their range.
    """

    def __init__(
        self,
        base: BaseSampler,
        log_prior: Callable[[Mapping[str, Any]], float],
        *,
        beta: float = 10.0,
        num_initial: int = 4,
        num_candidates: int = 400,
        seed: int = 0,
        acquisition: LogAcquisition = process_improvement,
    ) -> None:
        """Take the parts.

        Args:
            base: see the class.
            log_prior: of a configuration; may be unnormalised.
            beta: how long the prior counts, in trials.
            num_initial: trials with a value that are drawn from the prior.
            num_candidates: that are scored for each trial.
            seed: of the draws.
            acquisition: ``(space, configs, losses, candidates)`` to a logarithm each; see `process_improvement`.
        """
        self._base = base
        self._log_prior = log_prior
        self._beta = beta
        self._num_initial = num_initial
        self._num_candidates = num_candidates
        self._seed = seed
        self._acquisition = acquisition

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return all parameters that are known."""
        return {**self._base.infer_relative_search_space(study, trial), **_known(study)}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the best candidate, or what ``base`` proposes where there is none."""
        space = self._base.infer_relative_search_space(study, trial)
        proposed = self._base.sample_relative(study, trial, space)
        if len(study.directions) > 1 or not (known := _known(study)):
            return proposed
        encoding = Encoding(known)
        rng = np.random.default_rng([self._seed, trial.number])
        others = [seen for seen in observations(study) if seen.number != trial.number and seen.params]
        valued = [
            seen for seen in others if seen.state == "done" and seen.loss is not None and math.isfinite(seen.loss)
        ]
        tried = {encoding.key(seen.params) for seen in others}
        pool = {encoding.key(params): params for params in self._candidates(encoding, valued, proposed, rng)}
        fresh = [params for key, params in pool.items() if key not in tried]
        if not fresh:
            return proposed
        ended = sum(seen.state != "running" for seen in others)
        return fresh[int(np.argmax(self._scores(known, fresh, valued, ended, rng)))]

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 - Optuna's own signature
        """Return the base sampler's value."""
        return self._base.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """Draw a new seed, and pass the call on."""
        self._seed = int(np.random.default_rng().integers(2**31 - 1))
        self._base.reseed_rng()

    def _candidates(
        self, encoding: Encoding, valued: Sequence[Observation], proposed: Mapping[str, Any], rng: np.random.Generator
    ) -> list[dict[str, Any]]:
        found = [dict(proposed)] if set(proposed) == set(encoding.names) else []
        best = sorted(valued, key=lambda seen: (seen.violation, seen.loss))[:4]
        for place in range(self._num_candidates):
            if best and place % 2:
                centre = encoding.encode(best[place // 2 % len(best)].params)
                found.append(encoding.decode(np.clip(centre + rng.normal(0, 0.1, encoding.width), 0, 1)))
            else:
                found.append(encoding.random(rng))
        return found

    def _scores(
        self,
        space: Space,
        fresh: Sequence[Mapping[str, Any]],
        valued: Sequence[Observation],
        ended: int,
        rng: np.random.Generator,
    ) -> Floats:
        prior = np.array([self._log_prior(params) for params in fresh])
        if len(valued) < max(self._num_initial, 2):
            return np.asarray(prior + rng.gumbel(size=len(fresh)), dtype=np.float64)  # a draw from the prior
        worst = max(seen.loss or 0.0 for seen in valued)
        losses = np.array([seen.loss if seen.violation == 0 else worst for seen in valued], dtype=np.float64)
        worth = self._acquisition(space, [seen.params for seen in valued], losses, fresh)
        return np.asarray(worth + self._beta / max(ended, 1) * prior, dtype=np.float64)


def around(
    configs: Sequence[Mapping[str, Any]], space: Mapping[str, BaseDistribution], *, spread: float = 0.15
) -> Callable[[Mapping[str, Any]], float]:
    """Return the log of a prior around configurations, such as a language model's: a normal bump around each.

    Args:
        configs: at least one.
        space: their distributions.
        spread: standard deviation as a share of each range; another choice counts as two of them.
    """
    encoding = Encoding(space)
    weights = np.ones(encoding.width)
    for name, block in encoding.blocks.items():
        if isinstance(space[name], CategoricalDistribution):
            weights[block] = 2 * spread**2  # two columns differ by 1 each: 4 spread^2 in all
    centres = np.array([encoding.encode(params) for params in configs])

    def log_prior(params: Mapping[str, Any]) -> float:
        squares = (((encoding.encode(params) - centres) ** 2) * weights).sum(axis=1)
        return float(np.log(0.02 + np.exp(-0.5 * squares / spread**2).mean()))  # never nothing: it may be wrong

    return log_prior


def _known(study: Study) -> dict[str, BaseDistribution]:
    """Return the distributions of all parameters seen, the latest of each."""
    found: dict[str, BaseDistribution] = {}
    for trial in study.get_trials(deepcopy=False):
        found |= trial.distributions
    return {name: distribution for name, distribution in found.items() if not distribution.single()}
