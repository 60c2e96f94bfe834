"""Collapses loops in a list of operations: runs of the same operators show their beginning and their end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoagent.trace.problem import Operation

_LONGEST_BODY = 8  # operations of a loop's body that are recognised
_FEWEST_ROUNDS = 6  # shorter loops are shown whole
_SHOWN_ROUNDS = 2  # at the beginning; one at the end


@dataclass(frozen=True)
class Gap:
    """Operations that are left out.

    Attributes:
        count: how many.
        first: name of the first.
        last: name of the last.
        body: operators of one round, where it is a loop.
    """

    count: int
    first: str
    last: str
    body: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What is left out, in words."""
        if not self.body:
            return f"{self.count} operations left out, {self.first} to {self.last}"
        rounds = self.count // len(self.body)
        return f"{rounds} more rounds of {', '.join(self.body)} left out, {self.first} to {self.last}"


def collapse(operations: Sequence[Operation], *, most: int) -> list[Operation | Gap]:
    """Return the operations with loops collapsed, ``most`` entries at most; O(operations).

    What is nearest to the parameters and to the judged outputs is kept; exceptions and outputs always are, within
    ``most``.
    """
    kept: list[Operation | Gap] = []
    place = 0
    while place < len(operations):
        body, stop = _loop_at(operations, place)
        if body:
            kept += _shown(operations[place:stop], body)
            place = stop
        else:
            kept.append(operations[place])
            place += 1
    return _bounded(kept, most)


def _loop_at(operations: Sequence[Operation], start: int) -> tuple[int, int]:
    """Return the length of the body and the end of the loop that begins here; (0, start) where none does."""
    for body in range(1, _LONGEST_BODY + 1):
        stop = start + body
        while stop < len(operations) and _same(operations[stop], operations[stop - body]):
            stop += 1
        rounds = (stop - start) // body
        if rounds >= _FEWEST_ROUNDS:
            return body, start + rounds * body
    return 0, start


def _same(one: Operation, other: Operation) -> bool:
    return one.operator == other.operator and one.kind == other.kind == "operation"


def _shown(loop: Sequence[Operation], body: int) -> list[Operation | Gap]:
    hidden = loop[_SHOWN_ROUNDS * body : -body]
    names = tuple(operation.operator for operation in loop[:body])
    return [*loop[: _SHOWN_ROUNDS * body], Gap(len(hidden), hidden[0].name, hidden[-1].name, names), *loop[-body:]]


def _bounded(kept: list[Operation | Gap], most: int) -> list[Operation | Gap]:
    if len(kept) <= most:
        return kept
    head, tail = kept[: most // 3], kept[-(most // 3) :]
    middle = kept[most // 3 : -(most // 3)]
    special = [part for part in middle if isinstance(part, Operation) and part.kind != "operation"][: most // 4]
    shown = {id(part) for part in special}
    hidden = [part for part in middle if id(part) not in shown]
    count = sum(part.count if isinstance(part, Gap) else 1 for part in hidden)
    first, last = hidden[0], hidden[-1]
    names = (first.first if isinstance(first, Gap) else first.name, last.last if isinstance(last, Gap) else last.name)
    return [*head, Gap(count, *names), *special, *tail]
