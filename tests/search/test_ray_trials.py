"""Trials on Ray: a cluster of two nodes, one of which is killed, and the storage that says what is left."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from autoagent.errors import MissingExtraError
from autoagent.search import ray_trials, slots
from autoagent.search.ray_trials import Place, run_on_ray, run_one
from autoagent.search.storages import close_storage, open_storage
from autoagent.search.workers import Job, create, journal

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed: autoagent[ray]")
TARGETS = "tests.search.objectives_for_workers"


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'autoagent\[ray\]'"):
        run_on_ray(Job(f"{TARGETS}:sphere", journal(tmp_path)), trials=1)


def test_a_task_takes_one_slot_and_none_when_none_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_trials, "_holder", lambda: "ray/0/1/2")
    job = Job(f"{TARGETS}:sphere", journal(tmp_path))
    study = create(job, trials=2)
    line = json.dumps(dataclasses.asdict(job))
    assert [run_one(line, number) for number in (1, 2, 3)] == [1, 1, 0]
    assert slots.account(study).done == 2
    first, second = (trial.params["x"] for trial in study.trials)
    assert first != second


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.second = cluster.add_node(num_cpus=2, num_gpus=1)
    here = str(Path(__file__).parents[2])
    ray.init(cluster.address, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": f"{here}:{here}/src"}})
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@needs_ray
@pytest.mark.slow
def test_a_node_that_is_killed_takes_no_trial_with_it(cluster: Any, tmp_path: Path) -> None:
    # PostgreSQL where there is one, as a cluster would have it; else a journal, which both nodes can reach here.
    where = os.environ.get("AUTOAGENT_TEST_POSTGRES") or journal(tmp_path)
    job = Job(f"{TARGETS}:slow", where, study=f"ray-{uuid.uuid4().hex[:8]}")
    study = create(job, trials=30)
    node = cluster.second.node_id
    seen: list[str] = []

    def kill() -> None:
        own = optuna.load_study(study_name=job.study, storage=open_storage(job.storage))  # a thread's own connection
        for _ in range(600):
            running = own.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            seen[:] = [t.system_attrs[slots.HOLDER] for t in running if node in t.system_attrs.get(slots.HOLDER, "")]
            if seen:
                break
            time.sleep(0.02)
        close_storage(own._storage)
        if seen:
            cluster.remove_node(cluster.second, allow_graceful=False)

    thread = threading.Thread(target=kill)
    thread.start()
    account = run_on_ray(job, trials=30)
    thread.join()
    assert seen, "no trial ever ran on the node to be killed"
    assert cluster.second not in cluster.worker_nodes
    assert (account.done, account.failed, account.lost, account.live) == (30, 0, 0, 0)
    assert account.retried >= 1
    fresh = optuna.load_study(study_name=job.study, storage=open_storage(job.storage))
    assert slots.doubled(fresh) == []
    close_storage(fresh._storage)
    close_storage(study._storage)
    nodes = {t.system_attrs[slots.HOLDER].split("/")[2] for t in fresh.trials}
    assert len(nodes) == 2


@needs_ray
@pytest.mark.slow
def test_fractions_of_a_gpu_let_trials_share_it(cluster: Any, tmp_path: Path) -> None:
    cluster.add_node(num_cpus=2, num_gpus=1)
    job = Job(f"{TARGETS}:slow", journal(tmp_path))
    account = run_on_ray(job, trials=6, place=Place(num_cpus=0.5, num_gpus=0.25, at_once=4))
    assert account.done == 6
    study = optuna.load_study(study_name=job.study, storage=open_storage(job.storage))
    assert len({t.system_attrs[slots.HOLDER].split("/")[2] for t in study.trials}) == 1  # where the GPU is
