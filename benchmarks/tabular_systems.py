"""Fit one system on one table in a process of its own; the peers' run in the peers' Python.

``python tabular_systems.py SYSTEM JOB.json`` reads {train, test, task, metric, budget_s, seed, work, out} and writes
``out``: {classes, prediction, fit_s, predict_s, version}. It sees no target of the test rows and computes no score.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Job = dict[str, Any]
Prediction = tuple[list[str], np.ndarray, float]


def ours(job: Job, train: pd.DataFrame, test: pd.DataFrame) -> Prediction:
    import autoagent

    words = {"binary": "binary classification", "multiclass": "multiclass classification", "regression": "regression"}
    measure = {"roc_auc": "ROC AUC", "accuracy": "accuracy", "rmse": "RMSE"}[job["metric"]]
    request = f"predict the column target, {words[job['task']]}, measured by {measure}"
    started = time.monotonic()
    result = autoagent.run(train, request, seed=job["seed"], budget=job["budget_s"], out=Path(job["work"]) / "runs")
    fitted = time.monotonic() - started
    if job["task"] == "regression":
        return [], result.model.predict(test), fitted
    return [str(name) for name in result.model.classes_], result.model.predict_proba(test), fitted


def _autogluon(job: Job, train: pd.DataFrame, test: pd.DataFrame, presets: str | None) -> Prediction:
    from autogluon.tabular import TabularPredictor

    def fit(folder: str, **more: object) -> TabularPredictor:
        left = job["budget_s"] - (time.monotonic() - started)
        return TabularPredictor(
            label="target",
            problem_type=job["task"],
            eval_metric={"rmse": "root_mean_squared_error"}.get(job["metric"], job["metric"]),
            path=str(Path(job["work"]) / folder),
            verbosity=0,
        ).fit(train, time_limit=left, presets=presets, num_cpus=2, num_gpus=0, **more)

    started = time.monotonic()
    try:
        predictor = fit("ag")
    except AssertionError:  # 1.6.3: "Learner is already fit", after dynamic stacking's own fit trained nothing in time
        predictor = fit("ag-static", dynamic_stacking=False, num_stack_levels=1)
    fitted = time.monotonic() - started
    if job["task"] == "regression":
        return [], predictor.predict(test).to_numpy(), fitted
    proba = predictor.predict_proba(test)
    return [str(name) for name in proba.columns], proba.to_numpy(), fitted


def autogluon(job: Job, train: pd.DataFrame, test: pd.DataFrame) -> Prediction:
    return _autogluon(job, train, test, None)


def autogluon_best(job: Job, train: pd.DataFrame, test: pd.DataFrame) -> Prediction:
    return _autogluon(job, train, test, "best_quality")


def flaml(job: Job, train: pd.DataFrame, test: pd.DataFrame) -> Prediction:
    from flaml import AutoML

    automl, started = AutoML(), time.monotonic()
    automl.fit(
        train.drop(columns="target"),
        train["target"],
        task="regression" if job["task"] == "regression" else "classification",
        metric=job["metric"],
        time_budget=job["budget_s"],
        seed=job["seed"],
        n_jobs=2,
        verbose=0,
    )
    return _sklearn_answer(job, automl, test, time.monotonic() - started)


def hgb(job: Job, train: pd.DataFrame, test: pd.DataFrame) -> Prediction:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor if job["task"] == "regression" else HistGradientBoostingClassifier
    words = [name for name in test.columns if not pd.api.types.is_numeric_dtype(test[name])]
    levels = {name: pd.CategoricalDtype(sorted(train[name].dropna().astype(str).unique())) for name in words}
    started = time.monotonic()
    model = kind(random_state=job["seed"], categorical_features="from_dtype")
    model.fit(train.drop(columns="target").astype(levels), train["target"])
    return _sklearn_answer(job, model, test.astype(levels), time.monotonic() - started)


def _sklearn_answer(job: Job, model: Any, test: pd.DataFrame, fitted: float) -> Prediction:  # noqa: ANN401
    if job["task"] == "regression":
        return [], np.asarray(model.predict(test)), fitted
    return [str(name) for name in model.classes_], np.asarray(model.predict_proba(test)), fitted


SYSTEMS: dict[str, tuple[Callable[[Job, pd.DataFrame, pd.DataFrame], Prediction], str]] = {
    "ours": (ours, "autoagent"),
    "autogluon": (autogluon, "autogluon.tabular"),
    "autogluon_best": (autogluon_best, "autogluon.tabular"),
    "flaml": (flaml, "flaml"),
    "hgb": (hgb, "scikit-learn"),
}


def main() -> None:
    system, job = sys.argv[1], json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    fit, package = SYSTEMS[system]
    train, test = pd.read_parquet(job["train"]), pd.read_parquet(job["test"])
    started = time.monotonic()
    classes, prediction, fit_s = fit(job, train, test)
    total = time.monotonic() - started
    answer = {"classes": classes, "prediction": prediction.tolist(), "fit_s": fit_s, "predict_s": total - fit_s}
    Path(job["out"]).write_text(json.dumps({**answer, "version": version(package)}), encoding="utf-8")


if __name__ == "__main__":
    main()
