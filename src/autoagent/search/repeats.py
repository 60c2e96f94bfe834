"""When recent trials gained no more than noise, the best few are cross-validated again with other folds.

The average of several cross-validations depends less on the luck of one, so that the choice of members does too; the
models of all of them are delivered together.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from autoagent.runs.state import TrialRecord

_MIN_ENDED = 16  # trials before noise is spoken of
_WINDOW = 8  # recent trials of which one must have gained something
_LEADERS = 4
REPEATS = 2  # of each leader


def next_repeat(ended: Sequence[TrialRecord], proposed: Sequence[TrialRecord]) -> TrialRecord | None:
    """Return the trial to cross-validate again; None while trials still gain, or when the best have been repeated.

    Args:
        ended: trials in the order in which they ended.
        proposed: all proposals.
    """
    over = [trial for trial in ended if trial.status in ("ok", "pruned") and trial.repeats is None]
    whole = [trial for trial in over if trial.is_whole]
    if len(over) < _MIN_ENDED or not within_noise(over[:-_WINDOW], over[-_WINDOW:]):
        return None
    done = {trial.number: 0 for trial in whole}
    for trial in proposed:
        if trial.repeats in done:
            done[trial.repeats] += 1
    leaders = sorted((t for t in whole if t.saved), key=lambda t: (-(t.score or 0.0), t.number))[:_LEADERS]
    open_ones = [trial for trial in leaders if done[trial.number] < REPEATS]
    return min(open_ones, key=lambda trial: done[trial.number], default=None)


def within_noise(before: Sequence[TrialRecord], after: Sequence[TrialRecord]) -> bool:
    """Say whether the best of ``after`` beats the best of ``before`` by less than a paired standard error.

    The error is that of the differences of their folds. A trial that was pruned gained nothing.
    """
    sides = [[trial for trial in trials if trial.is_whole] for trials in (before, after)]
    if not all(sides):
        return bool(sides[0])
    old, new = (max(trials, key=lambda trial: trial.score or 0.0) for trials in sides)
    gains = [b - a for a, b in zip(old.fold_scores, new.fold_scores, strict=False)]
    if (new.score or 0.0) <= (old.score or 0.0) or len(gains) < 2:
        return True
    return statistics.fmean(gains) <= statistics.stdev(gains) / math.sqrt(len(gains))
