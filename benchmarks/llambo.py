"""Our sampler and Optuna's beside LLAMBO's own published runs, on its tasks, from its own first five configurations.

    git clone https://github.com/tennisonliu/LLAMBO
    python benchmarks/llambo.py check --published LLAMBO                # its scores, evaluated again
    python benchmarks/llambo.py run --published LLAMBO --out llambo.jsonl
    python benchmarks/llambo.py table --out llambo.jsonl --against ours

The tasks are those of its `exp_bayesmark`: an SVM and a decision tree of scikit-learn on five data sets, five-fold
cross-validation on 80 % of the rows (`train_test_split`, random state 0), accuracy, or the squared error of the
standardised target. Its repository holds a run for seeds 0 to 4, and first configurations for ten. Regret is
(best so far - best known) / (worst known - best known), both over every run in the file and every published one.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler

from autoagent.search.agent_search.context import Settings
from autoagent.search.samplers.agent import AgentSampler
from hpo_plugin import distribution
from samplers import difference, mean_regret, read

Config = dict[str, Any]
AT = (6, 10, 15, 20, 30)
DATA = ("iris", "wine", "breast", "diabetes", "digits")
FIRST, TRIALS = 5, 30
_SHARE = {"type": "float", "scale": "logit", "low": 0.01}
SPACES: dict[str, list[Config]] = {
    "SVM": [
        {"name": "C", "type": "float", "scale": "log", "low": 1.0, "high": 1e3},
        {"name": "gamma", "type": "float", "scale": "log", "low": 1e-4, "high": 1e-3},
        {"name": "tol", "type": "float", "scale": "log", "low": 1e-5, "high": 1e-1},
    ],
    "DecisionTree": [
        {"name": "max_depth", "type": "int", "low": 1, "high": 15},
        {"name": "max_features", "high": 0.99} | _SHARE,
        {"name": "min_impurity_decrease", "type": "float", "low": 0.0, "high": 0.5},
        {"name": "min_samples_leaf", "high": 0.49} | _SHARE,
        {"name": "min_samples_split", "high": 0.99} | _SHARE,
        {"name": "min_weight_fraction_leaf", "high": 0.49} | _SHARE,
    ],
}
_LOOSE = {"min_impurity_decrease": 0.0, "min_samples_leaf": 0.01, "min_weight_fraction_leaf": 0.01}
# What a practitioner types first: scikit-learn's defaults as near as the space allows, then less regularised ones.
BY_HAND: dict[str, list[Config]] = {
    "SVM": [
        {"C": 1.0, "gamma": 1e-3, "tol": 1e-3},
        {"C": 1e3, "gamma": 1e-3, "tol": 1e-3},
        {"C": 1e3, "gamma": 1e-4, "tol": 1e-3},
        {"C": 30.0, "gamma": 1e-4, "tol": 1e-3},
    ],
    "DecisionTree": [
        {"max_depth": 15, "max_features": 0.99, "min_samples_split": 0.01} | _LOOSE,
        {"max_depth": 10, "max_features": 0.5, "min_samples_split": 0.01} | _LOOSE,
        {"max_depth": 15, "max_features": 0.2, "min_samples_split": 0.02} | _LOOSE,
    ],
}


@dataclass
class Task:
    """One data set and one model.

    Attributes:
        data: name of the data set.
        model: of the space.
        memory: losses of configurations that were evaluated.
    """

    data: str
    model: str
    memory: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Data set and model."""
        return f"{self.data}/{self.model}"

    @property
    def space(self) -> dict[str, BaseDistribution]:
        """The parameters as Optuna knows them."""
        return {p["name"]: distribution(p) for p in SPACES[self.model]}

    def loss(self, config: Config) -> float:
        """Return the error rate, or the squared error in units of the target's variance."""
        key = json.dumps(config, sort_keys=True)
        if key not in self.memory:
            self.memory[key] = self._evaluated(config)
        return self.memory[key]

    def _evaluated(self, config: Config) -> float:
        from sklearn.model_selection import cross_val_score

        rows, target, is_regression = rows_of(self.data)
        scoring = "neg_mean_squared_error" if is_regression else "accuracy"
        score = float(
            np.mean(cross_val_score(_model(self.model, is_regression, config), rows, target, scoring=scoring))
        )
        return -score if is_regression else 1.0 - score


