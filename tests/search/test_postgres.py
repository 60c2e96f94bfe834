"""The same workers over a real PostgreSQL: several processes, one killed, nothing lost."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import optuna
import pytest
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import TrialState
from sqlalchemy import text

from autoagent.search import slots
from autoagent.search.storages import close_storage, open_storage
from autoagent.search.workers import Job, run_workers

URL = os.environ.get("AUTOAGENT_TEST_POSTGRES", "")
TARGETS = "tests.search.objectives_for_workers"

pytestmark = pytest.mark.skipif(
    not URL, reason="AUTOAGENT_TEST_POSTGRES is not set to the URL of a PostgreSQL; .ci/run starts one"
)


@pytest.fixture
def name() -> str:
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def storage(name: str) -> Iterator[BaseStorage]:
    storage = open_storage(URL)
    yield storage
    optuna.delete_study(study_name=name, storage=storage)
    close_storage(storage)


def test_processes_share_a_database_and_one_that_is_killed_loses_nothing(name: str, storage: BaseStorage) -> None:
    account = run_workers(Job(f"{TARGETS}:dies_once", URL, study=name), trials=8, workers=3)
    assert (account.done, account.failed, account.lost, account.retried) == (8, 0, 0, 1)
    study = optuna.load_study(study_name=name, storage=storage)
    assert slots.doubled(study) == []
    stale = next(trial for trial in study.trials if slots.STALE in trial.system_attrs)
    again = [t for t in study.trials if t.system_attrs[slots.SLOT] == stale.system_attrs[slots.SLOT]]
    assert [trial.state for trial in again] == [TrialState.FAIL, TrialState.COMPLETE]
    assert again[1].params == stale.params


def test_a_worker_of_another_machine_that_fell_silent_is_found_by_its_heartbeat(name: str, storage: RDBStorage) -> None:
    study = optuna.create_study(study_name=name, storage=storage)
    slots.promise(study, 1)
    trial = slots.claim(study, "elsewhere/1/1.00")
    assert trial is not None
    storage.record_heartbeat(trial._trial_id)
    assert slots.release(study, lambda name: False) == 0
    with storage.engine.begin() as connection:
        ago = "UPDATE trial_heartbeats SET heartbeat = heartbeat - INTERVAL '1 hour' WHERE trial_id = :id"
        connection.execute(text(ago), {"id": trial._trial_id})
    assert slots.release(study, lambda name: False) == 1
    assert slots.account(study).live == 1
