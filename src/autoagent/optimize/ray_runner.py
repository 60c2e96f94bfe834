"""Runs candidates as Ray tasks, on this machine or a cluster; one line of JSON goes there, one comes back."""

from __future__ import annotations

import functools
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoagent.errors import MissingExtraError, UserError
from autoagent.optimize.candidate import Candidate, Case
from autoagent.optimize.wire import Workplace, failed, fault, packed, unpacked


@dataclass
class _Flight:
    """A run under way.

    Attributes:
        place: of its job.
        line: of its job.
        began_s: when a worker took it up, on the monotonic clock; None while it waits for one.
    """

    place: int
    line: str
    began_s: float | None = None


class Ray:
    """Runs a workflow in Ray's workers; one that crashes, is lost or takes too long costs its run alone.

    Ray's workers are no sandbox, and a cluster trusts each of its nodes: Ray itself pickles among them.
    What we send and read is text.
    """

    def __init__(
        self,
        target: str,
        *,
        workers: int = 2,
        timeout_s: float | None = None,
        address: str | None = None,
        runtime_env: Mapping[str, object] | None = None,
    ) -> None:
        """Say what to run; Ray is started, or connected to, with the first runs.

        Args:
            target: ``"module:function"``; the function returns ``(workflow, judge, parameters)``, and is called once in
                each worker. Workers import from the present folder, or from what ``runtime_env`` brings.
            workers: runs at a time; each takes one CPU of Ray's.
            timeout_s: for one run, from when a worker takes it up; one that takes longer is recorded as an error.
            address: of a cluster that is there already, for example ``"auto"`` or ``"10.0.0.1:6379"``. When None,
                a connection that this process has is used, and else a Ray of our own is started here.
            runtime_env: given to ``ray.init`` as it is, for example ``{"working_dir": "."}``.

        Raises:
            MissingExtraError: Ray is not installed.
        """
        self._ray = _imported()
        self._target, self._workers, self._timeout_s = target, workers, timeout_s
        self._address, self._runtime_env = address, runtime_env
        self._task: Any = None
        self._is_ours = False
        self._under_way: dict[Any, _Flight] = {}

    def run(self, jobs: Sequence[tuple[Candidate, str, Any]]) -> Sequence[Case]:
        """Return what came of each job, in order.

        Raises:
            UserError: an instance is not JSON, there is no Ray at the address, or the target cannot be run.
        """
        lines = packed(jobs)
        if lines and self._task is None:
            self._connect()
        try:
            return self._all(lines)
        finally:
            self._cancel(list(self._under_way))  # of an interrupt, or of a target with a bug

    def close(self) -> None:
        """Leave Ray if it was us who came to it; a Ray of our own ends with that, and a cluster goes on."""
        if self._is_ours:
            self._ray.shutdown()
        self._task, self._is_ours = None, False

    def _connect(self) -> None:
        if not self._ray.is_initialized():
            self._start()
        elif self._address is not None or self._runtime_env is not None:
            raise UserError("this process has a connection to Ray; leave out address= and runtime_env= to use it")
        # A run is made once: what crashed a worker would crash the next one too.
        self._task = self._ray.remote(num_cpus=1, max_retries=0, num_returns="streaming")(stages)

    def _start(self) -> None:
        options: dict[str, Any] = {"log_to_driver": False, "runtime_env": self._runtime_env}
        if self._address is None:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a Ray of ours tells nobody that it runs
            options |= {"num_cpus": self._workers, "include_dashboard": False}
        try:
            self._ray.init(self._address or "local", **options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(f"there is no Ray to be had at {self._address or 'local'!r}: {error}") from error
        self._is_ours = True

    def _all(self, lines: Sequence[str]) -> list[Case]:
        waiting = deque(_Flight(place, line) for place, line in enumerate(lines))
        cases: dict[int, Case] = {}
        while waiting or self._under_way:
            while waiting and len(self._under_way) < self._workers:
                flight = waiting.popleft()
                self._under_way[self._task.remote(self._target, flight.line)] = flight
            ready, _ = self._ray.wait(list(self._under_way), timeout=self._patience_s())
            for stream in ready:
                self._read(stream, cases)
            self._stop_late(cases)
        return [cases[place] for place in range(len(lines))]

    def _cancel(self, streams: Sequence[Any]) -> None:
        for stream in streams:
            del self._under_way[stream]
            self._ray.cancel(stream, force=True)

    def _patience_s(self) -> float | None:
        began = [flight.began_s for flight in self._under_way.values() if flight.began_s is not None]
        if self._timeout_s is None or not began:
            return None
        return max(0.0, min(began) + self._timeout_s - time.monotonic())

    def _read(self, stream: Any, cases: dict[int, Case]) -> None:  # noqa: ANN401 - a class of Ray's
        flight = self._under_way[stream]
        try:
            said = self._ray.get(next(stream))
        except self._ray.exceptions.RayTaskError as error:
            raise UserError(f"a Ray worker cannot run {self._target!r}: {error}") from error
        except self._ray.exceptions.RayError as error:
            cases[flight.place] = failed(flight.line, f"{type(error).__name__}: {error}"[:1000])
        else:
            if flight.began_s is None:
                flight.began_s = time.monotonic()
                return
            cases[flight.place] = unpacked(self._target, said)
        del self._under_way[stream]

    def _stop_late(self, cases: dict[int, Case]) -> None:
        if self._timeout_s is None:
            return
        now = time.monotonic()
        for stream, flight in list(self._under_way.items()):
            if flight.began_s is not None and now - flight.began_s >= self._timeout_s:
                cases[flight.place] = failed(flight.line, f"no result within {self._timeout_s:g} s")
                self._cancel([stream])


def stages(target: str, line: str) -> Iterator[str]:
    """Run a job on a worker; give an empty line when it begins, then its answer."""
    yield ""
    try:
        workplace = _workplace(target)
    except Exception as error:  # noqa: BLE001 - a target that cannot be built is told as text, not as a pickle
        yield fault(error)
        return
    yield workplace.answer(line)


@functools.lru_cache(maxsize=1)
def _workplace(target: str) -> Workplace:
    return Workplace(target)  # a worker runs one job after the other, in one thread


def _imported() -> Any:  # noqa: ANN401 - Ray is an extra
    try:
        import ray
        import ray.exceptions
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"Ray needs {error.name!r}; run: pip install 'autoagent[ray]'") from error
    return ray
