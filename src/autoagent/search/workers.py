"""Workers on one machine: processes that share a study in a journal or a database; one that dies costs no trial."""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal

import optuna
import psutil
from optuna import Study
from optuna.samplers import BaseSampler
from optuna.trial import Trial

from autoagent.errors import UserError
from autoagent.registry import family, resolve
from autoagent.search import slots
from autoagent.search.storages import close_storage, open_storage
from autoagent.search.trials_log import STUDY_NAME, quiet_optuna

Direction = Literal["minimize", "maximize"]


@dataclass(frozen=True)
class Job:
    """What every worker does; all of it is text and numbers, so that it reaches any process or machine.

    Attributes:
        target: ``"module:function"``; the function takes an Optuna trial and returns its value.
        storage: the path of a journal file, or the URL of a database.
        study: the study's name.
        sampler: a name in the table of samplers.
        options: of the sampler.
        seed: each worker's sampler has a seed made from it and the worker's name.
    """

    target: str
    storage: str
    study: str = STUDY_NAME
    sampler: str = "random"
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0


def create(job: Job, *, trials: int, direction: Direction = "minimize") -> Study:
    """Open the study of a job, made if need be, with so many slots."""
    quiet_optuna()
    study = optuna.create_study(
        storage=open_storage(job.storage), study_name=job.study, direction=direction, load_if_exists=True
    )
    slots.promise(study, trials)
    return study


def serve(job: Job, number: int, *, limit: int | None = None) -> int:
    """Work on a job in this process until no trial waits; return how many were run.

    Args:
        job: what to do.
        number: of this worker; two with the same number draw the same.
        limit: trials at most.
    """
    quiet_optuna()
    objective = objective_of(job)
    storage = open_storage(job.storage)
    try:
        study = optuna.load_study(storage=storage, study_name=job.study, sampler=sampler_of(job, number))
        return slots.work(study, objective, here(), limit=limit)
    finally:
        close_storage(storage)


def objective_of(job: Job) -> Callable[[Trial], float]:
    """Import a job's objective.

    Raises:
        UserError: it is not a function.
    """
    objective: Any = resolve(job.target)
    if not callable(objective):
        raise UserError(f"{job.target!r} is not a function of a trial")
    return objective  # type: ignore[no-any-return]  # what it takes and gives is the user's word


def sampler_of(job: Job, number: int) -> BaseSampler:
    """Build a job's sampler for worker ``number``."""
    build: Any = family("samplers")[job.sampler].load()
    sampler: BaseSampler = build(seed=(job.seed * 100_003 + number) % 2**32, **job.options)
    return sampler


def run_workers(
    job: Job, *, trials: int, workers: int, direction: Direction = "minimize", attempts: int = 3
) -> slots.Account:
    """Run a study's trials in processes of this machine, and return when every slot has ended.

    What an earlier call left, killed or not, is taken up. One call at a time drives a study; workers of other machines
    may help through `serve`, as long as they share the storage.

    Args:
        job: what to do.
        trials: of the study, those that it has already included.
        workers: processes.
        direction: of the study.
        attempts: at a slot whose workers die.

    Raises:
        UserError: workers cannot start: each one dies before it takes a trial.
    """
    study = create(job, trials=trials, direction=direction)
    crew = _Crew(job, study, attempts)
    try:
        slots.release(study, _is_gone, attempts=attempts)
        crew.run(workers)
        return slots.account(study, attempts=attempts)
    finally:
        crew.stop()
        close_storage(study._storage)


def here() -> str:
    """Return the name of this process, by which its death can be told on this machine."""
    return f"{socket.gethostname()}/{os.getpid()}/{psutil.Process().create_time():.2f}"


def is_here(name: str | None) -> bool:
    """Say whether a worker's name is of this machine."""
    return name is not None and name.rsplit("/", 2)[0] == socket.gethostname()


class _Crew:
    """The processes of one call."""

    def __init__(self, job: Job, study: Study, attempts: int) -> None:
        self._job, self._study, self._attempts = job, study, attempts
        self._context = _context()
        self._alive: list[BaseProcess] = []
        self._started = study.user_attrs.get("autoagent:workers", 0)
        self._idle_deaths = 0

    def run(self, workers: int) -> None:
        while True:
            account = slots.account(self._study, attempts=self._attempts)
            waiting = len(self._study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,)))
            while len(self._alive) < min(workers, waiting):
                self._start()
            if not self._alive:
                if account.live == 0 and account.lost == 0:
                    return
                slots.release(self._study, _is_gone_when_alone, attempts=self._attempts)
                time.sleep(0.05 if account.live == 0 else 0.5)  # another machine's workers have the rest
                continue
            self._bury(wait([process.sentinel for process in self._alive], timeout=5.0))

    def stop(self) -> None:
        for process in self._alive:
            process.kill()
        for process in self._alive:
            process.join()
        if self._alive:
            slots.release(self._study, _is_gone, attempts=self._attempts)
        self._alive = []

    def _start(self) -> None:
        self._started += 1
        self._study.set_user_attr("autoagent:workers", self._started)
        process = self._context.Process(target=serve, args=(self._job, self._started), daemon=True)  # type: ignore[attr-defined]  # each context has one
        process.start()
        self._alive.append(process)

    def _bury(self, sentinels: list[Any]) -> None:
        ended = [process for process in self._alive if process.sentinel in sentinels]
        for process in ended:
            process.join()
        self._alive = [process for process in self._alive if process not in ended]
        if not any(process.exitcode for process in ended):
            return
        failed = slots.release(self._study, _is_gone, attempts=self._attempts)
        self._idle_deaths = 0 if failed else self._idle_deaths + len(ended)
        if self._idle_deaths >= 20:
            raise UserError(f"20 workers died before they took a trial; does {self._job.target!r} import?")


def _is_gone(name: str | None) -> bool:
    """Say whether a named worker of this machine has ended; of other machines, nothing is known here."""
    if name is None or not is_here(name):
        return False
    _, pid, born = name.rsplit("/", 2)
    try:
        process = psutil.Process(int(pid))
        return bool(process.status() == psutil.STATUS_ZOMBIE) or abs(process.create_time() - float(born)) > 0.05
    except psutil.NoSuchProcess:
        return True


def _is_gone_when_alone(name: str | None) -> bool:
    """Also count what has no name, taken by a worker that died before it wrote it; nobody of ours is at work now."""
    return name is None or _is_gone(name)


def _context() -> BaseContext:
    """Return how processes start: from a server that has the imports behind it and no threads."""
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "optuna.storages._rdb.storage", "alembic.command", "alembic.script"])
    return context


def journal(folder: Path | str) -> str:
    """Return the storage of a study in a folder, as a run folder has it."""
    return str(Path(folder) / "trials.log")
