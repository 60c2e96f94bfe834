"""Finds out what the wall holds on this machine by attacking it, and names the level that is left."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from autoagent.sandbox import wall, wire
from autoagent.sandbox.limits import Limits, MiB
from autoagent.sandbox.worker import Worker, WorkerLost, new_folder

Level = Literal["full", "partial", "none"]
_ESSENTIAL = ("files cannot be read", "files cannot be written", "no network")
_LIMITS = Limits(timeout_s=5.0, memory_bytes=128 * MiB, disk_bytes=1 * MiB, output_bytes=1024)


@dataclass(frozen=True)
class Isolation:
    """What was proven on this machine in this process.

    Attributes:
        level: ``full`` when every fact holds, ``none`` when files or the network are open, ``partial`` between.
        facts: each protection and whether an attack on it failed.
        uid: workers become users of their own, not ours (we are root).
        own_namespace: workers live in a user namespace of their own.
        walled: the wall is up.
        reason: why a better wall than this one could not be set up, where one was tried.
    """

    level: Level
    facts: Mapping[str, bool] = field(default_factory=dict)
    uid: bool = False
    own_namespace: bool = False
    walled: bool = False
    reason: str = ""

    def __str__(self) -> str:
        missing = [name for name, holds in self.facts.items() if not holds]
        if self.level == "full":
            return f"full: {len(self.facts)} attacks failed as they should"
        why = f" ({self.reason})" if self.reason else ""
        return f"{self.level}: not held here: {', '.join(missing)}{why}"


_ONCE = threading.Lock()


def isolation() -> Isolation:
    """Attack a worker of ours once per process and return what held; about 0.3 s the first time."""
    with _ONCE:
        return examine()


@lru_cache(maxsize=1)
def examine() -> Isolation:
    """Do what ``isolation`` says, whoever else is at it."""
    usable = wall.sandlock_is_usable()
    tries: list[tuple[bool, bool, bool]] = []
    if usable:
        tries = [(True, True, False)] if wall.free_uid() else [(True, False, True), (True, False, False)]
    tries.append((False, bool(wall.free_uid()), False))
    reasons = [] if usable else ["no Landlock here, or sandlock is not installed"]
    for walled, own_uid, own_namespace in tries:
        try:
            facts = _attack(walled=walled, own_uid=own_uid, own_namespace=own_namespace)
        except (WorkerLost, RuntimeError, OSError) as error:
            reasons.append(f"{type(error).__name__}: {error}")
        else:
            return Isolation(_level(facts), facts, own_uid, own_namespace, walled, "; ".join(reasons))
    return Isolation("none", dict.fromkeys(_ESSENTIAL, False), reason="; ".join(reasons))


def _level(facts: Mapping[str, bool]) -> Level:
    if all(facts.values()):
        return "full"
    return "partial" if all(facts[name] for name in _ESSENTIAL) else "none"


def plan(found: Isolation, *, processes: bool, gpu: bool = False, readable: tuple[str, ...] = ()) -> wall.Plan:
    """Return how to wall in one more worker the way that was proven."""
    uid = wall.free_uid() if found.uid else 0
    return wall.Plan(new_folder(uid), readable, processes, gpu, found.walled, uid, found.own_namespace)


def _attack(*, walled: bool, own_uid: bool, own_namespace: bool) -> dict[str, bool]:
    shape = Isolation("none", {}, own_uid, own_namespace, walled)
    with _targets() as targets:
        os.environ["AUTOAGENT_SANDBOX_CANARY"] = "seen"
        worker = Worker(_LIMITS, plan(shape, processes=False))
        try:
            saw = _ask(worker, "probe", targets)
            greedy = worker.run(_message("greedy", {}))
            slow = worker.run(_message("spin", {}), timeout_s=0.1)
        finally:
            os.environ.pop("AUTOAGENT_SANDBOX_CANARY", None)
            worker.close()
    facts = {name: saw.get(name) == "refused" for name in _PROBES}
    facts["memory is capped"] = b'"MemoryError"' in greedy.result
    facts["time is capped"] = slow.ended == "timeout"
    return facts


@contextlib.contextmanager
def _targets() -> Iterator[dict[str, Any]]:
    """Things outside the wall, readable and reachable by anyone of this machine, to be attacked."""
    with (
        tempfile.TemporaryDirectory(prefix="autoagent-target-") as name,
        socket.socket() as tcp,
        socket.socket(socket.AF_UNIX) as local,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "secret").write_text("secret")
        (folder / "secret").chmod(0o666)
        tcp.bind(("127.0.0.1", 0))
        local.bind(f"{name}/s")
        (folder / "s").chmod(0o777)
        targets = {"folder": name, "port": tcp.getsockname()[1], "pid": os.getpid(), "abstract": ""}
        if sys.platform.startswith("linux"):
            abstract.bind(f"\0{folder.name}")
            targets["abstract"] = folder.name
        for server in (tcp, local, *([abstract] if targets["abstract"] else [])):
            server.listen(8)
        yield targets


def _message(function: str, targets: Mapping[str, Any]) -> bytes:
    return wire.encode({"source": _SOURCE, "function": function, "args": [], "kwargs": dict(targets)})


def _ask(worker: Worker, function: str, targets: Mapping[str, Any]) -> dict[str, Any]:
    ending = worker.run(_message(function, targets))
    with contextlib.suppress(wire.WireError):
        answer = wire.decode(ending.result, max_json_bytes=1 * MiB)
        value = answer.get("value") if isinstance(answer, dict) else None
        if isinstance(value, dict):
            return value
    raise WorkerLost("the self-test of the sandbox gave no answer")


_PROBES = (
    *_ESSENTIAL,
    "files cannot be changed",
    "no network by datagram",
    "no socket of the machine",
    "no abstract socket",
    "no signal to others",
    "no look into others' processes",
    "no trace of others",
    "no look into the sandbox itself",
    "no new process",
    "files cannot grow without end",
    "environment is clean",
    "privileges are dropped",
)

_SOURCE = """
import ctypes, os, resource, socket

