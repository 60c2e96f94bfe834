"""Functions with known optima: smooth, noisy, stepped, conditional, mixed, and one that crashes."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import random
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autoagent.bench.protocol import Outcome, Split
from autoagent.space import Choice, Config, Float, Int, Param, Space

Function = Callable[[Mapping[str, Any]], float | None]  # None is a crash

_HARTMANN_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_HARTMANN_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


@dataclass(frozen=True)
class Synthetic:
    """A function of a configuration, with noise where it says so.

    The noise of a test seed is not that of a tuning seed; `truth` is the function itself.

    Attributes:
        name: of the task.
        space: of its configurations.
        function: gives the true loss; None is a crash.
        optimum: the least true loss.
        noise: standard deviation of the noise on a loss, in units of the loss.
    """

    name: str
    space: Space
    function: Function
    optimum: float | None
    noise: float = 0.0
    units: int | None = None
    about: Mapping[str, str] = field(default_factory=lambda: {"model": "function", "metric": "loss"})

    @functools.cached_property
    def median(self) -> float:
        """The median true loss of 1,000 random configurations."""
        rng = random.Random(0)
        losses = [self.function(self.space.sample(rng)) for _ in range(1000)]
        return statistics.median(loss for loss in losses if loss is not None)

    def evaluate(self, config: Config, seed: int, split: Split, fidelity: float = 1.0) -> Outcome:
        """Return the true loss, plus noise that grows as the fidelity falls."""
        split.check(seed)
        value = self.function(config)
        if value is None:
            return Outcome(None, "crashed")
        if self.noise:
            told = json.dumps([self.name, split.name, seed, sorted(config.items())])
            state = int.from_bytes(hashlib.sha256(told.encode()).digest()[:8], "big")
            value += self.noise * float(np.random.default_rng(state).normal()) / math.sqrt(fidelity)
        return Outcome(value)

    def truth(self, config: Config) -> float | None:
        """Return the loss without noise."""
        return self.function(config)


def branin() -> Synthetic:
    """Branin, two numbers, three minima."""
    return Synthetic("branin", _plane(), _branin, 0.39788735772973816)


def noisy_branin() -> Synthetic:
    """Branin with noise of standard deviation 5."""
    return Synthetic("noisy_branin", _plane(), _branin, 0.39788735772973816, noise=5.0)


def crashing_branin() -> Synthetic:
    """Branin that crashes on a fifth of its plane, next to one of its minima."""
    return Synthetic("crashing_branin", _plane(), lambda c: None if c["x"] > 7 else _branin(c), 0.39788735772973816)


def hartmann6() -> Synthetic:
    """Hartmann in six dimensions."""
    return Synthetic("hartmann6", _box(6, 0.0, 1.0), _hartmann6, -3.3223680114155147)


def ackley() -> Synthetic:
    """Ackley in five dimensions: many local minima in one funnel, its bottom off the centre."""
    return Synthetic("ackley", _box(5, -10.0, 20.0), _ackley, 0.0)


def rosenbrock() -> Synthetic:
    """Rosenbrock in four dimensions: one curved valley."""
    return Synthetic("rosenbrock", _box(4, -2.0, 2.0), _rosenbrock, 0.0)


def levy() -> Synthetic:
    """Levy in four dimensions."""
    return Synthetic("levy", _box(4, -10.0, 10.0), _levy, 0.0)


def rastrigin() -> Synthetic:
    """Rastrigin in three dimensions: a grid of local minima, the centre of the box is none of them."""
    return Synthetic("rastrigin", _box(3, -4.0, 5.5), _rastrigin, 0.0)


def steps() -> Synthetic:
    """Piecewise constant in three dimensions: a gradient sees nothing."""
    return Synthetic("steps", _box(3, 0.0, 1.0), _steps, 0.0)


def mixed() -> Synthetic:
    """An integer, two categories and two numbers, one in logs; one category shifts where the minimum is."""
    space = {
        "kind": Param(Choice(["a", "b", "c", "d"]), "a"),
        "gate": Param(Choice(["on", "off"]), "off"),
        "count": Param(Int(1, 64, log=True), 4),
        "rate": Param(Float(1e-5, 1.0, log=True), 0.1),
        "share": Param(Float(0.0, 1.0), 0.5),
    }
    return Synthetic("mixed", Space(space), _mixed, 0.0)


def conditional() -> Synthetic:
    """A choice among three methods, each with parameters of its own; the best method is the hardest to tune."""
    space = {
        "method": Param(Choice(["linear", "tree", "net"]), "linear"),
        "penalty": Param(Float(1e-6, 1e3, log=True), 1.0, {"method": ("linear",)}),
        "depth": Param(Int(1, 30), 6, {"method": ("tree",)}),
        "leaf": Param(Int(1, 100, log=True), 1, {"method": ("tree",)}),
        "layers": Param(Int(1, 6), 2, {"method": ("net",)}),
        "rate": Param(Float(1e-6, 1.0, log=True), 1e-3, {"method": ("net",)}),
        "dropout": Param(Float(0.0, 0.9), 0.0, {"method": ("net",)}),
    }
    return Synthetic("conditional", Space(space), _conditional, 0.02)


def wide() -> Synthetic:
    """Twelve numbers, of which three matter."""
    return Synthetic("wide", _box(12, 0.0, 1.0), _wide, 0.0)


def _plane() -> Space:
    return Space({"x": Param(Float(-5.0, 10.0), 0.0), "y": Param(Float(0.0, 15.0), 0.0)})


def _box(width: int, low: float, high: float) -> Space:
    return Space({f"x{place}": Param(Float(low, high), (low + high) / 2) for place in range(width)})


def _vector(config: Mapping[str, Any]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([float(value) for value in config.values()])


def _branin(config: Mapping[str, Any]) -> float:
    x, y = config["x"], config["y"]
    bowl = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return float(bowl**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10)


def _hartmann6(config: Mapping[str, Any]) -> float:
    inner = (_HARTMANN_A * (_vector(config) - _HARTMANN_P) ** 2).sum(axis=1)
    return -float(np.array([1.0, 1.2, 3.0, 3.2]) @ np.exp(-inner))


def _ackley(config: Mapping[str, Any]) -> float:
    x = _vector(config)
    funnel = -20 * math.exp(-0.2 * math.sqrt(float((x**2).mean())))
    return funnel - math.exp(float(np.cos(2 * math.pi * x).mean())) + 20 + math.e


def _rosenbrock(config: Mapping[str, Any]) -> float:
    x = _vector(config)
    return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())


def _levy(config: Mapping[str, Any]) -> float:
    w = 1 + (_vector(config) - 1) / 4
    middle = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(math.pi * w[:-1] + 1) ** 2)).sum()
    last = (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2)
    return float(math.sin(math.pi * w[0]) ** 2 + middle + last)


def _rastrigin(config: Mapping[str, Any]) -> float:
    x = _vector(config)
    return float((x**2 - 10 * np.cos(2 * math.pi * x) + 10).sum())


def _steps(config: Mapping[str, Any]) -> float:
    return float(np.abs(np.floor(_vector(config) * 12) - np.array([3.0, 7.0, 10.0])).sum())


def _mixed(config: Mapping[str, Any]) -> float:
    where = {"a": (-1.0, 0.2, 0.4), "b": (-3.0, 0.7, 0.0), "c": (-2.0, 0.5, 0.2), "d": (-4.0, 0.9, 0.3)}
    rate, share, floor = where[config["kind"]]
    loss = floor + (math.log10(config["rate"]) - rate) ** 2 / 4 + (config["share"] - share) ** 2
    loss += (math.log2(config["count"]) - 4) ** 2 / 16
    return float(loss + (0.0 if config["gate"] == "on" else 0.15))


def _conditional(config: Mapping[str, Any]) -> float:
    if config["method"] == "linear":
        return 0.20 + 0.01 * abs(math.log10(config["penalty"]) + 1)
    if config["method"] == "tree":
        return float(0.10 + 0.02 * abs(config["depth"] - 11) / 5 + 0.03 * abs(math.log(config["leaf"] / 5)) / 3)
    loss = 0.02 + 0.06 * (math.log10(config["rate"]) + 2.5) ** 2 + 0.02 * (config["layers"] - 3) ** 2
    return min(float(loss + 0.3 * (config["dropout"] - 0.2) ** 2), 0.9)


def _wide(config: Mapping[str, Any]) -> float:
    x = _vector(config)
    return float((x[1] - 0.3) ** 2 + 2 * (x[5] - 0.8) ** 2 + 4 * (x[7] - x[1] - 0.1) ** 2)
