"""Notices a training that diverges."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

_FIRST = 10  # losses that say what is usual
_FACTOR = 3.0
_PATIENCE = 5


@dataclass
class Guard:
    """Watches the training loss of every update.

    A loss that is not finite is a divergence, and so are five in a row of which each is above three times the largest
    of the first ten (arXiv:2509.02046 has runs at four times the best rate that end there).

    Attributes:
        first: the first losses.
        above: how many of the latest in a row are too high.
    """

    first: list[float] = field(default_factory=list)
    above: int = 0

    def fault(self, loss: float) -> str:
        """Take a loss in and return what is wrong with it, or nothing."""
        if not math.isfinite(loss):
            return f"the training loss is {loss}"
        if len(self.first) < _FIRST:
            self.first.append(loss)
            return ""
        top = max(self.first)
        limit = top + (_FACTOR - 1) * max(abs(top), 1e-6)
        self.above = self.above + 1 if loss > limit else 0
        if self.above < _PATIENCE:
            return ""
        return f"the training loss is {loss:.4g}, above {limit:.4g} for {_PATIENCE} updates"

    def calm(self) -> None:
        """Start anew after a rollback."""
        self.above = 0
