"""Support vector machines with a radial kernel; probabilities by a softmax fitted on rows left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC, SVR

from autoagent.space import JSONScalar
from autoagent.train.features import FeatureOptions
from autoagent.train.learner import Array, FitContext, Matrix
from autoagent.train.onnx_graph import OnnxGraph
from autoagent.train.target import Target

_CLIP = 6.0
_INNER_FOLDS = 3
_CACHE_MB = 300


@dataclass(frozen=True)
class FittedSVM:
    """Kernel sums of pairs of classes, mixed into one logit for each class.

    Attributes:
        vectors: ``(s, d)`` support vectors.
        duals: ``(s, p)`` weights in each of ``p`` pairwise decisions (one column for numbers).
        bias: ``(p,)``.
        mix: ``(p, k)`` from decisions to logits; None for numbers.
        shift: ``(k,)`` added to the logits.
    """

    vectors: Matrix
    duals: Array
    bias: Array
    gamma: float
    mix: Array | None
    shift: Array
    target: Target | None
    curve: list[float] = field(default_factory=list)

    def predict(self, X: Matrix) -> Array:
        """Return probabilities or numbers."""
        z = _decide(np.clip(X, -_CLIP, _CLIP), self.vectors, self.duals, self.bias, self.gamma)
        if self.target is not None:
            return self.target.backward(z[:, 0])
        return np.asarray(softmax(np.tanh(z / 3.0) * 3.0 @ cast(Array, self.mix) + self.shift, axis=1))

    def to_onnx(self) -> bytes:
        """Return the same arithmetic: distances by one matrix product."""
        graph, d = OnnxGraph(), self.vectors.shape[1]
        x = graph.add("Clip", "X", graph.constant(-_CLIP), graph.constant(_CLIP))
        own = graph.add("ReduceSum", graph.add("Mul", x, x), graph.constant([1], np.int64), keepdims=1)
        cross = graph.linear(x, -2 * self.vectors.T, (self.vectors.astype(np.float64) ** 2).sum(axis=1))
        square = graph.add("Max", graph.add("Add", cross, own), graph.constant(0.0))
        kernel = graph.add("Exp", graph.add("Mul", square, graph.constant(-self.gamma)))
        z = graph.linear(kernel, self.duals, self.bias)
        if self.target is not None:
            return graph.finish(self.target.add_backward(graph, graph.flat(z)), num_features=d, num_columns=None)
        bent = graph.add("Mul", graph.add("Tanh", graph.add("Div", z, graph.constant(3.0))), graph.constant(3.0))
        name = graph.add("Softmax", graph.linear(bent, self.mix, self.shift), axis=1)
        return graph.finish(name, num_features=d, num_columns=len(self.shift))


@dataclass(frozen=True)
class SVM:
    """A radial kernel of width ``gamma / d``, for classes one pair at a time."""

    C: float
    gamma: float
    epsilon: float
    features: FeatureOptions

    def fit(self, X: Matrix, y: Array, *, X_valid: Matrix, y_valid: Array, context: FitContext) -> FittedSVM:
        """Fit on all rows; for classes the calibration is fitted on decisions about rows left out."""
        rows = np.clip(X, -_CLIP, _CLIP)
        gamma = self.gamma / max(float(rows.var() * rows.shape[1]), 1e-6)
        if context.task == "regression":
            target = Target.of(y, context.metric)
            svr = SVR(C=self.C, gamma=gamma, epsilon=self.epsilon, cache_size=_CACHE_MB).fit(rows, target.forward(y))
            duals, bias = svr.dual_coef_.T.astype(np.float64), np.asarray(svr.intercept_)
            return FittedSVM(svr.support_vectors_, duals, bias, gamma, None, np.zeros(1), target)
        return self._fit_classes(rows, y.astype(np.int64), gamma, context)

    def _fit_classes(self, rows: Matrix, y: np.ndarray[Any, Any], gamma: float, context: FitContext) -> FittedSVM:
        present = np.unique(y)
        if len(present) == 1:
            shift = np.where(np.arange(context.n_classes) == present[0], 0.0, -30.0)
            mix = np.zeros((1, context.n_classes))
            return FittedSVM(rows[:1], np.zeros((1, 1)), np.zeros(1), gamma, mix, shift, None)
        vectors, duals, bias = self._machine(rows, y, gamma, present)
        decisions, truth = self._decisions_left_out(rows, y, gamma, present, context)
        mix, shift = _calibrate(decisions, truth, present, context.n_classes)
        return FittedSVM(vectors, duals, bias, gamma, mix, shift, None)

    def _machine(
        self, rows: Matrix, y: np.ndarray[Any, Any], gamma: float, present: np.ndarray[Any, Any]
    ) -> tuple[Matrix, Array, Array]:
        """Return support vectors, and weights and biases of all pairs of classes."""
        svc = SVC(C=self.C, gamma=gamma, cache_size=_CACHE_MB).fit(rows, y)
        duals = _pair_weights(svc.dual_coef_, svc.n_support_, len(present))
        return svc.support_vectors_, duals, np.asarray(svc.intercept_, dtype=np.float64)

    def _decisions_left_out(
        self, rows: Matrix, y: np.ndarray[Any, Any], gamma: float, present: np.ndarray[Any, Any], context: FitContext
    ) -> tuple[Array, np.ndarray[Any, Any]]:
        """Decide about rows that the machine did not see."""
        smallest = int(np.bincount(y)[present].min())
        if smallest < 2:
            vectors, duals, bias = self._machine(rows, y, gamma, present)
            return _decide(rows, vectors, duals, bias, gamma), y
        folds = StratifiedKFold(min(_INNER_FOLDS, smallest), shuffle=True, random_state=context.seed)
        parts, truths = [], []
        for train, rest in folds.split(rows, y):
            vectors, duals, bias = self._machine(rows[train], y[train], gamma, present)
            parts.append(_decide(rows[rest], vectors, duals, bias, gamma))
            truths.append(y[rest])
            if len(rows) > 4000 or context.left_s() < 1.0:
                break  # one part of a large table is enough for so few numbers
        return np.concatenate(parts), np.concatenate(truths)


def build(config: Mapping[str, JSONScalar]) -> SVM:
    """Return the learner of a legal configuration."""
    return SVM(
        cast(float, config["C"]),
        cast(float, config["gamma"]),
        cast(float, config["epsilon"]),
        FeatureOptions(
            numbers=cast(Literal["standard", "quantile"], config["numbers"]),
            impute=True,
            categories=cast(Literal["onehot", "target"], config["categories"]),
            text_svd=64,
        ),
    )


def _pair_weights(dual: Array, counts: np.ndarray[Any, Any], k: int) -> Array:
    """Turn libsvm's ``(k - 1, s)`` weights into ``(s, p)``, a column for each pair ``i < j`` that it decides."""
    if k == 2:
        return np.asarray(dual.T, dtype=np.float64)
    starts = np.concatenate([[0], np.cumsum(counts)])
    columns = []
    for i in range(k):
        for j in range(i + 1, k):
            column = np.zeros(dual.shape[1])
            column[starts[i] : starts[i + 1]] = dual[j - 1, starts[i] : starts[i + 1]]
            column[starts[j] : starts[j + 1]] = dual[i, starts[j] : starts[j + 1]]
            columns.append(column)
    return np.stack(columns, axis=1)


