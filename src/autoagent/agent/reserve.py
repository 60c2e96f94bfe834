"""How much of the time must be kept for the finish, by what finishing costs and how slow this machine is just now."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autoagent.agent.scoring import TrainData
from autoagent.data.metrics import score
from autoagent.errors import DataError
from autoagent.runs.state import RunState, TrialRecord

MINIMUM_S = 10.0  # with as much there is always a model, if need be after the time
_WAITED_S = 60.0  # for the baseline, beyond the time; the pool takes a worker that has not started by then for dead
_IDLE_S = 1.2  # for what no processor time explains: disks, starts, waits
_WORK_S = 1.3  # processor time of delivering, measuring, testing and reporting eight small models
_SHARE, _SHARE_S = 0.03, 6.0  # of a long budget a little more is kept: it pays for what no estimate knows
_PER_MB_S = 0.08  # sessions on the delivered models are opened twice
_TESTED = 0.3  # of the time that the held-out rows took the slowest: what the test rows and some to compare will take
_WOKEN = 0.5  # of what long fits lose to other processes; the finish's processes have just woken and come first
_BARE_S = 1.0  # delivering and testing one small model
_MOST = 0.5  # of the budget may be kept
_SEEN = 7  # jobs that the slowness is judged by
_SLOWEST = 8.0
_BLENDS = 2500  # that a choice of members scores
_JUDGED_ROWS = 5000
_DELIVERED = 8
_TOLERANCE, _TOLERANCE_S = 0.05, 2.0  # a budget holds within so much


@dataclass
class Reserve:
    """The seconds that a search must leave to the finish.

    Attributes:
        seconds: the budget; None without a limit.
        choice_s: processor time that choosing the members takes on this table.
        load: processes that want to run, for each processor; asked until jobs have been seen.
        began_s: when the search began, on the budget's clock.
    """

    seconds: float | None
    choice_s: float = 0.0
    load: Callable[[], float] = field(default=lambda: os.getloadavg()[0] / (os.cpu_count() or 1))
    began_s: float = 0.0
    _jobs: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_SEEN))

    def saw(self, facts: Mapping[str, Any]) -> None:
        """Learn from an ended job how many seconds of wall time one of processor time takes."""
        if facts.get("cpu_s"):
            self._jobs.append((facts["seconds"], facts["cpu_s"]))

    def slowness(self) -> float:
        """Return the wall time that one second of processor time takes, 1 on an idle machine."""
        wall, work = (sum(column) for column in zip(*self._jobs, strict=True)) if self._jobs else (self.load(), 1.0)
        return min(max(wall / work, 1.0), _SLOWEST)

    def search_end(self, state: RunState) -> float | None:
        """Return when trials must have ended, on the budget's clock; None without a limit.

        Until there is a model to deliver, all of the time but a bare finish is theirs, the tolerance included.
        """
        if self.seconds is None:
            return None
        slowness = 1 + _WOKEN * (self.slowness() - 1)
        kept = [trial for trial in state.trials.values() if trial.is_whole and trial.saved]
        if not kept:
            return self.seconds + _TOLERANCE * self.seconds + _TOLERANCE_S - _BARE_S * slowness
        return self._end_with(kept, slowness)

    def trial_end(self, state: RunState) -> float | None:
        """Return by when a trial that is not a baseline should have ended, which before there is a model is earlier.

        The first quick model moves ``search_end`` forward; a network that fills the time it was given would be cut off.
        """
        end = self.search_end(state)
        if self.seconds is None or end is None:
            return end
        return min(end, self._end_with([], 1 + _WOKEN * (self.slowness() - 1)))

    def _end_with(self, kept: Sequence[TrialRecord], slowness: float) -> float:
        seconds = self.seconds or 0.0
        best = sorted(kept, key=lambda trial: -(trial.score or 0.0))[:_DELIVERED]
        work = max(_WORK_S, min(_SHARE * seconds, _SHARE_S)) + self.choice_s
        work += _PER_MB_S * sum(trial.model_bytes for trial in best) / 1e6
        work += _TESTED * max((trial.predict_s for trial in best), default=0.0)
        return seconds - min(_IDLE_S + work * slowness, _MOST * seconds)

    def waits(self, state: RunState, used_s: float) -> bool:
        """Say whether the search goes on beyond its end for the baseline alone.

        On a machine so busy that a worker starts for longer than the budget lasts, a model that comes late is better
        than none; what hangs is ended by its own deadline, and a baseline that has ended is not waited for.
        """
        if self.seconds is None or self.seconds < MINIMUM_S:
            return False
        ended = any(one.source == "baseline" and one.status is not None for one in state.trials.values())
        kept = any(one.is_whole and one.saved for one in state.trials.values())
        return not ended and not kept and used_s < max(self.seconds, self.began_s) + _WAITED_S


def too_short(seconds: float | None) -> str | None:
    """Return what must be said before a run with so little time; None where there is enough."""
    if seconds is None or seconds >= MINIMUM_S:
        return None
    return (
        f"{seconds:g} s may end without any model; from {MINIMUM_S:g} s on there is always one, on a busy machine late."
    )


def choice_seconds(data: TrainData, metric: str, *, clock: Callable[[], float] = time.process_time) -> float:
    """Return about how much processor time a choice of members will take, from the time of one score."""
    if data.structure is not None:  # one is delivered, the best
        return 0.0
    rows = np.arange(len(data.y))[:_JUDGED_ROWS]
    rng = np.random.default_rng(0)
    blend = rng.dirichlet(np.ones(data.n_classes), len(rows)) if data.n_classes else np.abs(data.y[rows]) + 1.0
    began = clock()
    try:
        score(metric, data.y[rows], blend)
    except DataError:  # for example a class that these rows lack: the choice is about as quick
        return 0.0
    return _BLENDS * (clock() - began)
