"""Runs candidates in worker processes; values, instances and cases cross as JSON, one line each, never as a pickle."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from autoagent.errors import UserError
from autoagent.optimize.candidate import Candidate, Case
from autoagent.optimize.wire import Workplace, failed, packed, unpacked


class Processes:
    """Runs a workflow in processes of its own; one that crashes or takes too long costs its run alone.

    The processes are no sandbox: they are for parallel work and for time limits.
    """

    def __init__(
        self, target: str, *, workers: int = 2, timeout_s: float | None = None, folder: Path | str | None = None
    ) -> None:
        """Say what to run; processes start with the first runs.

        Args:
            target: ``"module:function"``; the function returns ``(workflow, judge, parameters)``, and is called once in
                each process.
            workers: processes.
            timeout_s: for one run, the start of its process included; a run that takes longer is recorded as an error.
            folder: where the processes start, and from where they import; the present one when None.
        """
        self._target, self._timeout_s, self._folder = target, timeout_s, folder
        self._free: queue.SimpleQueue[subprocess.Popen[str] | None] = queue.SimpleQueue()
        for _ in range(workers):
            self._free.put(None)
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, "worker")

    def run(self, jobs: Sequence[tuple[Candidate, str, Any]]) -> Sequence[Case]:
        """Return what came of each job, in order.

        Raises:
            UserError: an instance is not JSON.
        """
        return list(self._pool.map(self._one, packed(jobs)))

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown()
        for _ in range(self._workers):
            worker = self._free.get()
            if worker is not None:
                _end(worker)

    def _one(self, line: str) -> Case:
        worker = self._free.get()
        try:
            if worker is None or worker.poll() is not None:
                worker = self._started()
            answer, is_late = self._answer(worker, line)
            if not answer:
                _end(worker)
                why = f"no result within {self._timeout_s:g} s" if is_late else f"ended with {worker.returncode}"
                worker = None
                return failed(line, why)
        finally:
            self._free.put(worker)
        return unpacked(self._target, answer)

    def _answer(self, worker: subprocess.Popen[str], line: str) -> tuple[str, bool]:
        late = threading.Event()

        def stop() -> None:
            late.set()
            worker.kill()

        timer = None if self._timeout_s is None else threading.Timer(self._timeout_s, stop)
        if timer is not None:
            timer.start()
        try:
            _pipe(worker.stdin).write(line + "\n")
            _pipe(worker.stdin).flush()
            return _pipe(worker.stdout).readline(), late.is_set()
        except BrokenPipeError:
            return "", late.is_set()
        finally:
            if timer is not None:
                timer.cancel()

    def _started(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "autoagent.optimize.processes", self._target]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, encoding="utf-8", cwd=self._folder)


def serve(target: str, requests: IO[str], answers: IO[str]) -> None:
    """Run jobs, one JSON line each, until there are no more."""
    workplace = Workplace(target)
    for line in requests:
        answers.write(workplace.answer(line) + "\n")
        answers.flush()


def _pipe(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise UserError("the worker process has no pipe")
    return stream


def _end(worker: subprocess.Popen[str]) -> None:
    for stream in (worker.stdin, worker.stdout):
        if stream is not None:
            try:
                stream.close()
            except BrokenPipeError:
                continue  # it is gone already
    worker.kill()
    worker.wait()


if __name__ == "__main__":
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as replies:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what the workflow prints must not pose as a reply
        serve(sys.argv[1], sys.stdin, replies)