def _decide(X: Matrix, vectors: Matrix, duals: Array, bias: Array, gamma: float) -> Array:
    """Return ``(n, p)`` decisions: positive for the first class of a pair, or the second of two."""
    x, v = X.astype(np.float64), vectors.astype(np.float64)
    square = (x**2).sum(axis=1)[:, None] + (v**2).sum(axis=1) - 2 * x @ v.T
    return np.asarray(np.exp(-gamma * np.maximum(square, 0)) @ duals + bias)


def _calibrate(z: Array, y: np.ndarray[Any, Any], present: np.ndarray[Any, Any], k: int) -> tuple[Array, Array]:
    """Fit a slope for the votes and a shift for each class by the log loss.

    Differs: Platt (one sigmoid per pair) and pairwise coupling; one slope and ``k`` shifts are all that the rows of a
    small table can tell, and the result is one softmax.
    """
    votes = _votes(len(present))
    scores = np.tanh(z / 3.0) * 3.0 @ votes
    code = np.searchsorted(present, y)
    one_hot = np.eye(len(present))[code]

    def loss(theta: Array) -> tuple[float, Array]:
        logits = np.exp(theta[0]) * scores + theta[1:]
        wrong = (np.exp(log_softmax(logits, axis=1)) - one_hot) / len(y)
        value = -log_softmax(logits, axis=1)[np.arange(len(y)), code].mean() + 1e-3 * (theta[1:] ** 2).sum()
        slope = float((wrong * scores).sum() * np.exp(theta[0]))
        return float(value), np.concatenate([[slope], wrong.sum(axis=0) + 2e-3 * theta[1:]])

    best = minimize(
        loss, np.zeros(1 + len(present)), jac=True, method="L-BFGS-B", bounds=[(-4, 4)] + [(-8, 8)] * len(present)
    )
    mix, shift = np.zeros((len(votes), k)), np.full(k, -30.0)
    mix[:, present] = np.exp(best.x[0]) * votes
    shift[present] = best.x[1:]
    return mix, shift


def _votes(k: int) -> Array:
    """Return ``(p, k)``: each pair speaks for its first class and against its second; of two, for the second."""
    if k == 2:
        return np.array([[-1.0, 1.0]])
    pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]
    votes = np.zeros((len(pairs), k))
    for row, (i, j) in enumerate(pairs):
        votes[row, i], votes[row, j] = 1.0, -1.0
    return votes * (2.0 / k)
