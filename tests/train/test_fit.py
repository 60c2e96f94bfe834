"""A fit job, run in this process."""

import itertools
import json
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from autoagent.data.metrics import score
from autoagent.data.seal import Schema, write_split
from autoagent.data.splits import Split
from autoagent.errors import CannotFinish
from autoagent.inference import apply_recipe
from autoagent.train.fit import Job, run_job
from autoagent.train.learner import FitContext
from autoagent.train.models import MODELS
from autoagent.train.models.linear import Linear


@pytest.fixture
def run(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=240), "b": rng.normal(size=240), "c": rng.choice(["x", "y", "z"], 240)})
    frame.loc[::17, "a"] = np.nan
    y = (frame["b"] + (frame["c"] == "x") + 0.3 * rng.normal(size=240) > 0.3).to_numpy(float)
    train, test = np.arange(200), np.arange(200, 240)
    parts = np.array_split(np.arange(200), 3)
    folds = [(np.setdiff1d(train, part), part) for part in parts]
    schema = Schema(
        roles={"a": "numeric", "b": "numeric", "c": "categorical"}, target="y", task="binary", classes=["no", "yes"]
    )
    split = Split(kind="random", train_rows=train, test_rows=test, folds=folds, sha256="0" * 64)
    write_split(tmp_path, frame, y, split, schema)
    return tmp_path


def job(run: Path, **changes) -> Job:
    plain = {
        "trial": 1,
        "data": run / "data",
        "out": run / "trials" / "0001",
        "family": "linear",
        "config": {},
        "metric": "roc_auc",
        "task": "binary",
        "n_classes": 2,
    }
    return Job.model_validate({**plain, **changes})


def go(job: Job) -> dict:
    run_job(job, started=time.monotonic())
    return json.loads((job.out / "result.json").read_text())


def test_a_whole_job_scores_saves_and_counts_its_bytes(run):
    result = go(job(run))
    oof, y = np.load(run / "trials/0001/oof.npy"), np.load(run / "data/y.npy")
    assert result["status"] == "ok"
    assert oof.shape == (200, 2)
    assert oof.dtype == np.float32
    assert result["score"] == pytest.approx(score("roc_auc", y, oof), abs=1e-6)
    assert result["score"] > 0.8
    assert len(result["fold_scores"]) == len(result["curve"]) == 3
    files = sorted((run / "trials/0001/parts").rglob("*.*"))
    assert [f"{file.parent.name}/{file.name}" for file in files][:2] == ["p0/model.onnx", "p0/recipe.json"]
    assert result["model_bytes"] == sum(file.stat().st_size for file in files)
    assert result["saved"]
    assert result["peak_rss_bytes"] > 1e6


@pytest.mark.parametrize("family", ["linear", "lightgbm", "svm"])
def test_a_saved_part_predicts_its_out_of_fold_rows(run, family):
    go(job(run, family=family))
    with np.load(run / "data/folds.npz") as folds:
        rows = folds["v1"]
    place = run / "trials/0001/parts/p1"
    frame = pd.read_parquet(run / "data/train.parquet").iloc[rows]
    X = apply_recipe(json.loads((place / "recipe.json").read_text()), frame)
    session = onnxruntime.InferenceSession(place / "model.onnx", providers=["CPUExecutionProvider"])
    oof = np.load(run / "trials/0001/oof.npy")[rows]
    np.testing.assert_allclose(session.run(None, {"X": X})[0], oof, atol=1e-4)


def test_a_bad_first_fold_prunes_the_rest(run):
    result = go(job(run, prune_below=[2.0, 2.0, 2.0]))
    oof = np.load(run / "trials/0001/oof.npy")
    assert result["status"] == "pruned"
    assert len(result["fold_scores"]) == 1
    assert np.isnan(oof).any(axis=1).sum() > 100
    assert not result["saved"]
    assert not (run / "trials/0001/parts").exists()


def test_a_score_below_the_bar_is_not_saved(run):
    result = go(job(run, save_above=2.0))
    assert (result["status"], result["saved"], result["model_bytes"]) == ("ok", False, 0)


def test_time_that_is_up_ends_a_job_after_its_first_fold(run):
    result = go(job(run, deadline_s=0.0))
    assert result["status"] == "timeout"
    assert len(result["fold_scores"]) == 1


