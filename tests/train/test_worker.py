"""The worker as its parent sees it: lines in, events and files out."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autoagent.train import worker
from autoagent.train.worker import without_wait


class Parent:
    """Starts a worker and speaks its protocol."""

    def __init__(self, *, preload: str = "light") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "autoagent.train.worker", "--preload", preload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            text=True,
        )

    def say(self, message: dict) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def hear(self) -> dict:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            if not pipe.closed:
                pipe.close()
        self.process.wait(timeout=10)


@pytest.fixture(scope="module")
def parent():
    worker = Parent()
    assert worker.hear() == {"ready": True}
    yield worker
    worker.close()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(3000, 8)), columns=list("abcdefgh"))
    frame.to_parquet(folder / "train.parquet")
    np.save(folder / "y.npy", frame["a"].to_numpy() + rng.normal(size=3000))
    rows = np.arange(3000)
    np.savez(folder / "folds.npz", t0=rows[1500:], v0=rows[:1500], t1=rows[:1500], v1=rows[1500:])
    schema = {"roles": dict.fromkeys("abcdefgh", "numeric"), "target": "y", "task": "regression", "classes": []}
    (folder / "schema.json").write_text(json.dumps(schema))
    return folder


def job(data: Path, trial: int, family: str = "baseline", **config) -> dict:
    out = data.parent / "trials" / f"{trial:04d}"
    words = {"kind": "fit", "metric": "rmse", "task": "regression", "n_classes": 0, "seed": 0, "threads": 1}
    return {**words, "trial": trial, "data": str(data), "out": str(out), "family": family, "config": config}


def long_job(data: Path, trial: int) -> dict:
    return job(data, trial, "random_forest", trees=500, max_features=1.0)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def await_death(pid: int) -> bool:
    for _ in range(100):
        if not is_alive(pid):
            return True
        time.sleep(0.05)
    return False


def test_a_job_ends_with_a_result_and_two_events(parent, data):
    parent.say(job(data, 1))
    started, ended = parent.hear(), parent.hear()
    result = json.loads((data.parent / "trials/0001/result.json").read_text())
    assert (started["trial"], started["event"]) == (1, "started")
    assert ended == {"trial": 1, "event": "exited", "code": 0}
    assert result["status"] == "ok"
    assert (data.parent / "trials/0001/log.txt").exists()


def test_a_faulty_job_exits_in_order_and_leaves_its_traceback_in_the_log(parent, data):
    parent.say(job(data, 2, "linear", C=-1.0))
    parent.hear()
    assert parent.hear()["code"] == 0
    result = json.loads((data.parent / "trials/0002/result.json").read_text())
    assert result["status"] == "error"
    assert result["error"].startswith("DomainError: C:")
    assert "Traceback" in (data.parent / "trials/0002/log.txt").read_text()


def test_a_job_that_is_no_job_is_a_crash(parent, data):
    parent.say({**job(data, 3), "task": "poetry"})
    parent.hear()
    assert parent.hear() == {"trial": 3, "event": "exited", "code": 1}
    assert "ValidationError" in (data.parent / "trials/0003/log.txt").read_text()


def test_several_jobs_run_at_once_and_one_is_killed(parent, data):
    parent.say(long_job(data, 4))
    first = parent.hear()
    parent.say(job(data, 5))
    second = parent.hear()
    assert os.getpgid(first["pid"]) == first["pid"] != parent.process.pid
    assert second["trial"] == 5
    assert parent.hear() == {"trial": 5, "event": "exited", "code": 0}
    parent.say({"kill": first["pid"]})
    assert parent.hear() == {"trial": 4, "event": "exited", "code": -signal.SIGKILL}
    assert not (data.parent / "trials/0004/result.json").exists()


def test_children_die_when_the_input_ends(data):
    worker = Parent()
    worker.hear()
    worker.say(long_job(data, 6))
    pid = worker.hear()["pid"]
    worker.close()
    assert await_death(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_children_die_with_a_killed_worker(data):
    worker = Parent()
    worker.hear()
    worker.say(long_job(data, 7))
    pid = worker.hear()["pid"]
    worker.process.kill()
    worker.close()
    assert await_death(pid)


def test_the_torch_worker_fits_a_network(data):
    worker = Parent(preload="torch")
    assert worker.hear() == {"ready": True}
    worker.say(job(data, 8, "realmlp", epochs=16, width=48, layers=1, embed=False))
    worker.hear()
    assert worker.hear()["code"] == 0
    worker.close()
    assert json.loads((data.parent / "trials/0008/result.json").read_text())["status"] == "ok"


def test_a_job_that_waited_for_its_worker_ends_when_its_sender_wants():
    sent = {"trial": 1, "deadline_s": 60.0, "submitted_s": 1000.0}
    assert without_wait(sent, started=1012.5) == {"trial": 1, "deadline_s": 47.5}
    assert without_wait(sent, started=1100.0)["deadline_s"] == 0.1
    assert without_wait(sent, started=999.9)["deadline_s"] == 60.0
    for other in (
        {"deadline_s": 60.0, "submitted_s": None},
        {"deadline_s": 60.0},
        {"deadline_s": None, "submitted_s": 1.0},
    ):
        assert without_wait(other, started=1012.5) == {"deadline_s": other["deadline_s"]}


def test_a_worker_takes_the_wait_off_the_time_of_a_job(data, monkeypatch):
    seen = []
    monkeypatch.setattr("autoagent.train.fit.run_job", lambda job, *, started: seen.append((job.deadline_s, started)))
    assert worker._work({**job(data, 9, "linear"), "deadline_s": 60.0, "submitted_s": 100.0}, 112.5) == 0
    assert seen == [(47.5, 112.5)]
