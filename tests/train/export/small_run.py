"""A run folder as the search leaves it, with small linear models whose predictions are known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from autoagent.data.seal import Schema, write_split
from autoagent.data.splits import make_split
from autoagent.data.table import Role, Task
from autoagent.inference import apply_recipe
from autoagent.train.features import FeatureOptions, fit_recipe
from autoagent.train.onnx_graph import OnnxGraph

ROLES: dict[str, Role] = {"size": "numeric", "weight": "numeric", "colour": "categorical", "day": "date"}
CLASSES = {"binary": ["no", "yes"], "multiclass": ["1", "2", "3"], "regression": []}
KINDS = {"binary": "str", "multiclass": "int", "regression": "float"}


@dataclass(frozen=True)
class SmallRun:
    """A run with two trials.

    Attributes:
        root: its folder.
        frame: all rows.
    """

    root: Path
    task: Task
    frame: pd.DataFrame

    def trial(self, number: int) -> Path:
        return self.root / "trials" / f"{number:04d}"

    def export_job(self, **changes: Any) -> dict[str, Any]:
        return {
            "kind": "export",
            "run": str(self.root),
            "members": [[str(self.trial(0)), 3.0], [str(self.trial(1)), 1.0]],
            "metric": "rmse" if self.task == "regression" else "accuracy",
            "task": self.task,
            "target": "y",
            "classes": CLASSES[self.task],
            "class_kind": KINDS[self.task],
            "roles": dict(ROLES),
            "rule": [],
            "seed": 0,
        } | changes

    def test_job(self, **changes: Any) -> dict[str, Any]:
        return {
            "kind": "test",
            "run": str(self.root),
            "metric": "rmse" if self.task == "regression" else "accuracy",
            "task": self.task,
            "classes": CLASSES[self.task],
            "rule": [],
            "validation": 0.9,
            "seed": 0,
        } | changes


def make_run(root: Path, task: Task = "binary", n: int = 200) -> SmallRun:
    """Write a run folder under ``root``."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "weight": np.where(rng.random(n) < 0.1, np.nan, rng.normal(5, 2, n)),
            "colour": rng.choice(["red", "green", "blue"], n),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
        }
    )
    y = frame["size"].to_numpy() + (frame["colour"] == "red") + rng.normal(0, 0.3, n)
    if task != "regression":
        k = len(CLASSES[task])
        y = pd.qcut(y, k, labels=False).to_numpy().astype(float)
    split = make_split(np.asarray(y, dtype=float), task=task, seed=0, n_folds=3)
    schema = Schema(roles=ROLES, target="y", task=task, classes=CLASSES[task])
    root.mkdir(parents=True, exist_ok=True)
    write_split(root, frame, np.asarray(y, dtype=float), split, schema)
    run = SmallRun(root, task, frame)
    train, train_y = frame.iloc[split.train_rows].reset_index(drop=True), np.asarray(y, dtype=float)[split.train_rows]
    for number, numbers in enumerate(("standard", "quantile")):
        _write_trial(run.trial(number), train, train_y, task, split.folds, numbers)
    return run


def _write_trial(trial: Path, train: pd.DataFrame, y: np.ndarray, task: Task, folds: Any, numbers: str) -> None:
    k = len(CLASSES[task])
    oof = np.full((len(y), k) if k else len(y), np.nan, dtype=np.float32)
    options = FeatureOptions(numbers=cast(Any, numbers), impute=True)
    for i, (rows, valid) in enumerate(folds):
        part = trial / "parts" / f"p{i}"
        part.mkdir(parents=True)
        recipe, X = fit_recipe(train.iloc[rows], ROLES, y[rows], task, options, 0)
        goal = y[rows, None] if not k else (y[rows, None] == np.arange(k)) * 4.0
        with_one = np.column_stack([X, np.ones(len(X))])
        W = np.linalg.solve(with_one.T @ with_one + np.eye(with_one.shape[1]), with_one.T @ goal)
        (part / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
        (part / "model.onnx").write_bytes(linear_onnx(W, k))
        oof[valid] = _predict(apply_recipe(recipe, train.iloc[valid]), W, k)
    np.save(trial / "oof.npy", oof, allow_pickle=False)


def _predict(X: np.ndarray, W: np.ndarray, k: int) -> np.ndarray:
    z = X @ W[:-1] + W[-1]
    if not k:
        return np.asarray(z[:, 0])
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def linear_onnx(W: np.ndarray, k: int) -> bytes:
    """Return a linear model, with a softmax for classes."""
    graph = OnnxGraph()
    z = graph.linear("X", W[:-1], W[-1])
    y = graph.add("Softmax", z, axis=1) if k else graph.flat(z)
    return graph.finish(y, num_features=len(W) - 1, num_columns=k or None)
