"""Mixers are samplers: two or more samplers in one study, which is how all of them learn of every trial.

The fourth, a sampler guided by a prior, is `autoagent.search.prior_guided`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from autoagent.errors import AutoAgentError
from autoagent.search.encoding import Encoding

_FAULTS = (AutoAgentError, ValueError, ArithmeticError, LookupError, RuntimeError)


class Mixer(BaseSampler):
    """Hands each trial to one of its parts, for all its parameters; every part hears of every trial.

    Attributes:
        parts: samplers by name.
        attribute: system attribute of a trial with the name of its part.
    """

    label = "mixer"

    def __init__(self, parts: Mapping[str, BaseSampler], *, label: str = "") -> None:
        """Take the parts; a mixer inside another one of the same class needs a ``label`` of its own."""
        self.parts = dict(parts)
        self.attribute = f"autoagent:part:{label or self.label}"

    def parts_so_far(self, study: Study) -> Counter[str]:
        """Return how many trials of a study each part proposed."""
        chosen = (trial.system_attrs.get(self.attribute) for trial in study.get_trials(deepcopy=False))
        return Counter(name for name in chosen if name is not None)

    def choose(self, study: Study, trial: FrozenTrial) -> str:
        """Return the name of the part that proposes a trial."""
        raise NotImplementedError

    def part_of(self, study: Study, trial: FrozenTrial) -> BaseSampler:
        """Return the part that was chosen for a trial."""
        return self.parts[study._storage.get_trial(trial._trial_id).system_attrs[self.attribute]]

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Choose, keep the choice with the trial, and pass the call on to the chosen part."""
        if self.attribute not in study._storage.get_trial(trial._trial_id).system_attrs:
            study._storage.set_trial_system_attr(trial._trial_id, self.attribute, self.choose(study, trial))
        self.part_of(study, trial).before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the chosen part's space."""
        return self.part_of(study, trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the chosen part's configuration."""
        return self.part_of(study, trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 - Optuna's own signature
        """Return the chosen part's value."""
        return self.part_of(study, trial).sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Tell all."""
        for part in self.parts.values():
            part.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Pass the call on to all."""
        for part in self.parts.values():
            part.reseed_rng()


class WarmStart(Mixer):
    """The first ``count`` trials from one sampler, all others from another.

    Trials that were enqueued or added by hand do not count.
    """

    label = "warm_start"

    def __init__(self, first: BaseSampler, then: BaseSampler, *, count: int = 5, label: str = "") -> None:
        super().__init__({"first": first, "then": then}, label=label)
        self._count = count

    def choose(self, study: Study, trial: FrozenTrial) -> str:
        """Return ``first`` until it had its trials."""
        return "first" if self.parts_so_far(study)["first"] < self._count else "then"


class Bandit(Mixer):
    """Chooses among samplers by an upper confidence bound on how their latest trials ranked, less their price.

    A trial's reward is 1 minus its rank among the last ``window`` trials of all parts, so that the scale of the
    objective is of no matter; a failure, and a trial that breaks a limit, rank last. With several objectives the rank
    is the number of trials that are better in all of them. Trials that run count as chosen, not as rewarded.

    Source: UCB1 (Auer et al., Machine Learning 47, 2002); rank reward in place of OpenTuner's "new best", which is too
    rare in 30 to 100 trials.

    Attributes:
        window: ended trials that count.
        exploration: weight of the confidence bound.
        price: of one trial of each part, in units of reward; absent is 0.
    """

    label = "bandit"

    def __init__(
        self,
        parts: Mapping[str, BaseSampler],
        *,
        window: int = 20,
        exploration: float = 0.5,
        price: Mapping[str, float] | None = None,
        label: str = "",
    ) -> None:
        super().__init__(parts, label=label)
        self.window = window
        self.exploration = exploration
        self.price = dict(price or {})

    def choose(self, study: Study, trial: FrozenTrial) -> str:
        """Return the part with the highest bound; a part without a trial comes first, in their order."""
        bounds = self.bounds(study)
        return max(bounds, key=lambda name: bounds[name])  # the first of equals

    def bounds(self, study: Study) -> dict[str, float]:
        """Return each part's upper confidence bound; infinite for a part without a trial in the window."""
        trials = [
            trial for trial in study.get_trials(deepcopy=False) if trial.system_attrs.get(self.attribute) in self.parts
        ]
        ended = sorted((t for t in trials if t.state.is_finished()), key=_when)[-self.window :]
        running = [t for t in trials if t.state == TrialState.RUNNING]
        rewards: dict[str, list[float]] = {name: [] for name in self.parts}
        for trial, reward in zip(ended, rank_rewards(ended, study.directions), strict=True):
            rewards[trial.system_attrs[self.attribute]].append(reward)
        chosen = Counter(trial.system_attrs[self.attribute] for trial in (*ended, *running))
        total = max(sum(chosen.values()), 1)
        return {name: self._bound(name, rewards[name], chosen[name], total) for name in self.parts}

    def _bound(self, name: str, rewards: Sequence[float], chosen: int, total: int) -> float:
        if not chosen:
            return math.inf
        mean = sum(rewards) / len(rewards) if rewards else 0.5  # nothing is known of a part whose trials all run
        return mean - self.price.get(name, 0.0) + self.exploration * math.sqrt(math.log(total) / chosen)


class Fallback(Mixer):
    """Asks one sampler, and another where the first raises, gives an illegal value or repeats an earlier trial.

    Each fallback is kept with its trial, so that `parts_so_far` counts them.
    """

    label = "fallback"

    def __init__(self, first: BaseSampler, then: BaseSampler, *, label: str = "") -> None:
        super().__init__({"first": first, "then": then}, label=label)

    def choose(self, study: Study, trial: FrozenTrial) -> str:
        """Return ``first``; that it fails is seen later."""
        return "first"

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the space of both."""
        second = self.parts["then"].infer_relative_search_space(study, trial)
        try:
            return {**second, **self.parts["first"].infer_relative_search_space(study, trial)}
        except _FAULTS as error:
            self._give_up(study, trial, repr(error))
            return second

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the first's configuration where it is legal and new, else the second's."""
        if self.part_of(study, trial) is self.parts["first"]:
            try:
                space = self.parts["first"].infer_relative_search_space(study, trial)
                params = self.parts["first"].sample_relative(study, trial, space)
                fault = _fault(study, trial, params, space)
            except _FAULTS as error:
                fault = repr(error)
            if not fault:
                return params
            self._give_up(study, trial, fault)
        space = self.parts["then"].infer_relative_search_space(study, trial)
        return self.parts["then"].sample_relative(study, trial, space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 - Optuna's own signature
        """Return the first's value where it is legal, else the second's."""
        if self.part_of(study, trial) is self.parts["first"]:
            try:
                value = self.parts["first"].sample_independent(study, trial, param_name, param_distribution)
                if param_distribution._contains(param_distribution.to_internal_repr(value)):
                    return value
                self._give_up(study, trial, f"{param_name!r}: {value!r} is not legal")
            except _FAULTS as error:
                self._give_up(study, trial, repr(error))
        return self.parts["then"].sample_independent(study, trial, param_name, param_distribution)

    def _give_up(self, study: Study, trial: FrozenTrial, why: str) -> None:
        study._storage.set_trial_system_attr(trial._trial_id, self.attribute, "then")
        study._storage.set_trial_system_attr(trial._trial_id, f"{self.attribute}:why", why[:300])
        self.parts["then"].before_trial(study, trial)


def rank_rewards(trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]) -> list[float]:
    """Return 1 - rank / n for each ended trial; its rank is the number of trials that are better in all objectives."""
    signs = [-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in directions]
    rows = [_losses(trial, signs) for trial in trials]
    better = [sum(_dominates(other, row) for other in rows) for row in rows]
    return [1.0 - count / len(rows) for count in better]


def _losses(trial: FrozenTrial, signs: Sequence[float]) -> tuple[float, ...]:
    values = trial.values if trial.state == TrialState.COMPLETE else None
    if values is None or any(map(math.isnan, values)) or any(limit > 0 for limit in trial.constraints.values()):
        return (math.inf,) * len(signs)
    return tuple(sign * value for sign, value in zip(signs, values, strict=True))


def _dominates(first: Sequence[float], second: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(first, second, strict=True)) and tuple(first) != tuple(second)


def _when(trial: FrozenTrial) -> tuple[float, int]:
    return (trial.datetime_complete.timestamp() if trial.datetime_complete else 0.0, trial.number)


def _fault(study: Study, trial: FrozenTrial, params: Mapping[str, Any], space: Mapping[str, BaseDistribution]) -> str:
    """Return what is wrong with a joint proposal, or nothing."""
    for name, value in params.items():
        if name not in space or not space[name]._contains(space[name].to_internal_repr(value)):
            return f"{name!r}: {value!r} is not legal"
    for other in study.get_trials(deepcopy=False):
        if other.number != trial.number and other.params and _agrees(space, other.params, params):
            return f"a repeat of trial {other.number}"
    return ""


def _agrees(space: Mapping[str, BaseDistribution], other: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    """Say whether another trial's parameters are all among ``params`` and equal after rounding."""
    if not set(other) <= set(params):
        return False
    encoding = Encoding({name: space[name] for name in other})
    return encoding.key(dict(other)) == encoding.key({name: params[name] for name in other})
