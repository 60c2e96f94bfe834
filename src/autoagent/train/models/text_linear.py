"""A linear model on the weighted words and pairs of words of texts, beside the other columns: the classic baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import scipy.sparse
from scipy.special import softmax
from sklearn.linear_model import Ridge

from autoagent.space import JSONScalar
from autoagent.train.features import FeatureOptions
from autoagent.train.learner import Array, FitContext, Matrix
from autoagent.train.logistic import fit_logistic
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.train.target import Target

_CLIP = 8.0  # standard deviations of the other columns


@dataclass(frozen=True)
class FittedTextLinear:
    """``z = x @ weight + bias`` where most of ``x`` are terms; a softmax for classes, a scale for numbers.

    Attributes:
        weight: ``(d + terms, k)``: of the ``d`` other columns, then of the terms that training saw, term 0 being none;
            any later term has no weight.
        bias: ``(k,)``.
        most: terms of a row.
    """

    weight: Array
    bias: Array
    most: int
    num_dense: int
    target: Target | None
    curve: list[float] = field(default_factory=list)

    def predict(self, X: Matrix) -> Array:
        """Return probabilities or numbers."""
        rows = _sparse(X, self.num_dense, self.most, len(self.weight) - self.num_dense)
        z = np.asarray(rows @ self.weight + self.bias)
        return np.asarray(softmax(z, axis=1)) if self.target is None else self.target.backward(z[:, 0])

    def to_onnx(self) -> bytes:
        """Return the same sum in float32: each term looks up its row of weights."""
        graph, d = OnnxGraph(), self.num_dense
        given, last = graph.add("Cast", _columns(graph, d, d + self.most), to=7), len(self.weight) - d
        known = graph.add("Less", given, _integers(graph, last))
        terms = graph.add("Where", known, given, _integers(graph, 0))
        shares = graph.add("Unsqueeze", _columns(graph, d + self.most, d + 2 * self.most), _integers(graph, 1))
        found = graph.add("Gather", graph.constant(self.weight[d:]), terms, axis=0)
        z = graph.add("Squeeze", graph.add("MatMul", shares, found), _integers(graph, 1))
        z = graph.add("Add", z, graph.constant(self.bias))
        if d:
            dense = graph.add("Clip", _columns(graph, 0, d), graph.constant(-_CLIP), graph.constant(_CLIP))
            z = graph.add("Add", z, graph.add("MatMul", dense, graph.constant(self.weight[:d])))
        width = d + 2 * self.most
        if self.target is None:
            return graph.finish(graph.add("Softmax", z, axis=1), num_features=width, num_columns=len(self.bias))
        return graph.finish(self.target.add_backward(graph, graph.flat(z)), num_features=width, num_columns=None)


@dataclass(frozen=True)
class TextLinear:
    """Logistic or ridge regression with an L2 penalty.

    Attributes:
        C: inverse strength of the penalty.
        features: of the texts the terms, of the rest scaled numbers.
    """

    C: float
    features: FeatureOptions

    def fit(self, X: Matrix, y: Array, *, X_valid: Matrix, y_valid: Array, context: FitContext) -> FittedTextLinear:
        """Solve for the weights."""
        most = self.features.terms
        dense = X.shape[1] - 2 * most
        terms = int(X[:, dense : dense + most].max(initial=0)) + 1
        rows = _sparse(X, dense, most, terms)
        if context.task == "regression":
            target = Target.of(y, context.metric)
            ridge = Ridge(alpha=1.0 / self.C, solver="sparse_cg", random_state=context.seed)
            ridge.fit(rows, target.forward(y))
            return FittedTextLinear(ridge.coef_.reshape(-1, 1), np.atleast_1d(ridge.intercept_), most, dense, target)
        weight, bias = fit_logistic(rows, y, self.C, context, steps=200, tol=1e-3)
        return FittedTextLinear(weight, bias, most, dense, None)


def build(config: Mapping[str, JSONScalar]) -> TextLinear:
    """Return the learner of a legal configuration."""
    options = FeatureOptions(
        numbers="standard",
        impute=True,
        missing_flags=True,
        terms=cast(int, config["terms"]),
        vocabulary=cast(int, config["vocabulary"]),
        pairs=bool(config["pairs"]),
    )
    return TextLinear(cast(float, config["C"]), options)


def _sparse(X: Matrix, dense: int, most: int, terms: int) -> Any:  # noqa: ANN401 - a matrix of scipy's
    """Return ``(n, dense + terms)``: the other columns, clipped, and the weights in the columns of their terms."""
    places, shares = X[:, dense : dense + most].astype(np.int64), X[:, dense + most :].astype(np.float64)
    places = np.where(places < terms, places, 0)
    row = np.repeat(np.arange(len(X)), most)
    words = scipy.sparse.csr_matrix((shares.ravel(), (row, places.ravel())), shape=(len(X), terms))
    rest = scipy.sparse.csr_matrix(np.clip(X[:, :dense], -_CLIP, _CLIP).astype(np.float64))
    return scipy.sparse.hstack([rest, words], format="csr")


def _columns(graph: OnnxGraph, start: int, end: int) -> str:
    return graph.add("Slice", "X", _integers(graph, start), _integers(graph, end), _integers(graph, 1))


def _integers(graph: OnnxGraph, value: int) -> str:
    return graph.constant([value], np.int64)
