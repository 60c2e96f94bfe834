"""The small tasks of ``ops_quality.py``: data, models and one training loop; each seed is one independent run."""

from __future__ import annotations

import argparse
import inspect
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

Make = Callable[[nn.Module], Optimizer]


@dataclass(frozen=True)
class Rows:
    """Training and validation inputs and targets."""

    x: Tensor
    y: Tensor
    x_valid: Tensor
    y_valid: Tensor


def digits(seed: int) -> Rows:
    """Return the handwritten digits, (1347, 64) and (450, 64), split by seed."""
    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor(data.data / 16.0, dtype=torch.float32)[order]
    y = torch.tensor(data.target)[order]
    return Rows(x[:1347], y[:1347], x[1347:], y[1347:])


def characters(context: int = 12) -> tuple[Rows, int]:
    """Return contexts and next characters of a standard-library module's source, and the number of characters."""
    text = inspect.getsource(argparse)
    letters = sorted(set(text))
    codes = torch.tensor([letters.index(letter) for letter in text])
    windows = codes.unfold(0, context + 1, 1)
    cut = int(0.9 * len(windows))
    return Rows(windows[:cut, :-1], windows[:cut, -1], windows[cut:, :-1], windows[cut:, -1]), len(letters)


def zipf_tokens(vocabulary: int, length: int, seed: int) -> Tensor:
    """Return tokens of a Markov chain whose stationary frequencies fall as ``1 / rank``: (length,)."""
    rng = np.random.default_rng(seed)
    weights = 1.0 / np.arange(1, vocabulary + 1)
    draw = rng.choice(vocabulary, size=length, p=weights / weights.sum())
    follow = rng.choice(vocabulary, size=vocabulary, p=weights / weights.sum())
    copied = rng.random(length) < 0.5  # half of the tokens are told by the one before
    for i in range(1, length):
        if copied[i]:
            draw[i] = follow[draw[i - 1]]
    return torch.from_numpy(draw)


def mlp(sizes: tuple[int, ...], seed: int) -> nn.Sequential:
    """Return linear layers with ReLU between them."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class CharacterModel(nn.Module):
    """Residual blocks on concatenated character embeddings."""

    def __init__(self, letters: int, seed: int, context: int = 12, width: int = 128, depth: int = 3) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.table = nn.Embedding(letters, 16)
        self.enter = nn.Linear(16 * context, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
            for _ in range(depth)
        )
        self.leave = nn.Linear(width, letters)

    def forward(self, x_NC: Tensor) -> Tensor:
        """Return ``(N, letters)`` logits."""
        h = self.enter(self.table(x_NC).flatten(1))
        for block in self.blocks:
            h = h + block(h)
        return self.leave(h)


@dataclass(frozen=True)
class Trained:
    """What one training run came to."""

    train_loss: float
    valid_loss: float
    losses: list[float]


def train(
    model: nn.Module, rows: Rows, make: Make, *, steps: int, batch: int, seed: int, graph: bool = False
) -> Trained:
    """Train with 10 % warm-up and a cosine to zero; ``graph`` keeps the graph of the gradients."""
    optim, g = make(model), torch.Generator().manual_seed(seed)
    peaks, losses = [group["lr"] for group in optim.param_groups], []
    parameters = list(model.parameters())
    for step in range(steps):
        for group, peak in zip(optim.param_groups, peaks, strict=True):
            group["lr"] = peak * schedule(step, steps)
        pick = torch.randint(len(rows.x), (batch,), generator=g)
        loss = functional.cross_entropy(model(rows.x[pick]), rows.y[pick])
        for p, grad in zip(parameters, torch.autograd.grad(loss, parameters, create_graph=graph), strict=True):
            p.grad = grad
        optim.step()
        losses.append(float(loss.detach()))
    with torch.no_grad():
        valid = float(functional.cross_entropy(model(rows.x_valid), rows.y_valid))
    tail = losses[-max(steps // 10, 1) :]
    return Trained(sum(tail) / len(tail), valid, losses)


def schedule(step: int, steps: int) -> float:
    """Return the share of the peak learning rate at a step."""
    warm = max(steps // 10, 1)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1)))
