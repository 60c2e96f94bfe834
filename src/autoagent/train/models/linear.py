"""Logistic regression for classes, ridge regression for numbers, on scaled features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import Ridge

from autoagent.space import JSONScalar
from autoagent.train.features import FeatureOptions
from autoagent.train.learner import Array, FitContext, Matrix
from autoagent.train.logistic import fit_logistic
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.train.target import Target

_CLIP = 8.0  # standard deviations; farther values are outliers that would decide the sum alone


@dataclass(frozen=True)
class FittedLinear:
    """``z = [x, x²] @ weight + bias`` with ``x`` clipped; a softmax for classes, a scale for numbers."""

    weight: Array
    bias: Array
    squares: bool
    target: Target | None
    num_features: int
    curve: list[float] = field(default_factory=list)

    def predict(self, X: Matrix) -> Array:
        """Return probabilities or numbers."""
        z = np.asarray(_expand(X, self.squares).astype(np.float64) @ self.weight + self.bias)
        return np.asarray(softmax(z, axis=1)) if self.target is None else self.target.backward(z[:, 0])

    def to_onnx(self) -> bytes:
        """Return the same arithmetic in float32."""
        graph = OnnxGraph()
        x = graph.add("Clip", "X", graph.constant(-_CLIP), graph.constant(_CLIP))
        if self.squares:
            x = graph.add("Concat", x, graph.add("Mul", x, x), axis=1)
        z = graph.linear(x, self.weight, self.bias)
        if self.target is None:
            name = graph.add("Softmax", z, axis=1)
            return graph.finish(name, num_features=self.num_features, num_columns=len(self.bias))
        return graph.finish(
            self.target.add_backward(graph, graph.flat(z)), num_features=self.num_features, num_columns=None
        )


@dataclass(frozen=True)
class Linear:
    """A generalised linear model with an L2 penalty.

    Attributes:
        C: inverse strength of the penalty.
        squares: whether the square of each feature is one too.
        features: scaled numbers.
    """

    C: float
    squares: bool
    features: FeatureOptions

    def fit(self, X: Matrix, y: Array, *, X_valid: Matrix, y_valid: Array, context: FitContext) -> FittedLinear:
        """Solve for the weights."""
        rows = _expand(X, self.squares).astype(np.float64)
        if context.task == "regression":
            target = Target.of(y, context.metric)
            ridge = Ridge(alpha=1.0 / self.C, solver="auto", random_state=context.seed).fit(rows, target.forward(y))
            return FittedLinear(
                ridge.coef_.reshape(-1, 1), np.atleast_1d(ridge.intercept_), self.squares, target, X.shape[1]
            )
        steps = 300 if len(rows) <= 20_000 else 100
        weight, bias = fit_logistic(rows, y, self.C, context, steps=steps, tol=1e-4)
        return FittedLinear(weight, bias, self.squares, None, X.shape[1])


def build(config: Mapping[str, JSONScalar]) -> Linear:
    """Return the learner of a legal configuration."""
    return Linear(
        cast(float, config["C"]),
        bool(config["squares"]),
        FeatureOptions(
            numbers=cast(Literal["standard", "quantile"], config["numbers"]),
            impute=True,
            categories=cast(Literal["onehot", "target"], config["categories"]),
            missing_flags=True,
        ),
    )


def _expand(X: Matrix, squares: bool) -> Matrix:
    clipped = np.clip(X, -_CLIP, _CLIP)
    return np.concatenate([clipped, clipped * clipped], axis=1) if squares else clipped
