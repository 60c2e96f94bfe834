"""A network on images as a task of the training engine: batches of places and random numbers, read when needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from autoagent.data.metrics import METRICS
from autoagent.train.vision.augment import NUM_RANDOM, Augmentation
from autoagent.train.vision.pixels import PixelRows
from autoagent.train.written_code import WrittenCode

_JUDGED_AT_ONCE = 256
Part = tuple[NDArray[np.int64], NDArray[np.float32]]


class ImageRows:
    """What tasks on images have in common: batches of their rows, and their parameters in groups."""

    model: nn.Module
    rows: PixelRows
    slow: Sequence[tuple[list[nn.Parameter], float]]

    def num_batches(self, batch: int) -> int:
        """Return the batches of an epoch; a last one that is too small for its statistics is left out."""
        return max(len(self.rows) // min(batch, len(self.rows)), 1)

    def batches(self, rng: np.random.Generator, batch: int) -> Iterator[Part]:
        """Return places and the random numbers of each image."""
        return shuffled(rng, len(self.rows), batch)

    def groups(self) -> Sequence[Mapping[str, Any]]:
        """Return the parameters: those that were trained before learn more slowly, and vectors are not decayed."""
        return rate_groups(self.model, self.slow)


@dataclass
class ImageTask(ImageRows):
    """What the engine trains.

    Attributes:
        model: from images ``(B, C, H, W)``, 0 to 1, to ``(B, K)`` logits or ``(B, 1)`` numbers.
        rows: the training images.
        targets: ``(n,)`` class codes, or scaled numbers.
        valid: images that it is judged by.
        valid_targets: theirs.
        num_classes: 0 for numbers.
        metric: that the model will be judged by; decisions are judged by the Brier score, else by the loss.
        smoothing: of the labels.
        slow: parameters that were trained before, by the factor of their learning rate.
        weights: ``(n,)`` of the training images in the loss, 1 on average; None where all count the same.
        code: what a language model wrote for the training.
    """

    model: nn.Module
    rows: PixelRows
    targets: NDArray[Any]
    valid: PixelRows
    valid_targets: NDArray[Any]
    num_classes: int
    metric: str
    augmentation: Augmentation = field(default_factory=Augmentation)
    smoothing: float = 0.0
    slow: Sequence[tuple[list[nn.Parameter], float]] = ()
    weights: NDArray[np.float64] | None = None
    code: WrittenCode | None = None

    def load(self, part: Part) -> tuple[Tensor, Tensor]:
        """Read, augment and mix a batch."""
        places, numbers = np.asarray(part[0]), np.asarray(part[1])
        pixels, random = self.rows.read(places), torch.as_tensor(numbers)
        if self.code is not None:
            pixels = self.code.augmented(pixels, numbers)
        x = self.augmentation.apply(as_input(pixels), random)
        return self.augmentation.blend(x, self._weighted(places), random)

    def loss(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return cross-entropy, or the squared (or absolute) error of numbers; with the weights of the images."""
        x, t = batch
        out: Tensor = model(x)
        if self.num_classes:
            return functional.cross_entropy(out, t, label_smoothing=self.smoothing if self.weights is None else 0.0)
        error = out - t[:, :1]
        error = error.abs() if self.metric in ("mae", "mape") else error.square()
        return (error * t[:, 1:]).mean() if self.weights is not None else error.mean()

    def validate(self, model: nn.Module) -> float:
        """Return the Brier score where the metric counts decisions, else the loss."""
        device = next(model.parameters()).device
        total = 0.0
        for at in range(0, len(self.valid), _JUDGED_AT_ONCE):
            rows = slice(at, at + _JUDGED_AT_ONCE)
            x, t = as_input(self.valid.read(rows)).to(device), self._soft(self.valid_targets[rows]).to(device)
            total += len(x) * float(self._judge(model(x).float(), t))
        return total / max(len(self.valid), 1)

    def _judge(self, out: Tensor, t: Tensor) -> Tensor:
        if not self.num_classes:
            return (out - t).abs().mean() if self.metric in ("mae", "mape") else (out - t).square().mean()
        if METRICS[self.metric].needs == "label":
            return (functional.softmax(out, dim=1) - t).square().sum(dim=1).mean()
        return functional.cross_entropy(out, t)

    def _weighted(self, places: NDArray[np.int64]) -> Tensor:
        """Return soft targets times the images' weights, in which cross-entropy is linear; numbers beside theirs."""
        t = self._soft(self.targets[places])
        if self.weights is None:
            return t
        w = torch.from_numpy(self.weights[places].astype(np.float32))[:, None]
        if not self.num_classes:
            return torch.cat([t, w], dim=1)
        return w * ((1 - self.smoothing) * t + self.smoothing / self.num_classes)

    def _soft(self, targets: NDArray[Any]) -> Tensor:
        if not self.num_classes:
            return torch.from_numpy(np.asarray(targets, dtype=np.float32))[:, None]
        codes = torch.from_numpy(np.asarray(targets, dtype=np.int64))
        return functional.one_hot(codes, self.num_classes).float()


def shuffled(rng: np.random.Generator, n: int, batch: int) -> Iterator[Part]:
    """Return an epoch's batches: places of images and random numbers of each; a last one that is small is left out."""
    size = min(batch, n)
    order = rng.permutation(n)
    for at in range(0, max(n // size, 1) * size, size):
        yield order[at : at + size], rng.random((size, NUM_RANDOM), dtype=np.float32)


def rate_groups(model: nn.Module, slow: Sequence[tuple[list[nn.Parameter], float]]) -> Sequence[Mapping[str, Any]]:
    """Return a model's parameters by their rate; vectors are not decayed.

    Args:
        model: all of whose parameters are trained.
        slow: some of them, with the factor of their rate.
    """
    known = {id(p) for params, _ in slow for p in params}
    rest = [p for p in model.parameters() if id(p) not in known]
    return [
        {"params": chosen, "rate": rate, "decay": decay}
        for params, rate in [(rest, 1.0), *slow]
        for decay in (1.0, 0.0)
        if (chosen := [p for p in params if p.requires_grad and (p.ndim > 1) == (decay > 0)])
    ]


def as_input(pixels: NDArray[np.uint8]) -> Tensor:
    """Return bytes ``(n, h, w, c)`` as ``(n, c, h, w)`` from 0 to 1."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float().div_(255.0)
