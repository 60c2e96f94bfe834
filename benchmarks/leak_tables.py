"""Clean tables for the leak checks: built-in ones of scikit-learn and generated ones with all kinds of columns."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets

from autoagent.data.table import Task

Rng = np.random.Generator


@dataclass(frozen=True)
class Clean:
    """A table without a planted leak, and the key of its split where it has one."""

    name: str
    frame: pd.DataFrame
    task: Task
    kind: str | None = None
    key: str | None = None


def _builtin(name: str, task: Task, rng: Rng) -> Clean:
    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    return Clean(name, frame.sample(frac=0.9, random_state=int(rng.integers(2**31))).reset_index(drop=True), task)


def _mixed(rng: Rng, n: int = 1500) -> pd.DataFrame:
    frame = pd.DataFrame(rng.normal(size=(n, 4)), columns=["income", "debt", "score", "noise"])
    frame["age"] = rng.integers(18, 90, n)
    frame["job"] = rng.choice(["clerk", "cook", "nurse", "pilot"], n, p=[0.4, 0.3, 0.2, 0.1])
    frame["city"] = [f"city {code}" for code in rng.zipf(1.6, n).clip(max=80)]
    frame["member"] = rng.random(n) < 0.3
    frame["phone"] = np.where(rng.random(n) < 0.4, np.nan, rng.normal(size=n))
    return frame


def _signal(frame: pd.DataFrame, rng: Rng) -> np.ndarray:
    pull = dict(zip(frame["city"].unique(), rng.normal(size=frame["city"].nunique()), strict=True))
    signal = frame["income"] - 0.7 * frame["debt"] + (frame["age"] - 50) / 20 + frame["city"].map(pull)
    return np.asarray(signal + (frame["job"] == "pilot") + rng.normal(size=len(frame)))


def _credit(rng: Rng) -> Clean:
    frame = _mixed(rng)
    return Clean("credit", frame.assign(target=np.where(_signal(frame, rng) > 0.5, "bad", "good")), "binary")


def _rare(rng: Rng) -> Clean:
    frame = _mixed(rng, 3000)
    signal = _signal(frame, rng)
    return Clean("rare", frame.assign(target=(signal > np.quantile(signal, 0.97)).astype(int)), "binary")


def _rents(rng: Rng) -> Clean:
    frame = _mixed(rng)
    return Clean("rents", frame.assign(target=np.exp(_signal(frame, rng) / 2)), "regression")


def _informative_gaps(rng: Rng) -> Clean:
    frame = _mixed(rng)
    signal = _signal(frame, rng)
    frame["asked"] = np.where(rng.random(len(frame)) < np.where(signal > 0, 0.6, 0.2), np.nan, frame["noise"])
    return Clean("informative gaps", frame.assign(target=(signal > 0).astype(int)), "binary")


def _sales(rng: Rng) -> Clean:
    frame = _mixed(rng)
    frame["day"] = pd.date_range("2023-01-01", periods=len(frame), freq="6h")
    trend = np.sin(np.arange(len(frame)) / 100)
    return Clean("sales by time", frame.assign(target=_signal(frame, rng) + trend), "regression", "time", "day")


def _visits(rng: Rng) -> Clean:
    frame = _mixed(rng)
    patient = rng.integers(0, 200, len(frame))
    y = _signal(frame, rng) + 2 * rng.normal(size=200)[patient] > 0
    return Clean(
        "visits by group", frame.assign(patient_id=patient, target=y.astype(int)), "binary", "group", "patient_id"
    )


def _genes(rng: Rng) -> Clean:
    frame = pd.DataFrame(rng.normal(size=(72, 2000))).add_prefix("gene")
    y = rng.random(72) < 0.4
    frame.iloc[:, :10] += 1.2 * y[:, None]
    return Clean("genes", frame.assign(target=y.astype(int)), "binary")


def _bikes(rng: Rng) -> Clean:
    frame = pd.DataFrame({"hour": rng.integers(0, 24, 2000), "weekday": rng.integers(0, 7, 2000)})
    frame["heat"], frame["rain"] = rng.normal(15, 8, 2000).round(), rng.random(2000) < 0.2
    mean = np.exp(3 + np.sin(frame["hour"] / 24 * 6.28) + frame["heat"] / 40 - frame["rain"])
    return Clean("bikes", frame.assign(target=rng.poisson(mean)), "regression")


def _survey(rng: Rng) -> Clean:
    frame = pd.DataFrame({f"q{i}": rng.integers(1, 6, 800) for i in range(6)})
    y = np.digitize(frame.sum(axis=1) + 2 * rng.normal(size=800), [15, 21])
    return Clean("survey", frame.assign(target=y), "multiclass")


def clean_tables(rng: Rng) -> list[Clean]:
    """Return all of them, drawn anew."""
    known: list[tuple[str, Task]] = [("iris", "multiclass"), ("wine", "multiclass"), ("breast_cancer", "binary")]
    known += [("digits", "multiclass"), ("diabetes", "regression")]
    made: list[Callable[[Rng], Clean]] = [_credit, _rare, _rents, _informative_gaps, _sales, _visits, _genes, _bikes]
    return [_builtin(name, task, rng) for name, task in known] + [make(rng) for make in [*made, _survey]]


def exported_tables(cache: Path | None) -> list[Clean]:
    """Return the real tables that ``tabular_tables.py`` has exported to a folder."""
    listed = [] if cache is None else json.loads((cache / "tables.json").read_text(encoding="utf-8"))
    found = []
    for fact in listed:
        frame = pd.read_parquet(f"{cache}/{fact['name']}.parquet").dropna(subset=["target"]).reset_index(drop=True)
        found.append(Clean(f"real: {fact['name']}", frame, fact["task"]))
    return found
