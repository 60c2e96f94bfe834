"""A running average of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


def averaged_tensors(model: nn.Module) -> list[Tensor]:
    """Return the parameters that are trained, and the floating-point buffers (means and variances of norms)."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return [*trained, *(b for b in model.buffers() if b.is_floating_point())]


@dataclass
class Average:
    """An exponential average of parameters whose time constant is a share of the schedule, not a number of steps.

    So one setting means the same in a training of a minute and of a day.

    Attributes:
        span: time constant, as a share of the schedule.
        params: what is averaged: parameters that are trained, and the numbers that layers keep of their inputs.
        values: the averages.
        updates: how many there were; the first ones weigh more, so that the start is forgotten.
    """

    span: float
    params: Sequence[Tensor]
    values: list[Tensor] = field(default_factory=list)
    updates: int = 0

    def __post_init__(self) -> None:
        if not self.values:
            self.values = [p.detach().clone() for p in self.params]

    @torch.no_grad()
    def update(self, share: float) -> None:
        """Take the parameters in, after a step that was worth a share of the schedule."""
        self.updates += 1
        decay = min(math.exp(-share / self.span), self.updates / (9 + self.updates))
        torch._foreach_lerp_(self.values, [p.detach() for p in self.params], 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the averages in the place of the parameters for a while."""
        kept = [p.detach().clone() for p in self.params]
        self._put(self.values)
        try:
            yield
        finally:
            self._put(kept)

    def put(self) -> None:
        """Put the averages in the place of the parameters for good."""
        self._put(self.values)

    @torch.no_grad()
    def _put(self, values: Sequence[Tensor]) -> None:
        torch._foreach_copy_([p.detach() for p in self.params], list(values))
