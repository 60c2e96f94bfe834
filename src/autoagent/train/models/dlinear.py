"""DLinear for windows of series: a moving average and what is left of it, each with a linear map to every step.

arXiv:2205.13504 (DLinear), section 4. Differs: the window is scaled by its own level and spread (as RevIN does, without
learned factors); absolute error where the metric counts it; known columns and calendar are not seen; the
edges of the window are repeated for the moving average as in the paper.

Shapes: N rows, L lags, H steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from autoagent.space import JSONScalar
from autoagent.train.engine import Outcome, Settings
from autoagent.train.engine import fit as engine_fit
from autoagent.train.features import FeatureOptions
from autoagent.train.learner import Array, FitContext, Matrix
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.windows import LAG

_BATCH = 256
_CLIP = 20.0  # of scaled lags
_WATCHED = 512  # rows that a model of all rows is watched on
_CHECKS = 40
_MIN_STEPS = 200
_LEAST_S = 0.05  # with less time left there is a single step
_TOLD = ("optim", "state_bytes", "values_by_bits", "kernels", "note", "steps", "asked_steps")
Rows = tuple[Tensor, Tensor, Tensor]  # lags (N, L), steps (N,) from 0, targets (N,)


@dataclass(frozen=True)
class FittedDLinear:
    """One matrix from lags to steps; a row takes the column of its step.

    Attributes:
        lags: places of the lags in a row, the latest first.
        step: place of the step.
        weight: ``(L, H)`` of the clipped lags.
        bias: ``(H,)``.
        stopped_at: share of the schedule after which the weights were kept.
    """

    lags: tuple[int, ...]
    step: int
    center: Array
    factor: Array
    step_shift: float
    weight: Matrix
    bias: Matrix
    num_features: int
    stopped_at: float
    curve: list[float] = field(default_factory=list)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def predict(self, X: Matrix) -> Array:
        """Return the scaled values of the rows' steps."""
        every_NH = self._lags(X) @ self.weight + self.bias
        steps = np.clip(np.round(X[:, self.step] + self.step_shift).astype(np.int64), 1, len(self.bias))
        return np.asarray(every_NH[np.arange(len(X)), steps - 1], dtype=np.float64)

    def _lags(self, X: Matrix) -> Matrix:
        x_NL = X[:, list(self.lags)] * self.factor.astype(np.float32) + self.center.astype(np.float32)
        return np.asarray(np.clip(x_NL, -_CLIP, _CLIP), dtype=np.float32)

    def to_onnx(self) -> bytes:
        """Return the same arithmetic."""
        graph = OnnxGraph()
        chosen = graph.add("Gather", "X", graph.constant(list(self.lags), np.int64), axis=1)
        x = graph.add(
            "Clip", graph.affine(chosen, self.factor, self.center), graph.constant(-_CLIP), graph.constant(_CLIP)
        )
        every = graph.linear(x, self.weight, self.bias)
        step = graph.add("Gather", "X", graph.constant([self.step], np.int64), axis=1)
        last = float(len(self.bias))
        number = graph.add("Round", graph.affine(step, 1.0, self.step_shift))
        number = graph.add("Clip", number, graph.constant(1.0), graph.constant(last))
        place = graph.add("Cast", graph.add("Sub", number, graph.constant(1.0)), to=7)
        picked = graph.add("GatherElements", every, place, axis=1)
        return graph.finish(graph.flat(picked), num_features=self.num_features, num_columns=None)


