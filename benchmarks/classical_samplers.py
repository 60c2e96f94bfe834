"""Our classical samplers beside random search and TPE: synthetic functions, small scikit-learn tasks, budgets, a prior.

    export OMP_NUM_THREADS=1
    python benchmarks/classical_samplers.py trials --out FILE           # synthetic and scikit-learn, 50 trials each
    python benchmarks/classical_samplers.py epochs --out FILE           # DEHB and pruners, 405 epochs of a network
    python benchmarks/classical_samplers.py law --table CSV --out FILE
    python benchmarks/classical_samplers.py show --out FILE

Every arm sees the same instance for the same seed. The settings of `de`, `pso` and `cem` were chosen on Branin,
Hartmann6 and a toy with conditions, which are not among the tasks here. `law` reads `data/dense_lr_bs_loss.csv` of
github.com/step-law/steplaw, which has no licence and is not shipped; the law was fitted on most of it.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import statistics
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from scipy.stats import rankdata

from autoagent.search.priors import step_law
from autoagent.search.pruners import PRUNERS
from autoagent.search.samplers import SAMPLERS

TRIALS, AT = 50, (10, 25, 50)
EPOCHS, WHOLE = 405, 27
Objective = Callable[[optuna.Trial], float]


def sampler(name: str, **options: Any) -> Callable[[int], BaseSampler]:  # noqa: ANN401 - of any sampler
    build = SAMPLERS[name].load()
    assert callable(build)
    return lambda seed: build(seed=seed, **options)


ARMS: Mapping[str, Callable[[int], BaseSampler]] = {
    "random": sampler("random"),
    "tpe": sampler("tpe"),
    "pso": sampler("pso"),
    "pso, ring": sampler("pso", neighbours="ring"),
    "cem": sampler("cem"),
    "de": sampler("de"),
    "jade": sampler("de", adaptive=True),
    "coordinate": sampler("coordinate"),
}


def _numbers(trial: optuna.Trial, count: int, low: float, high: float, shift: np.ndarray) -> np.ndarray:
    """Suggest numbers and move the optimum off the middle, where a start would find it by luck."""
    return np.array([trial.suggest_float(f"x{i}", low, high) for i in range(count)]) - shift * (high - low)


def synthetic(name: str, seed: int) -> Objective:
    """Return an instance of a function; its least value is 0."""
    rng = np.random.default_rng([7, seed])
    shift = rng.uniform(-0.3, 0.3, size=8)
    choices = rng.permutation(4)

    def sphere(trial: optuna.Trial) -> float:
        return float((_numbers(trial, 5, -5, 5, shift[:5]) ** 2).sum())

    def ackley(trial: optuna.Trial) -> float:
        x = _numbers(trial, 5, -15, 15, shift[:5])
        return float(20 - 20 * np.exp(-0.2 * np.sqrt((x**2).mean())) + math.e - np.exp(np.cos(2 * np.pi * x).mean()))

    def rastrigin(trial: optuna.Trial) -> float:
        x = _numbers(trial, 4, -5.12, 5.12, shift[:4])
        return float((x**2 - 10 * np.cos(2 * np.pi * x) + 10).sum())

    def rosenbrock(trial: optuna.Trial) -> float:
        x = _numbers(trial, 4, -2, 2, shift[:4] / 2) + 1
        return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())

    def rotated(trial: optuna.Trial) -> float:
        turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(6, 6)))
        x = turn @ _numbers(trial, 6, -5, 5, shift[:6])
        return float((10.0 ** np.linspace(0, 3, 6) * x**2).sum())

    def categories(trial: optuna.Trial) -> float:
        picked = [trial.suggest_categorical(f"c{i}", ["a", "b", "c", "d"]) for i in range(4)]
        wrong = sum(kind != "abcd"[choices[i]] for i, kind in enumerate(picked))
        depth = trial.suggest_int("depth", 1, 20) - 10 - round(10 * shift[0])
        return float(wrong + 0.01 * depth**2 + 0.1 * wrong * abs(depth))

    return {f.__name__: f for f in (sphere, ackley, rastrigin, rosenbrock, rotated, categories)}[name]


SYNTHETIC = ("sphere", "ackley", "rastrigin", "rosenbrock", "rotated", "categories")


@functools.lru_cache(maxsize=32)
def _data(name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    from sklearn import datasets

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    rows = np.random.default_rng([8, seed]).permutation(len(y))[:300]
    X = X[rows]
    return (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-9), y[rows]


def _log_loss(model: Any, X: np.ndarray, y: np.ndarray) -> float:  # noqa: ANN401 - an estimator
    """Return the 3-fold cross-validated log-loss; the rows are in random order."""
    fold, losses = np.arange(len(y)) % 3, []
    for held in range(3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X[fold != held], y[fold != held])
            proba = model.predict_proba(X[fold == held])
        place = np.searchsorted(model.classes_, y[fold == held])
        losses.append(-np.log(np.clip(proba[np.arange(len(place)), place], 1e-6, 1.0)).mean())
    return float(np.mean(losses))


def learned(name: str, seed: int) -> Objective:
    """Return a cross-validated loss on at most 300 rows."""
    from sklearn.linear_model import SGDClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.tree import DecisionTreeClassifier

    def tree(trial: optuna.Trial) -> float:
        model = DecisionTreeClassifier(
            max_depth=trial.suggest_int("depth", 1, 15),
            min_samples_split=trial.suggest_float("split", 0.01, 0.99),
            min_samples_leaf=trial.suggest_float("leaf", 0.01, 0.49),
            min_impurity_decrease=trial.suggest_float("gain", 1e-6, 0.5, log=True),
            max_features=trial.suggest_float("share", 0.05, 1.0),
            criterion=trial.suggest_categorical("criterion", ["gini", "entropy"]),
            random_state=0,
        )
        return _log_loss(model, *_data("breast_cancer", seed))

    def sgd(trial: optuna.Trial) -> SGDClassifier:
        return SGDClassifier(
            loss="log_loss",
            alpha=trial.suggest_float("alpha", 1e-7, 1e1, log=True),
            l1_ratio=trial.suggest_float("l1", 0.0, 1.0),
            penalty="elasticnet",
            learning_rate="invscaling",
            eta0=trial.suggest_float("eta", 1e-4, 1e1, log=True),
            power_t=trial.suggest_float("power", 0.0, 0.8),
            max_iter=5,
            tol=None,
            random_state=0,
        )

    def linear(trial: optuna.Trial) -> float:
        return _log_loss(sgd(trial), *_data("breast_cancer", seed))

    def chosen(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("kind", ["linear", "tree", "neighbours"])
        if kind == "linear":
            model: Any = sgd(trial)
        elif kind == "tree":
            leaf = trial.suggest_int("leaf", 1, 50, log=True)
            share = trial.suggest_float("share", 0.05, 1.0)
            model = DecisionTreeClassifier(min_samples_leaf=leaf, max_features=share, random_state=0)
        else:
            weights = trial.suggest_categorical("weights", ["uniform", "distance"])
            power = trial.suggest_float("p", 1.0, 3.0)
            model = KNeighborsClassifier(trial.suggest_int("k", 1, 50, log=True), weights=weights, p=power)
        return _log_loss(model, *_data("wine", seed))

    return {"tree": tree, "linear": linear, "chosen": chosen}[name]


LEARNED = ("tree", "linear", "chosen")


def run_trials(seeds: int, tasks: Sequence[str]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        make = synthetic if task in SYNTHETIC else learned
        for seed in range(seeds):
            for arm, build in ARMS.items():
                study = optuna.create_study(sampler=build(seed))
                study.optimize(make(task, seed), n_trials=TRIALS)
                best = np.minimum.accumulate([trial.value for trial in study.trials])
                yield {"task": task, "arm": arm, "seed": seed} | {f"at{n}": float(best[n - 1]) for n in AT}


def trial_tables(rows: Sequence[dict[str, Any]]) -> str:
    tasks, arms = list(dict.fromkeys(r["task"] for r in rows)), list(ARMS)
    seeds = sorted({r["seed"] for r in rows})
    value = {(r["task"], r["arm"], r["seed"]): r for r in rows}
    lines = [
        f"Median of the best loss after {TRIALS} trials, {len(seeds)} seeds:",
        "",
        "| task | " + " | ".join(arms) + " |",
    ]
    lines.append("|---" * (len(arms) + 1) + "|")
    for task in tasks:
        cells = [statistics.median(value[task, arm, s][f"at{TRIALS}"] for s in seeds) for arm in arms]
        best = min(cells)
        lines.append(f"| {task} | " + " | ".join(f"**{c:.4g}**" if c == best else f"{c:.4g}" for c in cells) + " |")
    lines += [
        "",
        "Mean rank over tasks and seeds (1 is best), with the share of (task, seed) pairs won against TPE and random:",
    ]
    lines += [
        "",
        "| arm | " + " | ".join(f"rank after {n}" for n in AT) + f" | beats TPE after {TRIALS} | beats random |",
        "|---" * 6 + "|",
    ]
    ranks: dict[str, dict[int, list[float]]] = {arm: {n: [] for n in AT} for arm in arms}
    for task in tasks:
        for s in seeds:
            for n in AT:
                places = rankdata([value[task, arm, s][f"at{n}"] for arm in arms])
                for arm, place in zip(arms, places, strict=True):
                    ranks[arm][n].append(float(place))
    for arm in arms:
        means = " | ".join(f"{statistics.fmean(ranks[arm][n]):.2f}" for n in AT)
        wins = " | ".join(_share(value, tasks, seeds, arm, other) for other in ("tpe", "random"))
        lines.append(f"| {arm} | {means} | {wins} |")
    return "\n".join(lines)


def _share(value: Mapping[Any, Any], tasks: Sequence[str], seeds: Sequence[int], arm: str, other: str) -> str:
    """Return the share won, ties as half, with a 95 % interval from resampling tasks (their seeds stay together)."""
    if arm == other:
        return "–"
    key = f"at{TRIALS}"
    won = []
    for task in tasks:
        pairs = [(value[task, arm, s][key], value[task, other, s][key]) for s in seeds]
        won.append(statistics.fmean(1.0 if a < b else 0.5 if a == b else 0.0 for a, b in pairs))
    rng = np.random.default_rng(0)
    means = [float(np.mean(rng.choice(won, size=len(won)))) for _ in range(2000)]
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{statistics.fmean(won):.2f} [{low:.2f}, {high:.2f}]"


def _pruner(name: str, **options: Any) -> optuna.pruners.BasePruner:  # noqa: ANN401 - of any pruner
    build = PRUNERS[name].load()
    assert callable(build)
    pruner = build(max_resource=WHOLE, **options)
    assert isinstance(pruner, optuna.pruners.BasePruner)
    return pruner


BUDGETED: Mapping[str, tuple[Callable[[int], BaseSampler], str]] = {
    "random": (sampler("random"), "none"),
    "random + asha": (sampler("random"), "asha"),
    "tpe": (sampler("tpe"), "none"),
    "tpe + asha": (sampler("tpe"), "asha"),
    "tpe + hyperband": (sampler("tpe"), "hyperband"),
    "dehb": (sampler("dehb", max_resource=WHOLE), "budget"),
}


def network(seed: int) -> Callable[[optuna.Trial, Callable[[], bool]], float]:
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng([9, seed]).permutation(len(y))
    fit, valid = order[:200], order[200:600]
    X = X / 16.0

    def objective(trial: optuna.Trial, spend: Callable[[], bool]) -> float:
        net = MLPClassifier(
            hidden_layer_sizes=(trial.suggest_int("width", 4, 32, log=True),),
            solver=trial.suggest_categorical("solver", ["adam", "sgd"]),
            alpha=trial.suggest_float("alpha", 1e-6, 1e0, log=True),
            batch_size=trial.suggest_int("batch", 16, 128, log=True),
            learning_rate_init=trial.suggest_float("lr", 1e-5, 1e0, log=True),
            activation=trial.suggest_categorical("activation", ["relu", "tanh"]),
            random_state=0,
        )
        error = 1.0
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for epoch in range(1, WHOLE + 1):
                if not spend():
                    raise optuna.TrialPruned
                net.partial_fit(X[fit], y[fit], classes=np.arange(10))
                error = 1.0 - float(net.score(X[valid], y[valid]))
                trial.report(error, epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned
        return error

    return objective


def run_epochs(seeds: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Give each arm the same number of epochs; it is judged by its best trial that was trained to the end."""
    for seed in seeds:
        for arm, (build, pruner) in BUDGETED.items():
            study = optuna.create_study(sampler=build(seed), pruner=_pruner(pruner), study_name="epochs")
            left, curve = [EPOCHS], []

            def spend(left: list[int] = left) -> bool:
                left[0] -= 1
                return left[0] >= 0

            objective = network(seed)
            while left[0] > 0:
                study.optimize(functools.partial(objective, spend=spend), n_trials=1)
                whole = [t.value for t in study.trials if t.state == optuna.trial.TrialState.COMPLETE]
                curve.append((EPOCHS - max(left[0], 0), min(whole, default=1.0)))
            half = [loss for spent, loss in curve if spent <= EPOCHS // 2]
            yield {"arm": arm, "seed": seed, "trials": len(study.trials), "half": half[-1], "end": curve[-1][1]}


def epoch_table(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        f"| arm | trials | error after {EPOCHS // 2} epochs | after {EPOCHS} (range) | mean rank |",
        "|---|---|---|---|---|",
    ]
    seeds = sorted({r["seed"] for r in rows})
    arms = list(dict.fromkeys(r["arm"] for r in rows))
    value = {(r["arm"], r["seed"]): r for r in rows}
    ranks = np.array([rankdata([value[arm, s]["end"] for arm in arms]) for s in seeds]).mean(axis=0)
    for arm, place in zip(arms, ranks, strict=True):
        mine = [value[arm, s] for s in seeds]
        end = [r["end"] for r in mine]
        trials, half = (statistics.median(r[key] for r in mine) for key in ("trials", "half"))
        spread = f"{statistics.median(end):.4f} ({min(end):.4f}–{max(end):.4f})"
        lines.append(f"| {arm} | {trials:g} | {half:.4f} | {spread} | {place:.2f} |")
    return "\n".join(lines)


def run_law(table: Path, seeds: int) -> Iterator[dict[str, Any]]:
    """Search each released grid of learning rate and batch size; a suggestion runs as its nearest grid point."""
    import pandas as pd

    frame = pd.read_csv(table)
    for (parameters, tokens), grid in frame.groupby(["N", "D"]):
        points = np.log(grid[["lr", "bs"]].to_numpy(dtype=float))
        losses = grid["smooth loss"].to_numpy(dtype=float)
        prior = step_law(float(parameters), float(tokens))
        batch = float(str(prior.centres["batch_tokens"].value)) / 2048
        start = prior.renamed({"batch_tokens": "bs"})
        start = type(start)(start.name, dict(start.centres) | {"bs": type(start.centres["lr"])(batch, 2.0)})
        spans = points.max(axis=0) - points.min(axis=0)

        def gap(trial: optuna.Trial, points: Any = points, losses: Any = losses, spans: Any = spans) -> float:  # noqa: ANN401
            low, high = np.exp(points.min(axis=0)), np.exp(points.max(axis=0))
            x = np.log(
                [
                    trial.suggest_float("lr", low[0], high[0], log=True),
                    trial.suggest_float("bs", low[1], high[1], log=True),
                ]
            )
            nearest = int((((points - x) / spans) ** 2).sum(axis=1).argmin())
            return float(100 * (losses[nearest] / losses.min() - 1))

        arms = {
            "random": sampler("random"),
            "tpe": sampler("tpe"),
            "cem": sampler("cem"),
            "coordinate": sampler("coordinate"),
            "cem from the law": sampler("cem", prior=start),
            "coordinate from the law": sampler("coordinate", start=start),
        }
        for seed in range(seeds):
            for arm, build in arms.items():
                study = optuna.create_study(sampler=build(seed))
                study.optimize(gap, n_trials=20)
                best = np.minimum.accumulate([trial.value for trial in study.trials])
                known = {f"at{n}": float(best[n - 1]) for n in (1, 5, 10, 20)}
                yield {"task": f"{parameters}/{tokens}", "arm": arm, "seed": seed} | known


def law_table(rows: Sequence[dict[str, Any]]) -> str:
    lines = ["| arm | after 1 | 5 | 10 | 20 |", "|---|---|---|---|---|"]
    for arm in dict.fromkeys(r["arm"] for r in rows):
        cells = [statistics.median(r[f"at{n}"] for r in rows if r["arm"] == arm) for n in (1, 5, 10, 20)]
        lines.append(f"| {arm} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["trials", "epochs", "law", "show"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="first seed of `epochs`")
    parser.add_argument("--tasks", nargs="*", default=[*SYNTHETIC, *LEARNED])
    parser.add_argument("--table", type=Path)
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if args.step == "show":
        show(args.out)
        return
    found = {
        "trials": lambda: run_trials(args.seeds, args.tasks),
        "epochs": lambda: run_epochs(range(args.first, args.first + args.seeds)),
        "law": lambda: run_law(args.table, args.seeds),
    }[args.step]()
    with args.out.open("w", encoding="utf-8") as file:
        for row in found:
            file.write(json.dumps({"step": args.step} | row) + "\n")
            file.flush()
    show(args.out)


def show(path: Path) -> None:
    """Print the tables of a file, which may be several put together."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for step, table in {"trials": trial_tables, "epochs": epoch_table, "law": law_table}.items():
        mine = [row for row in rows if row["step"] == step]
        if mine:
            print(table(mine))


if __name__ == "__main__":
    main()