def test_a_deadline_shortens_the_training_of_a_network(run, monkeypatch):
    whole = go(job(run, family="realmlp", config={"epochs": 64}))
    ticks = itertools.count()
    monkeypatch.setattr(FitContext, "left_s", lambda self: 2.0 - 0.1 * (next(ticks) % 40))
    result = go(job(run, family="realmlp", config={"epochs": 64}, deadline_s=600.0))
    assert result["status"] == "ok"
    assert all(len(cut) < len(full) for cut, full in zip(result["curve"], whole["curve"], strict=True))


def test_a_training_that_is_refused_after_its_first_steps_says_what_its_folds_would_take(run, monkeypatch):
    def refuse(*args, **kwargs):
        raise CannotFinish("too slow", needed_s=20.0)

    monkeypatch.setattr(Linear, "fit", refuse)
    result = go(job(run))
    assert (result["status"], result["error"], result["score"]) == ("refused", "too slow", None)
    assert result["needed_s"] == 60.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"family": "linaer"}, "did you mean 'linear'"),
        ({"config": {"C": -1.0}}, "C: -1.0 is not in"),
        ({"data": "/nowhere"}, "FileNotFoundError"),
        ({"metric": "rmse"}, "DataError"),
    ],
)
def test_a_fault_is_recorded_and_never_a_score(run, change, words):
    result = go(job(run, **change))
    assert result["status"] == "error"
    assert result["score"] is None
    assert words in result["error"]


def test_the_same_seed_gives_the_same_predictions(run):
    go(job(run, family="lightgbm", seed=5))
    go(job(run, family="lightgbm", seed=5, out=run / "trials" / "0002"))
    first, second = (np.load(run / f"trials/{name}/oof.npy") for name in ("0001", "0002"))
    np.testing.assert_array_equal(first, second)


def test_the_curve_is_streamed_by_fold(run):
    go(job(run, family="lightgbm"))
    rows = [json.loads(line) for line in (run / "trials/0001/curve.jsonl").read_text().splitlines()]
    assert {row["fold"] for row in rows} == {0, 1, 2}
    assert all(set(row) == {"fold", "step", "value"} for row in rows)


@pytest.mark.parametrize("family", ["lightgbm", "hist_gradient_boosting", "realmlp"])
def test_a_curve_that_is_behind_at_a_rung_ends_the_trial_pruned_with_its_curve(run, family):
    whole = go(job(run, family=family))
    assert whole["status"] == "ok"
    (reached,) = whole["rungs"]
    behind = go(job(run, family=family, rung_floors=[reached - 1e-9], out=run / "trials" / "0002"))
    assert (behind["status"], behind["score"], behind["fold_scores"], behind["saved"]) == ("pruned", None, [], False)
    assert behind["rungs"] == whole["rungs"]
    (cut,) = behind["curve"]
    assert 0 < len(cut) < len(whole["curve"][0])
    even = go(job(run, family=family, rung_floors=whole["rungs"], out=run / "trials" / "0003"))
    assert even["score"] == whole["score"]


@pytest.mark.parametrize("family", ["linear", "lightgbm", "hist_gradient_boosting", "catboost", "realmlp", "svm"])
def test_a_refit_saves_one_model_of_all_rows_that_predicts_what_it_said(run, family):
    try:
        MODELS[family].load()
    except ImportError:
        pytest.skip(f"{family} is not installed")
    result = go(job(run, family=family, refit=True))
    assert result["refit"]
    (place,) = (run / "trials/0001/parts").iterdir()
    with np.load(run / "trials/0001/refit.npz") as check:
        rows, said = check["rows"], check["said"]
    X = apply_recipe(
        json.loads((place / "recipe.json").read_text()), pd.read_parquet(run / "data/train.parquet").iloc[rows]
    )
    session = onnxruntime.InferenceSession(place / "model.onnx", providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"X": X})[0], said, atol=1e-4)
    assert score("roc_auc", np.load(run / "data/y.npy")[rows], said) > 0.85
    assert result["score"] == pytest.approx(
        score("roc_auc", np.load(run / "data/y.npy"), np.load(run / "trials/0001/oof.npy")), abs=1e-6
    )


def test_a_refit_that_does_not_fit_into_the_time_leaves_the_models_of_the_folds(run):
    result = go(job(run, refit=True, deadline_s=0.0001, save_above=None))
    assert result["status"] == "timeout" or not result["refit"]
