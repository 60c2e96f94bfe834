"""Compare PBT and PB2 with random search at equal cost: a network on digits, and the best schedule trained again.

    OMP_NUM_THREADS=1 python benchmarks/population.py run --seeds 10 --out rows.jsonl
    python benchmarks/population.py table --out rows.jsonl

8 members, 15 intervals of two epochs each, whatever the arm. The score is minus the loss on validation rows; the test rows
are looked at once for each arm and seed, with the state of the best member. Then the schedule of the best member is
trained from three fresh starts (the check of a schedule), beside the best member's last configuration held constant.
"""  # noqa: E501 - commands to copy

from __future__ import annotations

import argparse
import functools
import json
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from autoagent.search import population
from autoagent.search.population.controller import Controller
from autoagent.space import Choice, Config, Float, Param, Space

Floats = NDArray[np.float64]
MEMBERS, INTERVALS, EPOCHS, HIDDEN = 8, 15, 2, 48
SPACE = Space(
    {
        "rate": Param(Float(1e-3, 3.0, log=True), 0.1),
        "momentum": Param(Float(0.0, 0.99), 0.9),
        "decay": Param(Float(1e-6, 1e-1, log=True), 1e-4),
        "drop": Param(Float(0.0, 0.7), 0.0),
        "jitter": Param(Float(0.0, 0.5), 0.0),
        "batch": Param(Choice([8, 16, 32, 64, 128]), 32),
    }
)
ARMS: dict[str, Controller] = {
    "random search": population.Independent(),
    "PBT": population.Pbt(),
    "PB2": population.Pb2(),
}


@functools.cache
def rows(part: str) -> tuple[Floats, NDArray[np.int_]]:
    """Return 400 training rows, 400 for validation, or the other 997."""
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    where = {"train": order[:400], "valid": order[400:800], "test": order[800:]}[part]
    return X[where] / 16.0, y[where]


@dataclass
class State:
    """Weights, their momenta, how many epochs they have seen, and under what they go on."""

    arrays: dict[str, Floats]
    epochs: int
    seed: int
    config: Config


