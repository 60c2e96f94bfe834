"""DEHB: differential evolution in Hyperband's rungs (Awad, Mallik and Hutter 2021, arXiv:2105.09821)."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from optuna import Study
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from autoagent.search.pruners.budget import BUDGET
from autoagent.search.samplers.de import cross, mutate
from autoagent.search.samplers.members import position, stratified
from autoagent.search.samplers.vectors import Past, Step, VectorSampler

_PARENTS = 3  # that rand/1 needs


@dataclass(frozen=True)
class Ladder:
    """Budgets and populations of Hyperband.

    Attributes:
        budgets: from the smallest to the whole one.
        sizes: members of the population at each budget.
        brackets: of one round; each a tuple of (index of the budget, trials).
    """

    budgets: tuple[int, ...]
    sizes: tuple[int, ...]
    brackets: tuple[tuple[tuple[int, int], ...], ...]


@dataclass(frozen=True)
class Job:
    """What one trial has to do.

    Attributes:
        rung: index of its budget.
        below: index of the budget that its parents come from; its own in the first rung of a bracket.
        places: trials of its rung in the bracket.
        member: of the population at its budget.
        promotes: in the first round, whether it takes a configuration over from below.
    """

    rung: int
    below: int
    places: int
    member: int
    promotes: bool


def ladder(smallest: int, whole: int, factor: int) -> Ladder:
    """Return Hyperband's brackets: ``s`` from ``S - 1`` to 0 with ``floor(S / (s + 1)) * factor**s`` first trials.

    Args:
        smallest: least budget, at least 1.
        whole: largest budget.
        factor: between two budgets, at least 2.

    Raises:
        ValueError: the numbers do not fit.
    """
    if smallest < 1 or whole < smallest or factor < 2:
        raise ValueError(f"needs 1 <= min_resource <= max_resource and factor >= 2; got {smallest}, {whole}, {factor}")
    count = 1
    while smallest * factor**count <= whole:
        count += 1
    budgets = tuple(max(1, round(whole / factor ** (count - 1 - rung))) for rung in range(count))
    brackets = []
    for s in reversed(range(count)):
        first = count // (s + 1) * factor**s
        brackets.append(tuple((count - 1 - s + i, max(first // factor**i, 1)) for i in range(s + 1)))
    sizes = tuple(max(trials for bracket in brackets for rung, trials in bracket if rung == r) for r in range(count))
    return Ladder(budgets, sizes, tuple(brackets))


@functools.lru_cache(maxsize=64)
def round_jobs(steps: Ladder) -> tuple[tuple[int, int, int], ...]:
    """Return (rung, budget below, trials of the rung) of every job of one round, in order."""
    jobs = []
    for bracket in steps.brackets:
        for place, (rung, trials) in enumerate(bracket):
            below = bracket[max(place - 1, 0)][0]
            jobs += [(rung, below, trials)] * trials
    return tuple(jobs)


def job(steps: Ladder, index: int) -> Job:
    """Return the job of a number; members of each population take turns."""
    jobs = round_jobs(steps)
    rounds, place = divmod(index, len(jobs))
    rung, below, places = jobs[place]
    before = rounds * sum(one[0] == rung for one in jobs) + sum(one[0] == rung for one in jobs[:place])
    return Job(rung, below, places, before % steps.sizes[rung], rounds == 0 and rung != below)


def propose(past: Past, rng: np.random.Generator, steps: Ladder, seed: int) -> Step:
    """Return the configuration for the trial's job; it replaces its member where it is not worse."""
    task = job(steps, int(past.own.get("job", past.number)))
    populations = population_rows(past, steps)
    if task.promotes:
        row = _promoted(past, populations[task.below], _rows_at(past, steps, task.rung))
        if row is not None:
            return Step(position(past, row, rng))
    target = populations[task.rung].get(task.member)
    pool = _parents(past, populations, task, rng)
    if target is None or len(pool) < _PARENTS:
        return Step(stratified(past, past.number, sum(steps.sizes), seed, rng))
    parent = position(past, target, rng)
    a, b, c = (position(past, int(row), rng) for row in rng.choice(pool, size=3, replace=False))
    return Step(cross(past, parent, mutate(past, a, [(b, c)], 0.5, rng), 0.5, rng))


