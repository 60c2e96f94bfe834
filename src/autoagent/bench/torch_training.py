"""A small network trained in torch: what a sampler meets in practice, down to curves, noise and divergence."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from autoagent.bench.protocol import DataPlan, Outcome, Split
from autoagent.bench.sklearn_tasks import SklearnTask
from autoagent.space import Choice, Config, Float, Int, Param, Space

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TorchDigits:
    """A two-layer network on 700 of scikit-learn's digits; the loss is the error rate, the fidelity the epochs.

    Attributes:
        epochs: at full fidelity.
    """

    epochs: int = 9
    name: str = "torch_digits"
    optimum: None = None
    median: None = None
    about: Mapping[str, str] = field(
        default_factory=lambda: {"model": "MLP in torch", "data": "digits", "metric": "error rate"}
    )

    @property
    def space(self) -> Space:
        """Of network and training."""
        return Space(
            {
                "rate": Param(Float(1e-4, 1.0, log=True), 1e-3),
                "width": Param(Int(4, 64, log=True), 32),
                "batch": Param(Choice([16, 32, 64]), 32),
                "weight_decay": Param(Float(1e-6, 0.1, log=True), 1e-6),
                "optim": Param(Choice(["sgd", "adam"]), "sgd"),
                "momentum": Param(Float(0.0, 0.99), 0.0, {"optim": ("sgd",)}),
            }
        )

    @property
    def rows(self) -> DataPlan:
        """The division of the rows: that of the scikit-learn tasks."""
        return SklearnTask("digits", "svm").rows

    @property
    def units(self) -> int:
        """Rows behind a tuning loss."""
        return len(self.rows.tune)

    def evaluate(self, config: Config, seed: int, split: Split, fidelity: float = 1.0) -> Outcome:
        """Train and score; a loss that is no number any more is a crash."""
        split.check(seed)
        import torch

        from autoagent.bench.sklearn_tasks import _data

        began = time.perf_counter()
        X, y = _data("digits")
        fitted, scored = (np.array(part) for part in self.rows.fit_and_score(split))
        x_ND, y_N = torch.tensor(X / 16, dtype=torch.float32), torch.tensor(y)
        generator = torch.Generator().manual_seed(seed)
        model = _network(int(config["width"] or 1), generator)
        rounds = max(1, round(self.epochs * fidelity))
        is_well = _train(model, x_ND[fitted], y_N[fitted], config, rounds, generator)
        with torch.no_grad():
            wrong = float((model(x_ND[scored]).argmax(1) != y_N[scored]).float().mean())
        seconds = time.perf_counter() - began
        return Outcome(wrong, "ok", seconds) if is_well else Outcome(None, "crashed", seconds)


def _network(width: int, generator: torch.Generator) -> torch.nn.Module:
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(64, width), torch.nn.ReLU(), torch.nn.Linear(width, 10))
    with torch.no_grad():
        for parameter in model.parameters():
            fan = parameter.shape[-1] if parameter.ndim > 1 else width
            parameter.uniform_(-1 / math.sqrt(fan), 1 / math.sqrt(fan), generator=generator)
    return model


def _train(
    model: torch.nn.Module,
    x_ND: torch.Tensor,
    y_N: torch.Tensor,
    config: Config,
    rounds: int,
    generator: torch.Generator,
) -> bool:
    """Train; say whether the loss stayed a number."""
    import torch

    rate, decay, batch = float(config["rate"] or 0), float(config["weight_decay"] or 0), int(config["batch"] or 1)
    optim: torch.optim.Optimizer
    if config["optim"] == "adam":
        optim = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
    else:
        optim = torch.optim.SGD(
            model.parameters(), lr=rate, momentum=float(config["momentum"] or 0), weight_decay=decay
        )
    for _ in range(rounds):
        for rows in torch.split(torch.randperm(len(x_ND), generator=generator), batch):
            loss = torch.nn.functional.cross_entropy(model(x_ND[rows]), y_N[rows])
            if not torch.isfinite(loss):
                return False
            optim.zero_grad()
            torch.autograd.backward(loss)
            optim.step()
    return True