@cache
def rows_of(data: str) -> tuple[Any, Any, bool]:
    """Return features and target of the 80 % that are tuned on, and whether it is a regression."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    name = "breast_cancer" if data == "breast" else data
    features, target = getattr(datasets, f"load_{name}")(return_X_y=True)
    rows, _, kept, _ = train_test_split(features, target, test_size=0.2, random_state=0)
    is_regression = data == "diabetes"
    return rows, (kept - kept.mean()) / kept.std() if is_regression else kept, is_regression


def _model(name: str, is_regression: bool, config: Config) -> Any:  # noqa: ANN401 - an estimator of scikit-learn
    from sklearn.svm import SVC, SVR
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    if name == "SVM":
        return SVR(**config) if is_regression else SVC(random_state=0, **config)
    return (DecisionTreeRegressor if is_regression else DecisionTreeClassifier)(random_state=0, **config)


def published(repository: Path, task: Task, seed: int) -> list[tuple[Config, float]]:
    """Return a published run as configurations and losses; empty if there is none of that seed."""
    text = _show(repository, f"exp_bayesmark/results_discriminative/{task.data}/{task.model}/{seed}.csv")
    found = []
    for row in csv.DictReader(text.splitlines()):
        config = {p["name"]: _typed(p, float(row[p["name"]])) for p in SPACES[task.model]}
        score = float(row["score"])
        found.append((config, score if task.data == "diabetes" else 1.0 - score))
    return found


def first_configs(repository: Path, task: Task, seed: int) -> list[Config]:
    """Return the five configurations that a search of this seed starts from."""
    rows = json.loads(_show(repository, f"bayesmark/configs/{task.model}/{seed}.json"))[:FIRST]
    return [{p["name"]: _typed(p, row[p["name"]]) for p in SPACES[task.model]} for row in rows]


def _show(repository: Path, path: str) -> str:
    command = ["git", "-C", str(repository), "show", f"HEAD:{path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def _typed(parameter: Config, value: float) -> int | float:
    """Return a value as the model gets it, inside the range: some first configurations miss it by rounding."""
    value = min(max(float(value), parameter["low"]), parameter["high"])
    return int(value) if parameter["type"] == "int" else value


@dataclass(frozen=True)
class System:
    """One method.

    Attributes:
        sampler: made of a seed and the task.
        has_portfolio: whether the configurations of `BY_HAND` are put into its queue.
        hides_names: whether it sees the parameters as x0, x1, ….
    """

    sampler: Callable[[int, Task], BaseSampler]
    has_portfolio: bool = False
    hides_names: bool = False


SYSTEMS: dict[str, System] = {
    "random": System(lambda seed, _: RandomSampler(seed=seed)),
    "tpe": System(lambda seed, _: TPESampler(seed=seed, n_startup_trials=FIRST)),
    "gp": System(lambda seed, _: GPSampler(seed=seed, n_startup_trials=FIRST)),
    "defaults+tpe": System(lambda seed, _: TPESampler(seed=seed, n_startup_trials=FIRST), has_portfolio=True),
    "ours": System(lambda seed, task: AgentSampler(seed=seed)),
    "ours+portfolio": System(lambda seed, task: AgentSampler(seed=seed, portfolio=BY_HAND[task.model])),
    "ours-no-guess": System(
        lambda seed, _: AgentSampler(seed=seed, settings=Settings(guess_weight=0.0)), hides_names=True
    ),
}


def search(task: Task, system: System, seed: int, first: Sequence[Config], trials: int) -> list[float]:
    """Return the losses of a search in their order, those of the first configurations included."""
    shown = {name: f"x{place}" if system.hides_names else name for place, name in enumerate(task.space)}
    space = {shown[name]: kind for name, kind in task.space.items()}
    study = optuna.create_study(sampler=system.sampler(seed, task), study_name="llambo")
    for config in first:
        params = {shown[name]: value for name, value in config.items()}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=task.loss(config)))
    for config in BY_HAND[task.model] if system.has_portfolio else ():
        study.enqueue_trial(config)
    back = {new: old for old, new in shown.items()}
    while len(study.trials) - sum(t.state == optuna.trial.TrialState.WAITING for t in study.trials) < trials:
        trial = study.ask()
        config = {back[name]: trial._suggest(name, kind) for name, kind in space.items()}
        study.tell(trial, task.loss(config))
    return [float(trial.value) for trial in study.trials if trial.value is not None]


def run(arguments: argparse.Namespace) -> None:
    """Run what is not in the file yet."""
    done = {(row["task"], row["seed"], row["system"], row["start"]) for row in read(arguments.out)}
    for task in tasks(arguments.only):
        for seed in range(arguments.seeds):
            first = first_configs(arguments.published, task, seed)
            jobs = [(name, start) for start in arguments.starts for name in arguments.systems]
            curves = {
                (name, start): search(task, SYSTEMS[name], seed, first if start == "shared" else [], TRIALS)
                for name, start in jobs
                if (task.name, seed, name, start) not in done
            }
            known = [task.loss(config) for config, _ in published(arguments.published, task, seed)]
            if known and (task.name, seed, "llambo", "shared") not in done:
                curves["llambo", "shared"] = known
            for (name, start), losses in curves.items():
                row = {"task": task.name, "system": name, "seed": seed, "start": start, "losses": np.round(losses, 8)}
                with arguments.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row | {"losses": row["losses"].tolist()}) + "\n")
        print(task.name, flush=True)


def check(arguments: argparse.Namespace) -> None:
    """Print how far the published scores are from what the same configurations score now."""
    for task in tasks(arguments.only):
        gaps = [
            abs(task.loss(config) - loss)
            for seed in range(5)
            for config, loss in published(arguments.published, task, seed)[:: arguments.step]
        ]
        print(f"{task.name}: {len(gaps)} evaluated again, largest difference {max(gaps):.2g}", flush=True)


def tasks(only: str = "") -> list[Task]:
    """Return the ten tasks, or those whose name has a part."""
    return [task for model in SPACES for data in DATA if only in (task := Task(data, model)).name]


def show(arguments: argparse.Namespace) -> None:
    """Print mean regrets on common runs, and paired bootstrap intervals of the differences to one system."""
    rows = [row for row in read(arguments.out) if row["task"].split("/")[0] in arguments.data]
    ends = json.loads(arguments.ends.read_text("utf-8")) if arguments.ends else _ends(rows)
    curves = {}
    for row in rows:
        low, high = ends[row["task"]]
        if row["start"] == arguments.start or row["system"] == "llambo":
            regret = (np.minimum.accumulate(row["losses"]) - low) / (high - low)
            curves[(row["task"], row["seed"], row["system"])] = regret
    curves = {key: curve for key, curve in curves.items() if arguments.only in key[0] and key[1] < arguments.seeds}
    found = sorted({key[2] for key in curves} - set(arguments.without))
    runs = {name: {key[:2] for key in curves if key[2] == name} for name in found}
    common = sorted(set.intersection(*runs.values()))
    print(f"{len({task for task, _ in common})} tasks, {len(common)} runs, start: {arguments.start}")
    print("| system |", " | ".join(f"@{at}" for at in AT), "|")
    for name in found:
        print(f"| {name} |", " | ".join(f"{mean_regret(curves, common, name, at):.4f}" for at in AT), "|")
    for name in found:
        if name != arguments.against:
            cells = [difference(curves, common, arguments.against, name, at) for at in AT]
            print(f"| {arguments.against} - {name} |", " | ".join(cells), "|")


def _ends(rows: Sequence[Config]) -> dict[str, tuple[float, float]]:
    """Return the best and the worst known loss of each task."""
    ends: dict[str, tuple[float, float]] = {}
    for row in rows:
        low, high = ends.get(row["task"], (np.inf, -np.inf))
        ends[row["task"]] = (min(low, *row["losses"]), max(high, *row["losses"]))
    return ends


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "table", "check"])
    parser.add_argument("--published", type=Path, default=Path("LLAMBO"), help="a checkout or a bare git directory")
    parser.add_argument("--systems", nargs="*", default=list(SYSTEMS))
    parser.add_argument("--without", nargs="*", default=[])
    parser.add_argument("--starts", nargs="*", default=["shared", "own"], help="whose first five configurations")
    parser.add_argument("--start", default="shared")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--step", type=int, default=1, help="check every so manieth evaluation")
    parser.add_argument("--only", default="")
    parser.add_argument("--data", nargs="*", default=list(DATA), help="data sets of the table")
    parser.add_argument("--ends", type=Path, help="JSON of the best and the worst loss by task; else from the file")
    parser.add_argument("--against", default="ours")
    parser.add_argument("--out", type=Path, default=Path("llambo.jsonl"))
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    {"run": run, "table": show, "check": check}[arguments.command](arguments)


if __name__ == "__main__":
    main()
