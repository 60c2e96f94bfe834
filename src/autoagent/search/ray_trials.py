"""Places a study's trials on a Ray cluster: Ray says where, the shared storage alone says what ran and what is left.

A Ray task takes one slot of the study and runs it. When its node, its worker or its task is lost, the storage still
says who held the slot, and it is given again; Ray's own retries are off, since a retried task would know less than
the storage does.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna import Study
from optuna.trial import TrialState

from autoagent.errors import MissingExtraError, UserError
from autoagent.search import slots
from autoagent.search.storages import close_storage, open_storage
from autoagent.search.trials_log import quiet_optuna
from autoagent.search.workers import Direction, Job, create, objective_of, sampler_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """What a trial needs of the cluster.

    Attributes:
        num_cpus: of a trial.
        num_gpus: of a trial; 0.25 puts four on one GPU.
        resources: others, by the names that the nodes were started with.
        at_once: trials at a time; None is as many as fit.
    """

    num_cpus: float = 1.0
    num_gpus: float = 0.0
    resources: Mapping[str, float] = field(default_factory=dict)
    at_once: int | None = None


def run_on_ray(
    job: Job,
    *,
    trials: int,
    place: Place | None = None,
    direction: Direction = "minimize",
    attempts: int = 3,
    address: str | None = None,
    runtime_env: Mapping[str, object] | None = None,
) -> slots.Account:
    """Run a study's trials on a Ray cluster, and return when every slot has ended.

    The storage must be in reach of every node: a database, or a journal on a disk that all of them share. The code of
    the target too: it is installed there, or brought by ``runtime_env``.

    Args:
        job: what to do; the workers build its sampler anew, from what the study says.
        trials: of the study, those that it has already included.
        place: what a trial needs.
        direction: of the study.
        attempts: at a slot whose node or worker is lost.
        address: of a cluster, for example ``"auto"``. When None, a connection that this process has is used, and else a
            Ray of our own is started here.
        runtime_env: given to ``ray.init`` as it is.

    Raises:
        MissingExtraError: Ray is not installed.
        UserError: there is no Ray at the address, or the target or the storage cannot be opened on a node.
    """
    ray = _imported()
    is_ours = _connect(ray, address, runtime_env)
    study = create(job, trials=trials, direction=direction)
    try:
        _Placement(ray, job, study, place or Place(), attempts).run()
        return slots.account(study, attempts=attempts)
    finally:
        close_storage(study._storage)
        if is_ours:
            ray.shutdown()


def run_one(line: str, number: int) -> int:
    """Take and run one trial that waits, on whatever node this is; return how many ran: 1, or 0 when none waits.

    Args:
        line: the job as JSON.
        number: of this task; two with the same number draw the same.
    """
    job = Job(**json.loads(line))
    objective = objective_of(job)
    study = _study(job.storage, job.study)
    study.sampler = sampler_of(job, number)
    return slots.work(study, objective, _holder(), limit=1)


class _Placement:
    """The tasks of one call."""

    def __init__(self, ray: Any, job: Job, study: Study, place: Place, attempts: int) -> None:  # noqa: ANN401 - Ray is an extra
        self._ray, self._job, self._study, self._attempts = ray, job, study, attempts
        self._line = json.dumps(dataclasses.asdict(job))
        self._most = place.at_once or 10_000
        options = {"num_cpus": place.num_cpus, "num_gpus": place.num_gpus, "resources": dict(place.resources)}
        self._task = ray.remote(max_retries=0, **options)(run_one)
        self._flying: set[Any] = set()
        self._number = int(study.user_attrs.get("autoagent:workers", 0))

    def run(self) -> None:
        try:
            while True:
                waiting = self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
                while len(self._flying) < min(self._most, len(waiting)):
                    self._launch()
                if not self._flying:
                    slots.release(self._study, self._is_gone_when_alone, attempts=self._attempts)
                    if slots.account(self._study, attempts=self._attempts).live == 0:
                        return
                    continue
                self._collect()
        finally:
            for task in self._flying:
                self._ray.cancel(task, force=True)

    def _launch(self) -> None:
        self._number += 1
        self._study.set_user_attr("autoagent:workers", self._number)
        self._flying.add(self._task.remote(self._line, self._number))

    def _collect(self) -> None:
        ready, _ = self._ray.wait(list(self._flying), timeout=5.0)
        lost = [task for task in ready if not self._ended(task)]
        for task in ready:
            self._flying.discard(task)
        if lost or not ready:
            slots.release(self._study, self._is_gone, attempts=self._attempts)

    def _ended(self, task: Any) -> bool:  # noqa: ANN401 - a class of Ray's
        try:
            self._ray.get(task)
        except self._ray.exceptions.RayTaskError as error:
            raise UserError(f"a Ray worker cannot run {self._job.target!r}: {error}") from error
        except self._ray.exceptions.RayError as error:
            _log.warning("a node or worker was lost: %s", type(error).__name__)
            return False
        return True

    def _is_gone(self, name: str | None) -> bool:
        """Say whether a trial's holder was on a node that is dead, or was a task that is not flying any more."""
        if name is None or not name.startswith("ray/"):
            return False
        _, job, node, task = name.split("/")
        if job != self._ray.get_runtime_context().get_job_id():
            return True  # of an earlier call: one call at a time drives a study
        alive = {entry["NodeID"] for entry in self._ray.nodes() if entry["Alive"]}
        return node not in alive or task not in {flying.task_id().hex() for flying in self._flying}

    def _is_gone_when_alone(self, name: str | None) -> bool:
        return name is None or self._is_gone(name)


@functools.lru_cache(maxsize=4)
def _study(storage: str, name: str) -> Study:
    quiet_optuna()
    return optuna.load_study(storage=open_storage(storage), study_name=name)  # a worker runs one task at a time


def _holder() -> str:
    context = _imported().get_runtime_context()
    return f"ray/{context.get_job_id()}/{context.get_node_id()}/{context.get_task_id()}"


def _connect(ray: Any, address: str | None, runtime_env: Mapping[str, object] | None) -> bool:  # noqa: ANN401 - Ray is an extra
    if ray.is_initialized():
        if address is not None or runtime_env is not None:
            raise UserError("this process has a connection to Ray; leave out address= and runtime_env= to use it")
        return False
    options: dict[str, Any] = {"log_to_driver": False, "runtime_env": runtime_env}
    if address is None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a Ray of ours tells nobody that it runs
        options["include_dashboard"] = False
    try:
        ray.init(address or "local", **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(f"there is no Ray to be had at {address or 'local'!r}: {error}") from error
    return True


def _imported() -> Any:  # noqa: ANN401 - Ray is an extra
    try:
        import ray
        import ray.exceptions
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"Ray needs {error.name!r}; run: pip install 'autoagent[ray]'") from error
    return ray
