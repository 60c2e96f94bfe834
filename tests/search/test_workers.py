"""Worker processes over one journal: whatever is killed, every slot ends once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import optuna
import psutil
import pytest
from optuna.trial import TrialState

from autoagent.errors import UserError
from autoagent.search import slots
from autoagent.search.storages import JournalFile, open_storage
from autoagent.search.workers import Job, create, journal, run_workers

TARGETS = "tests.search.objectives_for_workers"


def opened(job: Job) -> optuna.Study:
    return optuna.load_study(storage=open_storage(job.storage), study_name=job.study)


def job_of(name: str, folder: Path) -> Job:
    return Job(f"{TARGETS}:{name}", journal(folder))


def test_32_workers_neither_lose_nor_double_a_trial(tmp_path: Path) -> None:
    job = job_of("sphere", tmp_path)
    account = run_workers(job, trials=96, workers=32)
    assert account == slots.Account(promised=96, done=96, failed=0, live=0, retried=0)
    study = opened(job)
    assert slots.doubled(study) == []
    assert len({trial.params["x"] for trial in study.trials}) == 96
    assert len({trial.system_attrs[slots.HOLDER] for trial in study.trials}) > 1


def test_a_trial_whose_worker_was_killed_is_made_again_with_its_parameters(tmp_path: Path) -> None:
    job = job_of("deadly", tmp_path)
    account = run_workers(job, trials=20, workers=4)
    assert (account.done, account.failed, account.lost, account.retried) == (20, 0, 0, 4)
    study = opened(job)
    assert slots.doubled(study) == []
    marks = list(tmp_path.glob("*.mark"))
    assert len(marks) == 4
    for mark in marks:
        ended = [t for t in study.trials if t.system_attrs[slots.SLOT] == int(mark.stem)]
        assert [t.state for t in ended] == [TrialState.FAIL, TrialState.COMPLETE]
        assert ended[1].params["x"] == float(mark.read_text())


def test_a_trial_that_kills_each_worker_is_failed_in_the_end_and_holds_up_no_other(tmp_path: Path) -> None:
    account = run_workers(job_of("hopeless", tmp_path), trials=6, workers=2, attempts=2)
    assert (account.done, account.failed, account.lost, account.retried) == (5, 1, 0, 2)


def test_workers_killed_from_outside_at_any_moment_lose_nothing(tmp_path: Path) -> None:
    job = job_of("slow", tmp_path)
    create(job, trials=24)
    over = threading.Event()
    killed: list[int] = []

    def kill() -> None:
        while not over.is_set() and len(killed) < 6:
            time.sleep(0.1)
            holders = Counter(
                t.system_attrs.get(slots.HOLDER) for t in opened(job).get_trials(states=(TrialState.RUNNING,))
            )
            pids = [int(name.split("/")[-2]) for name in holders if name]
            for pid in pids[:1]:
                if pid not in killed and psutil.pid_exists(pid):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        account = run_workers(job, trials=24, workers=6, attempts=10)
    finally:
        over.set()
        thread.join()
    assert killed
    assert (account.done, account.lost, account.live) == (24, 0, 0)
    assert slots.doubled(opened(job)) == []


def test_a_later_call_takes_up_what_an_earlier_one_left(tmp_path: Path) -> None:
    job = job_of("sphere", tmp_path)
    study = create(job, trials=5)
    left = slots.claim(study, "a/0/1.00")  # of another machine, as far as this one can tell
    assert left is not None
    nameless = study._pop_waiting_trial_id()
    assert nameless is not None
    slots.release(study, lambda name: name is None or name.startswith("a/"))
    assert slots.account(study).retried == 2
    assert run_workers(job, trials=8, workers=2).done == 8


def test_what_the_objective_raises_fails_its_trial_alone_and_is_kept(tmp_path: Path) -> None:
    job = job_of("raises", tmp_path)
    account = run_workers(job, trials=6, workers=2)
    assert (account.done, account.failed, account.retried) == (3, 3, 0)
    assert {t.user_attrs.get("error") for t in opened(job).trials if t.number % 2} == {"ValueError: odd"}


def test_a_target_that_does_not_import_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="before they took a trial"):
        run_workers(Job("tests.search.nowhere:objective", journal(tmp_path)), trials=4, workers=2)


def test_a_late_result_of_a_trial_that_was_given_away_is_not_counted_twice(tmp_path: Path) -> None:
    study = create(job_of("sphere", tmp_path), trials=1)

    def objective(trial: optuna.Trial) -> float:
        slots.release(study, lambda name: name == "first")
        return trial.suggest_float("x", 0.0, 1.0)

    assert slots.work(study, objective, "first", limit=1) == 1
    assert slots.work(study, lambda trial: trial.suggest_float("x", 0.0, 1.0), "second") == 1
    assert slots.account(study).done == 1
    assert slots.doubled(study) == []


def test_a_torn_last_line_is_cut_before_the_next_is_written(tmp_path: Path) -> None:
    job = job_of("sphere", tmp_path)
    create(job, trials=2)
    path = Path(journal(tmp_path))
    with path.open("ab") as file:
        file.write(b'{"op_code": 4, "trial')
    study = create(job, trials=3)
    assert len(study.trials) == 3
    assert len(opened(job).trials) == 3
    assert b'"trial{' not in path.read_bytes()


def test_a_lock_whose_holder_was_killed_holds_up_nobody(tmp_path: Path) -> None:
    path = tmp_path / "trials.log"
    child = os.fork()
    if child == 0:
        JournalFile(path)._lock.acquire()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    began = time.monotonic()
    optuna.create_study(storage=open_storage(path), study_name="x")
    assert time.monotonic() - began < 20  # Optuna's own lock file would be given up after 30 s


def test_a_word_that_is_no_database_is_said() -> None:
    with pytest.raises(UserError, match="is no database"):
        open_storage("nosuch://host/name")
