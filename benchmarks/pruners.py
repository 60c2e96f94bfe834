"""How much each pruner saves and what it loses, on recorded curves: epochs of a network, and folds of a machine.

    OMP_NUM_THREADS=1 python benchmarks/pruners.py record --out curves.jsonl   # trains; minutes
    python benchmarks/pruners.py replay --curves curves.jsonl --out pruners    # writes pruners.md and pruners.jsonl

A replay feeds the same curves, in several random orders, to a study with the pruner under test. Saved is what the
pruned trials did not run. The regret is the validation score of the best of all configurations minus that of the best
one that ran to its end. Beside it stands random search without pruning on the same epochs: the best of as many
configurations as could have been run to their end.
"""

from __future__ import annotations

import argparse
import json
import statistics
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner
from optuna.trial import TrialState

from autoagent.search.pruners import PRUNERS

EPOCHS, CONFIGS, FOLDS = 27, 90, 10
SPACES: dict[str, dict[str, BaseDistribution]] = {
    "epochs": {
        "lr": FloatDistribution(1e-4, 1e-1, log=True),
        "width": IntDistribution(8, 128, log=True),
        "alpha": FloatDistribution(1e-6, 1e-1, log=True),
        "batch": IntDistribution(16, 128, log=True),
        "solver": CategoricalDistribution(["adam", "sgd"]),
    },
    "folds": {
        "C": FloatDistribution(1e-3, 1e2, log=True),
        "gamma": FloatDistribution(1e-5, 1e1, log=True),
    },
}


@dataclass(frozen=True)
class Curve:
    """The scores of one configuration at each step, its final validation score, and its score on unseen rows."""

    task: str
    split: int
    config: dict[str, float | int | str]
    scores: list[float]
    final: float
    test: float


@dataclass(frozen=True)
class Arm:
    """A pruner with its settings."""

    name: str
    build: Callable[[int], BasePruner]


def _arm(name: str, plugin: str, **options: float) -> Arm:
    build = PRUNERS[plugin].load()
    assert callable(build)
    return Arm(name, lambda steps: build(max_resource=steps, **options))


def arms(task: str) -> list[Arm]:
    shared = [_arm("none", "none"), _arm("median", "median")]
    if task == "folds":
        return [*shared, _arm("wilcoxon", "wilcoxon"), _arm("wilcoxon p=.05", "wilcoxon", p_threshold=0.05)]
    return [
        *shared,
        _arm("asha", "asha"),
        _arm("asha, 1 in 4", "asha", reduction_factor=4),
        _arm("hyperband", "hyperband"),
        _arm("curve .95", "curve", confidence=0.95),
        _arm("curve .99", "curve", confidence=0.99),
    ]


def record(out: Path, splits: int, configs: int, tasks: Sequence[str]) -> None:
    """Append the curves of these tasks to a file."""
    makers = {"epochs": _train_networks, "folds": _validate_folds}
    with out.open("a", encoding="utf-8") as file:
        for split in range(splits):
            for task in tasks:
                for curve in makers[task](split, configs):
                    file.write(json.dumps(asdict(curve)) + "\n")
            print(f"split {split} recorded", flush=True)


def _draw(task: str, rng: np.random.Generator) -> dict[str, float | int | str]:
    config: dict[str, float | int | str] = {}
    for name, distribution in SPACES[task].items():
        if isinstance(distribution, CategoricalDistribution):
            config[name] = str(rng.choice(distribution.choices))
        elif isinstance(distribution, FloatDistribution | IntDistribution):
            value = float(np.exp(rng.uniform(np.log(distribution.low), np.log(distribution.high))))
            config[name] = round(value) if isinstance(distribution, IntDistribution) else value
    return config


def _train_networks(split: int, configs: int) -> Iterator[Curve]:
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    rng = np.random.default_rng([1, split])
    X, y = load_digits(return_X_y=True)
    order = rng.permutation(len(y))
    fit, valid, test = order[:600], order[600:900], order[900:]
    X = X / 16.0
    for number in range(configs):
        config = _draw("epochs", rng)
        net = MLPClassifier(
            hidden_layer_sizes=(int(config["width"]),),
            solver=str(config["solver"]),
            alpha=float(config["alpha"]),
            batch_size=int(config["batch"]),
            learning_rate_init=float(config["lr"]),
            random_state=1000 * split + number,
        )
        scores = []
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(EPOCHS):
                net.partial_fit(X[fit], y[fit], classes=np.arange(10))
                scores.append(round(float(net.score(X[valid], y[valid])), 4))
            held = round(float(net.score(X[test], y[test])), 4)
        yield Curve("epochs", split, config, scores, scores[-1], held)


