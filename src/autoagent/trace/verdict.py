"""What came of a value: a score, words, numbers or an error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autoagent.errors import DomainError


@dataclass(frozen=True)
class Feedback:
    """What came of a value.

    Attributes:
        score: higher is better.
        text: in words.
        metrics: named numbers.
        error: what went wrong.
        scores: of several objectives; higher is better in each.
    """

    score: float | None = None
    text: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        told = {"score": self.score, **{f"scores[{name!r}]": score for name, score in self.scores.items()}}
        wrong = [f"{name} is {score!r}" for name, score in told.items() if not _is_score(score)]
        if wrong:
            raise DomainError(f"a score must be a finite number or None: {', '.join(wrong)}")

    @classmethod
    def of(cls, said: Feedback | float | str | Mapping[str, float]) -> Feedback:
        """Return feedback: a number is the score, text is the text, a mapping is the scores of several objectives."""
        if isinstance(said, Feedback):
            return said
        if isinstance(said, str):
            return cls(text=said)
        return cls(scores=dict(said)) if isinstance(said, Mapping) else cls(score=float(said))

    def to_json(self) -> dict[str, Any]:
        """Return what was said, as JSON."""
        facts = {"score": self.score, "text": self.text, "metrics": dict(self.metrics), "error": self.error}
        facts["scores"] = dict(self.scores)
        return {key: value for key, value in facts.items() if value not in (None, "", {})}


def _is_score(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and math.isfinite(value))
