"""How the time and the memory of a fit grow with the parameters of its configuration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from autoagent.space.configurations import Config
from autoagent.space.domains import JSONScalar

Pair = tuple[float, float]  # of seconds, of bytes
_NEUTRAL: Pair = (1.0, 1.0)


@dataclass(frozen=True)
class Growth:
    """Factors of cost, one for each parameter that has a say; only ratios of two configurations mean anything.

    Attributes:
        powers: of a number, to which the seconds and the bytes are proportional: epochs have ``(1, 0)``.
        offsets: added to a number before it is raised to its power: so many layers are there in any case.
        words: factors of the seconds and the bytes for each word of a choice.
        least: share of its schedule that a fit must be able to do to be worth starting; 1 where it cannot end early.
    """

    powers: Mapping[str, Pair] = field(default_factory=dict)
    offsets: Mapping[str, float] = field(default_factory=dict)
    words: Mapping[str, Mapping[JSONScalar, Pair]] = field(default_factory=dict)
    least: float = 1.0

    def seconds(self, config: Config) -> float:
        """Return what the time of a fit is proportional to."""
        return math.prod(self._factors(config, 0))

    def memory(self, config: Config) -> float:
        """Return what the memory of a fit is proportional to."""
        return math.prod(self._factors(config, 1))

    def knows_memory(self) -> bool:
        """Say whether any parameter changes the memory."""
        return any(pair[1] for pair in self.powers.values()) or bool(self.words)

    def _factors(self, config: Config, which: int) -> list[float]:
        numbers = [
            (float(value) + self.offsets.get(name, 0.0)) ** pair[which]
            for name, pair in self.powers.items()
            if isinstance(value := config.get(name), int | float)
        ]
        chosen = [known.get(config.get(name), _NEUTRAL)[which] for name, known in self.words.items()]
        return [*numbers, *chosen]
