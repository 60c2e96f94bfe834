"""When a trial is not worth finishing, by its curve or its first folds; and when its models are worth keeping."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from autoagent.runs.state import TrialRecord

_MIN_WHOLE = 4  # whole trials before anything is pruned
_MIN_CURVES = 4  # curves of a family before one is judged by them
_REDUCTION = 2  # one in so many passes a rung
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


def rung_floors(curves: Sequence[Sequence[float]], *, least: int = _MIN_CURVES) -> list[float | None]:
    """Return for each rung the loss above which a curve of the same family is behind; None where too few were there.

    The rule of asynchronous successive halving (arXiv:1810.05934) as `optuna.pruners.SuccessiveHalvingPruner` has it:
    of the curves that reached a rung, the new one among them, the best half goes on.

    Args:
        curves: of each trial of the family the loss at each rung that it reached.
        least: curves that must have reached a rung before it decides.
    """
    floors: list[float | None] = []
    for rung in range(max((len(curve) for curve in curves), default=0)):
        there = sorted(curve[rung] for curve in curves if len(curve) > rung)
        place = max((len(there) + 1) // _REDUCTION - 1, 0)
        floors.append(there[place] if len(there) >= least else None)
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
