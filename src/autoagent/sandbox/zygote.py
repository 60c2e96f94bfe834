"""The process inside the wall: it stays warm and forks once for every call, so nothing that a call does outlives it.

Run by path with the standard library only; ``wire.py`` beside it is loaded by path too. Between this process and its
parent runs a private pair of pipes that the forked code does not hold: what the code sends goes into a pipe of its own,
is capped here and checked by the parent. This process reads nothing of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import importlib.util
import itertools
import json
import os
import random
import resource
import select
import signal
import struct
import sys
import time
from types import FrameType, ModuleType
from typing import Any, NoReturn

FRAME = struct.Struct(">4sI")
MAGIC = b"AAZ1"
_TICK_S = 0.02
_NUMBERS = itertools.count()
# What a request may have imported here ahead of its calls; numpy imports these parts of it only when they are used.
_PRELOADS = {
    "numpy": ("numpy", "numpy.random", "numpy.linalg", "numpy.fft", "numpy.polynomial"),
    "pandas": ("pandas",),
    "scipy": ("scipy",),
    "sklearn": ("sklearn",),
}


def main() -> None:
    """Serve requests from fd 0 to fd 1 until the parent goes."""
    config = json.loads(sys.argv[1])
    _drop_privileges(config["uid"])
    sys.path[:] = [*sys.path, *config["path"]]
    wire, removal = _load("_sandbox_wire", config["wire"]), _load("_sandbox_removal", config["removal"])
    source, sink = _take_pipes()
    _limit_self(config)
    if config["confine"] is not None:
        importlib.import_module("sandlock")
    _send(sink, {"ready": True, "uid": os.getuid()})
    call = None
    while True:
        if call is None and not config["limits"]["processes"]:  # while the parent thinks, the next process gets ready
            call = _Call(config, wire, removal, source)
        request = _receive(source)
        if call is not None and ("load" in request or not call.is_alive()):
            call.drop()
            call = None
        if "load" in request:
            for name in [part for package in request["load"] for part in _PRELOADS.get(package, ())]:
                with contextlib.suppress(ImportError):
                    importlib.import_module(name)
            gc.collect()
            gc.freeze()
            _send(sink, {"loaded": True})
            continue
        message = _read(source, request["size"])
        header, parts = (call or _Call(config, wire, removal, source)).run(request, message)
        call = None
        del message
        _send(sink, {**header, "sizes": [len(part) for part in parts]})
        for part in parts:
            _write(sink, part)


def _drop_privileges(uid: int) -> None:
    if uid and os.getuid() == 0:
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)


def _widen(fd: int) -> None:
    """Give a pipe a megabyte, so that arrays pass in few steps; where that is refused it stays as it is."""
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, 1 << 20)


def _take_pipes() -> tuple[int, int]:
    source = os.dup(0)
    sink = os.dup(1)
    _widen(source)
    _widen(sink)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(null, fd)
    os.close(null)
    return source, sink


def _limit_self(config: dict[str, Any]) -> None:
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    _cap(resource.RLIMIT_CORE, 0)
    if config["nproc"] and (config["own_namespace"] or os.getuid() == config["uid"] != 0):
        _cap(resource.RLIMIT_NPROC, config["nproc"])


def _cap(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses some; the parent's self-test sees what holds
        resource.setrlimit(kind, (value, value))


def _load(name: str, path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _send(fd: int, header: dict[str, Any]) -> None:
    text = json.dumps(header).encode()
    _write(fd, FRAME.pack(MAGIC, len(text)) + text)


def _write(fd: int, data: bytes | bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _receive(fd: int) -> dict[str, Any]:
    magic, length = FRAME.unpack(_read(fd, FRAME.size))
    if magic != MAGIC:
        os._exit(3)
    header: dict[str, Any] = json.loads(_read(fd, length))
    return header


def _read(fd: int, size: int) -> bytearray:
    data = bytearray()
    while len(data) < size:
        chunk = os.read(fd, min(size - len(data), 1 << 20))
        if not chunk:
            os._exit(0)  # the parent is gone
        data += chunk
    return data


class _Call:
    """One process for foreign code: it is forked and walled in first, then told what to run."""

    def __init__(self, config: dict[str, Any], wire: ModuleType, removal: ModuleType, source: int) -> None:
        self.limits: dict[str, Any] = config["limits"]
        self.wire, self.removal, self.source = wire, removal, source
        self.alone, self.confine = os.getuid() == config["uid"] != 0, config["confine"]
        self.folder = os.path.join(config["folder"], f"call-{next(_NUMBERS)}")
        caps = (self.limits["result_bytes"], self.limits["output_bytes"], self.limits["output_bytes"])
        self.parts = [bytearray() for _ in caps]
        self.caps, self.dropped = caps, [0, 0, 0]
        os.mkdir(self.folder, 0o700)
        pipes = [os.pipe() for _ in caps]
        ears, self.mouth = os.pipe()
        _widen(pipes[0][1])
        _widen(self.mouth)
        self.pid = os.fork()
        if self.pid == 0:
            self._become([write for _, write in pipes], ears)
        for fd in (ears, *(write for _, write in pipes)):
            os.close(fd)
        self.reads = [read for read, _ in pipes]

    def run(self, request: dict[str, Any], message: bytearray) -> tuple[dict[str, Any], list[bytearray]]:
        started = time.monotonic()
        try:
            self._tell(request, message)
            ended, status, usage = self._watch(self.pid, self.reads, started + request["timeout_s"])
        finally:
            self._clear()
        header = {
            "ended": ended,
            "status": status,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "wall_s": time.monotonic() - started,
            "peak_bytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            "dropped": self.dropped,
            "clean": not os.path.lexists(self.folder),
        }
        return header, self.parts

    def is_alive(self) -> bool:
        return os.waitpid(self.pid, os.WNOHANG)[0] == 0

    def drop(self) -> None:
        """Let the process end; it sees that nothing will come. Killed at birth, it would stay counted by the wall."""
        os.close(self.mouth)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        self._clear()

    def _tell(self, request: dict[str, Any], message: bytearray) -> None:
        with contextlib.suppress(OSError):  # it has died; how is seen by whoever watches
            _send(self.mouth, request)
            _write(self.mouth, message)
        os.close(self.mouth)

    def _watch(self, pid: int, reads: list[int], deadline: float) -> tuple[str, int, resource.struct_rusage]:
        open_reads, ended, looked = list(reads), "", time.monotonic()
        while True:
            ready, _, _ = select.select([*open_reads, self.source], [], [], _TICK_S if open_reads else 0.001)
            for fd in [fd for fd in open_reads if fd in ready]:
                if not self._take(reads.index(fd), fd):
                    open_reads.remove(fd)
            if self.source in ready:  # nothing is due from the parent during a call, so it has gone
                self._kill(pid)
                self._clear()
                os._exit(0)
            done, status, usage = os.wait4(pid, os.WNOHANG)
            if done:
                self._kill_rest()
                self._drain(reads, open_reads)
                return ended or ("too long" if self.dropped[0] else "itself"), status, usage
            now = time.monotonic()
            if not ended and (now > deadline or self.dropped[0]):
                ended = "timeout" if now > deadline else "too long"
                self._kill(pid)
            if not ended and now - looked > _TICK_S:
                looked = now
                if self._is_full():
                    ended = "disk"
                    self._kill(pid)

    def _drain(self, reads: list[int], open_reads: list[int]) -> None:
        for _ in range(256):  # a pipe holds at most a megabyte, and whoever could refill it is gone
            ready = select.select(open_reads, [], [], 0)[0] if open_reads else []
            if not ready:
                return
            open_reads = [fd for fd in open_reads if fd not in ready or self._take(reads.index(fd), fd)]

    def _take(self, which: int, fd: int) -> bool:
        chunk = os.read(fd, 1 << 20)
        room = self.caps[which] - len(self.parts[which])
        self.parts[which] += chunk[:room]
        self.dropped[which] += max(0, len(chunk) - room)
        return bool(chunk)

    def _kill(self, pid: int) -> None:
        for send in (os.killpg, os.kill):
            with contextlib.suppress(OSError):
                send(pid, signal.SIGKILL)
        self._kill_rest()

    def _kill_rest(self) -> None:
        if self.alone:  # this user id is this sandbox's own, so -1 reaches nobody else, and never this process
            with contextlib.suppress(OSError):
                os.kill(-1, signal.SIGKILL)

    def _is_full(self) -> bool:
        used = count = 0
        stack = [self.folder]
        while stack:
            try:
                with os.scandir(stack.pop()) as entries:
                    for entry in entries:
                        count += 1
                        used += entry.stat(follow_symlinks=False).st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            stack.append(entry.path)
                        if count > self.limits["num_files"] or used > self.limits["disk_bytes"] or len(stack) > 500:
                            return True
            except FileNotFoundError:
                continue
            except OSError:  # a folder that cannot be looked into counts as full
                return True
        return False

    def _clear(self) -> None:
        while self.reads:
            os.close(self.reads.pop())
        self._kill_rest()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        self.removal.remove_tree(self.folder)

    def _become(self, writes: list[int], ears: int) -> NoReturn:
        """Turn the forked process into the code's process: nothing open but its own pipes."""
        try:
            os.setpgid(0, 0)
            result = os.dup2(writes[0], 60, inheritable=False)
            ears = os.dup2(ears, 61, inheritable=False)
            os.dup2(writes[1], 1)
            os.dup2(writes[2], 2)
            os.closerange(3, 60)
            os.closerange(62, 4096)
            result = os.dup2(result, 3, inheritable=False)
            os.close(60)
            os.chdir(self.folder)
            os.environ.update(HOME=self.folder, TMPDIR=self.folder)
            self._narrow()
            request = _receive(ears)
            message = _read(ears, request["size"])
            os.close(ears)
            self._limit(request)
            _answer(self.wire, message, result, self.limits["json_bytes"])
        finally:
            os._exit(9)

    def _narrow(self) -> None:
        """Enter a Landlock domain inside the worker's: from here this process cannot reach the zygote either."""
        if self.confine is not None:
            import sandlock

            sandlock.confine(sandlock.Sandbox(**{**self.confine, "fs_writable": [self.folder, "/dev/null"]}))

    def _limit(self, request: dict[str, Any]) -> None:
        limits = self.limits
        _cap(resource.RLIMIT_FSIZE, limits["disk_bytes"])
        _cap(resource.RLIMIT_NOFILE, limits["open_files"])
        _cap(resource.RLIMIT_CPU, int(request["timeout_s"]) + 2)
        if request["base_bytes"]:
            _cap(resource.RLIMIT_AS, request["base_bytes"] + limits["memory_bytes"])


