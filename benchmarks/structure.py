"""Compare samplers over tree-structured spaces: best loss against trials, and what the chosen structure scores on test.

    OMP_NUM_THREADS=1 python benchmarks/structure.py run --tasks pipelines,networks,expressions --seeds 10 --out rows.jsonl
    python benchmarks/structure.py table --out rows.jsonl

Each arm is an Optuna sampler in a define-by-run study over the same tree; seeds of the arms are those of the search, the
training itself is fixed. A structure that fails counts as a failed trial.
"""  # noqa: E501 - commands to copy

from __future__ import annotations

import argparse
import json
import random
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, TPESampler

from autoagent.errors import DomainError
from autoagent.search import trees
from autoagent.search.samplers import evolution, mcts, smbo
from autoagent.search.samplers.native import build_random, build_tpe
from structure_tasks import TASKS, Task

Build = Callable[[int, trees.Tree], BaseSampler]
ARMS: dict[str, Build] = {
    "random": lambda seed, tree: build_random(seed=seed),
    "tpe (Optuna 5)": lambda seed, tree: TPESampler(seed=seed),
    "tpe, grouped": lambda seed, tree: build_tpe(seed=seed),
    "mcts, plain": lambda seed, tree: mcts.build(seed=seed, sharing=0.0, exploration=1.0),
    "mcts": lambda seed, tree: mcts.build(seed=seed),
    "evolution": lambda seed, tree: evolution.build(seed=seed, space=tree),
    "smbo": lambda seed, tree: smbo.build(seed=seed, space=tree),
    "smbo, no tree": lambda seed, tree: smbo.build(seed=seed),
}


def search(task: Task, build: Build, seed: int, cache: dict[str, float]) -> dict[str, Any]:
    """Run one search; return the best loss after each trial, the test loss of the best and the sampler's seconds."""
    study = optuna.create_study(sampler=build(seed, task.tree), study_name="structure")
    best, curve, chosen, asked_s = float("inf"), [], None, 0.0
    for _ in range(task.trials):
        began = time.process_time()
        trial = study.ask()
        try:
            grown = task.tree.suggest(trial)
        except DomainError:  # a formula without an end
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            curve.append(best)
            continue
        asked_s += time.process_time() - began
        loss = cached(task, grown, cache)
        if loss is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, loss)
        if loss is not None and loss < best:
            best, chosen = loss, grown.structure
        curve.append(best)
    test = task.evaluate(chosen, "test") if chosen is not None else None
    return {"curve": curve, "test": test, "ask_ms": 1000 * asked_s / task.trials}


def cached(task: Task, grown: trees.Grown, cache: dict[str, float]) -> float | None:
    """Return the validation loss of a structure, trained once for all arms and seeds; None where it fails."""
    key = trees.canonical(grown.structure)
    if key not in cache:
        try:
            cache[key] = task.evaluate(grown.structure, "valid")
        except Exception:  # noqa: BLE001 - foreign training code; the failure is a failed trial
            cache[key] = float("nan")
    return cache[key] if cache[key] == cache[key] else None


def run(names: list[str], arms: list[str], seeds: int, out: Path) -> None:
    for name in names:
        task, cache = TASKS[name](), dict[str, float]()
        for seed in range(seeds):
            for arm in random.Random(seed).sample(arms, len(arms)):
                row = {"task": name, "arm": arm, "seed": seed, **search(task, ARMS[arm], seed, cache)}
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")


def table(rows: list[dict[str, Any]]) -> None:
    """Print means with paired 95 % bootstrap intervals against grouped TPE, for each task and over ranks."""
    ranks: dict[str, list[float]] = {}
    for name in dict.fromkeys(row["task"] for row in rows):
        mine = [row for row in rows if row["task"] == name]
        last = len(mine[0]["curve"])
        marks = [last // 6, last // 3, last]
        print(f"\n{name}: mean best validation loss (median in brackets at the end)\n")
        print("| arm | " + " | ".join(f"after {m}" for m in marks) + " | against tpe, grouped | test | ask, CPU ms |")
        print("|---" * (len(marks) + 4) + "|")
        base = {row["seed"]: row["curve"][-1] for row in mine if row["arm"] == "tpe, grouped"}
        for arm in dict.fromkeys(ARMS):
            those = [row for row in mine if row["arm"] == arm]
            if not those:
                continue
            cells = [f"{np.mean([_at(row, m) for row in those]):.4f}" for m in marks]
            cells[-1] += f" ({np.median([_at(row, last) for row in those]):.4f})"
            gaps = np.array([row["curve"][-1] - base[row["seed"]] for row in those if row["seed"] in base])
            draws = np.random.default_rng(0).choice(gaps, (4000, len(gaps))).mean(axis=1)
            low, high = np.percentile(draws, [2.5, 97.5])
            cells.append(f"{gaps.mean():+.4f} [{low:+.4f}, {high:+.4f}]")
            cells.append(f"{np.mean([row['test'] for row in those if row['test'] is not None]):.4f}")
            print(f"| {arm} | " + " | ".join(cells) + f" | {np.median([row['ask_ms'] for row in those]):.1f} |")
        for seed in {row["seed"] for row in mine}:
            ends = {row["arm"]: row["curve"][-1] for row in mine if row["seed"] == seed}
            for arm, end in ends.items():
                better, same = sum(e < end for e in ends.values()), sum(e == end for e in ends.values())
                ranks.setdefault(arm, []).append(1 + better + (same - 1) / 2)
    print("\nMean rank over tasks and seeds:", {a: round(float(np.mean(r)), 2) for a, r in sorted(ranks.items())})


def _at(row: dict[str, Any], trial: int) -> float:
    value = row["curve"][trial - 1]
    return min(value, 1.0)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("part", choices=["run", "table"])
    options.add_argument("--tasks", default=",".join(TASKS))
    options.add_argument("--arms", default="")
    options.add_argument("--seeds", type=int, default=10)
    options.add_argument("--out", type=Path, required=True)
    told = options.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    if told.part == "table":
        table([json.loads(line) for line in told.out.read_text(encoding="utf-8").splitlines()])
    else:
        arms = [arm for arm in told.arms.split(";") if arm] or list(ARMS)
        run(told.tasks.split(","), arms, told.seeds, told.out)


if __name__ == "__main__":
    main()
