"""Worker processes: jobs go to warm zygotes as JSON lines; a trial that overstays or overeats is killed."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import psutil

from autoagent.agent.environment import child_environment, python_command

Ending = Literal["exited", "timeout", "memory", "crash"]
_GRACE_S = 1.0  # a learner that watches its deadline returns by itself; after this it is killed
_START_S = 60.0  # a zygote that has not started a job after so long is taken for dead
_MEMORY_EVERY_S = 0.25


@dataclass
class Running:
    """One job under way."""

    job: Mapping[str, Any]
    preload: str
    submitted: float
    deadline_s: float | None
    started: float | None = None
    pid: int | None = None

    def overdue(self, now: float) -> bool:
        """Say whether it has had its time and the grace on top."""
        if self.started is None:
            return now - self.submitted > _START_S + (self.deadline_s or 0.0)
        return self.deadline_s is not None and now - self.started > self.deadline_s + _GRACE_S


@dataclass(frozen=True)
class Exit:
    """How a job ended; ``exited`` means that its result file speaks for itself."""

    trial: int
    ending: Ending
    detail: str = ""


@dataclass
class _Zygote:
    process: subprocess.Popen[bytes]
    buffer: bytes = b""
    is_ready: bool = False

    def end(self) -> None:
        """Kill it; its children die with it. Its pipes are closed."""
        self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # what was still to be sent has no reader
                self.process.stdin.close()
        if self.process.stdout is not None:
            self.process.stdout.close()


@dataclass
class Pool:
    """Runs jobs in child processes, each killed with its whole group when it passes its time or memory.

    Attributes:
        memory_bytes: resident memory that one job may use.
        threads: of each job's numerical libraries.
        clock: seconds that only grow.
    """

    memory_bytes: int
    threads: int = 1
    clock: Callable[[], float] = time.monotonic
    running: dict[int, Running] = field(default_factory=dict)
    _zygotes: dict[str, _Zygote] = field(default_factory=dict)
    _later: list[str] = field(default_factory=list)
    _memory_seen: float = 0.0

    def warm(self, preload: str) -> None:
        """Start the zygote of a kind if it is not running, once those that start already are ready.

        The first jobs wait for the first zygote, and another that imports at the same time would slow it down.
        """
        if preload in self._zygotes or all(zygote.is_ready for zygote in self._zygotes.values()):
            self._start(preload)
        elif preload not in self._later:
            self._later.append(preload)

    def _start(self, preload: str) -> None:
        zygote = self._zygotes.get(preload)
        if zygote is not None and zygote.process.poll() is None:
            return
        if zygote is not None:
            zygote.end()
        process = subprocess.Popen(
            python_command("autoagent.train.worker", "--preload", preload),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment(threads=self.threads),
            start_new_session=True,
        )
        if process.stdout is not None:
            os.set_blocking(process.stdout.fileno(), False)
        self._zygotes[preload] = _Zygote(process)

    def submit(self, job: Mapping[str, Any], *, preload: str) -> None:
        """Start a job; its number is ``job["trial"]``."""
        self._start(preload)
        self.running[int(job["trial"])] = Running(job, preload, self.clock(), job.get("deadline_s"))
        self._send(preload, job)

    def poll(self, wait_s: float) -> list[Exit]:
        """Wait for events at most so long and return the jobs that ended."""
        if self._later and all(zygote.is_ready for zygote in self._zygotes.values()):
            self._start(self._later.pop(0))
        ended = [*self._read(wait_s), *self._dead_zygotes(), *self._overdue(), *self._overeating()]
        unique = {exit_.trial: exit_ for exit_ in reversed(ended)}
        for trial in unique:
            self.running.pop(trial, None)
        return [unique[trial] for trial in sorted(unique)]

    def run(self, job: Mapping[str, Any], *, preload: str) -> Exit:
        """Run one job to its end while nothing else runs."""
        self.submit(job, preload=preload)
        while True:
            for ended in self.poll(0.2):
                if ended.trial == job["trial"]:
                    return ended

    def cancel_all(self) -> list[int]:
        """Kill every running job and return their numbers."""
        numbers = sorted(self.running)
        for trial in numbers:
            self._kill(self.running.pop(trial))
        return numbers

    def close(self) -> None:
        """Kill what runs and end the zygotes."""
        self.cancel_all()
        for zygote in self._zygotes.values():
            zygote.end()
        self._zygotes.clear()
        self._later.clear()

    def _send(self, preload: str, message: Mapping[str, Any]) -> None:
        pipe = self._zygotes[preload].process.stdin
        if pipe is None:
            return
        try:
            pipe.write(json.dumps(message).encode() + b"\n")
            pipe.flush()
        except BrokenPipeError:
            self._zygotes[preload].process.wait()  # reported by the next poll as a crash of its jobs

    def _read(self, wait_s: float) -> list[Exit]:
        with selectors.DefaultSelector() as selector:
            for name, zygote in self._zygotes.items():
                if zygote.process.stdout is not None and zygote.process.poll() is None:
                    selector.register(zygote.process.stdout, selectors.EVENT_READ, name)
            if not selector.get_map():
                time.sleep(min(wait_s, 0.05))
                return []
            ready = [str(key.data) for key, _ in selector.select(wait_s)]
        return [exit_ for name in ready for exit_ in self._lines(self._zygotes[name])]

    def _lines(self, zygote: _Zygote) -> list[Exit]:
        pipe = zygote.process.stdout
        zygote.buffer += (pipe.read() or b"") if pipe is not None else b""
        *lines, zygote.buffer = zygote.buffer.split(b"\n")
        messages = [json.loads(line) for line in lines if line.startswith(b"{")]
        zygote.is_ready = zygote.is_ready or any("ready" in message for message in messages)
        return [exit_ for message in messages if (exit_ := self._message(message)) is not None]

    def _message(self, message: Mapping[str, Any]) -> Exit | None:
        running = self.running.get(int(message["trial"])) if "trial" in message else None
        if running is None:
            return None
        if message["event"] == "started":
            running.started, running.pid = self.clock(), int(message["pid"])
            return None
        code = int(message.get("code", 0))
        return Exit(int(message["trial"]), "exited" if code == 0 else "crash", f"exit code {code}" if code else "")

    def _dead_zygotes(self) -> list[Exit]:
        dead = {name for name, zygote in self._zygotes.items() if zygote.process.poll() is not None}
        return [
            Exit(trial, "crash", "the worker process died") for trial, r in self.running.items() if r.preload in dead
        ]

    def _overdue(self) -> list[Exit]:
        late = [trial for trial, running in self.running.items() if running.overdue(self.clock())]
        for trial in late:
            self._kill(self.running[trial])
        return [Exit(trial, "timeout", f"longer than {self.running[trial].deadline_s} s") for trial in late]

    def _overeating(self) -> list[Exit]:
        if self.clock() - self._memory_seen < _MEMORY_EVERY_S:
            return []
        self._memory_seen = self.clock()
        fat = [
            trial
            for trial, running in self.running.items()
            if running.pid is not None and resident_bytes(running.pid) > self.memory_bytes
        ]
        for trial in fat:
            self._kill(self.running[trial])
        return [Exit(trial, "memory", f"more than {self.memory_bytes / 1e6:.0f} MB") for trial in fat]

    def _kill(self, running: Running) -> None:
        if running.pid is None:
            zygote = self._zygotes.pop(running.preload, None)  # it never said which process: end all of its kind
            if zygote is not None:
                zygote.end()
            return
        for kill in (os.killpg, os.kill):  # it may not have made its group yet, or have ended in this moment
            with contextlib.suppress(ProcessLookupError):
                kill(running.pid, signal.SIGKILL)


@contextmanager
def started_early() -> Iterator[Pool]:
    """Give a pool whose first workers start at once: their imports and those of this process take equally long.

    Whoever gives it jobs must set ``memory_bytes`` first.
    """
    pool = Pool(memory_bytes=0)
    try:
        pool.warm("light")
        yield pool
    finally:
        pool.close()


def resident_bytes(pid: int) -> int:
    """Return the memory that a process and its children hold; 0 when it is gone."""
    try:
        process = psutil.Process(pid)
        return sum(p.memory_info().rss for p in (process, *process.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0