def population_rows(past: Past, steps: Ladder) -> list[dict[int, int]]:
    """Return for each budget the row of each member; trials of others count as members at the whole budget."""
    groups: list[dict[int, list[int]]] = [{} for _ in steps.budgets]
    foreign = 0
    for row, note in enumerate(past.notes):
        if "job" in note:
            task = job(steps, int(note["job"]))
            groups[task.rung].setdefault(task.member, []).append(row)
        else:
            groups[-1].setdefault(foreign % steps.sizes[-1], []).append(row)
            foreign += 1
    best = [{member: past.best(rows) for member, rows in group.items()} for group in groups]
    return [{member: row for member, row in group.items() if row is not None} for group in best]


class DEHBSampler(VectorSampler):
    """Gives each trial a budget and a configuration.

    The budget is the trial's user attribute ``budget``, in the steps that the objective reports. Either the objective
    reads it (`autoagent.search.pruners.budget.budget_of`) and trains for so long, or it reports every step and the
    study's pruner is `BudgetPruner`.

    Differs: from the authors' code, rungs do not wait for each other, so that any number of workers can ask; a
    category is exchanged, not added; a promoted configuration is not promoted again, as their code means to. Trials
    without a budget, which others added, count at the whole one.

    Args:
        steps: budgets and populations.
        seed: of everything random.
    """

    def __init__(self, steps: Ladder, *, seed: int) -> None:
        super().__init__("dehb", functools.partial(propose, steps=steps, seed=seed), seed=seed)
        self.steps = steps

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Give the trial its job: the number of trials before it that were not added by others."""
        others = study.get_trials(deepcopy=False)
        foreign = sum(
            other.number < trial.number and other.state.is_finished() and BUDGET not in other.user_attrs
            for other in others
        )
        index = trial.number - foreign
        budget = self.steps.budgets[job(self.steps, index).rung]
        study._storage.set_trial_system_attr(trial._trial_id, self._key, {"job": index})
        study._storage.set_trial_user_attr(trial._trial_id, BUDGET, budget)
        trial.user_attrs[BUDGET] = budget  # Optuna hands its own copy over, from which `trial.user_attrs` is read


def build(*, seed: int, max_resource: int = 27, min_resource: int = 1, reduction_factor: int = 3) -> BaseSampler:
    """Return DEHB; use it together with the pruner ``budget`` of the same ``max_resource``."""
    return DEHBSampler(ladder(min_resource, max_resource, reduction_factor), seed=seed)


def _rows_at(past: Past, steps: Ladder, rung: int) -> list[int]:
    """Return the trials of others' and our own at a budget, running ones included."""
    last = len(steps.budgets) - 1
    rungs = [job(steps, int(note["job"])).rung if "job" in note else last for note in past.notes]
    return [row for row, where in enumerate(rungs) if where == rung]


def _promoted(past: Past, lower: Mapping[int, int], there: Sequence[int]) -> int | None:
    """Return the best member of the lower population that is not at the upper budget yet."""
    for row in sorted(lower.values(), key=lambda row: past.ranks[row]):
        if not any(np.array_equal(past.points[row], past.points[other], equal_nan=True) for other in there):
            return row
    return None


def _parents(past: Past, populations: list[dict[int, int]], task: Job, rng: np.random.Generator) -> list[int]:
    """Return the best members below, filled up from everywhere to what a mutation needs."""
    pool = sorted(populations[task.below].values(), key=lambda row: past.ranks[row])[: task.places]
    everywhere = [row for population in populations for row in population.values() if row not in pool]
    missing = min(_PARENTS - len(pool), len(everywhere))
    if missing > 0:
        pool += [int(row) for row in rng.choice(everywhere, size=missing, replace=False)]
    return pool
