"""What the trials say of untried points: how much better they may be, and whether they will work at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from autoagent.search.agent_search.conditions import Conditions
from autoagent.search.agent_search.context import Settings
from autoagent.search.agent_search.prior import Guess
from autoagent.search.history import Observation
from autoagent.search.surrogate.features import Features
from autoagent.search.surrogate.improvement import log_expected_improvement
from autoagent.search.surrogate.outputs import targets_of
from autoagent.search.surrogate.process import Process, fit

Array = NDArray[np.float64]

_OPTIMISM = 0.5  # latent feasibility of a place of which nothing is known; failures are -1, successes 1
# Variance of a single trial's success beside its place: with 0.25, Branin with two corners that fail ended at 0.78
# after 35 trials, with 0.05 at 0.06 (4 seeds each), and failures at random cost nothing more.
_DOUBT = 0.05
_FEW = 2  # trials with a value before there is a surrogate


@dataclass(frozen=True)
class Landscape:
    """Beliefs about a space.

    Attributes:
        guess: what was believed before, and its weight in the acquisition now.
        weight: see there.
        value: of the transformed loss; None before two trials have one, or while all are equal.
        works: of latent feasibility; None while nothing has failed.
        best: the incumbent: the lowest posterior mean at a trial that worked, infinite without one.
        good: ``(k, width)`` the rows with the lowest posterior means.
    """

    guess: Guess
    weight: float
    value: Process | None
    works: Process | None
    best: float
    good: Array

    def score(self, rows: Array) -> Array:
        """Return ``(m,)`` the logarithm of the acquisition; higher is better."""
        total = self.weight * self.guess.log_density(rows)
        if self.value is not None and math.isfinite(self.best):
            total += log_expected_improvement(*self.value.predict(rows), self.best)
        if self.works is not None:
            mean, deviation = self.works.predict(rows)
            total += log_ndtr((_OPTIMISM + mean) / np.sqrt(_DOUBT + deviation * deviation))
        return total


def survey(
    features: Features, history: Sequence[Observation], conditions: Conditions, guess: Guess, settings: Settings
) -> Landscape:
    """Return what a history says.

    Failed trials and those that break a constraint teach where not to go. A pruned trial counts as no better than the
    median of the whole ones, for its value is of less training. Running trials only take away uncertainty.

    Args:
        features: of the space.
        history: trials by number.
        conditions: under which parameters are used.
        guess: the prior.
        settings: of the search.
    """
    ended = _kept([one for one in history if one.state != "running"], settings.most_rows)
    running = conditions.masked(
        features.rows([o.params for o in history if o.state == "running" and o.params]), features
    )
    valued = [one for one in ended if one.loss is not None and not math.isnan(one.loss)]
    rows = conditions.masked(features.rows([one.params for one in valued]), features)
    feasible = np.array([one.violation <= 0 and one.state == "done" for one in valued], dtype=bool)
    targets = targets_of(_losses(valued), settings.transform)
    value = fit(features, rows, targets, settings.belief) if len(valued) >= _FEW and targets.any() else None
    best, good = math.inf, rows[:0]
    if value is not None:
        means, _ = value.predict(rows)
        means = np.where(feasible, means, np.inf)
        best, good = float(means.min()), rows[np.argsort(means, kind="stable")[:4]]
        value = value.joined_by(running)
    works = _feasibility(features, ended, conditions, settings)
    return Landscape(guess, settings.guess_weight / max(len(history), 1), value, works, best, good)


def _losses(valued: Sequence[Observation]) -> Array:
    """Return ``(n,)`` losses, those of pruned trials no lower than the median of the whole ones."""
    losses = np.array([one.loss for one in valued], dtype=float)
    whole = np.array([one.state == "done" for one in valued], dtype=bool)
    if whole.any() and not whole.all():
        losses = np.where(whole, losses, np.maximum(losses, np.median(losses[whole])))
    return losses


def _feasibility(
    features: Features, ended: Sequence[Observation], conditions: Conditions, settings: Settings
) -> Process | None:
    used = [one for one in ended if one.params]
    failed = np.array([one.state == "failed" or one.violation > 0 for one in used], dtype=bool)
    if not failed.any():
        return None
    rows = conditions.masked(features.rows([one.params for one in used]), features)
    return fit(features, rows, np.where(failed, -1.0, 1.0) - _OPTIMISM, settings.belief)


def _kept(ended: list[Observation], most: int) -> list[Observation]:
    """Return at most so many trials: the best half and the latest others, by number."""
    if len(ended) <= most:
        return ended
    order = sorted(ended, key=lambda one: (math.inf if one.loss is None else one.loss, one.number))
    best = {one.number for one in order[: most // 2]}
    others = [one.number for one in ended if one.number not in best]
    kept = best | set(others[-(most - len(best)) :])
    return [one for one in ended if one.number in kept]
