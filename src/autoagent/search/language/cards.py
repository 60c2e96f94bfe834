"""What a model is told of a task beside space and trials: facts, a data card, a model card; never a test figure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["none", "partial", "full"]
_TEST = re.compile(  # any word that begins so, but for a few that mean something else
    r"(?<![a-z])(?:test(?!osteron|ament|imon|ify|icl|y(?![a-z]))|h[oe]ld[\s_-]?out|leaderboard)"
)
_LONGEST = 400  # characters of one text
_MOST_ITEMS = 60
_LINE = 160  # characters of a line of a log


@dataclass(frozen=True)
class TaskContext:
    """What is known of a task. Everything in it is shown as quoted data.

    Attributes:
        model: what is tuned, for example ``"SVM"``.
        metric: what the values of the trials measure, on validation data.
        facts: task type, sizes, classes: LLAMBO's partial context.
        statistics: of columns, for example skewness and strong correlations: LLAMBO's full context.
        data_card: of the data set.
        model_card: of the model.
    """

    model: str = ""
    metric: str = "value"
    facts: Mapping[str, Any] = field(default_factory=dict)
    statistics: Mapping[str, Any] = field(default_factory=dict)
    data_card: Mapping[str, Any] = field(default_factory=dict)
    model_card: Mapping[str, Any] = field(default_factory=dict)

    def shown(self, level: Level = "full") -> dict[str, Any]:
        """Return what may be shown at a level, without anything that speaks of test data.

        ``none``: the model's name. ``partial``: facts and cards too. ``full``: statistics too.
        """
        rows: dict[str, Any] = {"model": self.model} if self.model else {}
        if level != "none":
            rows |= {"task": self.facts, "data card": self.data_card, "model card": self.model_card}
        if level == "full":
            rows |= {"statistics": self.statistics}
        cleaned = without_test_figures(rows)
        return {key: value for key, value in cleaned.items() if value not in ({}, "", [])}


def speaks_of_test(text: str) -> bool:
    """Say whether a text names test or held-out data; ``latest`` and ``testosterone`` do not.

    It errs on the safe side: a column named ``blood_test`` is left out of a prompt too.
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text)  # testAccuracy
    return _TEST.search(re.sub(r"\d", "_", spaced).casefold()) is not None


def without_test_figures(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a JSON value without the keys, list items and lines of text that speak of test data; texts are cut."""
    if isinstance(value, Mapping):
        kept = [(str(key), inner) for key, inner in value.items() if not speaks_of_test(str(key))]
        return {key: without_test_figures(inner) for key, inner in kept[:_MOST_ITEMS]}
    if isinstance(value, str):
        return "\n".join(line for line in value.splitlines() if not speaks_of_test(line))[:_LONGEST]
    if isinstance(value, Sequence):
        kept_items = [inner for inner in value if not (isinstance(inner, str) and speaks_of_test(inner))]
        return [without_test_figures(inner) for inner in kept_items[:_MOST_ITEMS]]
    if value is None or isinstance(value, bool | int | float):
        return value
    return without_test_figures(str(value))


def log_tail(log: str, *, lines: int) -> str:
    """Return the last lines of a training log that do not speak of test data, each cut to a readable length."""
    kept = [line[:_LINE] for line in log.splitlines() if line.strip() and not speaks_of_test(line)]
    return "\n".join(kept[-lines:])
