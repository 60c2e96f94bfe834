"""A zygote: imports the libraries once, then forks one child per job that it reads from stdin.

Forking is what keeps a trial's overhead to milliseconds. It is safe here because the zygote computes nothing: no thread
pool of a numerical library exists when it forks, and each child reads its own data.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

_PR_SET_PDEATHSIG = 1
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_LIGHT = (
    "autoagent.train.fit",
    "autoagent.train.models.baseline",
    "autoagent.train.models.linear",
    "autoagent.train.models.lightgbm",
    "autoagent.train.models.extra_trees",
    "autoagent.train.models.random_forest",
    "autoagent.train.models.knn",
    "autoagent.train.models.svm",
    "autoagent.train.models.hist_gradient_boosting",
    "autoagent.train.finalize",
    "onnxruntime",
    "pyarrow.dataset",
    "pyarrow.parquet",
)
_TORCH = (
    "autoagent.train.fit",
    "autoagent.train.models.realmlp",
    "torch._dynamo",  # the first optim step imports it and 800 modules: two seconds that each child would pay
    "pyarrow.dataset",
    "pyarrow.parquet",
)
_LEAST_S = 0.1  # that a job has, however long it waited
_PRELOADS = {"light": _LIGHT, "torch": _TORCH}


@dataclass
class Zygote:
    """Serves jobs until its input ends.

    Attributes:
        out: where events go, one JSON line each.
        children: trial number of each living child.
    """

    out: IO[str]
    children: dict[int, int] = field(default_factory=dict)

    def serve(self, source: int) -> None:
        """Read lines from a file descriptor until it ends, then kill what still runs."""
        wake, woken = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(woken)
        buffer = b""
        with selectors.DefaultSelector() as selector:
            selector.register(source, selectors.EVENT_READ, "lines")
            selector.register(wake, selectors.EVENT_READ, "children")
            while True:
                ready = {key.data for key, _ in selector.select(timeout=1.0)}
                if "children" in ready:
                    os.read(wake, 4096)
                self.reap()
                if "lines" in ready:
                    piece = os.read(source, 65536)
                    if not piece:
                        break
                    *lines, buffer = (buffer + piece).split(b"\n")
                    for line in lines:
                        self.handle(line)
        self.kill_all()

    def handle(self, line: bytes) -> None:
        """Start the job of one line, or kill a child."""
        if not line.strip():
            return
        message = json.loads(line)
        if "kill" in message:
            if int(message["kill"]) in self.children:
                _kill_group(int(message["kill"]))
            return
        _load_family(message)
        parent, pid = os.getpid(), os.fork()
        if pid == 0:
            _become_child(message, parent)
        self.children[pid] = int(message["trial"])
        self._say({"trial": message["trial"], "pid": pid, "event": "started"})

    def reap(self) -> None:
        """Report the children that ended."""
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            trial = self.children.pop(pid, None)
            if trial is not None:
                self._say({"trial": trial, "event": "exited", "code": os.waitstatus_to_exitcode(status)})

    def kill_all(self) -> None:
        """Kill every child and wait for it."""
        for pid in list(self.children):
            _kill_group(pid)
        while self.children:
            pid, _ = os.waitpid(-1, 0)
            self.children.pop(pid, None)

    def _say(self, event: Mapping[str, Any]) -> None:
        try:
            self.out.write(json.dumps(event) + "\n")
            self.out.flush()
        except BrokenPipeError:
            self.kill_all()
            os._exit(1)  # nobody listens any more


def main(arguments: Sequence[str] | None = None) -> None:
    """Import what the kind of jobs needs, say so, and serve."""
    parser = argparse.ArgumentParser(description="Fit models for a parent process; not meant to be started by hand.")
    parser.add_argument("--preload", choices=sorted(_PRELOADS), default="light")
    preload = parser.parse_args(arguments).preload
    for name in _THREADS:
        os.environ.setdefault(name, "1")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the parent's to handle; it closes our input
    gc.disable()  # what imports make stays: looking through it again and again takes a fifth of their time
    for module in _PRELOADS[preload]:
        importlib.import_module(module)
    gc.freeze()  # a collection in a child would touch, and so copy, every page of the imports
    gc.enable()
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not land among the events
    out.write(json.dumps({"ready": True}) + "\n")
    out.flush()
    Zygote(out).serve(0)


def _load_family(message: Mapping[str, Any]) -> None:
    """Import the family of a job once, before forking; a fault is left to the child to record."""
    from autoagent.errors import UserError
    from autoagent.train.fit import model_card

    try:
        model_card(str(message.get("family"))).load()
    except (UserError, ImportError) as error:
        sys.stderr.write(f"{message.get('family')}: {error}\n")


def _become_child(message: Mapping[str, Any], parent: int) -> None:
    """Run a job in a fresh child process and end it; never returns."""
    started, code = time.monotonic(), 1
    try:
        os.setsid()
        _die_with(parent)
        for number in (signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        _redirect(Path(message["out"]))
        code = _work(message, started)
    except BaseException:  # noqa: BLE001 - a child must end here, not return into its parent's loop
        sys.excepthook(*sys.exc_info())
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)  # also where the log's disk is full: a child that came back would serve jobs itself


def _work(message: Mapping[str, Any], started: float) -> int:
    """Do a job of any kind and return the exit status."""
    from autoagent.train.finalize import run_step
    from autoagent.train.fit import Job, run_job

    if message.get("kind", "fit") == "fit":
        run_job(Job.model_validate(without_wait(message, started)), started=started)
        return 0
    told = ("trial", "out", "deadline_s", "submitted_s")
    return run_step({key: value for key, value in message.items() if key not in told})


def without_wait(message: Mapping[str, Any], started: float) -> dict[str, Any]:
    """Return a job whose time is less by what it waited before it started, so that it ends when its sender wants.

    Args:
        message: with ``submitted_s``, what ``time.monotonic`` of this machine showed when it was sent; without it the
            job has all its time.
        started: what it showed when the job started.
    """
    job = dict(message)
    submitted = job.pop("submitted_s", None)
    if submitted is not None and job.get("deadline_s") is not None:
        job["deadline_s"] = max(job["deadline_s"] - max(started - submitted, 0.0), _LEAST_S)
    return job


def _redirect(folder: Path) -> None:
    """Send the output of a child to its log and give it an empty input."""
    folder.mkdir(parents=True, exist_ok=True)
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, to in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, to)


def _die_with(parent: int) -> None:
    """Ask Linux to kill this process when its parent dies; elsewhere the parent's own kill must do."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # it died between the fork and the call


def _kill_group(pid: int) -> None:
    for kill in (os.killpg, os.kill):  # the child may not have made its group yet
        try:
            kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    main()
