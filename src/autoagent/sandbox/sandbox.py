"""``Sandbox`` calls a function of untrusted source in a walled process: data comes back, or a typed error."""

from __future__ import annotations

import math
import os
import re
import signal
import threading
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NoReturn, Self

from autoagent.errors import (
    SandboxCrash,
    SandboxError,
    SandboxFailure,
    SandboxMemory,
    SandboxTimeout,
    SandboxViolation,
    UserError,
)
from autoagent.sandbox import wire
from autoagent.sandbox.limits import Limits
from autoagent.sandbox.selftest import Isolation, isolation, plan
from autoagent.sandbox.worker import Ending, Worker, WorkerLost

_PACKAGES = re.compile(r"^\s*(?:import|from)\s+(numpy|pandas|scipy|sklearn)\b", re.MULTILINE)
_REFUSALS = frozenset({"PermissionError", "BlockingIOError"})
_MAX_SHOWN = 2000


class Sandbox:
    """Calls functions of untrusted source; keeps a warm worker between calls and may be used from several threads.

    Args:
        limits: of each call.
        allow_unsandboxed: go on where files or the network cannot be closed off (``isolation().level`` is ``none``).
        readable: files or folders that the code may read besides the interpreter's own.
        gpu: let device files of GPUs through. Not tested.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        allow_unsandboxed: bool = False,
        readable: tuple[str, ...] = (),
        gpu: bool = False,
    ) -> None:
        self.limits = limits or Limits()
        self._allow_unsandboxed = allow_unsandboxed
        self._readable, self._gpu = tuple(os.path.realpath(path) for path in readable), gpu
        self._idle: list[Worker] = []
        self._lock = threading.Lock()
        self._finalizer = weakref.finalize(self, _close_all, self._idle)

    @property
    def isolation(self) -> Isolation:
        """What is proven to hold here."""
        return isolation()

    def call(self, source: str, function: str, *args: object, **kwargs: object) -> Any:  # noqa: ANN401 - data
        """Run ``source`` in a process of its own, call ``function`` of it, and return what it returned.

        Arguments and value are data: None, bool, int, float, str, list, tuple, dict, numpy arrays of numbers, times
        or text, and tables (a table's index is not kept). A float may be NaN; the caller decides what that means.
        Random generators start from the same state in every call.

        Raises:
            UserError: nothing contains the code here, or an argument is not data.
            SandboxTimeout, SandboxMemory, SandboxViolation, SandboxCrash, SandboxError: what became of it.
        """
        try:
            job = {"source": source, "function": function, "args": list(args), "kwargs": kwargs}
            message = wire.encode(job)
        except wire.WireError as error:
            raise UserError(f"an argument of {function!r} cannot go into the sandbox: {error}") from None
        worker = self._take()
        healthy = False
        try:
            worker.load(_packages(source, message))
            ending = worker.run(message)
            healthy = ending.clean and not self.limits.processes and not self._gpu
        except WorkerLost as lost:
            kind = SandboxTimeout if lost.late else SandboxCrash
            raise kind(f"{function} was ended with its whole sandbox: {lost}") from None
        finally:
            self._give_back(worker, healthy=healthy)
        return _value(ending, source, function, self.limits)

    def close(self) -> None:
        """End the warm workers; the sandbox starts a new one if it is called again."""
        with self._lock:
            _close_all(self._idle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self) -> Worker:
        while (worker := self._pop()) is not None:
            if worker.is_alive():
                return worker
            worker.close()
        found = isolation()
        if found.level == "none" and not self._allow_unsandboxed:
            raise UserError(
                f"code that a model wrote cannot be contained on this machine ({found}); run on Linux 6.12 or newer "
                "with the package sandlock, or accept the risk with Sandbox(allow_unsandboxed=True)"
            )
        how = plan(found, processes=self.limits.processes or self._gpu, gpu=self._gpu, readable=self._readable)
        try:
            return Worker(self.limits, how)
        except WorkerLost as lost:
            raise SandboxCrash(str(lost)) from None

    def _pop(self) -> Worker | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _give_back(self, worker: Worker, *, healthy: bool) -> None:
        if healthy:
            with self._lock:
                self._idle.append(worker)
        else:
            worker.close()


def _close_all(workers: list[Worker]) -> None:
    while workers:
        workers.pop().close()


def _packages(source: str, message: bytes) -> set[str]:
    names = set(_PACKAGES.findall(source))
    if b'"$frame":' in message[: 1 << 20]:
        names.add("pandas")
    if b'"arrays":[]' not in message[: 1 << 20]:
        names.add("numpy")
    return names


def _value(ending: Ending, source: str, function: str, limits: Limits) -> Any:  # noqa: ANN401 - data
    stdout, stderr = (
        _shown(raw, lost) for raw, lost in zip((ending.stdout, ending.stderr), ending.dropped[1:], strict=True)
    )
    output = {"stdout": stdout, "stderr": stderr}
    _raise_for_end(ending, function, limits, output)
    try:
        reply = wire.decode(ending.result, max_json_bytes=limits.json_bytes)
    except wire.WireError as error:
        raise SandboxViolation(f"{function} sent back what is not data: {error}", **output) from None
    if not isinstance(reply, Mapping) or len(reply) != 1:
        raise SandboxViolation(f"{function} sent back no reply of the sandbox", **output)
    if "value" in reply:
        return reply["value"]
    if "unfit" in reply:
        raise SandboxViolation(f"{function} returned what is not data: {_line(reply['unfit'])}", **output)
    raise _its_error(reply.get("raised"), source, function, output)


def _raise_for_end(ending: Ending, function: str, limits: Limits, output: dict[str, str]) -> None:
    if ending.ended == "timeout":
        raise SandboxTimeout(f"{function} did not end within {limits.timeout_s:g} s and was killed", **output)
    if ending.ended == "disk":
        raise SandboxViolation(
            f"{function} wrote more than {limits.disk_bytes} bytes or {limits.num_files} files and was killed", **output
        )
    if ending.ended == "too long":
        raise SandboxViolation(f"{function} sent back more than {limits.result_bytes} bytes and was killed", **output)
    if os.WIFSIGNALED(ending.status):
        _raise_for_signal(os.WTERMSIG(ending.status), function, limits, output)
    if os.WEXITSTATUS(ending.status) != 0 or not ending.result:
        code = os.WEXITSTATUS(ending.status)
        raise SandboxCrash(f"the process of {function} ended with status {code} before it gave a value", **output)


def _raise_for_signal(number: int, function: str, limits: Limits, output: dict[str, str]) -> NoReturn:
    if number == signal.SIGXCPU:
        raise SandboxTimeout(
            f"{function} used more than {math.ceil(limits.timeout_s)} s of CPU and was killed", **output
        )
    if number == getattr(signal, "SIGSYS", None):
        raise SandboxViolation(f"{function} asked the system for what the sandbox refuses", **output)
    name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
    raise SandboxCrash(f"the process of {function} was ended by {name}", **output)


def _its_error(raised: object, source: str, function: str, output: dict[str, str]) -> SandboxFailure:
    if not isinstance(raised, list) or len(raised) != 3:
        return SandboxViolation(f"{function} sent back no reply of the sandbox", **output)
    kind, detail, line = _line(raised[0]), _clean(raised[1]), raised[2]
    lines = source.splitlines()
    line = line if type(line) is int and 1 <= line <= len(lines) else 0
    if "MemoryError" in kind:
        return SandboxMemory(f"{function} asked for more memory than it may have", **output)
    where = f"\n{_marked(lines, line)}" if line else ""
    text = f"{function} raised {kind}: {detail}{where}"
    if kind in _REFUSALS:
        return SandboxViolation(text, **output)
    return SandboxError(text, kind=kind, detail=detail, line=line, **output)


def _marked(lines: list[str], line: int) -> str:
    first = max(1, line - 2)
    rows = enumerate(lines[first - 1 : line + 1], first)
    return "\n".join(
        f"{'-->' if number == line else '   '} {number:4d} | {wire.printable(text)}" for number, text in rows
    )


def _shown(raw: bytes, dropped: int) -> str:
    text = wire.printable(raw.decode("utf-8", "replace"))
    return text + (f"\n[{dropped} more bytes were dropped]" if dropped else "")


def _clean(value: object) -> str:
    return wire.printable(str(value))[:_MAX_SHOWN]


def _line(value: object) -> str:
    return _clean(value).replace("\n", " ")[:200]
