"""Measure MAID on penalties of a logistic head: any first accuracy and step, and trials at equal cost.

Breast cancer (scikit-learn's copy) with columns of noise added, split anew for each seed into train, valid and TEST rows;
the penalties are fitted to valid, only the last table looks at TEST. The unit of cost is one gradient or one
Hessian-vector product of the lower level.

    OMP_NUM_THREADS=1 python benchmarks/maid.py starts --out rows.jsonl
    OMP_NUM_THREADS=1 python benchmarks/maid.py trials --out rows.jsonl
    python benchmarks/maid.py table --out rows.jsonl
"""  # noqa: E501 - commands to copy

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer

from autoagent.search.hypergradient import Problem, Settings, maid, solve
from autoagent.search.samplers.native import build_random, build_tpe

Floats = NDArray[np.float64]
NOISE, BOUNDS, COST = 34, (-9.0, 5.0), 5000


def problem(seed: int, penalties: int = 64) -> tuple[Problem, tuple[Floats, Floats]]:
    """Return a problem with 64 penalties, four or one on 120 training and 120 validation rows, and the test rows.

    The four are for the means, the errors and the worst values of the cells' measures (10 columns each), and the noise.
    """
    X, y = load_breast_cancer(return_X_y=True)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(X))
    X = np.hstack([X, rng.normal(size=(len(X), NOISE))])[order]
    y = np.where(y[order] > 0, 1.0, -1.0)
    mean, spread = X[:120].mean(axis=0), X[:120].std(axis=0)
    X = (X - mean) / spread
    groups = {64: None, 4: np.minimum(np.arange(64) // 10, 3), 1: np.zeros(64, dtype=int)}[penalties]
    return Problem((X[:120], y[:120]), (X[120:240], y[120:240]), groups=groups), (X[240:], y[240:])


def tested(weights: Floats, rows: tuple[Floats, Floats]) -> dict[str, float]:
    """Return the loss and the accuracy on test rows."""
    margin = rows[1] * (rows[0] @ weights[:-1] + weights[-1])
    return {"test_loss": float(np.mean(np.logaddexp(0, -margin))), "test_accuracy": float(np.mean(margin > 0))}


def starts(seeds: int) -> list[dict[str, Any]]:
    """Vary the first accuracy and the first step, with both solvers, adaptive and fixed."""
    rows = []
    for seed in range(seeds):
        for solver in ("newton", "gradient"):
            for adaptive in (True, False):
                for eps in (1e-1, 1e-3, 1e-6):
                    for step in (1e-1, 10.0):
                        head, _ = problem(seed)
                        settings = Settings(eps=eps, delta=eps, step=step, solver=solver, adaptive=adaptive)  # type: ignore[arg-type]
                        found = maid(head, np.zeros(64), settings=settings, cost=COST)
                        goal = next((p.cost for p in found.points if p.loss <= 0.105), None)
                        row = {"seed": seed, "solver": solver, "adaptive": adaptive, "eps": eps, "step": step}
                        row |= {"cost_to_goal": goal, "loss": found.points[-1].loss, "stopped": found.stopped}
                        rows.append({"part": "starts", **row, "cost": head.cost})
    return rows


def trials(head: Problem, sampler: optuna.samplers.BaseSampler) -> tuple[Floats, int]:
    """Return the weights of the best of as many trials as the cost allows, by validation loss, and their number."""
    study, best, loss = optuna.create_study(sampler=sampler), np.zeros(head.num_weights), math.inf
    while head.cost < COST:
        trial = study.ask()
        theta = np.array([trial.suggest_float(f"t{i}", *BOUNDS) for i in range(head.num_penalties)])
        weights = solve(head, theta, best, 1e-4 / head.convexity(theta))  # to a gradient of 1e-4
        value = head.upper(weights)[0]
        study.tell(trial, value)
        if value < loss:
            best, loss = weights, value
    return best, len(study.trials)


def descend(head: Problem) -> tuple[Floats, int]:
    """Return the weights that MAID ends with, and the number of accepted steps."""
    found = maid(head, np.zeros(head.num_penalties), cost=COST)
    return found.weights, len(found.points) - 1


def stopped_early(head: Problem) -> tuple[Floats, int]:
    """Return what MAID has after a tenth of the cost: fewer steps fit the validation rows less."""
    found = maid(head, np.zeros(head.num_penalties), cost=COST // 10)
    return found.weights, len(found.points) - 1


def compare(seeds: int) -> list[dict[str, Any]]:
    """Compare MAID with trials of the same cost, over 64 penalties and over one for all, on TEST rows."""
    arms: dict[str, tuple[int, Callable[[Problem, int], tuple[Floats, int]]]] = {}
    for number, words in ((64, "64 penalties"), (4, "four penalties"), (1, "one penalty")):
        arms[f"maid, {words}"] = (number, lambda head, seed: descend(head))
        arms[f"tpe, {words}"] = (number, lambda head, seed: trials(head, build_tpe(seed=seed)))
        arms[f"random, {words}"] = (number, lambda head, seed: trials(head, build_random(seed=seed)))
    arms["maid, 64 penalties, a tenth of the cost"] = (64, lambda head, seed: stopped_early(head))
    rows = []
    for seed in range(seeds):
        for arm in random.Random(seed).sample(list(arms), len(arms)):
            penalties, run = arms[arm]
            head, test = problem(seed, penalties)
            weights, count = run(head, seed)
            row = {"part": "trials", "seed": seed, "arm": arm, "count": count, "cost": head.cost}
            rows.append({**row, "valid_loss": head.upper(weights)[0], **tested(weights, test)})
    return rows


def table(rows: list[dict[str, Any]]) -> None:
    """Print both tables; each number is a median over seeds with its range."""

    def shown(values: list[float | None], digits: int) -> str:
        known = [v for v in values if v is not None]
        if not known:
            return "never"
        part = "" if len(known) == len(values) else f", {len(values) - len(known)} never"
        return f"{np.median(known):.{digits}f} ({min(known):.{digits}f} to {max(known):.{digits}f}{part})"

    for solver in ("newton", "gradient"):
        print(f"\n| {solver} | first accuracy | first step | cost to a loss of 0.105 | loss at the end | stopped |")
        print("|---|---|---|---|---|---|")
        mine = [r for r in rows if r["part"] == "starts" and r["solver"] == solver]
        for key in sorted({(not r["adaptive"], r["step"], -r["eps"]) for r in mine}):
            those = [r for r in mine if (not r["adaptive"], r["step"], -r["eps"]) == key]
            cost, loss = shown([r["cost_to_goal"] for r in those], 0), shown([r["loss"] for r in those], 4)
            ends = ", ".join(sorted({r["stopped"] for r in those}))
            print(f"| {'fixed' if key[0] else 'adaptive'} | {-key[2]:g} | {key[1]:g} | {cost} | {loss} | {ends} |")
    print("\n| arm | trials or steps | validation loss | TEST loss | TEST accuracy |\n|---|---|---|---|---|")
    mine = [r for r in rows if r["part"] == "trials"]
    for arm in sorted({r["arm"] for r in mine}):
        those = [r for r in mine if r["arm"] == arm]
        cells = [(("count"), 0), ("valid_loss", 3), ("test_loss", 3), ("test_accuracy", 3)]
        print(f"| {arm} | " + " | ".join(shown([r[name] for r in those], digits) for name, digits in cells) + " |")
    base = {r["seed"]: r["test_loss"] for r in mine if r["arm"] == "tpe, one penalty"}
    for arm in sorted({r["arm"] for r in mine}):
        differences = np.array([r["test_loss"] - base[r["seed"]] for r in mine if r["arm"] == arm])
        draws = np.random.default_rng(0).choice(differences, (4000, len(differences))).mean(axis=1)
        low, high = np.percentile(draws, [2.5, 97.5])
        print(f"{arm}: TEST loss against one penalty by TPE {differences.mean():+.4f} [{low:+.4f}, {high:+.4f}]")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("part", choices=["starts", "trials", "table"])
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--seeds", type=int, default=10)
    told = options.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if told.part == "table":
        table([json.loads(line) for line in told.out.read_text(encoding="utf-8").splitlines()])
        return
    rows = starts(told.seeds) if told.part == "starts" else compare(told.seeds)
    with told.out.open("a", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)


if __name__ == "__main__":
    main()
