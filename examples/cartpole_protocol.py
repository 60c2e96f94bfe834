"""The protocol of reinforcement learning on CartPole: tune on tuning seeds, report on test seeds that no search saw.

    python examples/cartpole_protocol.py

A small policy-gradient learner has four hyperparameters. What a search recommends looks better on the seeds that it was
chosen on than it is; the test seeds say by how much, and whether it beats the untuned learner at all.
Source of the protocol: arXiv:2306.01324. Nothing but this machine is asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import optuna

from autoagent.bench.cells import suggest
from autoagent.bench.protocol import Final, Finalizer, Outcome, SeedPlan, Split
from autoagent.bench.statistics import paired_bootstrap
from autoagent.registry import family
from autoagent.space import Config, Float, Int, Param, Space

STEPS = 100  # of an episode
EPISODES = 24  # of a training
TRIALS = 14
PLAN = SeedPlan(tune=(0, 1, 2), test=tuple(range(100, 110)))


@dataclass(frozen=True)
class Reinforce:
    """REINFORCE with a linear policy; the loss is 1 less the share of the steps that its greedy policy balances.

    A seed decides weights, actions and episodes of a training, and the episodes that judge it.
    """

    name: str = "reinforce_cartpole"
    optimum: float | None = 0.0
    median: float | None = None
    units: int | None = 4

    @property
    def about(self) -> dict[str, str]:
        """What a language model may be told."""
        return {"model": "REINFORCE", "environment": "CartPole", "metric": "1 - share of steps"}

    @property
    def space(self) -> Space:
        """Of the learner."""
        return Space(
            {
                "rate": Param(Float(1e-3, 3.0, log=True), 1e-2),
                "discount": Param(Float(0.8, 1.0), 0.99),
                "batch": Param(Int(1, 8), 1),
                "start": Param(Float(1e-3, 1.0, log=True), 0.1),
            }
        )

    def evaluate(self, config: Config, seed: int, split: Split, fidelity: float = 1.0) -> Outcome:
        """Train and judge; at a lower fidelity, on fewer episodes."""
        split.check(seed)
        env = gymnasium.make("CartPole-v1", max_episode_steps=STEPS)
        try:
            weights = trained(env, config, seed, max(1, round(EPISODES * fidelity)))
            balanced = [play(env, weights, 10_000 * (seed + 1) + 5000 + n, None)[2].sum() for n in range(4)]
        finally:
            env.close()
        return Outcome(1 - float(np.mean(balanced)) / STEPS)


def trained(env: gymnasium.Env[Any, Any], config: Config, seed: int, episodes: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    weights = rng.normal(0.0, float(config["start"] or 0), 5)
    batch = int(config["batch"] or 1)
    for first in range(0, episodes, batch):
        played = [play(env, weights, 10_000 * (seed + 1) + first + n, rng) for n in range(min(batch, episodes - first))]
        gains = [returns(rewards, float(config["discount"] or 0)) for _, _, rewards in played]
        every = np.concatenate(gains)
        step = np.zeros(5)
        for (seen, pushed, _), gain in zip(played, gains, strict=True):
            chance = 1 / (1 + np.exp(-seen @ weights))
            step += ((pushed - chance) * (gain - every.mean()) / (every.std() + 1e-8)) @ seen
        weights = weights + float(config["rate"] or 0) * step / len(every) * math.sqrt(len(every))
    return weights


def play(
    env: gymnasium.Env[Any, Any], weights: np.ndarray, seed: int, rng: np.random.Generator | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what was seen, done and earned; without a generator the greedy policy plays."""
    seen, over = np.append(env.reset(seed=seed)[0], 1.0), False
    rows, pushed, rewards = [], [], []
    while not over:
        score = float(seen @ weights)
        action = score > 0 if rng is None else rng.random() < 1 / (1 + math.exp(-min(max(score, -50), 50)))
        rows.append(seen)
        after, reward, ended, cut, _ = env.step(int(action))
        pushed.append(float(action))
        rewards.append(float(reward))
        seen, over = np.append(after, 1.0), ended or cut
    return np.array(rows), np.array(pushed), np.array(rewards)


def returns(rewards: np.ndarray, discount: float) -> np.ndarray:
    total, found = 0.0, []
    for reward in rewards[::-1]:
        total = reward + discount * total
        found.append(total)
    return np.array(found[::-1])


def search(benchmark: Reinforce, plan: SeedPlan, *, trials: int, seed: int) -> list[tuple[Config, float]]:
    build: Any = family("samplers")["tpe"].load()
    study = optuna.create_study(sampler=build(seed=seed), study_name="cartpole")
    study.enqueue_trial(benchmark.space.default())
    tried = []
    for _ in range(trials):
        trial = study.ask()
        config = suggest(trial, benchmark.space)
        losses = [benchmark.evaluate(config, one, plan.tuning).loss or 0.0 for one in plan.tune]
        study.tell(trial, float(np.mean(losses)))
        tried.append((config, float(np.mean(losses))))
    return tried


def show(name: str, final: Final) -> None:
    mean = final.mean or 0.0
    print(f"{name}: {final.tuning:.3f} on tuning seeds, {mean:.3f} on test seeds (optimism {mean - final.tuning:+.3f})")


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    benchmark = Reinforce()
    tried = search(benchmark, PLAN, trials=TRIALS, seed=0)
    untuned = Finalizer(benchmark, PLAN).finish(tried[:1])
    tuned = Finalizer(benchmark, PLAN).finish(tried)
    print(f"{TRIALS} trials on tuning seeds {list(PLAN.tune)}; test seeds {PLAN.test[0]} to {PLAN.test[-1]}")
    show("untuned", untuned)
    show("tuned", tuned)
    difference = np.array([[(b or 0.0) - (a or 0.0) for a, b in zip(untuned.losses, tuned.losses, strict=True)]])
    found = paired_bootstrap(difference)
    print(f"tuned less untuned on test seeds: {found.mean:+.3f} (95 % interval {found.low:+.3f} to {found.high:+.3f})")
    print("tuning helped" if found.high < 0 else "no claim: the interval holds 0" if found.low <= 0 else "tuning hurt")


if __name__ == "__main__":
    main()
