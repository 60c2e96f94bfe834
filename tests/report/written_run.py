"""Writes whole run folders by hand: multiclass, regression, interrupted, with hostile names."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

from autoagent.runs.folder import RunFolder
from autoagent.runs.journal import Journal

HOSTILE = '<script>document.title="OWNED"</script><img src=x onerror="document.title=\'OWNED\'">'
FAMILIES = ["linear", "lightgbm", "hist_gradient_boosting", "random_forest", "realmlp"]


def write_run(
    root: Path, *, task: str = "multiclass", trials: int = 40, ended: bool = True, bad: str = ""
) -> RunFolder:
    """Write a run; ``bad`` is put into every place that a stranger can name."""
    root.mkdir(parents=True)
    run = RunFolder(root)
    regression = task == "regression"
    metric = "rmse" if regression else "accuracy"
    run.request.write_text(f"classify the digits, best accuracy, at most 2 minutes, model under 2 MB {bad}".strip())
    _facts(run, task, metric, bad)
    _journal(run, trials, ended=ended, loss=regression, bad=bad)
    _curve(run.trial(1))
    _exchange(run.llm, bad)
    if ended:
        _outcome(run, regression, metric, bad)
    return run


def _put(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def _facts(run: RunFolder, task: str, metric: str, bad: str) -> None:
    words = "best " + metric + bad
    spec = {"task_type": "multiclass_classification", "metric": {"name": metric}, "constraints": {"model_size_mb": 2.0}}
    spec["data"] = {"target": "digit" + bad, "path": None}
    understood = {"request": bad, "spec": spec, "evidence": {"metric.name": words, "data.target": bad}}
    understood["inferred"] = {"task_type": "the target has ten classes" + bad}
    understood |= {"assumptions": ["The columns are pixels. " + bad], "questions": [], "notices": ["Notice " + bad]}
    _put(run.spec, understood)
    column = {"role": "numeric", "dtype": "float64", "n_missing": 3, "n_unique": 17, "examples": ["0.0", "13.0", bad]}
    summary = (
        {"min": 1.0, "mean": 5.0, "max": 9.0, "std": 2.0}
        if task == "regression"
        else {f"{i}{bad}": 0.1 for i in range(10)}
    )
    card = {"name": "digits" + bad, "n_rows": 1797, "n_duplicates": 2, "target": "digit" + bad, "task": task}
    _put(
        run.card,
        card
        | {
            "columns": [{"name": f"pixel_{i}{bad}", **column} for i in range(64)],
            "target_summary": summary,
            "notes": [bad],
        },
    )
    leak = {"kind": "decides_target", "column": bad, "severity": "high", "message": f"'total{bad}' alone decides 99.8%"}
    _put(run.root / "leaks.json", [leak])
    split = {"kind": "stratified", "sha256": "ab" * 32, "n_train": 1437, "n_test": 360, "n_folds": 5}
    _put(run.root / "split.json", split | {"test_sha256": "cd" * 32})
    plan = {"task": task, "target": "digit", "metric": metric, "families": FAMILIES, "n_folds": 5, "n_workers": 2}
    _put(
        run.plan,
        plan
        | {"limits": {"seconds": 120.0, "llm_cost_usd": 0.5, "trials": None}, "reasons": ["Five folds fit. " + bad]},
    )
    versions = {"python": "3.13", "scikit-learn": "1.9", "lightgbm": "4.6"}
    _put(run.environment, {"versions": versions, "platform": "Linux", "seed": 0, "command": "autoagent run " + bad})
    _put(run.settings, {"workers": 2})


def _journal(run: RunFolder, trials: int, *, ended: bool, loss: bool, bad: str) -> None:
    rng = random.Random(0)
    with Journal(run.journal) as journal:
        journal.append("planned", {})
        for i in range(trials):
            family = FAMILIES[i % 5] + (bad if i % 5 == 4 else "")
            config = {
                "learning_rate": round(10 ** rng.uniform(-3, 0), 4),
                "leaves": rng.randint(4, 90),
                "mode": "a" + bad,
            }
            journal.append("proposed", {"trial": i, "family": family, "config": config, "source": "tpe" + bad})
            good = 0.97 - 0.02 * abs(math.log10(config["learning_rate"]) + 1.5) + rng.gauss(0, 0.004)
            value = (-50 + 4 * good) if loss else good
            status = "error" if i % 11 == 7 else "pruned" if i % 6 == 5 else "ok"
            fact: dict[str, Any] = {"trial": i, "status": status, "score": None if status == "error" else value}
            fact |= {
                "fold_scores": [value] * 5,
                "seconds": 2.5,
                "predict_s": 0.01,
                "model_bytes": 90_000,
                "saved": True,
            }
            if i % 5 == 4:
                told = {"optim": "adamw" + bad, "state_bytes": 41_300, "values_by_bits": {"32": 512, "8": 40_000}}
                fact["training"] = [told | {"kernels": ["cpu" + bad], "note": "512 values are too few to quantize"}]
            journal.append(
                "finished", fact | {"error": f"ValueError: {bad}" if status == "error" else None, "at_s": 2.7 * i + 3}
            )
        journal.append("budget", {"used": {"llm_cost_usd": 0.021, "llm_tokens": 5120, "llm_calls": 2}})
        if ended:
            chosen = {
                "members": [[1, 0.6], [2, 0.4]],
                "score": 0.972,
                "best_single": 0.97,
                "rule": [],
                "reason": "Two agree best. " + bad,
            }
            journal.append("selected", chosen)
            journal.append("ended", {"reason": "time"})


def _curve(trial: Path) -> None:
    curve = [[1.2 * math.exp(-i / 12) + 0.1 + 0.02 * f for i in range(60)] for f in range(5)]
    _put(trial / "result.json", {"status": "ok", "curve": curve})


def _exchange(folder: Path, bad: str) -> None:
    request = {
        "model": "gpt-5-mini",
        "schema_name": "Ideas",
        "messages": [{"role": "user", "content": "Propose. " + bad}],
    }
    reply = {"text": '{"ideas": []}' + bad, "prompt_tokens": 1800, "completion_tokens": 240, "cost_usd": 0.012}
    _put(folder / "0001.json", {"hash": "x", "request": request, "reply": reply, "error": None, "seconds": 2.1})


def _outcome(run: RunFolder, regression: bool, metric: str, bad: str) -> None:
    rng = random.Random(1)
    y = [rng.uniform(50, 300) for _ in range(300)]
    score, low, high, validation, base = (
        (52.1, 47.0, 57.4, 50.9, 74.8) if regression else (0.9722, 0.953, 0.986, 0.9763, 0.1028)
    )
    test: dict[str, Any] = {"metric": metric, "direction": "min" if regression else "max", "score": score}
    test |= {
        "interval": [low, high],
        "n_rows": 360,
        "validation": validation,
        "optimism": 0.0041,
        "baseline_score": base,
    }
    if regression:
        test["residuals"] = {"y": y, "prediction": [v * 0.9 + 15 + rng.gauss(0, 25) for v in y]}
    else:
        matrix = [[34 if i == j else int(rng.random() < 0.1) for j in range(10)] for i in range(10)]
        test["confusion"] = {"labels": [f"{i}{bad}" for i in range(10)], "matrix": matrix}
        bins = [0.05 + 0.1 * i for i in range(10)]
        test["calibration"] = {
            "mean_predicted": bins,
            "observed": [b**1.1 for b in bins],
            "count": [900, 40, 20, 12, 9, 8, 14, 20, 60, 300],
        }
    _put(run.test, test)
    limits = [{"key": "constraints.model_size_mb", "limit": 2.0, "measured": 1.31, "ok": True}]
    limits.append({"key": "constraints.latency_ms", "limit": 1.0, "measured": 1.8, "ok": False})
    export = {"model_bytes": 1_310_000, "latency_ms_p50": 0.9, "latency_ms_p99": 1.8, "max_onnx_difference": 3.2e-7}
    _put(run.root / "export.json", export | {"n_members": 2, "limits": limits})
