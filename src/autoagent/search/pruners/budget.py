"""A trial ends at the budget that its sampler gave it: the pruner beside `dehb`."""

from __future__ import annotations

from optuna import Study, Trial
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

BUDGET = "budget"  # user attribute: the step after which a trial has had what it was given


class BudgetPruner(BasePruner):
    """Ends a trial once it has reported a step that is not below its user attribute ``budget``.

    A trial without one, or with the whole ``max_resource``, runs to its end.
    """

    def __init__(self, *, max_resource: int) -> None:
        if max_resource < 1:
            raise ValueError(f"max_resource must be at least 1, not {max_resource!r}")
        self._max_resource = max_resource

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Say whether the trial has had its budget."""
        budget = trial.user_attrs.get(BUDGET)
        last = trial.last_step
        return budget is not None and budget < self._max_resource and last is not None and last >= budget


def budget_of(trial: Trial | FrozenTrial, default: int) -> int:
    """Return the budget that the sampler gave a trial, for an objective that trains for so long and no longer."""
    return int(trial.user_attrs.get(BUDGET, default))


def build(*, max_resource: int) -> BasePruner:
    """Return the pruner that enforces given budgets."""
    return BudgetPruner(max_resource=max_resource)
