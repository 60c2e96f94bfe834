"""DLinear for windows of series: a moving average and what is left of it, each with a linear map to every step.

arXiv:2205.13504 (DLinear), section 4. Differs: the window is scaled by its own level and spread (as RevIN does, without
learned factors); absolute error where the metric counts it; known columns and calendar are not seen; the
edges of the window are repeated for the moving average as in the paper.

Shapes: N rows, L lags, H steps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from autoagent.space import JSONScalar
from autoagent.train.features import FeatureOptions
from autoagent.train.learner import Array, FitContext, Matrix
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.train.optims import OPTIMS, state_facts
from autoagent.windows import LAG

_BATCH = 256
_CLIP = 20.0  # of scaled lags
_CHECKS = 40
_MIN_STEPS = 200
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

        net = _Net(len(names), horizon, self.kernel, absolute=context.metric == "mae")
        card = OPTIMS[self.optim]
        build = cast("Callable[..., torch.optim.Optimizer]", card.load())
        optim = build(
            list(net.parameters()),
            lr=card.rate * self.learning_rate,
            weight_decay=card.decay * self.weight_decay,
            state_bits=32,
            seed=context.seed,
        )
        kept, curve = _train(net, optim, (rows(X, y), rows(X_valid, y_valid)), self.epochs, context)
        with torch.no_grad():
            weight, bias = net.weight().numpy().copy(), net.bias_H.numpy().copy()
        facts = {"optim": self.optim, **state_facts(optim)}
        return replace(empty, weight=weight, bias=bias, stopped_at=kept, curve=curve, facts=facts)


class _Net(torch.nn.Module):
    """The two maps; starts as the mean of the window, as the authors do."""

    def __init__(self, lags: int, horizon: int, kernel: int, *, absolute: bool) -> None:
        super().__init__()
        self._absolute = absolute
        self._average_LL = torch.from_numpy(moving_average(lags, kernel))
        self._rest_LL = torch.eye(lags) - self._average_LL
        self.trend_LH = torch.nn.Parameter(torch.full((lags, horizon), 1.0 / lags))
        self.rest_LH = torch.nn.Parameter(torch.zeros(lags, horizon))
        self.bias_H = torch.nn.Parameter(torch.zeros(horizon))

    def weight(self) -> Tensor:
        """Return both maps as one ``(L, H)``."""
        return self._average_LL.T @ self.trend_LH + self._rest_LL.T @ self.rest_LH

    def loss(self, part: Rows) -> Tensor:
        """Return the mean error of rows."""
        x_NL, steps_N, y_N = part
        miss_N = (x_NL @ self.weight() + self.bias_H).gather(1, steps_N[:, None])[:, 0] - y_N
        return miss_N.abs().mean() if self._absolute else miss_N.square().mean()


def _train(
    net: _Net, optim: torch.optim.Optimizer, parts: tuple[Rows, Rows], epochs: int, context: FitContext
) -> tuple[float, list[float]]:
    """Train in place, leave the net where the validation rows were best, return that share of the schedule."""
    train, valid = parts
    n, rng = len(train[0]), torch.Generator().manual_seed(context.seed)
    batch = min(_BATCH, n)
    whole = max(epochs * max(n // batch, 1), _MIN_STEPS)
    total = whole if context.stop_at is None else max(1, round(whole * context.stop_at))
    peak, best, kept, curve = optim.param_groups[0]["lr"], math.inf, 1.0, list[float]()
    state, started, step = _copy(net), time.monotonic(), 0
    while step < total:
        for group in optim.param_groups:
            group["lr"] = peak * 0.5 * (1 + math.cos(math.pi * step / whole))
        chosen = torch.randint(n, (batch,), generator=rng)
        loss = net.loss((train[0][chosen], train[1][chosen], train[2][chosen]))
        optim.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optim.step()
        step += 1
        if context.deadline is not None:
            per_step = (time.monotonic() - started) / step
            total = min(total, step + max(int(0.8 * context.left_s() / per_step), 0))
        if len(valid[0]) and (step % max(whole // _CHECKS, 1) == 0 or step == total):
            with torch.no_grad():
                curve.append(float(net.loss(valid)))
            context.report(step, curve[-1], step / whole)
            if curve[-1] <= best:
                best, state, kept = curve[-1], _copy(net), step / whole
    if len(valid[0]):
        net.load_state_dict(state)
    return kept, curve


def _copy(net: _Net) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


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
