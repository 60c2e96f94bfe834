"""Progress of a training against its steps and its clock, so that the schedule ends when the time does."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

Clock = Callable[[], float]
_RECENT = 16
_UNKNOWN = 1e-4  # what a step is worth before the speed is known
_RELIABLE = 3  # steps; before that the fastest counts, because the first ones load and compile
_SOON = 0.05  # of the time, after which a speed is believed that few steps tell


@dataclass
class Pace:
    """Says what share of the schedule each step is worth.

    A step is worth ``(1 - progress) / n`` where ``n`` is how many steps are still to come, itself included: those that
    are asked for, or those that fit into the time at the present speed, whichever is less. So the progress reaches 1
    with the last step, also when steps become slower or faster on the way. While the speed is hardly known, steps are
    taken to fit: the slow first steps on a busy machine must not change a training that has time enough.

    Attributes:
        clock: seconds.
        seconds: of training, over all its resumes; None without a limit.
        deadline: what the clock shows when all must be done; None without a limit.
        total: steps at most; None without a limit.
        step: steps done.
        progress: share of the schedule that is done.
        reserve_s: time kept for what follows the last step.
        aside_s: time between steps spent on something else (validations, checkpoints), so far.
        started: what the clock showed at the first step, less what was spent before a resume.
    """

    clock: Clock
    seconds: float | None
    deadline: float | None
    total: int | None
    started: float
    step: int = 0
    progress: float = 0.0
    reserve_s: float = 0.0
    aside_s: float = 0.0
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))

    @property
    def ends(self) -> float | None:
        """What the clock shows when all must be done; None without a limit."""
        by_seconds = None if self.seconds is None else self.started + self.seconds
        return min((end for end in (by_seconds, self.deadline) if end is not None), default=None)

    @property
    def elapsed_s(self) -> float:
        """Seconds of training, over all its resumes."""
        return self.clock() - self.started

    @property
    def step_s(self) -> float:
        """Seconds that the next step will take: the mean of the recent ones without the slowest; 0 before the first."""
        if len(self._recent) < _RELIABLE:
            return min(self._recent, default=0.0)
        return (sum(self._recent) - max(self._recent)) / (len(self._recent) - 1)

    @property
    def left_s(self) -> float:
        """Seconds left for steps."""
        ends = self.ends
        return math.inf if ends is None else ends - self.reserve_s - self.clock()

    def steps_left(self) -> float:
        """Return how many steps are to come; infinite where nothing limits them, or nothing is known yet."""
        by_count = math.inf if self.total is None else self.total - self.step
        left_s = self.left_s
        if math.isinf(left_s):
            return by_count
        aside = self.aside_s / self.step if self.step else 0.0
        step_s = self.step_s
        if left_s < step_s or left_s <= 0:
            return 0
        if self.total is not None and not self._is_known(left_s):
            return by_count
        pace = step_s + aside
        return min(by_count, max(left_s // pace, 1) if pace > 0 else math.inf)

    def _is_known(self, left_s: float) -> bool:
        """Say whether the speed is known well enough to plan by it, or too much of the time has passed to wait."""
        if self.step >= _RECENT:
            return True
        used = self.elapsed_s
        return self.step >= _RELIABLE and used > _SOON * (used + left_s)

    def share(self) -> float:
        """Return what the next step is worth; 0 when there is none to come."""
        left = self.steps_left()
        if left == 0 or self.progress >= 1:
            return 0.0
        if self.total is not None and self.ends is None:
            return (self.step + 1) / self.total - self.progress  # exact, where the clock has no say
        return _UNKNOWN if math.isinf(left) else (1 - self.progress) / left

    def done(self) -> bool:
        """Say whether no further step is to be made."""
        return self.progress >= 1 or self.steps_left() == 0

    def advance(self, share: float, took_s: float) -> None:
        """Count a step that was worth a share and took so many seconds."""
        self.step += 1
        self._recent.append(took_s)
        self.progress = min(self.progress + share, 1.0)
        if self.total is not None and self.step >= self.total:
            self.progress = 1.0
