"""The protocol of continual learning on split digits: tune on some classes, report on classes that no search saw.

    python examples/continual_protocol.py

A learner meets digits class by class (two, two, one) and must not forget. Its hyperparameters are tuned on the scenario
of digits 0 to 4, in several class orders, and judged on the same scenario of digits 5 to 9. Tuned on those themselves,
as is common, it looks better than it is; the gap is printed.
Source of the protocol: arXiv:2403.09066. Nothing but this machine is asked.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from sklearn.datasets import load_digits

from autoagent.bench.cells import suggest
from autoagent.bench.protocol import DataPlan, Finalizer, Outcome, SeedPlan, Split
from autoagent.bench.statistics import paired_bootstrap
from autoagent.registry import family
from autoagent.space import Config, Float, Int, Param, Space

TASKS = (2, 2, 1)  # classes that come together
TRIALS = 30
PLAN = SeedPlan(tune=(0, 1, 2, 3), test=tuple(range(50, 62)))
CLASSES = DataPlan(train=(), tune=(0, 1, 2, 3, 4), test=(5, 6, 7, 8, 9))


@dataclass(frozen=True)
class SplitDigits:
    """Softmax regression that keeps a few old rows and is pulled to its old weights; the loss is its final error rate.

    A seed decides the order of the classes, the rows and the weights.
    """

    classes: DataPlan = CLASSES
    name: str = "split_digits"
    optimum: float | None = None
    median: float | None = None

    @property
    def units(self) -> int:
        """Rows behind a loss."""
        return 5 * 40

    @property
    def about(self) -> dict[str, str]:
        """What a language model may be told."""
        return {"model": "softmax regression with replay", "metric": "error rate after the last task"}

    @property
    def space(self) -> Space:
        """Of the learner."""
        return Space(
            {
                "rate": Param(Float(1e-3, 3.0, log=True), 0.1),
                "epochs": Param(Int(1, 20), 5),
                "kept": Param(Int(0, 10), 2),
                "pull": Param(Float(1e-4, 10.0, log=True), 1e-3),
            }
        )

    def evaluate(self, config: Config, seed: int, split: Split, fidelity: float = 1.0) -> Outcome:
        """Learn the classes that the split allows, one task after the other."""
        split.check(seed)
        _, classes = self.classes.fit_and_score(split)
        return Outcome(final_error(list(classes), config, seed))


def final_error(classes: list[int], config: Config, seed: int) -> float:
    rng = np.random.default_rng(seed)
    order = [classes[place] for place in rng.permutation(len(classes))]
    rows = {label: rng.permutation(rows_of(label)) for label in classes}
    X = load_scaled()[0]
    weights, kept = np.zeros((65, len(order))), np.array([], dtype=int)
    start = 0
    for size in TASKS:
        fresh = np.concatenate([rows[label][:60] for label in order[start : start + size]])
        start += size
        weights = learned(weights, X, np.concatenate([fresh, kept]), order, start, config, rng)
        kept = np.concatenate([rows[label][: int(config["kept"] or 0)] for label in order[:start]]).astype(int)
    held = np.concatenate([rows[label][60:100] for label in order])
    return float(np.mean(np.argmax(X[held] @ weights, axis=1) != targets(held, order)))


def learned(
    old: np.ndarray,
    X: np.ndarray,
    rows: np.ndarray,
    order: list[int],
    known: int,
    config: Config,
    rng: np.random.Generator,
) -> np.ndarray:
    weights, rate, pull = old.copy(), float(config["rate"] or 0), float(config["pull"] or 0)
    for _ in range(int(config["epochs"] or 0)):
        for batch in np.array_split(rng.permutation(rows), max(1, len(rows) // 16)):
            score = X[batch] @ weights[:, :known]
            chance = np.exp(score - score.max(1, keepdims=True))
            chance /= chance.sum(1, keepdims=True)
            chance[np.arange(len(batch)), targets(batch, order)] -= 1
            weights[:, :known] -= rate * (X[batch].T @ chance) / len(batch)
            weights = old + (weights - old) / (1 + rate * pull)
    return weights


@functools.cache
def load_scaled() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_digits(return_X_y=True)
    return np.hstack([X / 16, np.ones((len(X), 1))]), y


@functools.cache
def rows_of(label: int) -> np.ndarray:
    return np.flatnonzero(load_scaled()[1] == label)


def targets(rows: np.ndarray, order: list[int]) -> np.ndarray:
    places = np.full(10, -1)
    places[order] = np.arange(len(order))
    return places[load_scaled()[1][rows]]


def search(benchmark: SplitDigits, *, trials: int, seed: int) -> list[tuple[Config, float]]:
    build: Any = family("samplers")["tpe"].load()
    study = optuna.create_study(sampler=build(seed=seed), study_name="split_digits")
    study.enqueue_trial(benchmark.space.default())
    tried = []
    for _ in range(trials):
        trial = study.ask()
        config = suggest(trial, benchmark.space)
        losses = [benchmark.evaluate(config, one, PLAN.tuning).loss or 0.0 for one in PLAN.tune]
        study.tell(trial, float(np.mean(losses)))
        tried.append((config, float(np.mean(losses))))
    return tried


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    benchmark = SplitDigits()
    tried = search(benchmark, trials=TRIALS, seed=0)
    untuned, tuned = (Finalizer(benchmark, PLAN).finish(rows) for rows in (tried[:1], tried))
    print(
        f"{TRIALS} trials on digits {list(CLASSES.tune)}, then digits {list(CLASSES.test)} in {len(PLAN.test)} orders"
    )
    print(f"untuned: {untuned.tuning:.3f} on tuning classes, {untuned.mean or 0:.3f} on test classes")
    print(f"tuned: {tuned.tuning:.3f} on tuning classes, {tuned.mean or 0:.3f} on test classes")
    pairs = [[(b or 0.0) - (a or 0.0) for a, b in zip(untuned.losses, tuned.losses, strict=True)]]
    found = paired_bootstrap(np.array(pairs))
    print(
        f"tuned less untuned on test classes: {found.mean:+.3f} (95 % interval {found.low:+.3f} to {found.high:+.3f})"
    )
    # What is common, and what the types of the protocol do not let happen by accident: the test scenario tunes itself.
    swapped = SplitDigits(DataPlan(train=(), tune=CLASSES.test, test=CLASSES.tune))
    leaked = min(loss for _, loss in search(swapped, trials=TRIALS, seed=0))
    print(
        f"tuned on the test classes themselves it would be reported as {leaked:.3f}: {(tuned.mean or 0) - leaked:+.3f}"
    )


if __name__ == "__main__":
    main()
