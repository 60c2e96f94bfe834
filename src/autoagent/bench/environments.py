"""Gymnasium in both directions: a benchmark as an environment, and an environment's policy as a benchmark.

Source of the first: ArchGym, arXiv:2306.08888. Differs: the reward is how much the best loss fell, where ArchGym's is
a distance to a target, which punishes beating it; an action reaches every value of a parameter, where rounding in
[-1, 1] reaches three; and the first observation is the same for the same seed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from autoagent.bench.protocol import Benchmark, Outcome, SeedPlan, Split
from autoagent.search.encoding import Encoding
from autoagent.search.trials_log import distribution
from autoagent.space import Config, Float, Param, Space

Floats = NDArray[np.float64]
_EPISODES = {"tune": 0, "test": 1_000_000}  # no seed of one is an episode of the other


class SearchEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """An environment whose action is a configuration of a benchmark.

    An action is a point of the unit cube, see `autoagent.search.encoding`; an observation is the last loss, the best
    one (both in units of the first one's scale, clipped to 10), and the share of the steps that are left. A crash gives
    no reward. Only tuning can be stepped through: an environment has no way to the test split.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - gymnasium's own attribute

    def __init__(self, benchmark: Benchmark, plan: SeedPlan, *, steps: int = 50) -> None:
        self._benchmark, self._plan, self._steps = benchmark, plan, steps
        domains = {name: distribution(param.domain) for name, param in benchmark.space.items()}
        self._encoding = Encoding(domains)
        self.action_space = gymnasium.spaces.Box(0.0, 1.0, (self._encoding.width,), np.float32)
        self.observation_space = gymnasium.spaces.Box(-10.0, 10.0, (3,), np.float32)
        self._taken, self._best, self._scale = 0, math.inf, 1.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin with the benchmark's default configuration as the best so far."""
        super().reset(seed=seed, options=options)
        loss = self._loss(self._benchmark.space.default())
        self._taken, self._best = 0, math.inf if loss is None else loss
        self._scale = max(abs(self._best), 1e-9) if math.isfinite(self._best) else 1.0
        return self._seen(loss), {"loss": loss}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Evaluate a configuration; the reward is the fall of the best loss, in units of its first value."""
        config = self.config_of(np.asarray(action, dtype=float))
        loss = self._loss(config)
        self._taken += 1
        reward = 0.0
        if loss is not None and loss < self._best:
            reward = 0.0 if math.isinf(self._best) else (self._best - loss) / self._scale
            self._best = loss
        return self._seen(loss), reward, False, self._taken >= self._steps, {"loss": loss, "config": config}

    def config_of(self, action: Floats) -> Config:
        """Return the configuration that an action stands for; parameters that do not apply are dropped."""
        params, space = self._encoding.decode(action), self._benchmark.space
        config: Config = {}
        for name in space:
            if space.is_active(name, config):
                config[name] = params[name]
        return config

    def _loss(self, config: Config) -> float | None:
        outcomes = [self._benchmark.evaluate(config, seed, self._plan.tuning).loss for seed in self._plan.tune]
        known = [loss for loss in outcomes if loss is not None]
        return sum(known) / len(known) if len(known) == len(outcomes) else None

    def _seen(self, loss: float | None) -> NDArray[np.float32]:
        best = self._best if math.isfinite(self._best) else 10.0 * self._scale
        last = 10.0 * self._scale if loss is None else loss
        row = [last / self._scale, best / self._scale, 1 - self._taken / self._steps]
        return np.clip(np.array(row, dtype=np.float32), -10.0, 10.0)


@dataclass(frozen=True)
class PolicyTask:
    """The parameters of a linear policy in a gymnasium environment as a configuration.

    The loss is 1 less the mean return over ``best_return``. A seed is a set of episodes; those of the test are apart.

    Attributes:
        make: makes the environment; its actions are discrete or a box.
        best_return: what a perfect policy is given.
        episodes: behind one loss.
    """

    make: Callable[[], gymnasium.Env[Any, Any]]
    name: str
    best_return: float
    episodes: int = 3
    optimum: float = 0.0
    median: None = None
    about: Mapping[str, str] = field(
        default_factory=lambda: {"model": "linear policy", "metric": "1 - return / best return"}
    )

    @property
    def units(self) -> int:
        """Episodes behind a loss."""
        return self.episodes

    @property
    def space(self) -> Space:
        """One weight for each observed number and action, and a bias."""
        with closing(self.make()) as env:
            weights = _actions(env) * (int(np.prod(env.observation_space.shape or (1,))) + 1)
        return Space({f"w{place}": Param(Float(-1.0, 1.0), 0.0) for place in range(weights)})

    def evaluate(self, config: Config, seed: int, split: Split, fidelity: float = 1.0) -> Outcome:
        """Play; at a lower fidelity, fewer episodes."""
        split.check(seed)
        began = time.perf_counter()
        weights = np.array([float(value or 0.0) for value in config.values()])
        count = max(1, round(self.episodes * fidelity))
        with closing(self.make()) as env:
            returns = [play(env, weights, _EPISODES[split.name] + 1000 * seed + place) for place in range(count)]
        return Outcome(1 - float(np.mean(returns)) / self.best_return, "ok", time.perf_counter() - began)


def play(env: gymnasium.Env[Any, Any], weights: Floats, seed: int) -> float:
    """Return the return of one episode under a linear policy."""
    seen, _ = env.reset(seed=seed)
    table = weights.reshape(_actions(env), -1)
    total, over = 0.0, False
    while not over:
        scores = table[:, :-1] @ np.ravel(seen) + table[:, -1]
        seen, reward, ended, cut, _ = env.step(_act(env, scores))
        total, over = total + float(reward), ended or cut
    return total


def cartpole() -> PolicyTask:
    """Return CartPole, 200 steps at most."""
    return PolicyTask(lambda: gymnasium.make("CartPole-v1", max_episode_steps=200), "cartpole_policy", 200.0)


def _actions(env: gymnasium.Env[Any, Any]) -> int:
    if isinstance(env.action_space, gymnasium.spaces.Discrete):
        return 1 if env.action_space.n == 2 else int(env.action_space.n)
    return int(np.prod(env.action_space.shape or (1,)))


def _act(env: gymnasium.Env[Any, Any], scores: Floats) -> Any:  # noqa: ANN401 - an action of the environment's own
    space = env.action_space
    if isinstance(space, gymnasium.spaces.Discrete):
        return int(scores[0] > 0) if space.n == 2 else int(np.argmax(scores))
    assert isinstance(space, gymnasium.spaces.Box)
    return np.clip(scores.reshape(space.shape), space.low, space.high).astype(space.dtype)
