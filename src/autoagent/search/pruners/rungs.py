"""Rungs: the steps at which successive halving compares trials, and who goes on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

_JUDGED = "autoagent:rungs_judged"  # so many rungs of the trial have been decided


def geometric_rungs(first: int, last: int, factor: int) -> tuple[int, ...]:
    """Return ``first * factor**k`` as long as it is below ``last``.

    Raises:
        ValueError: a bound is not positive, or the factor is below 2.
    """
    if first < 1 or last < 1 or factor < 2:
        raise ValueError(f"rungs need first >= 1, last >= 1 and factor >= 2; got {first}, {last} and {factor}")
    levels = []
    while first < last:
        levels.append(first)
        first *= factor
    return tuple(levels)


def loss_at(values: Mapping[int, float], level: int, direction: StudyDirection) -> float | None:
    """Return the loss at the first reported step that is not below the level; None where there is none.

    A value that is not a number, or infinitely bad, is ``inf``.
    """
    reached = [step for step in values if step >= level]
    if not reached:
        return None
    value = values[min(reached)]
    loss = -value if direction == StudyDirection.MAXIMIZE else value
    return math.inf if math.isnan(loss) else loss


def goes_on(loss: float, others: Iterable[float], factor: int) -> bool:
    """Say whether a loss is among the best ``1 / factor`` of all that reached the rung, itself included.

    At least one place is open, so the best so far always goes on; ties go on together; a diverged trial does not.
    """
    if loss == math.inf:
        return False
    there = list(others)
    places = max(1, (len(there) + 1) // factor)
    return sum(other < loss for other in there) < places


def falls_behind(
    study: Study, trial: FrozenTrial, peers: Sequence[FrozenTrial], rungs: Sequence[int], factor: int
) -> bool:
    """Judge the rungs that the trial has reached since it was last asked about.

    Each rung is decided once, when the trial arrives; this is written into the trial's system attributes. What the
    others had there is read from their reports, so trials that another process ran, or that were added, count too.
    """
    judged = int(trial.system_attrs.get(_JUDGED, 0))
    arrived = judged
    behind = False
    while arrived < len(rungs) and not behind:
        mine = loss_at(trial.intermediate_values, rungs[arrived], study.direction)
        if mine is None:
            break
        rivals = [loss_at(peer.intermediate_values, rungs[arrived], study.direction) for peer in peers]
        behind = not goes_on(mine, [loss for loss in rivals if loss is not None], factor)
        arrived += 1
    if arrived > judged:
        study._storage.set_trial_system_attr(trial._trial_id, _JUDGED, arrived)
    return behind
