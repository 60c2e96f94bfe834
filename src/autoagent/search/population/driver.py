"""Train a population: workers side by side, each interval on disk before the next decision, lineage kept."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from autoagent.errors import RunFolderError
from autoagent.runs.folder import RunFolder
from autoagent.runs.journal import Journal
from autoagent.search.population.controller import Clone, Controller
from autoagent.search.population.lineage import Interval, Lineage, Place, interval_from_json, interval_to_json
from autoagent.space import Config, Space

StateT = TypeVar("StateT")


class Trainable(Protocol, Generic[StateT]):
    """What a user trains; its state goes from interval to interval through a folder of the user's own files."""

    def start(self, config: Config, seed: int) -> StateT:
        """Return a fresh state."""

    def step(self, state: StateT) -> tuple[float, StateT]:
        """Train for one interval; return the score, higher is better, on data kept for choosing, and the new state."""

    def save(self, state: StateT, folder: Path) -> None:
        """Write a state into an empty folder."""

    def load(self, folder: Path, config: Config) -> StateT:
        """Return the saved state, to go on under ``config``, which may differ from the one it was saved under."""


@dataclass(frozen=True)
class Plan:
    """How large a population is.

    Attributes:
        members: trained side by side, each from its own start.
        intervals: of each member; the cost is ``members * intervals``.
        workers: intervals that run at once; 1 decides after whole rounds, and the same seed gives the same lineage.
        seed: of first configurations, starts and decisions.
    """

    members: int
    intervals: int
    workers: int = 1
    seed: int = 0


