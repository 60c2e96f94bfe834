"""Logistic or ridge regression on the vectors that a published encoder gives texts, beside the other columns.

arXiv:1908.10084 (sentence embeddings), whose section 5 trains such a classifier on them. The encoder stays as it is:
it is a step of the recipe, read once for each row, and delivered once for all models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import Ridge

from autoagent.space import JSONScalar
from autoagent.train.features import FeatureOptions
from autoagent.train.learner import Array, FitContext, Matrix
from autoagent.train.logistic import fit_logistic
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.train.target import Target
from autoagent.weights import MINILM

_CLIP = 8.0  # standard deviations of the other columns; the scaled numbers of a vector are smaller


@dataclass(frozen=True)
class FittedTextEmbedding:
    """``z = clipped x @ weight + bias``; a softmax for classes, a scale for numbers.

    Attributes:
        weight: ``(d, k)``.
        bias: ``(k,)``.
    """

    weight: Array
    bias: Array
    target: Target | None
    curve: list[float] = field(default_factory=list)

    def predict(self, X: Matrix) -> Array:
        """Return probabilities or numbers."""
        z = np.asarray(_rows(X) @ self.weight + self.bias)
        return np.asarray(softmax(z, axis=1)) if self.target is None else self.target.backward(z[:, 0])

    def to_onnx(self) -> bytes:
        """Return the same sum in float32, without the encoder: the recipe has that."""
        graph, (d, k) = OnnxGraph(), self.weight.shape
        z = graph.linear(graph.add("Clip", "X", graph.constant(-_CLIP), graph.constant(_CLIP)), self.weight, self.bias)
        if self.target is None:
            return graph.finish(graph.add("Softmax", z, axis=1), num_features=d, num_columns=k)
        return graph.finish(self.target.add_backward(graph, graph.flat(z)), num_features=d, num_columns=None)


@dataclass(frozen=True)
class TextEmbedding:
    """Logistic or ridge regression with an L2 penalty.

    Attributes:
        C: inverse strength of the penalty.
        features: of each text a vector, of the rest scaled numbers.
    """

    C: float
    features: FeatureOptions

    def fit(self, X: Matrix, y: Array, *, X_valid: Matrix, y_valid: Array, context: FitContext) -> FittedTextEmbedding:
        """Solve for the weights."""
        rows = _rows(X)
        if context.task == "regression":
            target = Target.of(y, context.metric)
            ridge = Ridge(alpha=1.0 / self.C, random_state=context.seed).fit(rows, target.forward(y))
            return FittedTextEmbedding(ridge.coef_.reshape(-1, 1), np.atleast_1d(ridge.intercept_), target)
        return FittedTextEmbedding(*fit_logistic(rows, y, self.C, context, steps=300, tol=1e-3), None)


def build(config: Mapping[str, JSONScalar]) -> TextEmbedding:
    """Return the learner of a legal configuration."""
    options = FeatureOptions(
        numbers="standard",
        impute=True,
        missing_flags=True,
        encoder=MINILM.name,
        encoder_bits=cast(int, config["bits"]),
        pieces=cast(int, config["pieces"]),
    )
    return TextEmbedding(cast(float, config["C"]), options)


def _rows(X: Matrix) -> Array:
    return np.clip(X, -_CLIP, _CLIP).astype(np.float64)
