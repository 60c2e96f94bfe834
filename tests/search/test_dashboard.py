"""What others open: our journals with Optuna's own storage, and optuna-dashboard where it is installed."""

from __future__ import annotations

import io
import json
from typing import Any

import optuna
import pytest
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from autoagent.runs.state import TrialRecord
from autoagent.search.storages import open_storage
from autoagent.search.trials_log import TrialsLog
from autoagent.search.workers import Job, journal, run_workers
from autoagent.space import Float, Param, Space

optuna.logging.set_verbosity(optuna.logging.CRITICAL)


@pytest.fixture(scope="module")
def of_workers(tmp_path_factory: pytest.TempPathFactory) -> str:
    where = journal(tmp_path_factory.mktemp("workers"))
    run_workers(Job("tests.search.objectives_for_workers:sphere", where, sampler="agent_sampler"), trials=5, workers=2)
    return where


@pytest.fixture(scope="module")
def of_a_run(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("run") / "trials.log"
    log = TrialsLog(path, {"linear": Space({"C": Param(Float(0.1, 10.0), 1.0)})})
    log.add(TrialRecord(0, "linear", {"C": 2.0}, "default", "ok", 0.75, (0.7, 0.8)))
    log.add(TrialRecord(1, "linear", {"C": 9.0}, "agent", "error", None, ()))
    return str(path)


def got(storage: BaseStorage, path: str) -> Any:
    """Return the JSON that optuna-dashboard answers to a GET, without a socket."""
    dashboard = pytest.importorskip("optuna_dashboard")
    status: list[str] = []
    environment = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
    }
    body = dashboard.wsgi(storage)(environment, lambda code, headers, error=None: status.append(code))
    text = b"".join(body).decode()
    assert status == ["200 OK"], text
    return json.loads(text)


def test_optunas_own_journal_storage_reads_what_our_workers_wrote(of_workers: str) -> None:
    study = optuna.load_study(study_name=Job("a:b", "").study, storage=JournalStorage(JournalFileBackend(of_workers)))
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 5
    ours = optuna.load_study(study_name=study.study_name, storage=open_storage(of_workers))
    assert [trial.params for trial in ours.trials] == [trial.params for trial in study.trials]


def test_the_dashboard_shows_the_trials_of_our_workers(of_workers: str) -> None:
    storage = JournalStorage(JournalFileBackend(of_workers))  # as its command line opens a file
    (summary,) = got(storage, "/api/studies")["study_summaries"]
    detail = got(storage, f"/api/studies/{summary['study_id']}")
    assert [trial["state"] for trial in detail["trials"]] == ["Complete"] * 5
    assert {param["name"] for trial in detail["trials"] for param in trial["params"]} == {"x"}


def test_the_dashboard_shows_the_trials_of_a_run(of_a_run: str) -> None:
    storage = JournalStorage(JournalFileBackend(of_a_run))
    (summary,) = got(storage, "/api/studies")["study_summaries"]
    assert summary["directions"] == ["maximize"]
    first, second = got(storage, f"/api/studies/{summary['study_id']}")["trials"]
    assert (first["state"], first["values"]) == ("Complete", [0.75])
    assert second["state"] == "Pruned"
    assert {param["name"] for param in first["params"]} == {"family", "linear.C"}
