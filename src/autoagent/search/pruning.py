"""When a trial is not worth finishing, judged by its first folds; and when its models are worth keeping."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from autoagent.runs.state import TrialRecord

_MIN_WHOLE = 4  # whole trials before anything is pruned
_KEPT = 8  # so many of the best trials may become members of the ensemble


def prune_below(ended: Sequence[TrialRecord], num_folds: int) -> list[float] | None:
    """Return for each fold the running mean score below which the rest of a trial is skipped.

    It is the running mean of the trial in the lower third, so that a different but useful family survives; None
    while too few trials are whole.
    """
    whole = [trial for trial in ended if trial.is_whole and len(trial.fold_scores) == num_folds]
    if len(whole) < _MIN_WHOLE or num_folds < 2:
        return None
    floors = []
    for fold in range(num_folds):
        means = sorted(statistics.fmean(trial.fold_scores[: fold + 1]) for trial in whole)
        floors.append(means[len(means) // 3])
    return floors


def save_above(ended: Sequence[TrialRecord], family: str) -> float | None:
    """Return the score above which a trial's models are kept; None keeps them in any case.

    Kept is what beats the best of its own family, or belongs to the best of all.
    """
    whole = [trial for trial in ended if trial.is_whole and trial.score is not None]
    mine = [trial.score for trial in whole if trial.family == family and trial.score is not None]
    top = sorted((trial.score for trial in whole if trial.score is not None), reverse=True)
    if not mine or len(top) < _KEPT:
        return None
    return min(max(mine), top[_KEPT - 1])
