"""Expected improvement, under any normal prediction and under a small Gaussian process; pure numpy."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_LENGTHS = (0.1, 0.2, 0.4, 0.8, 1.6)  # times the square root of the number of columns
_NOISES = (1e-6, 1e-3, 1e-1)  # variances, where that of the losses is 1
_MOST = 200  # points that the process sees: the better half of them the best, the other the latest


def process_improvement(points: Floats, losses: Floats, candidates: Floats) -> Floats:
    """Return the expected improvement of each candidate on the best loss, in standard deviations of the losses.

    The kernel is Matérn 5/2 with one length for all columns; length and noise are those of a small grid with the
    highest marginal likelihood.

    Args:
        points: ``(n, width)`` in [0, 1], n at least 2.
        losses: ``(n,)``, finite; lower is better.
        candidates: ``(m, width)``.
    """
    points, losses = _most(points, losses)
    scale = losses.std() or 1.0
    y = (losses - losses.mean()) / scale
    apart, across = _distances(points, points), _distances(candidates, points)
    length, noise = _fitted(apart, y, points.shape[1])
    factor = np.linalg.cholesky(_matern(apart / length) + noise * np.eye(len(y)))
    weights = np.linalg.solve(factor.T, np.linalg.solve(factor, y))
    kernel = _matern(across / length)
    mean = kernel @ weights
    reduced = np.linalg.solve(factor, kernel.T)
    sigma = np.sqrt(np.maximum(1.0 - (reduced**2).sum(axis=0), 1e-12))
    return normal_improvement(mean, sigma, best=float(y.min()))


def normal_improvement(mean: Floats, deviation: Floats, *, best: float) -> Floats:
    """Return by how much a normal ``(mean, deviation)`` is expected to fall below ``best``; ``deviation`` is not 0."""
    z = (best - mean) / deviation
    density = np.exp(-0.5 * np.minimum(z * z, 700.0)) / math.sqrt(2 * math.pi)
    below = np.array([0.5 * math.erfc(-each / math.sqrt(2)) for each in z])
    return np.asarray(np.maximum(deviation * (z * below + density), 0.0), dtype=np.float64)


def _fitted(apart: Floats, y: Floats, width: int) -> tuple[float, float]:
    """Return the length and the noise with the highest marginal likelihood."""
    best, chosen = -math.inf, (1.0, _NOISES[-1])
    for length in (share * math.sqrt(width) for share in _LENGTHS):
        kernel = _matern(apart / length)
        for noise in _NOISES:
            factor = np.linalg.cholesky(kernel + noise * np.eye(len(y)))
            half = np.linalg.solve(factor, y)
            likelihood = -0.5 * float(half @ half) - float(np.log(np.diag(factor)).sum())
            if likelihood > best:
                best, chosen = likelihood, (length, noise)
    return chosen


def _most(points: Floats, losses: Floats) -> tuple[Floats, Floats]:
    if len(losses) <= _MOST:
        return points, losses
    kept = set(np.argsort(losses)[: _MOST // 2]) | set(range(len(losses) - _MOST // 2, len(losses)))
    rows = sorted(kept)
    return points[rows], losses[rows]


def _distances(first: Floats, second: Floats) -> Floats:
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None, :] - 2 * first @ second.T
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)), dtype=np.float64)


def _matern(ratio: Floats) -> Floats:
    root = math.sqrt(5) * ratio
    return np.asarray((1 + root + root**2 / 3) * np.exp(-root), dtype=np.float64)
