"""What a sampler may learn from: the trials of an Optuna study as plain values, losses always minimised."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

State = Literal["done", "failed", "pruned", "running"]

_STATES: Mapping[TrialState, State] = {
    TrialState.COMPLETE: "done",
    TrialState.FAIL: "failed",
    TrialState.PRUNED: "pruned",
    TrialState.RUNNING: "running",
}


@dataclass(frozen=True)
class Observation:
    """One trial.

    Attributes:
        number: of the trial.
        params: what it used; of a running trial, what it has asked for so far.
        loss: lower is better; of a pruned trial, its last intermediate value; None without a value.
        state: what became of it.
        violation: the sum of its positive constraint values; 0 is feasible.
        distributions: of its parameters.
    """

    number: int
    params: dict[str, Any]
    loss: float | None = None
    state: State = "done"
    violation: float = 0.0
    distributions: dict[str, BaseDistribution] = field(default_factory=dict)


def observations(study: Study) -> list[Observation]:
    """Return the trials of a study with one objective, by number; those that wait in the queue are left out.

    Raises:
        ValueError: the study has several objectives; `losses` returns those.
    """
    if len(study.directions) > 1:
        raise ValueError(f"one objective expected, the study has {len(study.directions)}; use losses(study)")
    sign = signs(study)[0]
    return [_observation(trial, sign) for trial in ended_or_running(study)]


def losses(study: Study) -> NDArray[np.float64]:
    """Return ``(n, m)``: the losses of the same trials as `observations`, NaN where there is none."""
    turned, trials = signs(study), ended_or_running(study)
    table = np.full((len(trials), turned.size), np.nan)
    for row, trial in enumerate(trials):
        if trial.state == TrialState.COMPLETE and trial.values is not None:
            table[row] = turned * np.asarray(trial.values, dtype=float)
        elif turned.size == 1 and (value := _pruned_value(trial)) is not None:
            table[row] = turned * value
    return table


def signs(study: Study) -> NDArray[np.float64]:
    """Return ``(m,)``: what an objective is multiplied with to be a loss."""
    return np.array([-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in study.directions])


def ended_or_running(study: Study) -> list[FrozenTrial]:
    """Return the trials by number, without those that wait in the queue."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state in _STATES]


def violation_of(trial: FrozenTrial) -> float:
    """Return the sum of a trial's positive constraint values."""
    return float(sum(max(0.0, value) for value in trial.constraints.values()))


def _observation(trial: FrozenTrial, sign: float) -> Observation:
    value = trial.value if trial.state == TrialState.COMPLETE else _pruned_value(trial)
    return Observation(
        number=trial.number,
        params=dict(trial.params),
        loss=None if value is None else float(sign * value),
        state=_STATES[trial.state],
        violation=violation_of(trial),
        distributions=dict(trial.distributions),
    )


def _pruned_value(trial: FrozenTrial) -> float | None:
    if trial.state != TrialState.PRUNED:
        return None
    value = trial.value
    if value is None and trial.intermediate_values:
        value = trial.intermediate_values[max(trial.intermediate_values)]
    return None if value is None or math.isnan(value) else value