class Network:
    """Trains one hidden layer by stochastic gradients with momentum."""

    def start(self, config: Config, seed: int) -> State:
        """Return fresh weights."""
        rng = np.random.default_rng(seed)
        first, second = rng.normal(size=(65, HIDDEN)) * 0.17, rng.normal(size=(HIDDEN + 1, 10)) * 0.2
        arrays = {"w1": first, "w2": second, "m1": np.zeros_like(first), "m2": np.zeros_like(second)}
        return State(arrays, 0, seed, config)

    def step(self, state: State) -> tuple[float, State]:
        """Train two epochs; the score is minus the validation loss."""
        X, y = rows("train")
        a = {name: array.copy() for name, array in state.arrays.items()}
        settings = {name: float(str(value)) for name, value in state.config.items()}
        rng = np.random.default_rng([state.seed, state.epochs])
        with np.errstate(all="ignore"):
            for _ in range(EPOCHS):
                for part in np.array_split(rng.permutation(len(X)), len(X) // int(settings["batch"])):
                    _update(a, X[part], y[part], settings, rng)
        after = State(a, state.epochs + EPOCHS, state.seed, state.config)
        return -measured(after, "valid")[0], after

    def save(self, state: State, folder: Path) -> None:
        """Write one file of arrays."""
        facts = np.array([state.epochs, state.seed])
        np.savez(folder / "state.npz", facts=facts, **state.arrays)

    def load(self, folder: Path, config: Config) -> State:
        """Read it, to go on under another configuration."""
        with np.load(folder / "state.npz") as saved:
            arrays = {name: saved[name] for name in ("w1", "w2", "m1", "m2")}
            return State(arrays, int(saved["facts"][0]), int(saved["facts"][1]), config)


def measured(state: State, part: str) -> tuple[float, float]:
    """Return loss and error on rows."""
    X, y = rows(part)
    with np.errstate(all="ignore"):
        hidden = np.maximum(_biased(X) @ state.arrays["w1"], 0.0)
        scores = _biased(hidden) @ state.arrays["w2"]
        scores -= scores.max(axis=1, keepdims=True)
        chosen = scores[np.arange(len(y)), y] - np.log(np.exp(scores).sum(axis=1))
    return float(-chosen.mean()), float(np.mean(scores.argmax(axis=1) != y))


def _update(
    a: dict[str, Floats], X: Floats, y: NDArray[np.int_], c: dict[str, float], rng: np.random.Generator
) -> None:
    inputs = _biased(X + c["jitter"] * rng.normal(size=X.shape))
    before = inputs @ a["w1"]
    mask = (rng.random(before.shape) >= c["drop"]) / (1.0 - c["drop"])
    hidden = _biased(np.maximum(before, 0.0) * mask)
    scores = hidden @ a["w2"]
    share = np.exp(scores - scores.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    share[np.arange(len(y)), y] -= 1.0
    share /= len(y)
    back = (share @ a["w2"][:-1].T) * mask * (before > 0)
    for weight, moment, gradient in (("w2", "m2", hidden.T @ share), ("w1", "m1", inputs.T @ back)):
        a[moment] = c["momentum"] * a[moment] + gradient + c["decay"] * a[weight]
        a[weight] = a[weight] - c["rate"] * a[moment]


def _biased(X: Floats) -> Floats:
    return np.hstack([X, np.ones((len(X), 1))])


def one(arm: str, seed: int, folder: Path) -> dict[str, Any]:
    """Train one population and check its best member."""
    plan = population.Plan(MEMBERS, INTERVALS, seed=seed)
    lineage = population.train(Network(), SPACE, ARMS[arm], plan, folder / "run")
    best = lineage.best()
    state = Network().load(population.state_folder(folder / "run", best.place), best.config)
    curve = [max(_score(i) for i in lineage.intervals if i.number <= n) for n in range(INTERVALS)]
    again = [_again(lineage.schedule(best.place), folder, s) for s in (1001, 1002, 1003)]
    held = [_again([best.config] * (best.number + 1), folder, s) for s in (1001, 1002, 1003)]
    clones = sum(i.is_clone for i in lineage.intervals)
    valid, test = measured(state, "valid"), measured(state, "test")
    row = {
        "arm": arm,
        "seed": seed,
        "curve": curve,
        "valid_loss": valid[0],
        "test_loss": test[0],
        "test_error": test[1],
    }
    row |= {"replayed": again, "held": held, "clones": clones, "intervals": len(lineage), "best_at": best.number}
    return {**row, "failed": sum(i.score is None for i in lineage.intervals)}


def _score(interval: population.Interval) -> float:
    return interval.score if interval.score is not None else -99.0


def _again(schedule: list[Config], folder: Path, seed: int) -> float:
    """Return the validation loss of a schedule from a fresh start."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        try:
            return -population.replay(Network(), schedule, Path(place), seed=seed)[-1]
        except (ValueError, FloatingPointError):
            return 99.0


def table(found: list[dict[str, Any]]) -> None:
    """Print means over seeds, with paired 95 % bootstrap intervals against random search."""
    base = {row["seed"]: row for row in found if row["arm"] == "random search"}
    names = ("valid_loss", "test_loss", "test_error")
    print(
        "| arm | " + " | ".join(names) + " | replayed, valid loss | last config held, valid loss | clones | best at |"
    )
    print("|---" * 8 + "|")
    for arm in ARMS:
        mine = [row for row in found if row["arm"] == arm]
        cells = [f"{np.mean([row[n] for row in mine]):.4f} ({np.std([row[n] for row in mine]):.4f})" for n in names]
        cells += [f"{np.mean([np.median(row[n]) for row in mine]):.4f}" for n in ("replayed", "held")]
        cells += [f"{np.mean([row[n] for row in mine]):.1f}" for n in ("clones", "best_at")]
        print(f"| {arm} | " + " | ".join(cells) + " |")
    for arm in ("PBT", "PB2"):
        for name in names:
            gaps = np.array([row[name] - base[row["seed"]][name] for row in found if row["arm"] == arm])
            draws = np.random.default_rng(0).choice(gaps, (4000, len(gaps))).mean(axis=1)
            low, high = np.percentile(draws, [2.5, 97.5])
            print(
                f"{arm} against random search, {name}: {gaps.mean():+.4f} [{low:+.4f}, {high:+.4f}], {len(gaps)} seeds"
            )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("part", choices=["run", "table"])
    options.add_argument("--seeds", type=int, default=10)
    options.add_argument("--out", type=Path, required=True)
    told = options.parse_args()
    if told.part == "table":
        table([json.loads(line) for line in told.out.read_text(encoding="utf-8").splitlines()])
        return
    for seed in range(told.seeds):
        for arm in random.Random(seed).sample(list(ARMS), len(ARMS)):
            with tempfile.TemporaryDirectory() as folder, told.out.open("a", encoding="utf-8") as out:
                out.write(json.dumps(one(arm, seed, Path(folder))) + "\n")


if __name__ == "__main__":
    main()
