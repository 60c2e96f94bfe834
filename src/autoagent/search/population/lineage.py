"""Who trained under which configuration and continued whose weights: the result of a population is this history."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from autoagent.errors import DomainError
from autoagent.space import Config

Place = tuple[int, int]  # (member, number of its interval)


@dataclass(frozen=True)
class Interval:
    """One stretch of training by one member.

    Attributes:
        member: who trained, from 0.
        number: which of its intervals this was, from 0.
        config: the hyperparameters that held during it.
        source: the interval whose weights it began with; None for a fresh start. Another member's is a clone.
        score: measured at its end, higher is better; None where the training failed.
        note: why it failed.
    """

    member: int
    number: int
    config: Config
    source: Place | None
    score: float | None
    note: str = ""

    @property
    def place(self) -> Place:
        """Its name in the lineage."""
        return self.member, self.number

    @property
    def is_clone(self) -> bool:
        """Whether it continued the weights of another member."""
        return self.source is not None and self.source[0] != self.member


class Lineage:
    """All ended intervals, in the order in which they ended. What it cost is their number."""

    def __init__(self, intervals: Sequence[Interval] = ()) -> None:
        self.intervals = list(intervals)
        self._at = {interval.place: interval for interval in intervals}

    def __len__(self) -> int:
        return len(self.intervals)

    def __getitem__(self, place: Place) -> Interval:
        return self._at[place]

    def add(self, interval: Interval) -> None:
        """Record an ended interval."""
        self.intervals.append(interval)
        self._at[interval.place] = interval

    def of(self, member: int) -> list[Interval]:
        """Return the intervals of one member, the first first."""
        return sorted((i for i in self.intervals if i.member == member), key=lambda i: i.number)

    def latest(self) -> dict[int, Interval]:
        """Return the last ended interval of each member that has one."""
        last: dict[int, Interval] = {}
        for interval in self.intervals:
            if interval.member not in last or last[interval.member].number < interval.number:
                last[interval.member] = interval
        return last

    def until(self, number: int) -> Lineage:
        """Return the lineage without the intervals behind the given number: all members at most that old."""
        return Lineage([interval for interval in self.intervals if interval.number <= number])

    def best(self) -> Interval:
        """Return the interval with the highest score.

        Raises:
            DomainError: none has a score.
        """
        scored = [interval for interval in self.intervals if interval.score is not None]
        if not scored:
            raise DomainError("no interval of this population has a score")
        return max(scored, key=standing)

    def ancestors(self, place: Place) -> list[Interval]:
        """Return the intervals that the weights at a place went through, the fresh start first."""
        chain = [self[place]]
        while chain[-1].source is not None:
            chain.append(self[chain[-1].source])
        return chain[::-1]

    def schedule(self, place: Place) -> list[Config]:
        """Return the configuration of each interval on the way to a place: what `replay` trains again."""
        return [interval.config for interval in self.ancestors(place)]

    def to_json(self) -> list[dict[str, Any]]:
        """Return the lineage as JSON; a score that is no number becomes null."""
        return [interval_to_json(interval) for interval in self.intervals]

    @classmethod
    def from_json(cls, rows: Sequence[Mapping[str, Any]]) -> Lineage:
        """Read what ``to_json`` wrote."""
        return cls([interval_from_json(row) for row in rows])

    def tree(self) -> str:
        """Return the lineage as text: each fresh start, below it who went on from it, the best path starred."""
        children: dict[Place | None, list[Interval]] = {}
        for interval in self.intervals:
            children.setdefault(interval.source, []).append(interval)
        scored = any(interval.score is not None for interval in self.intervals)
        starred = {i.place for i in self.ancestors(self.best().place)} if scored else set()
        lines: list[str] = []
        for first in sorted(children.get(None, []), key=lambda i: i.place):
            _draw(first, children, starred, "", lines)
        return "\n".join(lines)


def standing(interval: Interval) -> float:
    """Return the score as a number to compare by; a failure is worse than any score."""
    return -math.inf if interval.score is None else interval.score


def interval_to_json(interval: Interval) -> dict[str, Any]:
    """Return an interval as JSON."""
    row = asdict(interval)
    row["source"] = list(interval.source) if interval.source else None
    return row


def interval_from_json(row: Mapping[str, Any]) -> Interval:
    """Read what ``interval_to_json`` wrote."""
    source = cast(Place, tuple(row["source"])) if row["source"] is not None else None
    return Interval(row["member"], row["number"], dict(row["config"]), source, row["score"], row.get("note", ""))


def _draw(
    first: Interval,
    children: Mapping[Place | None, Sequence[Interval]],
    starred: set[Place],
    indent: str,
    lines: list[str],
) -> None:
    """Draw one member's run of intervals on one line, then, indented, the clones that left it."""
    run = [first]
    while own := [i for i in children.get(run[-1].place, []) if i.member == first.member]:
        run.append(own[0])
    marks = " ".join(f"{'*' if i.place in starred else ''}{_shown(i)}" for i in run)
    lines.append(f"{indent}member {first.member} from interval {first.number}: {marks}")
    for interval in run:
        for clone in children.get(interval.place, []):
            if clone.member != first.member:
                _draw(clone, children, starred, indent + "  ", lines)


def _shown(interval: Interval) -> str:
    return "failed" if interval.score is None else f"{interval.score:.4g}"
