"""Stops the first fold of a trial whose curve is behind those of its family at fixed points, the rungs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

# In units of ``Report``'s progress: the end of a network's third wave; a booster's rounds times its rate. Earlier
# rungs ended trials that became the best of their runs: 3 of 24 recorded searches lost theirs so, and 1 with these.
RUNGS: Mapping[str, tuple[float, ...]] = {
    "realmlp": (0.4667,),
    "lightgbm": (3.0,),
    "hist_gradient_boosting": (3.0,),
}


class CurvePruned(Exception):  # noqa: N818 - it is a decision, not an error
    """The curve is behind at a rung."""


@dataclass
class Watch:
    """Writes a fold's curve down and compares its best loss at each rung.

    Attributes:
        file: gets one JSON line for each step.
        fold: number of the fold; only the first is compared.
        rungs: progress at which it is compared.
        floors: for each rung the loss above which the trial ends; None where too few trials have been there.
        reached: best loss at each rung so far.
    """

    file: IO[str]
    fold: int
    rungs: Sequence[float] = ()
    floors: Sequence[float | None] = ()
    reached: list[float] = field(default_factory=list)
    curve: list[float] = field(default_factory=list)

    def __call__(self, step: int, value: float, progress: float | None = None) -> None:
        """Take one step.

        Raises:
            CurvePruned: the best loss so far is behind at a rung.
        """
        self.file.write(json.dumps({"fold": self.fold, "step": step, "value": value}) + "\n")
        self.file.flush()
        self.curve.append(value)
        if self.fold or progress is None:
            return
        while len(self.reached) < len(self.rungs) and progress >= self.rungs[len(self.reached)]:
            place = len(self.reached)
            self.reached.append(min(self.curve))
            floor = self.floors[place] if place < len(self.floors) else None
            if floor is not None and self.reached[place] > floor:
                raise CurvePruned(f"{self.reached[place]:.6g} at {self.rungs[place]:g}, needed {floor:.6g}")
