"""Hyperband of stopping brackets that anyone can recompute (Li et al. 2018, arXiv:1603.06560)."""

from __future__ import annotations

import math

from optuna import Study
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

from autoagent.search.pruners.rungs import falls_behind, geometric_rungs


class HyperbandPruner(BasePruner):
    """Successive halving in brackets: bracket ``b`` has its first rung at ``min_resource * reduction_factor**b``.

    Differs: from the paper, the halving is asynchronous and stops trials (see `ASHAPruner`), and the brackets run side
    by side. From `optuna.pruners.HyperbandPruner`, which hashes the study's name, the bracket follows from the trial's
    number alone, by a smooth weighted round-robin: the same in every study, in the paper's shares after every round.

    Args:
        max_resource: last step that a whole trial reports.
        min_resource: step of the earliest rung.
        reduction_factor: one in so many goes on, at least 2.
    """

    def __init__(self, *, max_resource: int, min_resource: int = 1, reduction_factor: int = 3) -> None:
        reached = geometric_rungs(min_resource, max_resource, reduction_factor)
        levels = [level for level in reached if level * reduction_factor <= max_resource]
        self._brackets = tuple(tuple(levels[start:]) for start in range(len(levels) + 1))
        self._order = round_robin(bracket_shares(len(self._brackets), reduction_factor))
        self._factor = reduction_factor

    def bracket(self, number: int) -> int:
        """Return the bracket of a trial; the last one stops nobody."""
        return self._order[number % len(self._order)]

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Say whether the trial is behind others of its bracket at a rung that it has just reached."""
        mine = self.bracket(trial.number)
        trials = study.get_trials(deepcopy=False)
        peers = [other for other in trials if other.number != trial.number and self.bracket(other.number) == mine]
        return falls_behind(study, trial, peers, self._brackets[mine], self._factor)


def bracket_shares(brackets: int, factor: int) -> tuple[int, ...]:
    """Return how many trials each bracket starts with (Algorithm 1): ``ceil(S * factor**s / (s + 1))``."""
    return tuple(math.ceil(brackets * factor**s / (s + 1)) for s in reversed(range(brackets)))


def round_robin(shares: tuple[int, ...]) -> tuple[int, ...]:
    """Return each index as often as its share says, spread as evenly as can be."""
    credit = [0] * len(shares)
    order = []
    for _ in range(sum(shares)):
        credit = [have + share for have, share in zip(credit, shares, strict=True)]
        turn = max(range(len(shares)), key=lambda index: (credit[index], -index))
        credit[turn] -= sum(shares)
        order.append(turn)
    return tuple(order)


def build(*, max_resource: int, min_resource: int = 1, reduction_factor: int = 3) -> BasePruner:
    """Return Hyperband with stopping brackets."""
    return HyperbandPruner(max_resource=max_resource, min_resource=min_resource, reduction_factor=reduction_factor)
