"""What the engine asks of a training task, and what it gives back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch import Tensor, nn

# Nested: a tensor's first dimension is the examples, a list has one entry for each example (boxes of an image); a
# tuple or a mapping holds several of these side by side.
Batch = Any


class Task(Protocol):
    """A model, its data and its loss. Whatever satisfies this can be trained; nothing needs to be inherited.

    Attributes:
        model: a module; the engine moves it to its device and trains it in place.
    """

    model: nn.Module

    def batches(self, rng: np.random.Generator, batch: int) -> Iterable[Batch]:
        """Return one epoch of batches of ``batch`` examples (the last may be smaller), in a new order.

        Everything random must come from ``rng``, which is the same for the same epoch of the same seed: that is how a
        training goes on in the middle of an epoch.
        """

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the mean loss of the examples in a batch, of any number of them; ``model`` may be wrapped.

        Only a mean lets a batch be split: the parts' gradients are averaged by their numbers of examples.
        """

    def validate(self, model: nn.Module) -> float:
        """Return the loss on the validation examples, lower is better; called in ``eval`` mode without gradients."""


@runtime_checkable
class Loading(Protocol):
    """A task whose ``batches`` gives only what it takes to make a batch, such as indices and a seed for each example.

    Then nothing is read for the batches that a resumed training passes over, and each process reads its share only.
    """

    def load(self, part: Batch) -> Batch:
        """Return the batch of some examples; it must depend on ``part`` alone."""


@runtime_checkable
class Grouped(Protocol):
    """A task with rates of its own for some of its parameters, such as a lower one for a pretrained backbone."""

    def groups(self) -> Sequence[Mapping[str, Any]]:
        """Return groups of all parameters: ``params``, and ``rate`` and ``decay`` as factors of the settings."""


@runtime_checkable
class Counted(Protocol):
    """A task that knows how many batches an epoch has."""

    def num_batches(self, batch: int) -> int:
        """Return it without making them."""


@runtime_checkable
class Weighted(Protocol):
    """A task whose loss is not a mean over examples but over something else, such as the words in them."""

    def weight(self, batch: Batch) -> float:
        """Return how many there are in a batch."""


class Report(Protocol):
    """Hears of every validation; what it raises (``CurvePruned``) ends the training."""

    def __call__(self, step: int, value: float, progress: float | None = None) -> None:
        """Take the validation loss after a step, and the share of the schedule that is done."""


def ignore_step(step: int, value: float, progress: float | None = None) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Point:
    """A validation.

    Attributes:
        step: updates of the weights so far.
        progress: share of the schedule, from 0 to 1.
        loss: on the validation examples.
        train_loss: mean over the updates since the last validation.
        lr: share of the peak learning rate at the last update.
        elapsed_s: since the first batch.
    """

    step: int
    progress: float
    loss: float
    train_loss: float
    lr: float
    elapsed_s: float


@dataclass(frozen=True)
class Outcome:
    """What came of a training; the task's model holds the kept weights, in fp32 and without wrappers.

    Attributes:
        points: the validations in order.
        best: lowest validation loss.
        kept: share of the schedule after which the weights were kept.
        state_dict: the kept weights, on the CPU.
        facts: what to write down: device, precision, optimizer bytes, micro-batch, speed, memory, energy, rollbacks …
    """

    points: Sequence[Point]
    best: float
    kept: float
    state_dict: Mapping[str, Tensor]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def curve(self) -> list[float]:
        """Validation loss by validation."""
        return [point.loss for point in self.points]
