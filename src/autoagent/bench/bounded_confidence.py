"""Recover the parameters of an opinion model from what its population ended with: what PSO was used for itself.

Bounded confidence: each agent moves towards the mean of those whose opinion is near enough. Source: the use of PSO in
arXiv:2109.08021; the dynamics are those of Hegselmann and Krause (JASSS 5(3), 2002) with a speed.

Differs: the populations are simulated, with known parameters, where the paper has 275 networks of users that are not
public; without its network weights.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from autoagent.bench.protocol import Outcome, Split
from autoagent.space import Config, Float, Int, Param, Space

Floats = NDArray[np.float64]
_POPULATIONS = {"tune": 0, "test": 1_000_000}  # no seed of one leads to a population of the other


@dataclass(frozen=True)
class BoundedConfidence:
    """Mean squared error of opinions that a guess of the parameters ends with, over a few populations.

    A seed is a set of populations; those of the test are drawn apart from those of tuning. The true parameters are the
    same, so a guess that fits chance in the tuning populations is found out.

    Attributes:
        reach: the true largest difference at which agents listen.
        speed: the true share of the way that they move in a step.
        steps: the true number of steps.
        noise: standard deviation of what is observed of the final opinions.
        agents: in a population.
        populations: behind one loss.
    """

    reach: float = 0.22
    speed: float = 0.35
    steps: int = 9
    noise: float = 0.02
    agents: int = 60
    populations: int = 4
    name: str = "bounded_confidence"
    median: None = None
    about: Mapping[str, str] = field(default_factory=lambda: {"model": "bounded confidence", "metric": "squared error"})

    @property
    def space(self) -> Space:
        """Reach, speed and number of steps."""
        return Space(
            {
                "reach": Param(Float(0.01, 1.0), 0.5),
                "speed": Param(Float(0.01, 1.0), 0.5),
                "steps": Param(Int(1, 30), 10),
            }
        )

    @property
    def units(self) -> int:
        """Opinions behind a loss; those of one population are not independent."""
        return self.agents * self.populations

    @property
    def optimum(self) -> float | None:
        """What the true parameters are left with is the noise; a fit to it may be a little lower."""
        return None

    def evaluate(self, config: Config, seed: int, split: Split, fidelity: float = 1.0) -> Outcome:
        """Simulate; at a lower fidelity, fewer populations."""
        split.check(seed)
        began = time.perf_counter()
        count = max(1, round(self.populations * fidelity))
        errors = [self._error(config, _POPULATIONS[split.name] + 1000 * seed + place) for place in range(count)]
        return Outcome(float(np.mean(errors)), "ok", time.perf_counter() - began)

    def _error(self, config: Config, population: int) -> float:
        rng = np.random.default_rng(population)
        start = rng.random(self.agents)
        observed = opinions(start, self.reach, self.speed, self.steps) + rng.normal(0.0, self.noise, self.agents)
        told = opinions(start, float(config["reach"] or 0), float(config["speed"] or 0), int(config["steps"] or 0))
        return float(np.mean((told - observed) ** 2))


def opinions(start: Floats, reach: float, speed: float, steps: int) -> Floats:
    """Return ``(agents,)`` opinions after so many steps.

    Args:
        start: ``(agents,)`` opinions in [0, 1].
        reach: the largest difference at which agents listen to each other.
        speed: the share of the way to the mean of those in reach.
        steps: of all agents at once.
    """
    now = start.copy()
    for _ in range(steps):
        near = np.abs(now[:, None] - now[None]) < reach
        now = now + speed * ((near @ now) / near.sum(1) - now)
    return now