def _validate_folds(split: int, configs: int) -> Iterator[Curve]:
    from sklearn.datasets import load_diabetes
    from sklearn.model_selection import KFold, cross_val_score
    from sklearn.svm import SVR

    rng = np.random.default_rng([2, split])
    X, y = load_diabetes(return_X_y=True)
    order = rng.permutation(len(y))
    X, y = X / X.std(axis=0), (y - y.mean()) / y.std()
    tune, test = order[:300], order[300:]
    folds = KFold(FOLDS, shuffle=True, random_state=split)
    for _ in range(configs):
        config = _draw("folds", rng)
        machine = SVR(C=float(config["C"]), gamma=float(config["gamma"]))
        errors = cross_val_score(machine, X[tune], y[tune], cv=folds, scoring="neg_mean_squared_error")
        scores = [round(float(error), 6) for error in errors]
        held = round(float(-np.mean((machine.fit(X[tune], y[tune]).predict(X[test]) - y[test]) ** 2)), 6)
        yield Curve("folds", split, config, scores, round(statistics.fmean(scores), 6), held)


def replay(curves: Sequence[Curve], arm: Arm, order: Sequence[int], workers: int) -> dict[str, float]:
    """Run a study over the curves in an order; of several workers a random one reports its next step."""
    task, steps = curves[0].task, len(curves[0].scores)
    study = optuna.create_study(direction="maximize", pruner=arm.build(steps), study_name="replay")
    waiting, rng = list(order), np.random.default_rng(list(order))
    running: list[tuple[optuna.Trial, Curve, int]] = []
    ran, whole = 0, []
    while waiting or running:
        while waiting and len(running) < workers:
            curve = curves[waiting.pop(0)]
            study.enqueue_trial(curve.config)
            running.append((study.ask(SPACES[task]), curve, 0))
        trial, curve, done = running.pop(int(rng.integers(len(running))))
        trial.report(curve.scores[done], done + 1)
        ran += 1
        if done + 1 == steps:
            study.tell(trial, curve.final)
            whole.append(curve)
        elif trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
        else:
            running.append((trial, curve, done + 1))
    best, chosen = max(curves, key=lambda c: c.final), max(whole, key=lambda c: c.final)
    budget = [curves[index] for index in order[: max(1, ran // steps)]]
    return {
        "speedup": len(curves) * steps / ran,
        "regret": best.final - chosen.final,
        "test_regret": best.test - chosen.test,
        "random_regret": best.final - max(c.final for c in budget),
        "whole": len(whole),
    }


def run_replays(curves: Sequence[Curve], orders: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for task in dict.fromkeys(c.task for c in curves):
        for split in sorted({c.split for c in curves if c.task == task}):
            here = [c for c in curves if c.task == task and c.split == split]
            for seed in range(orders):
                order = [int(i) for i in np.random.default_rng([3, split, seed]).permutation(len(here))]
                for workers in (1, 8):
                    for arm in arms(task):
                        outcome = replay(here, arm, order, workers)
                        rows.append(
                            {"task": task, "arm": arm.name, "split": split, "order": seed, "workers": workers} | outcome
                        )
            print(f"{task} split {split} replayed", flush=True)
    return rows


HEAD = """| pruner | speed-up, median (range) | best found | regret, median (mean, worst) | random search at that cost | test regret |
|---|---|---|---|---|---|"""  # noqa: E501 - a row of a table


def table(rows: Sequence[dict[str, object]]) -> str:
    lines = []
    for task in dict.fromkeys(str(row["task"]) for row in rows):
        for workers in (1, 8):
            part = [row for row in rows if row["task"] == task and row["workers"] == workers]
            lines += ["", f"### {task}, {workers} worker{'s' if workers > 1 else ''}", HEAD]
            lines += [_row(name, part) for name in dict.fromkeys(str(row["arm"]) for row in part)]
    return "\n".join(lines)


def _row(name: str, part: Sequence[dict[str, object]]) -> str:
    mine = [row for row in part if row["arm"] == name]
    keys = ("speedup", "regret", "random_regret", "test_regret")
    speed, regret, plain, test = ([float(str(row[key])) for row in mine] for key in keys)
    cells = [
        name,
        f"{statistics.median(speed):.2f} ({min(speed):.2f}–{max(speed):.2f})",
        f"{sum(r <= 0 for r in regret)} of {len(mine)}",
        f"{statistics.median(regret):.4f} ({statistics.fmean(regret):.4f}, {max(regret):.4f})",
        f"{statistics.median(plain):.4f} ({statistics.fmean(plain):.4f})",
        f"{statistics.fmean(test):+.4f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["record", "replay"])
    parser.add_argument("--curves", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--splits", type=int, default=4)
    parser.add_argument("--configs", type=int, default=CONFIGS)
    parser.add_argument("--tasks", nargs="*", default=["epochs", "folds"])
    parser.add_argument("--orders", type=int, default=6)
    args = parser.parse_args()
    if args.step == "record":
        record(args.out, args.splits, args.configs, args.tasks)
        return
    curves = [Curve(**json.loads(line)) for line in args.curves.read_text(encoding="utf-8").splitlines()]
    rows = run_replays(curves, args.orders)
    args.out.with_suffix(".jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    text = table(rows)
    args.out.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