def refused(attempt):
    try:
        attempt()
    except (OSError, MemoryError):
        return "refused"
    return "done"

def probe(folder, port, pid, abstract):
    def connect(family, kind, where):
        with socket.socket(family, kind) as s:
            s.settimeout(1)
            s.connect(where)
            if kind == socket.SOCK_DGRAM:
                s.send(b"x")
    def trace():
        libc = ctypes.CDLL(None, use_errno=True)
        zero = ctypes.c_long(0)  # seize: to attach would stop us, for good where there is no wall
        if libc.ptrace(0x4206, pid, zero, zero) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")
    def fork():
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    def grow():
        with open("big", "wb") as f:
            for _ in range(4):
                f.write(bytes(1 << 20))
                f.flush()
    def environment():
        if "AUTOAGENT_SANDBOX_CANARY" not in os.environ:
            raise OSError("clean")
    def privileges():
        if os.getuid() != 0:
            raise OSError("not root")
    attempts = {
        "files cannot be read": lambda: open(folder + "/secret").read(),
        "files cannot be written": lambda: open(folder + "/new", "w").close(),
        "files cannot be changed": lambda: os.chmod(folder + "/secret", 0o777),
        "no network": lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", port)),
        "no network by datagram": lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", port)),
        "no socket of the machine": lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, folder + "/s"),
        "no abstract socket": lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, chr(0) + abstract),
        "no signal to others": lambda: os.kill(pid, 0),
        "no look into others' processes": lambda: open("/proc/%d/environ" % pid).read(),
        "no trace of others": trace,
        "no look into the sandbox itself": lambda: os.close(os.open("/proc/%d/fd/0" % os.getppid(), os.O_RDONLY)),
        "no new process": fork,
        "files cannot grow without end": grow,
        "environment is clean": environment,
        "privileges are dropped": privileges,
    }
    return {name: refused(attempt) for name, attempt in attempts.items()}

def greedy():
    return len(bytearray(512 << 20))

def spin():
    while True:
        pass
"""
