"""A policy over decision lists as a sampler of any Optuna study: a decision is a parameter, in the order of asking."""

from __future__ import annotations

import math
import random
import secrets
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from autoagent.search.trees.evidence import Evidence, Floats, Tried
from autoagent.search.trees.observed import Observed
from autoagent.search.trees.policy import Chooser, Policy
from autoagent.search.trees.tree import Rollouts

_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class DecisionSampler(BaseSampler):
    """Answers one ``suggest`` after the other by a policy.

    Failed and pruned trials count as the worst; of several objectives the rank by Pareto fronts counts. The chance of
    a trial hangs on the seed and its number, all else on the study: a resumed study goes on as if never stopped.

    Args:
        policy: what decides.
        seed: any whole number.
        space: the tree that the objective walks, if there is one; without it the space is read off the trials.
    """

    def __init__(self, policy: Policy, *, seed: int, space: Rollouts | None = None) -> None:
        self._policy, self._seed, self._space = policy, str(seed), space
        self._forget()

    def _forget(self) -> None:
        self._evidence, self._known, self._study = Evidence(), set[int](), ""
        self._choosers: dict[int, tuple[str, Chooser]] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        return {"_policy": self._policy, "_seed": self._seed, "_space": self._space}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._forget()

    def reseed_rng(self) -> None:
        """Take a fresh seed: Optuna calls this for each of its own parallel workers."""
        self._seed = secrets.token_hex(8)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return nothing: each decision is asked for by itself, when its turn comes."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return nothing unless a space is handed in, which no study of this sampler does; then one value for each."""
        chooser = self._chooser(study, trial) if search_space else None
        told: dict[str, Any] = {}
        for name, where in search_space.items():
            assert chooser is not None
            told[name] = chooser(dict(told), name, where)
        return told

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 - Optuna's own signature
        """Return the policy's answer to the next decision."""
        if param_distribution.single():
            return param_distribution.to_external_repr(param_distribution.to_internal_repr(_only(param_distribution)))
        return self._chooser(study, trial)(trial.params, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Forget how an ended trial was answered."""
        self._choosers.pop(trial.number, None)

    def _chooser(self, study: Study, trial: FrozenTrial) -> Chooser:
        here = f"{id(study._storage)}/{study._study_id}"
        known = self._choosers.get(trial.number)
        if known is None or known[0] != here:
            with self._lock:
                evidence = self._read(study, here, trial.number)
            space = self._space or (Observed(evidence.ended) if evidence.ended else None)
            rng = random.Random(f"{self._seed}/{trial.number}")
            known = here, self._policy.begin(evidence, space, rng)
            self._choosers[trial.number] = known
        return known[1]

    def _read(self, study: Study, here: str, number: int) -> Evidence:
        trials = study.get_trials(deepcopy=False)
        if here != self._study or len(study.directions) > 1:
            self._evidence, self._known, self._study = Evidence(), set(), here
        ended = [t for t in trials if t.state in _ENDED and t.number not in self._known]
        self._known.update(t.number for t in ended)
        losses = _losses(study, ended)
        self._evidence.ended += [_tried(t, loss) for t, loss in zip(ended, losses, strict=True)]
        running = [t for t in trials if t.state == TrialState.RUNNING and t.number != number and t.params]
        return self._evidence.snapshot([_tried(t, None) for t in running])


def _only(where: BaseDistribution) -> object:
    choices = getattr(where, "choices", None)
    return choices[0] if choices else where.low  # type: ignore[attr-defined] # numbers have bounds


def _tried(trial: FrozenTrial, loss: float | None) -> Tried:
    violation = sum(max(0.0, value) for value in trial.constraints.values())
    return Tried(trial.params, loss, violation, trial.distributions)


def _losses(study: Study, ended: list[FrozenTrial]) -> list[float | None]:
    signs = np.array([-1.0 if d == StudyDirection.MAXIMIZE else 1.0 for d in study.directions])
    whole = [i for i, t in enumerate(ended) if t.state == TrialState.COMPLETE]
    losses: list[float | None] = [None] * len(ended)
    if not whole:
        return losses
    table = np.array([ended[i].values for i in whole], dtype=float) * signs
    ranks = table[:, 0] if len(signs) == 1 else fronts(table)
    for i, rank in zip(whole, ranks, strict=True):
        losses[i] = None if math.isnan(rank) else float(rank)
    return losses


def fronts(table: Floats) -> Floats:
    """Return the number of the Pareto front of each row of losses (n, m), 0 for the best; (n,)."""
    better = np.all(table[:, None] <= table[None], axis=2) & np.any(table[:, None] < table[None], axis=2)
    ranks, left, front = np.zeros(len(table)), np.ones(len(table), dtype=bool), 0
    while left.any():
        first = left & ~np.any(better & left[:, None], axis=0)
        ranks[first], left, front = front, left & ~first, front + 1
    return ranks
