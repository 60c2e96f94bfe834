"""What a sampler keeps of the trials that have ended, so that a proposal in a long study does not read them all again.

Everything here can be read again from the study: a copy in another process, or one made after a restart, knows the
same once it has looked.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Container, Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, cast

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from autoagent.search.history import violation_of

_BEST = 60  # trials that are kept for being good
_BEST_OF_SHAPE = 10  # and of every set of parameters that trials have used
_LATEST = 240  # and for being late: a tree-structured Parzen estimator lets the weight of older ones fade as well
_FRONT = 100  # non-dominated trials of several objectives

Rank = tuple[bool, bool, float]


class Memory:
    """The ended trials of one study, read once each; threads may share it."""

    def __init__(self, study: Study) -> None:
        self._of = (study._storage, study._study_id)
        self._signs = [-1.0 if way == StudyDirection.MAXIMIZE else 1.0 for way in study.directions]
        self._lock = Lock()
        self._read = 0
        self._open: list[int] = []  # seen, and not ended when they were
        self._space: dict[str, BaseDistribution] = {}
        self._latest_of: dict[str, int] = {}  # the trial whose distribution of a parameter that is
        self._shapes: dict[frozenset[str], list[tuple[Rank, int]]] = {}
        self._first: dict[frozenset[str], int] = {}
        self._front: dict[int, Sequence[float]] = {}
        self._ended: list[int] = []

    def is_of(self, study: Study) -> bool:
        """Say whether this is the memory of a study."""
        return self._of[0] is study._storage and self._of[1] == study._study_id

    def space(self, study: Study) -> dict[str, BaseDistribution]:
        """Return every parameter that a trial has suggested, running ones included, with its latest distribution."""
        with self._lock:
            trials = self._look(study)
            space, latest = dict(self._space), dict(self._latest_of)
            for number in self._open:
                for name, distribution in trials[number].distributions.items():
                    if number > latest.get(name, -1):
                        space[name], latest[name] = distribution, number
            return space

    def views(self, study: Study) -> tuple[Study, Study]:
        """Return the study with one trial of each set of parameters, and with the best and the latest trials."""
        with self._lock:
            trials = self._look(study)
            examples = [trials[number] for number in sorted(self._first.values())]
            chosen = [trials[number] for number in self._chosen()]
        return cast("Study", View(study, examples)), cast("Study", View(study, chosen))

    def _chosen(self) -> list[int]:
        by_shape = [number for ranked in self._shapes.values() for _, number in ranked[:_BEST_OF_SHAPE]]
        best = sorted(entry for ranked in self._shapes.values() for entry in ranked)[:_BEST]
        return sorted({*self._ended[-_LATEST:], *by_shape, *self._front, *(number for _, number in best)})

    def _look(self, study: Study) -> list[FrozenTrial]:
        """Read the trials that have ended since the last look, and return all; a trial's number is its place."""
        trials = study.get_trials(deepcopy=False)
        waiting = [*self._open, *range(self._read, len(trials))]
        self._read, self._open = len(trials), []
        for number in waiting:
            if trials[number].state.is_finished():
                self._take(trials[number])
            else:
                self._open.append(number)
        return trials

    def _take(self, trial: FrozenTrial) -> None:
        for name, distribution in trial.distributions.items():
            if trial.number > self._latest_of.get(name, -1):
                self._space[name], self._latest_of[name] = distribution, trial.number
        if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED):
            return
        shape = frozenset(trial.params)
        insort(self._ended, trial.number)
        self._first[shape] = min(self._first.get(shape, trial.number), trial.number)
        if len(self._signs) > 1:
            self._take_front(trial)
        elif len(ranked := self._shapes.setdefault(shape, [])) < _BEST or self._rank(trial) < ranked[-1][0]:
            insort(ranked, (self._rank(trial), trial.number))
            del ranked[_BEST:]

    def _take_front(self, trial: FrozenTrial) -> None:
        """Add a trial to the front if none of it is as good, and take away those that it beats."""
        if trial.values is None or violation_of(trial) > 0:
            return
        new = np.multiply(self._signs, trial.values)
        if any((np.asarray(old) <= new).all() for old in self._front.values()):
            return
        front = {number: old for number, old in self._front.items() if not (new <= np.asarray(old)).all()}
        front[trial.number] = new.tolist()
        self._front = {number: front[number] for number in sorted(front)[-_FRONT:]}

    def _rank(self, trial: FrozenTrial) -> Rank:
        """Return what sorts trials as the TPE does: whole ones, pruned ones, those that break a constraint."""
        broken = violation_of(trial)
        if broken > 0:
            return True, True, broken
        if trial.state == TrialState.COMPLETE:
            return False, False, self._signs[0] * float(cast("float", trial.value))
        steps = trial.intermediate_values
        value = self._signs[0] * steps[max(steps)] if steps else np.inf
        return False, True, float(np.inf if np.isnan(value) else value)


class View:
    """A study of which only some trials are seen; everything else is the study's own."""

    def __init__(self, study: Study, trials: Iterable[FrozenTrial]) -> None:
        self._study = study
        self._trials = list(trials)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the study has
        return getattr(self._study, name)

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        return [trial for trial in self._trials if states is None or trial.state in states]


def differing(space: Mapping[str, BaseDistribution]) -> dict[str, BaseDistribution]:
    """Return the parameters that have more than one value, in the order of their names."""
    return {name: space[name] for name in sorted(space) if not space[name].single()}
