"""Population-based bandits: PBT whose new configurations come from a model of what each one gains, now."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from autoagent.search.population.bandit import Floats, Rows, TimeVaryingProcess, encode
from autoagent.search.population.controller import Clone, Continue, Decision, Pbt, exploited
from autoagent.search.population.lineage import Interval, Lineage, standing
from autoagent.search.trees.units import from_unit
from autoagent.search.trials_log import distribution
from autoagent.space import Config, Float, Int, Space

_RANDOM = 200  # configurations whose bound is looked at before any is improved


@dataclass(frozen=True)
class Pb2:
    """PB2 (Parker-Holder et al. 2020, arXiv:2002.02518), with choices as in PB2-Mix (arXiv:2106.15883).

    Selection is PBT's. The new configuration has the highest upper confidence bound of a process from (interval, score
    before, hyperparameters) to the change of the score: mean + sqrt(beta) deviation, beta = max(0, 0.2 log(0.4 n));
    what trains right now lowers the deviation only.

    Attributes:
        quantile: the share that is replaced, and the share that is copied.
        window: the latest so many intervals that the process sees.
        restarts: the best of 200 random configurations from which the highest bound is climbed to.

    Differs: options of choices are taken by the same bound, not drawn by TV-EXP3; the window is fixed.
    """

    quantile: float = 0.25
    window: int = 200
    restarts: int = 5

    def decide(
        self, space: Space, lineage: Lineage, member: int, running: Sequence[Config], rng: random.Random
    ) -> Decision:
        """Return a clone of one of the best under the most promising configuration, or that it trains on."""
        parent = exploited(lineage, member, self.quantile, rng)
        if parent is None:
            return Continue()
        past = gains(lineage)[-self.window :]
        if len(past) < 4:  # nothing to fit: as PBT would
            return Pbt(quantile=self.quantile).decide(space, lineage, member, running, rng)
        return Clone(parent.place, self._explore(space, past, parent, running, rng))

    def _explore(
        self,
        space: Space,
        past: Sequence[Gain],
        parent: Interval,
        running: Sequence[Config],
        rng: random.Random,
    ) -> Config:
        process = TimeVaryingProcess(_rows(space, past, past), np.array([gain.added for gain in past]))
        here = Gain(parent.config, parent.number + 1, standing(parent), 0.0)
        if running:
            process.expect(_rows(space, [replace(here, config=config) for config in running], past))
        kappa = math.sqrt(max(0.0, 0.2 * math.log(0.4 * len(past))))

        def bounds(numbers: Floats, labels: Floats) -> Floats:
            score = _rows(space, [here], past).numbers[0, 0]
            rows = Rows(np.insert(numbers, 0, score, axis=1), labels, np.full(len(numbers), float(here.number)))
            mean, deviation = process.predict(rows)
            return np.asarray(mean + kappa * deviation, dtype=np.float64)

        drawn = [space.sample(rng) for _ in range(_RANDOM)]
        numbers, labels = (np.array(part, dtype=float) for part in zip(*(encode(space, c) for c in drawn), strict=True))
        order = np.argsort(-bounds(numbers, labels))[: self.restarts]
        climbed = [_climbed(bounds, numbers[i], labels[i]) for i in order]
        best = max(range(len(climbed)), key=lambda i: climbed[i][0])
        return _decoded(space, drawn[order[best]], climbed[best][1])


@dataclass(frozen=True)
class Gain:
    """What one interval added to the score that it began with."""

    config: Config
    number: int
    before: float
    added: float


def gains(lineage: Lineage) -> list[Gain]:
    """Return the gain of each interval that went on from a score and ended with one."""
    found = []
    for interval in lineage.intervals:
        before = lineage[interval.source].score if interval.source is not None else None
        if before is not None and interval.score is not None:
            found.append(Gain(interval.config, interval.number, before, interval.score - before))
    return found


def _rows(space: Space, points: Sequence[Gain], past: Sequence[Gain]) -> Rows:
    """Encode points; scores before the interval are scaled by the range of those in the past."""
    low, high = min(gain.before for gain in past), max(gain.before for gain in past)
    encoded = [encode(space, point.config) for point in points]
    scores = [(point.before - low) / (high - low) if high > low else 0.5 for point in points]
    numbers = [[score, *numbers] for score, (numbers, _) in zip(scores, encoded, strict=True)]
    labels = np.array([labels for _, labels in encoded], dtype=float).reshape(len(points), -1)
    return Rows(np.array(numbers, dtype=float), labels, np.array([point.number for point in points], dtype=float))


def _climbed(bounds: Callable[[Floats, Floats], Floats], start: Floats, labels: Floats) -> tuple[float, Floats]:
    """Return the highest bound near a start, its choices fixed, and where it is."""
    if not len(start):
        return float(bounds(start[None], labels[None])[0]), start

    def fall(numbers: NDArray[np.float64]) -> float:
        return -float(bounds(numbers[None], labels[None])[0])

    found = minimize(
        fall,
        start,
        method="L-BFGS-B",
        bounds=[(0.0, 1.0)] * len(start),
        options={"maxiter": 30},
    )
    return -float(found.fun), np.asarray(found.x, dtype=np.float64)


def _decoded(space: Space, config: Config, numbers: Floats) -> Config:
    """Return a configuration with its numbers at other places; only those that are there."""
    numeric = [name for name, param in space.items() if isinstance(param.domain, Float | Int)]
    moved = {
        name: from_unit(distribution(space[name].domain), float(place))
        for name, place in zip(numeric, numbers, strict=True)
        if name in config
    }
    return space.check({**config, **moved})
