"""Known good configurations first, then a TPE: a sampler for any Optuna study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from autoagent.search.samplers.native import build_tpe
from autoagent.space import Config


class PortfolioSampler(BaseSampler):
    """Proposes ``portfolio[n]`` for trial ``n`` while there is one, and asks another sampler afterwards.

    A value outside the distribution that the objective suggests is left to the other sampler.
    """

    def __init__(self, portfolio: Sequence[Config], then: BaseSampler) -> None:
        self._portfolio = tuple(portfolio)
        self._then = then

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the space that the other sampler models; none during the portfolio."""
        if trial.number < len(self._portfolio):
            return {}
        return self._then.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the joint proposal of the other sampler; nothing during the portfolio."""
        if trial.number < len(self._portfolio):
            return {}
        return self._then.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 - Optuna's own signature
        """Return the portfolio's value of one parameter, or what the other sampler draws."""
        if trial.number < len(self._portfolio):
            entry = self._portfolio[trial.number]
            if param_name in entry and _is_legal(param_distribution, entry[param_name]):
                return entry[param_name]
        return self._then.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Pass the call on."""
        self._then.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Pass the call on."""
        self._then.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Pass the call on."""
        self._then.reseed_rng()


def build(*, seed: int, portfolio: Sequence[Config] = ()) -> BaseSampler:
    """Return a portfolio sampler that goes on with a multivariate TPE."""
    return PortfolioSampler(portfolio, build_tpe(seed=seed))


def _is_legal(distribution: BaseDistribution, value: object) -> bool:
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except ValueError:
        return False
