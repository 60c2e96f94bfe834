"""How well a reader understood requests of known meaning: field F1, exact match, invented fields, clarify recall."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from autoagent.agent.spec import Understanding, Value
from autoagent.agent.understand.evidence import ColumnEvidence, DataEvidence


@dataclass(frozen=True)
class Example:
    """A request and what it means.

    Attributes:
        request: the sentence.
        fields: dotted key -> value, everything that is stated and nothing else.
        clarify: keys that must be asked.
        warnings: words that must be among the warnings.
        columns: the table's columns and their kinds, when a table is there.
    """

    request: str
    fields: Mapping[str, Value]
    clarify: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    columns: tuple[ColumnEvidence, ...] = ()

    @property
    def evidence(self) -> DataEvidence:
        """The table's columns as evidence."""
        return DataEvidence(columns=self.columns, n_rows=1000)


@dataclass(frozen=True)
class Mistake:
    """What one request was misread as."""

    request: str
    lost: dict[str, Value]
    invented: dict[str, Value]
    not_asked: tuple[str, ...]
    not_warned: tuple[str, ...]


@dataclass(frozen=True)
class Scores:
    """The sum over many requests.

    Attributes:
        n: requests.
        field_f1: over all fields; a wrong value counts as lost and as invented.
        exact: share of requests with every field right and no other.
        invented_per_request: fields that were not stated, or stated with another value, per request.
        clarify_recall: share of the keys to ask that were asked; 1 when there are none.
        needless_questions_per_request: keys asked without need.
        mistakes: the requests that were misread.
    """

    n: int
    field_f1: float
    exact: float
    invented_per_request: float
    clarify_recall: float
    needless_questions_per_request: float
    mistakes: tuple[Mistake, ...]


def measure(read: Callable[[Example], Understanding], examples: Iterable[Example]) -> Scores:
    """Read every example and compare."""
    right = invented = lost = exact = asked = to_ask = needless = n = 0
    mistakes: list[Mistake] = []
    for example in examples:
        understood = read(example)
        found = understood.spec.stated()
        missed = {key: value for key, value in example.fields.items() if not _equal(found.get(key), value)}
        extra = {key: value for key, value in found.items() if not _equal(example.fields.get(key), value)}
        unasked = tuple(key for key in example.clarify if key not in understood.spec.clarify)
        unwarned = tuple(word for word in example.warnings if word not in understood.spec.warnings)
        n, lost, invented = n + 1, lost + len(missed), invented + len(extra)
        right += len(example.fields) - len(missed)
        exact += not missed and not extra
        asked, to_ask = asked + len(example.clarify) - len(unasked), to_ask + len(example.clarify)
        needless += len([key for key in understood.spec.clarify if key not in example.clarify])
        if missed or extra or unasked or unwarned:
            mistakes.append(Mistake(example.request, missed, extra, unasked, unwarned))
    f1 = 2 * right / max(1, 2 * right + lost + invented)
    per = max(1, n)
    recall = asked / to_ask if to_ask else 1.0
    return Scores(n, f1, exact / per, invented / per, recall, needless / per, tuple(mistakes))


def _equal(one: Value | None, other: Value | None) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float) and not isinstance(one, bool):
        return abs(one - other) <= 1e-6 * max(1.0, abs(one), abs(other))
    if isinstance(one, list) and isinstance(other, list):
        return sorted(map(str, one)) == sorted(map(str, other))
    return one == other