@dataclass(frozen=True)
class DLinear:
    """A decomposition and two linear maps.

    Attributes:
        lags: latest values that are seen; all that the rows have where there are fewer.
        kernel: points of the moving average.
        epochs: of the schedule.
        learning_rate: peak, on AdamW's scale.
        weight_decay: on AdamW's scale.
        optim: name in ``train.optims``.
    """

    lags: int
    kernel: int
    epochs: int
    learning_rate: float
    weight_decay: float
    optim: str
    features: FeatureOptions = field(default_factory=lambda: FeatureOptions(impute=True))

    def fit(self, X: Matrix, y: Array, *, X_valid: Matrix, y_valid: Array, context: FitContext) -> FittedDLinear:
        """Train for the schedule, or as long as there is time; keep the best by the validation rows.

        Raises:
            ValueError: the rows are not of series.
        """
        numbers = context.numbers
        names = [name for i in range(1, self.lags + 1) if (name := f"{LAG}{i}") in numbers]
        if not names or "step" not in numbers:
            raise ValueError("DLinear needs rows of series, with lags and a step")
        places = tuple(numbers[name][0] for name in names)
        center = np.array([numbers[name][1] for name in names])
        factor = np.array([1.0 / numbers[name][2] for name in names])
        step, step_shift, _ = numbers["step"]
        horizon = max(int(np.round(X[:, step] + step_shift).max()), 1)
        empty = FittedDLinear(
            places,
            step,
            center,
            factor,
            step_shift,
            np.zeros((len(names), horizon), np.float32),
            np.zeros(horizon, np.float32),
            X.shape[1],
            1.0,
        )
        torch.set_num_threads(context.threads)

        def rows(part: Matrix, target: Array) -> Rows:
            steps = np.clip(np.round(part[:, step] + step_shift).astype(np.int64), 1, horizon) - 1
            return (
                torch.from_numpy(empty._lags(part)),
                torch.from_numpy(steps),
                torch.from_numpy(np.array(target, dtype=np.float32)),
            )

        keep = len(X_valid) > 0
        watched = rows(X_valid, y_valid) if keep else rows(X[:_WATCHED], y[:_WATCHED])
        net = _Net(len(names), horizon, self.kernel)
        task = SeriesTask(net, rows(X, y), watched, absolute=context.metric == "mae")
        settings, deadline = self._settings(context, len(X), keep=keep), context.deadline
        if context.left_s() < _LEAST_S:
            settings, deadline = replace(settings, epochs=None, steps=1, min_steps=0, least_share=0.0), None
        outcome = engine_fit(task, settings, deadline=deadline, report=context.report)
        net.cpu()
        with torch.no_grad():
            weight, bias = net.weight().numpy().copy(), net.bias_H.numpy().copy()
        curve = outcome.curve if keep else []
        return replace(empty, weight=weight, bias=bias, stopped_at=outcome.kept, curve=curve, facts=_facts(outcome))

    def _settings(self, context: FitContext, n: int, *, keep: bool) -> Settings:
        """Return how it is trained; a model of all rows gets the steps after which its folds were best."""
        batch = min(_BATCH, n)
        whole = max(self.epochs * max(n // batch, 1), _MIN_STEPS)
        return Settings(
            steps=whole if context.stop_at is None else max(1, round(whole * context.stop_at)),
            batch=batch,
            optim=self.optim,
            lr=self.learning_rate,
            weight_decay=self.weight_decay,
            state_bits=32,
            warmup=0.0,
            clip=0.0,
            precision="fp32",
            seed=context.seed,
            threads=context.threads,
            keep="best" if keep else "last",
            validations=_CHECKS if keep else 1,
            min_steps=1,
            least_share=context.least_share,
            memory_bytes=context.memory_bytes,
        )


def _facts(outcome: Outcome) -> dict[str, Any]:
    told = {name: outcome.facts[name] for name in _TOLD}
    return {**told, "estimate_bytes": outcome.facts["memory"]["estimate_bytes"]}


class _Net(nn.Module):
    """The two maps; starts as the mean of the window, as the authors do."""

    def __init__(self, lags: int, horizon: int, kernel: int) -> None:
        super().__init__()
        self.average_LL: Tensor
        self.rest_LL: Tensor
        average_LL = torch.from_numpy(moving_average(lags, kernel))
        self.register_buffer("average_LL", average_LL)
        self.register_buffer("rest_LL", torch.eye(lags) - average_LL)
        self.trend_LH = nn.Parameter(torch.full((lags, horizon), 1.0 / lags))
        self.rest_LH = nn.Parameter(torch.zeros(lags, horizon))
        self.bias_H = nn.Parameter(torch.zeros(horizon))

    def weight(self) -> Tensor:
        """Return both maps as one ``(L, H)``."""
        return self.average_LL.T @ self.trend_LH + self.rest_LL.T @ self.rest_LH

    def forward(self, x_NL: Tensor, steps_N: Tensor) -> Tensor:
        """Return the value of each row's step, ``(N,)``."""
        return (x_NL @ self.weight() + self.bias_H).gather(1, steps_N[:, None])[:, 0]


@dataclass
class SeriesTask:
    """The rows of windows and their loss, as the engine asks for them.

    Attributes:
        absolute: whether absolute errors count, else squared ones.
    """

    model: nn.Module
    train: Rows
    valid: Rows
    absolute: bool

    def batches(self, rng: np.random.Generator, batch: int) -> Iterator[Rows]:
        """Return the rows in a new order; a last batch that is not full is left out."""
        order = torch.from_numpy(rng.permutation(len(self.train[0])))
        for at in range(0, self.num_batches(batch) * batch, batch):
            chosen = order[at : at + batch]
            yield self.train[0][chosen], self.train[1][chosen], self.train[2][chosen]

    def num_batches(self, batch: int) -> int:
        """Return the batches of an epoch."""
        return max(len(self.train[0]) // batch, 1)

    def loss(self, model: nn.Module, batch: Rows) -> Tensor:
        """Return the mean error of some rows."""
        miss_N: Tensor = model(batch[0], batch[1]) - batch[2]
        return miss_N.abs().mean() if self.absolute else miss_N.square().mean()

    def validate(self, model: nn.Module) -> float:
        """Return the mean error of the rows that it is judged by."""
        device = next(model.parameters()).device
        x_NL, steps_N, y_N = (part.to(device) for part in self.valid)
        return float(self.loss(model, (x_NL, steps_N, y_N)))


def moving_average(size: int, kernel: int) -> Matrix:
    """Return the matrix ``(L, L)`` whose product with a window is its moving average, the edges repeated."""
    half = min(kernel, 2 * size - 1) // 2
    matrix = np.zeros((size, size), dtype=np.float32)
    for row in range(size):
        for place in range(row - half, row + half + 1):
            matrix[row, min(max(place, 0), size - 1)] += 1.0 / (2 * half + 1)
    return matrix


def build(config: Mapping[str, JSONScalar]) -> DLinear:
    """Return the learner of a legal configuration."""
    return DLinear(
        cast(int, config["lags"]),
        cast(int, config["kernel"]),
        cast(int, config["epochs"]),
        cast(float, config["learning_rate"]),
        cast(float, config["weight_decay"]),
        cast(str, config["optim"]),
    )
