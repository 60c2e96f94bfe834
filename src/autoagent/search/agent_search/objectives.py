"""Several objectives as one: each trial minimises a weighted distance of its own from the best of every objective."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.trial import TrialState

from autoagent.search.history import Observation, ended_or_running, losses, observations, violation_of
from autoagent.search.hypervolume import nondominated

Array = NDArray[np.float64]

_AUGMENTED = 0.05  # of the sum beside the maximum, so that dominated points are never as good (Knowles 2006)


def observed(study: Study, number: int, seed: int) -> list[Observation]:
    """Return all other trials of a study as they count for one trial.

    Args:
        study: with one objective or several.
        number: of the trial to propose; with several objectives it fixes the weights.
        seed: of the search.
    """
    if len(study.directions) == 1:
        return [one for one in observations(study) if one.number != number]
    table = losses(study)
    weights = np.random.default_rng([seed, number, 11]).dirichlet(np.ones(table.shape[1]))
    values = chebyshev(table, weights)
    seen = []
    for trial, value in zip(ended_or_running(study), values, strict=True):
        state = (
            "done" if trial.state == TrialState.COMPLETE else "running" if not trial.state.is_finished() else "failed"
        )
        one = Observation(
            trial.number, dict(trial.params), None, "failed", violation_of(trial), dict(trial.distributions)
        )
        if trial.number != number:
            seen.append(replace(one, state=state, loss=None if np.isnan(value) else float(value)))  # type: ignore[arg-type]
    return seen


def chebyshev(table: Array, weights: Array) -> Array:
    """Return ``(n,)``: the augmented Chebyshev norm of weighted losses, scaled by the range of the trials' front.

    Source: ParEGO (Knowles, IEEE TEVC 10, 2006). Differs: weights are drawn from all of the simplex, and the scale is
    that of the non-dominated trials, so that one catastrophe does not flatten the rest.

    Args:
        table: ``(n, m)`` losses; a row with a NaN has no value.
        weights: ``(m,)`` not negative.
    """
    known = ~np.isnan(table).any(axis=1)
    values = np.full(len(table), np.nan)
    if not known.any():
        return values
    finite = np.where(np.isfinite(table[known]), table[known], 1e300)
    front = nondominated(finite)
    low, high = front.min(axis=0), front.max(axis=0)
    spread = np.where(high > low, high - low, np.maximum(np.abs(low), 1e-12))
    terms = weights * (finite - low) / spread
    values[known] = terms.max(axis=1) + _AUGMENTED * terms.sum(axis=1)
    return values
