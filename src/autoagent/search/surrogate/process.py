"""A Gaussian process with a Matern-5/2 kernel, one length for each column, fitted by its posterior mode."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize

from autoagent.search.surrogate.features import Features

Array = NDArray[np.float64]

_ROOT5 = math.sqrt(5.0)
_JITTER = 1e-8
_BOUND = 12.0  # of the logarithms of all hyperparameters


@dataclass(frozen=True)
class Belief:
    """Normal priors on the logarithms of the hyperparameters of standardised data.

    The length of a column grows with the square root of their number, so that a large space is not believed to be
    rougher than a small one (Hvarfner et al., arXiv:2402.02229).

    Attributes:
        length: median length of a column when there is one.
        length_sd: of its logarithm.
        scale_sd: of the logarithm of the signal's variance, whose median is 1.
        noise: median variance of the noise.
        noise_sd: of its logarithm.
    """

    length: float = 0.5
    length_sd: float = 1.0
    scale_sd: float = 1.0
    noise: float = 1e-3
    noise_sd: float = 2.0


@dataclass(frozen=True)
class Process:
    """A fitted process.

    Attributes:
        features: how rows are compared.
        rows: ``(n, width)`` where it was told something.
        weights: ``(width,)`` inverse squared lengths.
        scale: variance of the signal.
        noise: variance of the noise.
        lower: ``(n, n)`` Cholesky factor of the covariance with noise.
        alpha: ``(n,)`` the covariance's inverse times the targets.
    """

    features: Features
    rows: Array
    weights: Array
    scale: float
    noise: float
    lower: Array
    alpha: Array

    def predict(self, rows: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation of the noiseless function at ``(m, width)``, each ``(m,)``."""
        cross = self.scale * matern(self.features.weighted(self.rows, rows, self.weights))
        mean = cross.T @ self.alpha
        solved = solve_triangular(self.lower, cross, lower=True, check_finite=False)
        variance = self.scale - np.einsum("nm,nm->m", solved, solved)
        return mean, np.sqrt(np.maximum(variance, 1e-12))

    def joined_by(self, rows: Array) -> Process:
        """Return the process as if it had been told its own mean at more rows: only its deviation shrinks there."""
        if not len(rows):
            return self
        mean, _ = self.predict(rows)
        both = np.vstack([self.rows, rows])
        targets = np.concatenate([self.lower @ (self.lower.T @ self.alpha), mean])
        return condition(self.features, both, targets, weights=self.weights, scale=self.scale, noise=self.noise)


def matern(squared: Array) -> Array:
    """Return the Matern-5/2 correlation of squared weighted distances."""
    r = _ROOT5 * np.sqrt(squared)
    return np.asarray((1.0 + r + r * r / 3.0) * np.exp(-r))


def condition(
    features: Features, rows: Array, targets: Array, *, weights: Array, scale: float, noise: float
) -> Process:
    """Return the process with given hyperparameters."""
    covariance = scale * matern(features.weighted(rows, rows, weights))
    covariance[np.diag_indices(len(rows))] += noise + _JITTER * scale
    lower: Array = np.linalg.cholesky(covariance).astype(np.float64)
    return Process(features, rows, weights, scale, noise, lower, cho_solve((lower, True), targets))


def fit(features: Features, rows: Array, targets: Array, belief: Belief | None = None) -> Process:
    """Return the process at the mode of its hyperparameters' posterior, the better of two climbs.

    Args:
        features: of the space.
        rows: ``(n, width)``.
        targets: ``(n,)`` of about unit variance and mean 0.
        belief: priors.
    """
    belief = belief or Belief()
    squared = features.squared(rows, rows)
    middle, spread = prior(belief, features.width)
    best: tuple[float, Array] | None = None
    for shift in (0.0, 1.5):  # shorter lengths from the second start
        start = middle.copy()
        start[: features.width] += shift
        found = minimize(
            objective,
            start,
            args=(squared, targets, middle, spread),
            jac=True,
            method="L-BFGS-B",
            bounds=[(-_BOUND, _BOUND)] * len(start),
            options={"maxiter": 40},
        )
        if best is None or found.fun < best[0]:
            best = (float(found.fun), found.x)
    assert best is not None
    theta = np.exp(best[1])
    return condition(features, rows, targets, weights=theta[:-2], scale=float(theta[-2]), noise=float(theta[-1]))


def prior(belief: Belief, width: int) -> tuple[Array, Array]:
    """Return mean and deviation of the hyperparameters' logarithms: weights, scale, noise."""
    length = math.log(belief.length) + 0.5 * math.log(max(width, 1))
    middle = np.array([*[-2.0 * length] * width, 0.0, math.log(belief.noise)])
    spread = np.array([*[2.0 * belief.length_sd] * width, belief.scale_sd, belief.noise_sd])
    return middle, spread


def objective(theta: Array, squared: Array, targets: Array, middle: Array, spread: Array) -> tuple[float, Array]:
    """Return the negative logarithm of the posterior, up to a constant, and its gradient.

    Args:
        theta: ``(width + 2,)`` logarithms of weights, signal variance and noise variance.
        squared: ``(width, n, n)`` distances by column.
        targets: ``(n,)``.
        middle: ``(width + 2,)`` prior mean.
        spread: ``(width + 2,)`` prior deviation.
    """
    weights, scale, noise = np.exp(theta[:-2]), math.exp(theta[-2]), math.exp(theta[-1])
    r = _ROOT5 * np.sqrt(np.maximum(np.tensordot(weights, squared, axes=1), 0.0))
    decay = np.exp(-r)
    signal = scale * (1.0 + r + r * r / 3.0) * decay
    covariance = signal.copy()
    covariance[np.diag_indices(len(targets))] += noise + _JITTER * scale
    away = (theta - middle) / spread
    try:
        lower = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return 1e10, away / spread
    alpha = cho_solve((lower, True), targets, check_finite=False)
    inverse = cho_solve((lower, True), np.eye(len(targets)), check_finite=False)
    value = 0.5 * targets @ alpha + np.log(np.diag(lower)).sum() + 0.5 * away @ away
    outer = 0.5 * (inverse - np.outer(alpha, alpha))
    slope = outer * (scale * (-5.0 / 6.0) * (1.0 + r) * decay)  # of the covariance by the squared distance
    by_weight = weights * np.tensordot(squared, slope, axes=([1, 2], [0, 1]))
    by_scale = float((outer * signal).sum()) + _JITTER * scale * float(np.trace(outer))
    gradient = np.array([*by_weight, by_scale, noise * float(np.trace(outer))])
    return float(value), gradient + away / spread
