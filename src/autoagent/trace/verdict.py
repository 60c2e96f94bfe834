"""What came of a value: a score, words, numbers or an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Feedback:
    """What came of a value.

    Attributes:
        score: higher is better.
        text: in words.
        metrics: named numbers.
        error: what went wrong.
    """

    score: float | None = None
    text: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return what was said, as JSON."""
        facts = {"score": self.score, "text": self.text, "metrics": dict(self.metrics), "error": self.error}
        return {key: value for key, value in facts.items() if value not in (None, "", {})}