def train(
    trainable: Trainable[Any],
    space: Space,
    controller: Controller,
    plan: Plan,
    folder: Path,
    *,
    executor: Executor | None = None,
) -> Lineage:
    """Train a population and return its lineage; called again on the same folder, it goes on where it was cut off.

    A member is compared with the others as they were at its own age, and copies them as they were then: a copy never
    brings more training than the plan says, so the best of a population and of random search cost the same.

    ``folder/journal.jsonl`` holds each ended interval before anything is decided from it, ``folder/states`` what the
    trainable saved: the states that somebody may still continue, and the best. One process may use it.

    Args:
        trainable: what to train. With a pool of processes, it must be importable there.
        space: the hyperparameters; the first configurations are drawn from it.
        controller: `Pbt`, `Pb2`, or `Independent` for random search at the same cost.
        plan: size, workers and seed.
        folder: made if it is not there.
        executor: a pool with ``plan.workers`` threads or processes; without one, intervals run here, one by one.

    Raises:
        RunFolderError: the folder holds a population of another plan or space, or another process is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with RunFolder(folder).lock(), Journal(folder / "journal.jsonl") as journal:
        header = _header(space, controller, plan)
        if not journal.events:
            journal.append("population", header)
        elif journal.events[0].data != header:
            raise RunFolderError(f"{folder} holds another population; give this one a folder of its own")
        lineage = Lineage([interval_from_json(e.data) for e in journal.events if e.kind == "interval"])
        _Run(trainable, space, controller, plan, folder, journal, lineage).go(executor)
        return lineage


def replay(trainable: Trainable[Any], schedule: Sequence[Config], folder: Path, *, seed: int) -> list[float]:
    """Train a schedule of configurations from a fresh start and return the score after each interval.

    The standard check of a population's result: is it the schedule, or the luck of a selected start? Take a seed that
    the population did not use.
    """
    scores: list[float] = []
    for number, config in enumerate(schedule):
        source = folder / str(number - 1) if number else None
        scores.append(_train_interval(trainable, source, config, seed, folder / str(number)))
        if source is not None:
            shutil.rmtree(source)
    return scores


def _train_interval(trainable: Trainable[Any], source: Path | None, config: Config, seed: int, target: Path) -> float:
    """Run one interval from folder to folder; what a worker does."""
    state = trainable.load(source, config) if source is not None else trainable.start(config, seed)
    score, state = trainable.step(state)
    if target.exists():  # half written before a kill
        shutil.rmtree(target)
    target.mkdir(parents=True)
    trainable.save(state, target)
    return float(score)


@dataclass(frozen=True)
class _Job:
    member: int
    number: int
    config: Config
    source: Place | None


class _Run:
    def __init__(
        self,
        trainable: Trainable[Any],
        space: Space,
        controller: Controller,
        plan: Plan,
        folder: Path,
        journal: Journal,
        lineage: Lineage,
    ) -> None:
        self._trainable, self._space, self._controller, self._plan = trainable, space, controller, plan
        self._states, self._journal, self._lineage = folder / "states", journal, lineage
        self._jobs: dict[Future[float], _Job] = {}

    def go(self, executor: Executor | None) -> None:
        """Run until every member has had all its intervals."""
        while True:
            while len(self._jobs) < self._plan.workers and (member := self._idle()) is not None:
                job = self._next(member)
                self._jobs[self._submit(job, executor)] = job
            if not self._jobs:
                return
            for done in sorted(wait(self._jobs, return_when=FIRST_COMPLETED).done, key=lambda f: self._jobs[f].member):
                self._end(done)

    def _idle(self) -> int | None:
        """Return the member that is furthest behind and not training."""
        busy = {job.member for job in self._jobs.values()}
        ended = {member: interval.number + 1 for member, interval in self._lineage.latest().items()}
        open_members = [
            m for m in range(self._plan.members) if m not in busy and ended.get(m, 0) < self._plan.intervals
        ]
        return min(open_members, key=lambda m: (ended.get(m, 0), m), default=None)

    def _next(self, member: int) -> _Job:
        """Decide when a worker is free, not before: by then the others' scores are newer."""
        last = self._lineage.latest().get(member)
        rng = random.Random(f"{self._plan.seed}/{member}/{last.number + 1 if last else 0}")
        if last is None:
            return _Job(member, 0, self._space.sample(rng), None)
        running = [job.config for job in self._jobs.values()]
        decision = self._controller.decide(self._space, self._lineage.until(last.number), member, running, rng)
        if isinstance(decision, Clone):
            return _Job(member, last.number + 1, decision.config, decision.parent)
        if last.score is None:  # its state is lost and nobody is better: start anew
            return _Job(member, last.number + 1, self._space.sample(rng), None)
        return _Job(member, last.number + 1, last.config, last.place)

    def _submit(self, job: _Job, executor: Executor | None) -> Future[float]:
        source = self._state(job.source) if job.source is not None else None
        seed = random.Random(f"{self._plan.seed}/{job.member}/{job.number}/start").getrandbits(31)
        work = (self._trainable, source, job.config, seed, self._state((job.member, job.number)))
        if executor is not None:
            return executor.submit(_train_interval, *work)
        here: Future[float] = Future()
        try:
            here.set_result(_train_interval(*work))
        except Exception as error:  # noqa: BLE001 - the user's training; recorded whole, as a pool does
            here.set_exception(error)
        return here

    def _end(self, done: Future[float]) -> None:
        job = self._jobs.pop(done)
        error = done.exception()
        if isinstance(error, BrokenExecutor):  # the pool died, not the training: the folder can be gone on with
            raise error
        score = done.result() if error is None else None
        note = f"{type(error).__name__}: {error}" if error is not None else ""
        if score is not None and not abs(score) < float("inf"):
            score, note = None, f"the score was {score!r}"
        interval = Interval(job.member, job.number, job.config, job.source, score, note)
        self._journal.append("interval", interval_to_json(interval))
        self._lineage.add(interval)
        self._tidy()

    def _tidy(self) -> None:
        """Delete states that nothing can continue; those of the slowest member's age and younger and the best stay."""
        latest = self._lineage.latest()
        oldest = min((latest[m].number if m in latest else 0) for m in range(self._plan.members))
        needed = {i.place for i in self._lineage.intervals if i.number >= oldest}
        needed |= {(job.member, job.number) for job in self._jobs.values()}
        needed |= {job.source for job in self._jobs.values() if job.source is not None}
        needed |= {self._lineage.best().place} if any(i.score is not None for i in self._lineage.intervals) else set()
        kept = {self._state(place).name for place in needed}
        for state in self._states.iterdir() if self._states.exists() else ():
            if state.name not in kept:
                shutil.rmtree(state)

    def _state(self, place: Place) -> Path:
        return self._states / f"{place[0]:03d}-{place[1]:04d}"


def state_folder(folder: Path, place: Place) -> Path:
    """Return where the state of an interval lies; in the end the last of each member and the best are there."""
    return folder / "states" / f"{place[0]:03d}-{place[1]:04d}"


def _header(space: Space, controller: Controller, plan: Plan) -> dict[str, Any]:
    size = {"members": plan.members, "intervals": plan.intervals, "seed": plan.seed}
    return {**size, "controller": repr(controller), "space": space.to_json()}
