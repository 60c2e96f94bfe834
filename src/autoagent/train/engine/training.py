"""The state of a training: everything that its next step depends on, as one tree that can be kept and restored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from autoagent.ops.optim.base import local_part
from autoagent.train.engine import randomness
from autoagent.train.engine.batches import mapped
from autoagent.train.engine.ema import Average
from autoagent.train.engine.groups import Optims
from autoagent.train.engine.guard import Guard
from autoagent.train.engine.pace import Pace
from autoagent.train.engine.precision import Mixed
from autoagent.train.engine.stream import Stream
from autoagent.train.engine.task import Point


@dataclass
class Best:
    """The weights to return.

    Attributes:
        loss: their validation loss.
        progress: share of the schedule after which they were taken.
        weights: copies on the CPU; of this process's part where they are sharded.
    """

    loss: float = float("inf")
    progress: float = 0.0
    weights: dict[str, Tensor] = field(default_factory=dict)


@dataclass
class Training:
    """A training under way.

    Attributes:
        model: without wrappers.
        lr_scale: what rollbacks have left of the learning rate.
        rollbacks: how many there were.
        sums: training losses since the last validation: their sum and number.
        resumes: times that it was taken up from a checkpoint.
    """

    model: nn.Module
    optims: Optims
    mixed: Mixed
    average: Average | None
    stream: Stream
    pace: Pace
    guard: Guard = field(default_factory=Guard)
    best: Best = field(default_factory=Best)
    points: list[Point] = field(default_factory=list)
    lr_scale: float = 1.0
    rollbacks: int = 0
    sums: tuple[float, int] = (0.0, 0)
    resumes: int = 0

    def learned(self) -> dict[str, Any]:
        """Return what a step changes, as views: weights, states of the optims, their average, the loss scale."""
        return {
            "model": weights_of(self.model),
            "optims": self.optims.state(),
            "average": None if self.average is None else [self.average.updates, *self.average.values],
            "scaler": None if self.mixed.scaler is None else self.mixed.scaler.state_dict(),
        }

    def learn(self, tree: Mapping[str, Any]) -> None:
        """Restore what ``learned`` returned."""
        put_weights(self.model, tree["model"])
        self.optims.load(tree["optims"])
        if self.average is not None:
            updates, *values = tree["average"]
            self.average.updates = updates
            with torch.no_grad():
                for mine, value in zip(self.average.values, values, strict=True):
                    mine.copy_(value)
        if self.mixed.scaler is not None:
            self.mixed.scaler.load_state_dict(tree["scaler"])

    def tree(self) -> dict[str, Any]:
        """Return everything, as views."""
        return {
            "learned": self.learned(),
            "best": {"loss": self.best.loss, "progress": self.best.progress, "weights": self.best.weights},
            "guard": asdict(self.guard),
            "points": [asdict(point) for point in self.points],
            "random": randomness.captured(),
            "place": {
                "step": self.pace.step,
                "progress": self.pace.progress,
                "elapsed_s": self.pace.elapsed_s,
                "aside_s": self.pace.aside_s,
                "reserve_s": self.pace.reserve_s,
                "epoch": self.stream.epoch,
                "position": self.stream.position,
                "lr_scale": self.lr_scale,
                "rollbacks": self.rollbacks,
                "sums": self.sums,
                "resumes": self.resumes,
            },
        }

    def restore(self, tree: Mapping[str, Any]) -> None:
        """Go on from what ``tree`` returned."""
        self.learn(tree["learned"])
        self.best = Best(**tree["best"])
        self.guard = Guard(**tree["guard"])
        self.points = [Point(**point) for point in tree["points"]]
        place = tree["place"]
        self.pace.step, self.pace.progress = place["step"], place["progress"]
        self.pace.aside_s, self.pace.reserve_s = place["aside_s"], place["reserve_s"]
        self.pace.started = self.pace.clock() - place["elapsed_s"]
        self.stream.go_to(place["epoch"], place["position"])
        self.lr_scale, self.rollbacks, self.sums = place["lr_scale"], place["rollbacks"], tuple(place["sums"])
        self.resumes = place["resumes"] + 1
        randomness.restore(tree["random"])


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of a model by name, this process's part of those that are sharded."""
    return {name: local_part(value.detach()) for name, value in model.state_dict(keep_vars=True).items()}


@torch.no_grad()
def put_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy weights into a model in place."""
    for name, value in model.state_dict(keep_vars=True).items():
        local_part(value.detach()).copy_(weights[name])


def copied(tree: Any) -> Any:  # noqa: ANN401 - a tree
    """Return a copy of a tree with its tensors on the CPU."""
    return mapped(tree, lambda tensor: tensor.detach().to("cpu", copy=True))
