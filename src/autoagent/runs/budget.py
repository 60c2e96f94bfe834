"""One budget for seconds, trials, dollars, tokens, calls and watt-hours: reserved before spending, never exceeded."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from autoagent.errors import BudgetExceeded, RequestError

Resource = Literal["trials", "llm_cost_usd", "llm_tokens", "llm_calls", "energy_wh"]

_UNITS = {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class Limits:
    """What a run may use; ``None`` is no limit."""

    seconds: float | None = None
    trials: int | None = None
    llm_cost_usd: float | None = None
    llm_tokens: int | None = None
    llm_calls: int | None = None
    energy_wh: float | None = None


@dataclass
class Budget:
    """What a run may use and has used. The clock starts when the budget is made.

    Attributes:
        limits: the limits.
        clock: seconds that only grow.
        seconds_before: wall time that earlier sittings of a resumed run used.
    """

    limits: Limits
    clock: Callable[[], float]
    seconds_before: float = 0.0
    _started: float = field(init=False)
    _used: dict[str, float] = field(init=False, default_factory=dict)
    _reserved: dict[str, float] = field(init=False, default_factory=dict)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._started = self.clock()

    def seconds_used(self) -> float:
        """Return the wall time used, earlier sittings included."""
        return self.seconds_before + self.clock() - self._started

    def seconds_left(self) -> float | None:
        """Return the wall time left, never below 0; None without a limit."""
        if self.limits.seconds is None:
            return None
        return max(0.0, self.limits.seconds - self.seconds_used())

    def used(self, resource: Resource) -> float:
        """Return what was spent of a resource."""
        return self._used.get(resource, 0.0)

    def left(self, resource: Resource) -> float | None:
        """Return what is neither spent nor reserved; None without a limit."""
        limit = self._limit(resource)
        return None if limit is None else limit - self.used(resource) - self._reserved.get(resource, 0.0)

    def reserve(self, resource: Resource, amount: float) -> None:
        """Set ``amount`` aside before spending it.

        Raises:
            BudgetExceeded: it would pass the limit; nothing was set aside.
        """
        with self._lock:
            left = self.left(resource)
            if left is not None and amount > left:
                raise BudgetExceeded(
                    f"{resource}: {amount:g} more would pass the limit {self._limit(resource):g} ({left:g} left)",
                    resource=resource,
                )
            self._reserved[resource] = self._reserved.get(resource, 0.0) + amount

    def settle(self, resource: Resource, *, reserved: float, spent: float) -> None:
        """Give a reservation back and book what was really spent."""
        with self._lock:
            self._reserved[resource] = self._reserved.get(resource, 0.0) - reserved
            self._used[resource] = self.used(resource) + spent

    def book(self, spent: Mapping[Resource, float]) -> None:
        """Count what earlier sittings of a resumed run spent."""
        for resource, amount in spent.items():
            self._used[resource] = self.used(resource) + amount

    def snapshot(self) -> dict[str, float]:
        """Return all that was used, for the journal."""
        return {"seconds": round(self.seconds_used(), 3), **{name: amount for name, amount in self._used.items()}}

    def _limit(self, resource: Resource) -> float | None:
        limit: float | None = getattr(self.limits, resource)
        return limit


def parse_seconds(text: str | float) -> float:
    """Return seconds from ``90``, ``"90"``, ``"90s"``, ``"1.5m"``, ``"1h30m"``.

    Raises:
        RequestError: not a positive duration.
    """
    if isinstance(text, int | float):
        seconds = float(text)
    else:
        compact = text.strip().lower().replace(" ", "")
        parts = re.findall(r"(\d+(?:\.\d+)?)(sec|min|s|m|h|d)", compact)
        whole = "".join(number + unit for number, unit in parts) == compact and parts
        bare = re.fullmatch(r"\d+(?:\.\d+)?", compact)
        seconds = sum(float(n) * _UNITS[u] for n, u in parts) if whole else float(compact) if bare else -1.0
    if not 0 < seconds < float("inf"):
        raise RequestError(f"{text!r} is not a duration; write for example '90s', '10m' or '1h30m'")
    return seconds


def tighter(*values: float | None) -> float | None:
    """Return the smallest of the stated limits; None when none is stated."""
    stated = [value for value in values if value is not None]
    return min(stated) if stated else None
