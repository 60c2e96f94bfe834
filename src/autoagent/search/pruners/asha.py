"""Asynchronous successive halving, the variant that stops trials (Li et al. 2018, arXiv:1810.05934)."""

from __future__ import annotations

from optuna import Study
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

from autoagent.search.pruners.rungs import falls_behind, geometric_rungs


class ASHAPruner(BasePruner):
    """At rung ``min_resource * reduction_factor**k`` the best ``1 / reduction_factor`` of those so far go on.

    Differs: from the paper, a trial is stopped at once instead of being paused until it can be promoted, so a stopped
    one never comes back and the first to arrive always goes on. From `optuna.pruners.SuccessiveHalvingPruner`: the
    value at a rung is the one reported there, not the one reported when it was asked, and it is read from the reports,
    so that added trials and skipped steps count; the last rung is below ``max_resource``; a diverged trial is stopped
    at the next rung; the factor is 3.

    Args:
        max_resource: last step that a whole trial reports.
        min_resource: step of the first rung.
        reduction_factor: one in so many goes on, at least 2.
    """

    def __init__(self, *, max_resource: int, min_resource: int = 1, reduction_factor: int = 3) -> None:
        self._rungs = geometric_rungs(min_resource, max_resource, reduction_factor)
        self._factor = reduction_factor

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Say whether the trial is behind at a rung that it has just reached."""
        peers = [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]
        return falls_behind(study, trial, peers, self._rungs, self._factor)


def build(*, max_resource: int, min_resource: int = 1, reduction_factor: int = 3) -> BasePruner:
    """Return asynchronous successive halving."""
    return ASHAPruner(max_resource=max_resource, min_resource=min_resource, reduction_factor=reduction_factor)
