"""One warm process behind the wall, as its parent sees it: bytes in, bytes out, each with a deadline and a size."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import struct
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from autoagent.sandbox import removal, wall, zygote
from autoagent.sandbox.limits import Limits

_FRAME: struct.Struct = zygote.FRAME
_START_S = 30.0
_LOAD_S = 60.0
_GRACE_S = 2.0
_MAX_HEADER_BYTES = 1 << 16


class WorkerLost(Exception):  # noqa: N818 - what became of a process
    """The process behind the wall is gone, hangs, or no longer speaks the protocol.

    Attributes:
        late: it gave no sign until the deadline.
    """

    def __init__(self, message: str, *, late: bool = False) -> None:
        super().__init__(message)
        self.late = late


@dataclass(frozen=True)
class Ending:
    """What the process behind the wall saw of one call. The sizes are checked; ``result`` is not."""

    ended: str
    status: int
    cpu_s: float
    wall_s: float
    peak_bytes: int
    dropped: tuple[int, int, int]
    clean: bool
    result: bytes
    stdout: bytes
    stderr: bytes


class Worker:
    """A warm process and the folder that it may write."""

    def __init__(self, limits: Limits, plan: wall.Plan) -> None:
        self.limits = limits
        self._loaded: set[str] = set()
        self._uid = plan.uid
        self._folder = plan.folder
        config = {
            "limits": asdict(limits),
            "uid": plan.uid,
            "own_namespace": plan.own_namespace,
            "nproc": wall.MAX_PROCESSES if limits.processes else 2,
            "folder": str(plan.folder),
            "path": wall.import_paths(),
            "confine": wall.inner_rules(plan),
            "wire": str(Path(__file__).with_name("wire.py")),
            "removal": removal.__file__,
        }
        flags = ["-I", "-S", "-B", "-X", "frozen_modules=on"]
        argv = [os.path.realpath(sys.executable), *flags, zygote.__file__, json.dumps(config)]
        self._owner = os.getpid()
        self._handle = _starter(self._owner).submit(wall.start, argv, plan).result()
        for fd in (self._handle.stdin, self._handle.stdout):
            os.set_blocking(fd, False)
        try:
            self.as_uid = int(self._header(time.monotonic() + _START_S).get("uid", -1))
        except (WorkerLost, TypeError, ValueError):
            self.close()
            raise WorkerLost("the process behind the wall did not start") from None
        self._handle.has_started()
        self._base_bytes = self._address_space()

    def is_alive(self) -> bool:
        """Say whether the idle process is still there; it says nothing while idle, so anything readable is its end."""
        return self._owner == os.getpid() and not select.select([self._handle.stdout], [], [], 0)[0]

    def load(self, modules: Iterable[str]) -> None:
        """Import packages ahead, once, so that later calls find them there."""
        new = set(modules) - self._loaded
        if new:
            deadline = time.monotonic() + _LOAD_S
            self._send({"load": sorted(new)}, b"", deadline)
            self._header(deadline)
            self._loaded |= new
            self._base_bytes = self._address_space()

    def run(self, message: bytes, *, timeout_s: float | None = None) -> Ending:
        """Send one call's message and return how it ended; ``timeout_s`` is of the limits unless given.

        Raises:
            WorkerLost: no more can be run here.
        """
        limits = self.limits
        timeout_s = timeout_s or limits.timeout_s
        deadline = time.monotonic() + timeout_s + _GRACE_S
        self._send({"size": len(message), "timeout_s": timeout_s, "base_bytes": self._base_bytes}, message, deadline)
        header = self._header(deadline)
        try:
            sizes = [int(size) for size in header["sizes"]]
            caps = (limits.result_bytes, limits.output_bytes, limits.output_bytes)
            if len(sizes) != 3 or any(not 0 <= size <= cap for size, cap in zip(sizes, caps, strict=True)):
                raise ValueError(sizes)
            facts = (str(header["ended"]), int(header["status"]), float(header["cpu_s"]), float(header["wall_s"]))
            peak, first, second, third = int(header["peak_bytes"]), *(int(lost) for lost in header["dropped"])
            clean = header["clean"] is True
        except (KeyError, TypeError, ValueError, OverflowError):
            raise WorkerLost("the process behind the wall no longer speaks the protocol") from None
        result, stdout, stderr = (self._read(size, deadline + _GRACE_S) for size in sizes)
        return Ending(*facts, peak, (first, second, third), clean, result, stdout, stderr)

    def close(self) -> None:
        """Kill the process with all that it started and remove its folder."""
        if self._owner != os.getpid():  # a fork of ours inherited this object; the worker is not its to end
            return
        self._handle.end()
        removal.remove_tree(str(self._folder))

    def _address_space(self) -> int:
        with contextlib.suppress(OSError, ValueError, IndexError):
            pages = int(Path(f"/proc/{self._handle.pid}/statm").read_text().split()[0])
            return pages * os.sysconf("SC_PAGE_SIZE")
        return 0

    def _send(self, header: dict[str, Any], message: bytes, deadline: float) -> None:
        text = json.dumps(header).encode()
        for data in (_FRAME.pack(zygote.MAGIC, len(text)) + text, message):
            view = memoryview(data)
            while view:
                _, ready, _ = select.select([], [self._handle.stdin], [], _left(deadline))
                try:
                    view = view[os.write(self._handle.stdin, view) if ready else 0 :]
                except OSError:
                    raise WorkerLost("the process behind the wall is gone") from None

    def _header(self, deadline: float) -> dict[str, Any]:
        magic, length = _FRAME.unpack(self._read(_FRAME.size, deadline))
        if magic != zygote.MAGIC or length > _MAX_HEADER_BYTES:
            raise WorkerLost("the process behind the wall no longer speaks the protocol")
        try:
            header = json.loads(self._read(length, deadline))
        except (ValueError, RecursionError):
            header = None
        if not isinstance(header, dict):
            raise WorkerLost("the process behind the wall no longer speaks the protocol")
        return header

    def _read(self, size: int, deadline: float) -> bytes:
        data = bytearray()
        while len(data) < size:
            ready, _, _ = select.select([self._handle.stdout], [], [], _left(deadline))
            chunk = os.read(self._handle.stdout, min(size - len(data), 1 << 20)) if ready else None
            if chunk == b"":
                raise WorkerLost("the process behind the wall is gone")
            data += chunk or b""
        return bytes(data)


@lru_cache(maxsize=1)
def _starter(owner: int) -> ThreadPoolExecutor:
    """Return the thread of this process that starts workers: Linux kills them when the thread that did so ends."""
    return ThreadPoolExecutor(1, f"autoagent-sandbox-{owner}")


def new_folder(uid: int) -> Path:
    """Return a new empty folder for one worker, owned by the user that it becomes."""
    folder = Path(tempfile.gettempdir()).resolve() / f"autoagent-sandbox-{secrets.token_hex(8)}"
    folder.mkdir(mode=0o700)
    if uid:
        os.chown(folder, uid, uid)
    return folder


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise WorkerLost("the process behind the wall gave no sign in time", late=True)
    return left
