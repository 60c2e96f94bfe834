"""The last steps, as processes: deliver and measure, then open the sealed rows once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.train.export.small_run import SmallRun, make_run

from autoagent.data.metrics import METRICS, raw
from autoagent.inference import Model
from autoagent.train.finalize import by_rule, calibration, main


def do(run: SmallRun, job: dict[str, Any]) -> int:
    path = run.root / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    return main([str(path)])


def read(run: SmallRun, name: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((run.root / name).read_text(encoding="utf-8"))
    return facts


def sealed(run: SmallRun) -> tuple[Any, np.ndarray]:
    import pandas as pd

    return pd.read_parquet(run.root / "sealed/test.parquet"), np.load(run.root / "sealed/test_y.npy")


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_delivered_model_is_measured_and_then_scored_on_the_sealed_rows(tmp_path: Path, task: Any) -> None:
    run = make_run(tmp_path / "run", task)
    assert do(run, run.export_job()) == 0
    measured = read(run, "export.json")
    assert measured["n_members"] == 2
    assert measured["max_onnx_difference"] < 1e-5
    assert 0 < measured["latency_ms_p50"] <= measured["latency_ms_p99"]
    assert measured["model_bytes"] == sum(p.stat().st_size for p in (run.root / "model").rglob("*") if p.is_file())

    assert do(run, run.test_job()) == 0
    facts = read(run, "test.json")
    frame, y = sealed(run)
    metric = run.test_job()["metric"]
    assert facts["score"] == raw(metric, y, Model.load(run.root / "model").raw(frame))
    assert facts["interval"][0] <= facts["score"] <= facts["interval"][1]
    sign = 1 if METRICS[metric].direction == "max" else -1
    assert sign * facts["score"] > sign * facts["baseline_score"]
    assert facts["optimism"] == pytest.approx(sign * (0.9 - facts["score"]))
    assert facts["n_rows"] == 40
    if task == "regression":
        assert facts["confusion"] is facts["calibration"] is None
        assert len(facts["residuals"]["y"]) == len(facts["residuals"]["prediction"]) == 40
    else:
        assert np.sum(facts["confusion"]["matrix"]) == sum(facts["calibration"]["count"]) == 40
        assert facts["confusion"]["labels"] == facts["labels"] == run.test_job()["classes"]


def test_the_rule_decides_labels_but_leaves_probabilities_alone(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "binary")
    rule = [1e-9, 1e9]
    assert do(run, run.export_job(rule=rule)) == 0
    assert do(run, run.test_job(rule=rule)) == 0
    facts = read(run, "test.json")
    assert [row[0] for row in facts["confusion"]["matrix"]] == [0, 0]
    assert facts["score"] == pytest.approx(sealed(run)[1].mean())
    model = Model.load(run.root / "model")
    assert set(model.predict(run.frame)) == {"yes"}
    assert model.predict_proba(run.frame)[:, 1].min() < 0.2
    assert do(run, run.test_job(rule=rule, metric="roc_auc")) == 0
    assert read(run, "test.json")["score"] > 0.9


def test_a_second_model_cannot_be_tested(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run")
    assert do(run, run.export_job()) == 0
    assert do(run, run.test_job()) == 0
    (run.root / "test.json").unlink()
    assert do(run, run.test_job()) == 0  # the same model again, after an interruption
    (run.root / "test.json").unlink()
    assert do(run, run.export_job(members=[[str(run.trial(1)), 1.0]])) == 0
    assert do(run, run.test_job()) == 1
    assert "already opened for another model" in capsys.readouterr().err
    assert not (run.root / "test.json").exists()


def test_a_crash_ends_with_a_status_and_no_score(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    assert do(run, run.export_job()) == 0
    (run.root / "model/m0/p0/model.onnx").write_bytes(b"broken")
    path = run.root / "job.json"
    path.write_text(json.dumps(run.test_job()), encoding="utf-8")
    command = [sys.executable, "-m", "autoagent.train.finalize", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert done.stderr
    assert not (run.root / "test.json").exists()
    assert not (run.root / "sealed/opened.json").exists()


def test_calibration_counts_every_row_once_and_is_right_for_a_fair_forecast() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    y = (rng.random(20_000) < p).astype(float)
    found = calibration(y, np.column_stack([1 - p, p]))
    assert sum(found["count"]) == 20_000
    np.testing.assert_allclose(found["observed"], found["mean_predicted"], atol=0.05)  # four standard errors


def test_a_rule_changes_the_decision_and_keeps_probabilities() -> None:
    proba = np.array([[0.6, 0.4], [0.9, 0.1]])
    assert by_rule(proba, [1.0, 2.0]).argmax(axis=1).tolist() == [1, 0]
    np.testing.assert_allclose(by_rule(proba, [1.0, 2.0]).sum(axis=1), 1.0)
    assert by_rule(proba, []) is proba
