"""The pool keeps its promises when a job hangs, eats, dies, or its worker dies; and passes on no secret."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from autoagent.agent.environment import child_environment
from autoagent.agent.pool import Exit, Pool
from autoagent.data.seal import Schema, write_split
from autoagent.data.splits import make_split


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(200, 4)), columns=list("abcd"))
    y = (frame["a"] > 0).to_numpy(dtype=float)
    schema = Schema(roles=dict.fromkeys("abcd", "numeric"), target="t", task="binary", classes=["n", "y"])
    write_split(root, frame, y, make_split(y, task="binary", seed=0), schema)
    return root / "data"


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(memory_bytes=4_000_000_000)
    yield made
    made.close()


def _job(data: Path, folder: Path, **changes: Any) -> dict[str, Any]:
    job = {"kind": "fit", "trial": 0, "data": str(data), "out": str(folder / "0000"), "family": "linear", "config": {}}
    return {**job, "metric": "accuracy", "task": "binary", "n_classes": 2, "deadline_s": 60.0, **changes}


def _wait(pool: Pool, seconds: float = 60.0) -> list[Exit]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if ended := pool.poll(0.1):
            return ended
    return []


def _started(pool: Pool) -> int:
    for _ in range(600):
        assert pool.poll(0.05) == []
        pid = pool.running[0].pid
        if pid is not None:
            return pid
    raise AssertionError("nothing started")


def test_jobs_run_side_by_side_and_report_their_end(pool: Pool, data: Path, tmp_path: Path) -> None:
    for trial in range(4):
        pool.submit(_job(data, tmp_path, trial=trial, out=str(tmp_path / str(trial))), preload="light")
    ended: set[int] = set()
    while len(ended) < 4:
        fresh = _wait(pool)
        assert fresh
        assert all(e.ending == "exited" for e in fresh)
        ended |= {e.trial for e in fresh}
    assert all((tmp_path / str(trial) / "result.json").is_file() for trial in range(4))


def test_a_job_that_hangs_is_killed_at_its_deadline(pool: Pool, data: Path, tmp_path: Path) -> None:
    pool.warm("light")
    slow = {"family": "extra_trees", "config": {"trees": 300}}
    pool.submit(_job(data, tmp_path, deadline_s=2.0, **slow), preload="light")
    pid = _started(pool)
    os.kill(pid, signal.SIGSTOP)
    assert [(e.trial, e.ending) for e in _wait(pool, 20)] == [(0, "timeout")]
    for _ in range(100):
        if not psutil.pid_exists(pid):
            return
        time.sleep(0.1)
    raise AssertionError(f"{pid} is still there")


def test_a_job_that_eats_too_much_is_killed(data: Path, tmp_path: Path) -> None:
    pool = Pool(memory_bytes=1_000_000)
    try:
        pool.submit(_job(data, tmp_path, family="extra_trees", config={"trees": 300}), preload="light")
        assert [e.ending for e in _wait(pool)] == ["memory"]
    finally:
        pool.close()


def test_a_job_that_dies_is_a_crash_and_the_next_one_runs(pool: Pool, data: Path, tmp_path: Path) -> None:
    pool.submit(_job(data, tmp_path, family="extra_trees", config={"trees": 300}), preload="light")
    os.kill(_started(pool), signal.SIGKILL)
    assert [e.ending for e in _wait(pool)] == ["crash"]
    pool.submit(_job(data, tmp_path), preload="light")
    assert [e.ending for e in _wait(pool)] == ["exited"]


def test_a_worker_process_that_dies_takes_its_jobs_along_and_is_replaced(
    pool: Pool, data: Path, tmp_path: Path
) -> None:
    pool.submit(_job(data, tmp_path, family="extra_trees", config={"trees": 300}), preload="light")
    _started(pool)
    os.kill(pool._zygotes["light"].process.pid, signal.SIGKILL)
    assert [e.ending for e in _wait(pool)] == ["crash"]
    pool.submit(_job(data, tmp_path), preload="light")
    assert [e.ending for e in _wait(pool)] == ["exited"]


def test_a_child_sees_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "AUTOAGENT_TOKEN", "MY_PASSWORD"):
        monkeypatch.setenv(name, "canary-7f3a")
    assert "canary-7f3a" not in str(child_environment())
