"""The whole job: a run from a sentence to a measured model, killed at many points, resumed, replayed."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from sklearn.datasets import load_iris

import autoagent
from autoagent.agent.replay import replay
from autoagent.errors import RequestError, RunFolderError
from autoagent.runs.folder import RunFolder, list_runs
from autoagent.runs.journal import read_events
from autoagent.runs.state import fold, same_record

SCRIPT = Path(__file__).with_name("scripted_run.py")


def _script(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    done = _script(str(out))
    assert done.returncode == 0, done.stderr[-2000:]
    return list_runs(out)[0]


def test_a_run_leaves_a_model_a_test_score_and_documents(whole: RunFolder) -> None:
    state = fold(read_events(whole.journal))
    assert state.ended == "all trials are done"
    assert len(state.finished) == 9
    assert state.test is not None
    assert state.test["score"] > 0.85
    assert state.test["interval"][0] <= state.test["score"] <= state.test["interval"][1]
    for path in (
        whole.report,
        whole.graph,
        whole.trials_log,
        whole.model / "MODEL_CARD.md",
        whole.model / "predict.py",
    ):
        assert path.stat().st_size > 0, path


def test_the_model_predicts_from_its_folder(whole: RunFolder) -> None:
    bunch = load_iris(as_frame=True)
    model = autoagent.load(whole.root)
    rows = bunch.data
    names = np.array(bunch.target_names)[bunch.target]
    assert (model.predict(rows) == names).mean() > 0.9
    assert model.predict_proba(rows).sum(axis=1) == pytest.approx(np.ones(len(rows)))
    assert list(model.classes_) == ["setosa", "versicolor", "virginica"]


def test_no_pickle_is_in_a_run_folder(whole: RunFolder) -> None:
    assert [p for p in whole.root.rglob("*") if p.suffix in (".pkl", ".pickle", ".joblib", ".pt")] == []


def test_the_scripted_models_legal_ideas_are_tried_and_the_illegal_one_is_counted(whole: RunFolder) -> None:
    events = read_events(whole.journal)
    tried = [e.data["config"] for e in events if e.kind == "proposed" and e.data["source"] == "llm"]
    assert [config.get("C", config.get("neighbors")) for config in tried] == [7.5, 3]
    assert any("idea left out" in e.data["message"] for e in events if e.kind == "llm_failed")


def test_the_workflow_is_traced_from_request_to_test(whole: RunFolder) -> None:
    names = {node["operator"] for node in json.loads(whole.graph.read_text())["nodes"]}
    assert {"understand", "inspect_data", "make_the_plan", "split", "fit", "select", "deliver", "test"} <= names


def test_a_replay_needs_no_model_and_comes_to_the_same(whole: RunFolder) -> None:
    outcome = replay(whole.root)
    assert outcome.differences == []
    assert outcome.n_decisions > 15


def test_a_replay_sees_predictions_that_were_changed(whole: RunFolder, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(whole.root, copy)
    path = copy / "trials" / "0001" / "oof.npy"
    values = np.load(path)
    np.save(path, np.roll(values, 1, axis=1))
    assert any("trial 1" in text for text in replay(copy).differences)


@pytest.mark.parametrize("at", [1, 2, 3, 5, 8, 11, 14, 18, 22, 26])
def test_a_run_killed_at_any_event_resumes_to_the_same_record(whole: RunFolder, tmp_path: Path, at: int) -> None:
    killed = _script(str(tmp_path), str(at))
    assert killed.returncode == -signal.SIGKILL
    run = list_runs(tmp_path)[0]
    before = fold(read_events(run.journal))
    again = _script("--resume", str(run.root))
    assert again.returncode == 0, again.stderr[-2000:]
    events = read_events(run.journal)
    assert same_record(events, read_events(whole.journal))
    finished = [e.data["trial"] for e in events if e.kind == "finished"]
    assert len(finished) == len(set(finished)) == 9
    assert set(before.finished) <= set(finished)


def test_no_worker_outlives_a_killed_run(tmp_path: Path) -> None:
    assert _script(str(tmp_path), "9").returncode == -signal.SIGKILL
    for _ in range(100):
        if not (left := _orphaned_workers()):
            return
        time.sleep(0.1)
    pytest.fail(f"still alive: {left}")


def _orphaned_workers() -> list[int]:
    """Return workers whose parent is gone."""
    found = psutil.process_iter(["pid", "ppid", "cmdline"])
    return [p.pid for p in found if "autoagent.train.worker" in (p.info["cmdline"] or []) and p.info["ppid"] == 1]


def test_a_finished_run_is_not_run_again(whole: RunFolder, tmp_path: Path) -> None:
    copy = tmp_path / "moved"
    shutil.copytree(whole.root, copy)
    result = autoagent.resume(copy, llm="none")
    trials = [e for e in read_events(copy / "journal.jsonl") if e.kind == "finished"]
    assert len(trials) == 9
    assert result.score == fold(read_events(whole.journal)).test["score"]  # type: ignore[index]


def test_two_processes_cannot_work_on_one_run(whole: RunFolder) -> None:
    with whole.lock(), pytest.raises(RunFolderError, match="in use"):
        autoagent.resume(whole.root, llm="none")


def test_a_dataframe_with_missing_values_texts_and_dates_gives_a_model(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 200
    notes = ["calls the support line often", "never had a single problem", "pays late each month"]
    frame = pd.DataFrame(
        {
            "age": np.where(rng.random(n) < 0.1, np.nan, rng.integers(18, 80, n)),
            "plan": rng.choice(["basic", "plus", None], n),
            "since": pd.date_range("2020-01-01", periods=n, freq="D").astype(str),
            "note": rng.choice(notes, n),
        }
    )
    frame["churned"] = np.where((frame["age"].fillna(40) > 50) ^ (rng.random(n) < 0.1), "yes", "no")
    result = autoagent.run(
        frame, "predict churned, AUROC, use only linear models", out=tmp_path, max_trials=2, workers=1
    )
    assert result.metric == "roc_auc"
    assert result.score > 0.6
    assert set(result.model.predict(frame.drop(columns="churned").head(5))) <= {"yes", "no"}


def test_a_request_that_cannot_be_built_spends_nothing(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        autoagent.run("iris", "a fifty-layer network in 200 kB for accuracy", out=tmp_path, max_trials=2)
    assert caught.value.missing
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_with_the_best_so_far_delivered(tmp_path: Path) -> None:
    code = (
        "import autoagent, sys; autoagent.run('iris', 'classify, accuracy, use only linear or knn models', "
        "out=sys.argv[1], budget=120, workers=1)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        runs = list_runs(tmp_path)
        if runs and len(fold(read_events(runs[0].journal)).finished) >= 3:
            break
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    state = fold(read_events(list_runs(tmp_path)[0].journal))
    assert child.returncode == 0, said
    assert state.ended == "interrupted"
    assert state.test is not None
