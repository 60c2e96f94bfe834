"""How well a reader understood requests of known meaning: field F1, exact match, invented fields, clarify recall.

A stated field and an inferred one are counted apart. A field that the reader labels as inferred, with its reason, is
compared with what the request states where it states that key; where it does not, it is no invented field but an
inferred one, and wrong when the request's own label of what follows says otherwise. The strict figures make no such
difference: there every inferred field that is not stated is an invented one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

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
        inferable: dotted key -> value that follows from the request although it is not stated.
    """

    request: str
    fields: Mapping[str, Value]
    clarify: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    columns: tuple[ColumnEvidence, ...] = ()
    inferable: Mapping[str, Value] = field(default_factory=dict)

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
    wrongly_inferred: dict[str, Value]


@dataclass(frozen=True)
class Scores:
    """The sum over many requests.

    Attributes:
        n: requests.
        field_f1: over all fields; a wrong value counts as lost and as invented.
        exact: share of requests with every field right and no other.
        invented_per_request: fields that were not stated, or stated with another value, per request.
        strict_f1: as `field_f1`, with every inferred field that is not stated counted as invented.
        strict_invented_per_request: as `invented_per_request`, counted likewise.
        inferred_per_request: fields labelled as inferred that are not stated, per request.
        inferred_wrong_per_request: those of them that contradict what follows from the request.
        clarify_recall: share of the keys to ask that were asked; 1 when there are none.
        needless_questions_per_request: keys asked without need.
        mistakes: the requests that were misread.
    """

    n: int
    field_f1: float
    exact: float
    invented_per_request: float
    strict_f1: float
    strict_invented_per_request: float
    inferred_per_request: float
    inferred_wrong_per_request: float
    clarify_recall: float
    needless_questions_per_request: float
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True)
class _Reading:
    """One request, compared."""

    example: Example
    lost: dict[str, Value]
    invented: dict[str, Value]
    inferred: dict[str, Value]
    inferred_wrong: dict[str, Value]
    unasked: tuple[str, ...]
    needless: tuple[str, ...]
    unwarned: tuple[str, ...]

    @property
    def mistake(self) -> Mistake | None:
        if not (self.lost or self.invented or self.inferred_wrong or self.unasked or self.unwarned):
            return None
        return Mistake(self.example.request, self.lost, self.invented, self.unasked, self.unwarned, self.inferred_wrong)


def measure(read: Callable[[Example], Understanding], examples: Iterable[Example]) -> Scores:
    """Read every example and compare."""
    readings = [_compare(example, read(example)) for example in examples]
    n = max(1, len(readings))
    lost, invented, inferred = (sum(len(getattr(r, key)) for r in readings) for key in ("lost", "invented", "inferred"))
    right = sum(len(_one_name(r.example.fields)) - len(r.lost) for r in readings)
    to_ask = sum(len(r.example.clarify) for r in readings)
    asked = to_ask - sum(len(r.unasked) for r in readings)
    return Scores(
        n=len(readings),
        field_f1=_f1(right, lost, invented),
        exact=sum(not r.lost and not r.invented for r in readings) / n,
        invented_per_request=invented / n,
        strict_f1=_f1(right, lost, invented + inferred),
        strict_invented_per_request=(invented + inferred) / n,
        inferred_per_request=inferred / n,
        inferred_wrong_per_request=sum(len(r.inferred_wrong) for r in readings) / n,
        clarify_recall=asked / to_ask if to_ask else 1.0,
        needless_questions_per_request=sum(len(r.needless) for r in readings) / n,
        mistakes=tuple(r.mistake for r in readings if r.mistake is not None),
    )


def _compare(example: Example, understood: Understanding) -> _Reading:
    found, fields = _one_name(understood.spec.stated()), _one_name(example.fields)
    lost = {key: value for key, value in fields.items() if not _equal(found.get(key), value)}
    extra = {key: value for key, value in found.items() if not _equal(fields.get(key), value)}
    inferred = {key: extra[key] for key in extra if key in understood.inferred and key not in fields}
    follows = example.inferable
    return _Reading(
        example,
        lost=lost,
        invented={key: value for key, value in extra.items() if key not in inferred},
        inferred=inferred,
        inferred_wrong={k: v for k, v in inferred.items() if k in follows and not _equal(follows[k], v)},
        unasked=tuple(key for key in example.clarify if key not in understood.spec.clarify),
        needless=tuple(key for key in understood.spec.clarify if key not in example.clarify),
        unwarned=tuple(word for word in example.warnings if word not in understood.spec.warnings),
    )


def _one_name(fields: Mapping[str, Value]) -> dict[str, Value]:
    """Return the fields with one name for the column that a split follows, which the vocabulary knows by two."""
    keys = {"group": "data.group_key", "time": "data.time_key"}
    name = keys.get(str(fields.get("split.kind")))
    if name is None or "split.key" not in fields or fields.get(name, fields["split.key"]) != fields["split.key"]:
        return dict(fields)
    return {key: value for key, value in fields.items() if key != "split.key"} | {name: fields["split.key"]}


def _f1(right: int, lost: int, invented: int) -> float:
    return 2 * right / max(1, 2 * right + lost + invented)


def _equal(one: Value | None, other: Value | None) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float) and not isinstance(one, bool):
        return abs(one - other) <= 1e-6 * max(1.0, abs(one), abs(other))
    if isinstance(one, list) and isinstance(other, list):
        return sorted(map(str, one)) == sorted(map(str, other))
    return one == other
