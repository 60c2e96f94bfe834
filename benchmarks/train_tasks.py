"""Tasks to measure the training engine with: scikit-learn's digits under three kinds of network, and made-up images."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

Rows = tuple[Tensor, Tensor]
VALID = 397  # of the 1,797 digits


class Digits:
    """The digits, ``(N, 1, 8, 8)`` in [0, 1]; the last 397 of a fixed order are for validation."""

    def __init__(self, model: nn.Module) -> None:
        table = load_digits()
        order = np.random.default_rng(0).permutation(len(table.data))
        self.x = torch.from_numpy(table.data[order].astype(np.float32) / 16).reshape(-1, 1, 8, 8)
        self.y = torch.from_numpy(table.target[order])
        self.model = model

    def batches(self, rng: np.random.Generator, batch: int) -> Iterator[Rows]:
        """Return one epoch in a new order."""
        order = torch.from_numpy(rng.permutation(len(self.x) - VALID))
        for rows in torch.split(order, batch):
            yield self.x[rows], self.y[rows]

    def num_batches(self, batch: int) -> int:
        """Return the batches of an epoch."""
        return -(-(len(self.x) - VALID) // batch)

    def loss(self, model: nn.Module, batch: Rows) -> Tensor:
        """Return the mean cross-entropy."""
        return functional.cross_entropy(model(batch[0]), batch[1])

    @torch.no_grad()
    def validate(self, model: nn.Module) -> float:
        """Return the mean cross-entropy of the validation rows."""
        return float(functional.cross_entropy(model(self.x[-VALID:]), self.y[-VALID:]))


class Slowing(Digits):
    """Digits whose losses take longer after a while, and whose validations take as long as is asked for."""

    def __init__(self, inner: Digits, *, after_s: float, sleep_s: float, validate_s: float) -> None:
        self.x, self.y, self.model = inner.x, inner.y, inner.model
        self.began, self.after_s, self.sleep_s, self.validate_s = time.monotonic(), after_s, sleep_s, validate_s

    def loss(self, model: nn.Module, batch: Rows) -> Tensor:
        """Sleep once it is time, then as before."""
        if time.monotonic() - self.began > self.after_s:
            time.sleep(self.sleep_s)
        return super().loss(model, batch)

    def validate(self, model: nn.Module) -> float:
        """Sleep, then as before."""
        time.sleep(self.validate_s)
        return super().validate(model)


class Pictures(Digits):
    """Made-up colour images, ``(N, 3, size, size)``, whose class is where they are brightest."""

    def __init__(self, model: nn.Module, *, count: int = 512, size: int = 32) -> None:
        generator = torch.Generator().manual_seed(0)
        self.y = torch.randint(10, (count + VALID,), generator=generator)
        self.x = torch.randn(count + VALID, 3, size, size, generator=generator)
        for row, label in enumerate(self.y.tolist()):
            self.x[row, :, label * size // 10 : (label + 1) * size // 10] += 0.5
        self.model = model


class Tokens(nn.Module):
    """A small transformer that takes the rows of an image as words."""

    def __init__(self, side: int, width: int = 64, layers: int = 2) -> None:
        super().__init__()
        self.enter = nn.Linear(side, width)
        self.place = nn.Parameter(torch.zeros(1, side, width))
        one = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.1, batch_first=True)
        self.body = nn.TransformerEncoder(one, layers, enable_nested_tensor=False)
        self.leave = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, 10)`` logits of ``(N, 1, side, side)``."""
        h = self.enter(x.squeeze(1)) + self.place
        return self.leave(self.body(h).mean(dim=1))


def perceptron(width: int = 256) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, width),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, 10),
    )


def convolutions(channels: int = 1, width: int = 32) -> nn.Module:
    layers: list[nn.Module] = []
    for a, b in ((channels, width), (width, 2 * width), (2 * width, 2 * width)):
        layers += [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, 10))


def seeded(seed: int, build: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(seed)
    return build()


TASKS: dict[str, Callable[[int], Digits]] = {
    "perceptron": lambda seed: Digits(seeded(seed, perceptron)),
    "convolutions": lambda seed: Digits(seeded(seed, convolutions)),
    "transformer": lambda seed: Digits(seeded(seed, lambda: Tokens(8))),
    "pictures": lambda seed: Pictures(seeded(seed, lambda: convolutions(3))),
}
