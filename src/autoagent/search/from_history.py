"""A draw inside a family from its trials alone, for samplers that are functions of a history and keep no study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from optuna.distributions import BaseDistribution

from autoagent.runs.state import TrialRecord
from autoagent.search.agent_search.context import Suggestion
from autoagent.search.history import Observation
from autoagent.search.trials_log import distribution
from autoagent.space import Config, Space


@runtime_checkable
class FromHistory(Protocol):
    """A sampler that can do without a study."""

    def suggest(
        self,
        history: Sequence[Observation],
        space: Mapping[str, BaseDistribution],
        notes: Mapping[int, Mapping[str, Any]],
        *,
        number: int | None = None,
    ) -> Suggestion:
        """Return the next configuration."""
        ...  # pragma: no cover - a protocol


def draw(
    sampler: FromHistory, space: Space, ended: Sequence[TrialRecord], proposed: Sequence[TrialRecord], number: int
) -> Config:
    """Return what a sampler proposes after the trials of one family.

    A trial that stopped early has the score of the folds that it did, as Optuna's pruned trials do; one that failed is
    a failure, which a sampler may learn from. What was proposed and has not ended is running.

    Args:
        sampler: of the draw.
        space: of the family.
        ended: its trials that the search may learn from.
        proposed: all of its proposals.
        number: of the trial to propose.
    """
    seen = {trial.number: _observation(trial, space) for trial in ended}
    history = [seen.get(one.number) or Observation(one.number, dict(one.config), state="running") for one in proposed]
    kinds = {name: distribution(param.domain) for name, param in space.items()}
    notes = {one.number: {"by": one.source} for one in proposed}
    said = sampler.suggest(history, {n: k for n, k in kinds.items() if not k.single()}, notes, number=number).config
    config: Config = {}
    for name, param in space.items():
        if space.is_active(name, config):
            config[name] = said.get(name, param.default)
    return space.check(config)


def _observation(trial: TrialRecord, space: Space) -> Observation:
    config = space.check(trial.config)
    if trial.is_whole:
        return Observation(trial.number, config, None if trial.score is None else -trial.score)
    scores = trial.fold_scores
    if trial.status == "pruned" and scores:
        return Observation(trial.number, config, -sum(scores) / len(scores), "pruned")
    return Observation(trial.number, config, None, "failed")
