"""Losses as targets of a Gaussian process: of mean 0 and variance 1, with their tail drawn in."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

Array = NDArray[np.float64]
Transform = Literal["plain", "copula", "log", "mixed"]


def targets_of(losses: Array, transform: Transform = "mixed") -> Array:
    """Return ``(n,)`` targets in the order of the losses; infinite losses count as the worst finite one.

    Args:
        losses: ``(n,)``.
        transform: ``plain`` standardises; ``copula`` makes ranks normal; ``log`` draws in what is worse than the
            median by the logarithm of its distance from the best; ``mixed`` is the mean of copula and log.
    """
    finite = losses[np.isfinite(losses)]
    if not len(finite):
        return np.zeros(len(losses))
    clean = np.clip(losses, finite.min(), finite.max())
    if transform == "plain":
        return standardised(clean)
    if transform == "copula":
        return _copula(clean)
    if transform == "log":
        return _log(clean)
    return standardised(_copula(clean) + _log(clean))


def standardised(values: Array) -> Array:
    """Return values of mean 0 and variance 1; all 0 where they are equal."""
    spread = float(values.std())
    return (
        (values - values.mean()) / spread if spread > 1e-12 * max(abs(float(values.mean())), 1e-300) else values * 0.0
    )


def _copula(values: Array) -> Array:
    return standardised(ndtri((rankdata(values) - 0.5) / len(values)))


def _log(values: Array) -> Array:
    """Compress distances beyond the lower half of the losses; the lower half stays as it is."""
    best, middle = float(values.min()), float(np.median(values))
    unit = max(middle - best, 1e-12 * max(abs(best), 1e-300))
    away = (values - best) / unit
    return standardised(np.where(away > 1.0, 1.0 + np.log(np.maximum(away, 1.0)), away))
