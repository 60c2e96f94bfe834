"""What is known of a family of models without importing it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from autoagent.registry import Card
from autoagent.space import Config, Growth, Space

Group = Literal["baseline", "linear", "gradient_boosting", "random_forest", "knn", "svm", "neural_network"]
_ALL = ("binary", "multiclass", "regression")
ALSO_SERIES = (*_ALL, "forecasting")


@dataclass(frozen=True)
class ModelCard(Card):
    """A family of models.

    Attributes:
        space: its configurations.
        portfolio: configurations to try first; the first is the default.
        cost: rank of its usual cost, 1 is cheapest.
        growth: of the time and memory of a fit with its configuration.
        tasks: where it applies.
        max_rows: tables with more rows are not for it.
        max_classes: nor are targets with more classes.
        group: what a user would call it.
        preload: the kind of worker that has its libraries in memory.
        inputs: what it learns from: the columns of a table, or images.
        texts: a family that is for tables with columns of text alone.
        pixels: a family for tables that is also tried on the pixels of images, made small.
        hooks: places of its training for which a language model may write code (``sandbox.hooks``).
        weights: published weights that it cannot do without, by their name in ``autoagent.weights``.
        sides: least and most pixels of the square that images are kept as, for it to be worth its time.
    """

    space: Space = field(default_factory=lambda: Space({}))
    portfolio: tuple[Config, ...] = ({},)
    cost: float = 1.0
    growth: Growth = field(default_factory=Growth)
    tasks: tuple[str, ...] = _ALL
    max_rows: int = 10_000_000
    max_classes: int = 1000
    group: Group = "baseline"
    preload: Literal["light", "torch"] = "light"
    inputs: Literal["table", "image"] = "table"
    texts: bool = False
    pixels: bool = False
    hooks: tuple[str, ...] = ()
    sides: tuple[int, int] = (0, 1_000_000)
    weights: str = ""