def _answer(wire: ModuleType, message: bytearray, result: int, max_json_bytes: int) -> NoReturn:
    reply: dict[str, Any]
    code = 0
    try:
        job = wire.decode(message, max_json_bytes=1 << 40)
        del message
        reply = _run(wire, job)
    except MemoryError:
        reply = {"raised": ["MemoryError", "", 0]}
    try:
        data = wire.encode(reply)
    except MemoryError:
        data = wire.encode({"raised": ["MemoryError", "", 0]})
    except wire.WireError as error:
        data = wire.encode({"unfit": str(error)[:500]})
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    try:
        _write(result, data)
    except OSError:
        code = 8
    os._exit(code)


def _run(wire: ModuleType, job: dict[str, Any]) -> dict[str, Any]:
    source, name = job["source"], job["function"]
    _seed()
    space: dict[str, Any] = {"__name__": "sandboxed", "__builtins__": __builtins__}
    try:
        exec(compile(source, "<sandboxed>", "exec"), space)  # noqa: S102 - this process exists to do it
        return {"value": wire.collected(space[name](*job["args"], **job["kwargs"]))}
    except MemoryError:
        raise
    except SystemExit as error:
        return {"raised": ["SystemExit", _short(error), 0]}
    except BaseException as error:  # noqa: BLE001 - the one border that runs foreign code
        return {"raised": [type(error).__name__[:200], _short(error), _line(error)]}


def _seed() -> None:
    """The same call gives the same value: forks share one numpy state anyway, so it may as well be a known one."""
    random.seed(0)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(0)


def _short(error: BaseException) -> str:
    try:
        return str(error)[:4000].encode("utf-8", "replace").decode()
    except BaseException:  # noqa: BLE001 - its __str__ is foreign code too
        return "(its message cannot be read)"


def _line(error: BaseException) -> int:
    if isinstance(error, SyntaxError) and error.filename == "<sandboxed>":
        return error.lineno or 0
    line, step = 0, error.__traceback__
    while step is not None:
        frame: FrameType = step.tb_frame
        if frame.f_code.co_filename == "<sandboxed>":
            line = step.tb_lineno
        step = step.tb_next
    return line


if __name__ == "__main__":
    main()
