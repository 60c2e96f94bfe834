"""One thing that a reader found in a sentence, and how findings become fields."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import ValidationError

from autoagent.agent.spec import TaskSpec, Value
from autoagent.agent.understand.sentence import Sentence


@dataclass(frozen=True)
class Finding:
    """A value for a key and where it stands in the cleaned sentence.

    Attributes:
        key: dotted, from the vocabulary.
        value: normalised.
        start: where the words begin in the cleaned text.
        end: where they end.
        reason: why the words mean it, where they only hint at it; empty where they state it.
    """

    key: str
    value: Value
    start: int
    end: int
    reason: str = ""


@dataclass(frozen=True)
class Mention:
    """A column of the table, where the sentence names it."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class Fields:
    """The fields of a request with their source words.

    Attributes:
        values: dotted key -> value.
        words: dotted key -> the words as typed.
        conflicts: keys that were stated twice with different values.
        inferred: dotted key -> the reason, for each value that the words only hint at.
    """

    values: dict[str, Value]
    words: dict[str, str]
    conflicts: tuple[str, ...] = ()
    inferred: dict[str, str] = field(default_factory=dict)


def merge(sentence: Sentence, findings: Iterable[Finding]) -> Fields:
    """Join findings: lists grow, a second different single value is a conflict and the first one stays.

    A value that the vocabulary cannot hold ("half a core", a number beyond all bounds) states nothing.
    """
    values: dict[str, Value] = {}
    words: dict[str, str] = {}
    conflicts: list[str] = []
    inferred: dict[str, str] = {}
    for found in filter(_fits, findings):
        source = sentence.words(found.start, found.end)
        old = values.get(found.key)
        if old is None:
            values[found.key] = found.value
            words[found.key] = source
            if found.reason:
                inferred[found.key] = found.reason
        elif isinstance(old, list) and isinstance(found.value, list):
            new = [item for item in found.value if item not in old]
            if new:
                values[found.key] = [*old, *new]
                words[found.key] = f"{words[found.key]} … {source}"
        elif old != found.value and found.key not in conflicts:
            conflicts.append(found.key)
            words[found.key] = f"{words[found.key]} … {source}"
    return Fields(values, words, tuple(conflicts), inferred)


def _fits(found: Finding) -> bool:
    if isinstance(found.value, float) and not math.isfinite(found.value):
        return False
    try:
        TaskSpec.from_flat({found.key: found.value})
    except ValidationError:
        return False
    return True
