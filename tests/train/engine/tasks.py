"""Small training tasks and a clock that only moves when it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

Rows = tuple[Tensor, Tensor]


class Clock:
    """Seconds that pass when ``spend`` is called."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += seconds


def nothing() -> None:
    """Happens with every loss where a test asks for nothing else."""


class Blobs:
    """Three classes of points; the model, and what happens with each loss and validation, can be chosen."""

    def __init__(
        self,
        model: nn.Module | None = None,
        *,
        rows: int = 256,
        on_loss: Callable[[], None] = nothing,
        on_validate: Callable[[], None] = nothing,
    ) -> None:
        generator = torch.Generator().manual_seed(1)
        self.x = torch.randn(rows + 64, 8, generator=generator)
        self.y = (self.x[:, :3] + 0.3 * torch.randn(rows + 64, 3, generator=generator)).argmax(dim=1)
        self.rows, self.on_loss, self.on_validate = rows, on_loss, on_validate
        self.model = perceptron() if model is None else model
        self.losses = 0

    def batches(self, rng: np.random.Generator, batch: int) -> Iterator[Rows]:
        order = torch.from_numpy(rng.permutation(self.rows))
        for at in range(0, self.rows, batch):
            chosen = order[at : at + batch]
            yield self.x[chosen], self.y[chosen]

    def loss(self, model: nn.Module, batch: Rows) -> Tensor:
        self.losses += 1
        self.on_loss()
        return functional.cross_entropy(model(batch[0]), batch[1])

    @torch.no_grad()
    def validate(self, model: nn.Module) -> float:
        self.on_validate()
        return float(functional.cross_entropy(model(self.x[self.rows :]), self.y[self.rows :]))


class LoadedBlobs(Blobs):
    """Gives indices and seeds, and adds noise to what it loads."""

    def batches(self, rng: np.random.Generator, batch: int) -> Iterator[Any]:
        order, seeds = rng.permutation(self.rows), rng.integers(2**31, size=self.rows)
        for at in range(0, self.rows, batch):
            yield order[at : at + batch], seeds[at : at + batch]

    def load(self, part: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]) -> Rows:
        indices, seeds = part
        noise = np.stack([np.random.default_rng(seed).normal(size=8) for seed in seeds]).astype(np.float32)
        rows = torch.from_numpy(indices)
        return self.x[rows] + 0.1 * torch.from_numpy(noise), self.y[rows]


def perceptron(seed: int = 0, *, width: int = 32, drop: float = 0.0, norm: bool = False) -> nn.Sequential:
    """Return a small network with the same weights for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = [nn.Linear(8, width), nn.ReLU(), nn.Linear(width, width)]
        layers += [nn.BatchNorm1d(width)] if norm else []
        return nn.Sequential(*layers, nn.Dropout(drop), nn.ReLU(), nn.Linear(width, 3))


def weights(task: Blobs) -> list[Tensor]:
    """Return copies of all tensors of a task's model."""
    return [value.clone() for value in task.model.state_dict().values()]


def same(left: list[Tensor], right: list[Tensor]) -> bool:
    """Say whether all tensors are equal bit for bit."""
    return len(left) == len(right) and all(torch.equal(a, b) for a, b in zip(left, right, strict=True))
