"""What LLAMBO computes from a model's replies: a target, mean and spread of predictions, expected improvement. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autoagent.search.surrogate.improvement import log_expected_improvement

Floats = NDArray[np.float64]
Bounds = tuple[float | None, float | None]
_LEAST_SPREAD = 1e-5  # of a prediction, as a share of the range of values seen


def target_value(values: Sequence[float], *, maximize: bool, alpha: float, bounds: Bounds = (None, None)) -> float:
    """Return the value that candidates should reach: beyond the best by ``alpha`` times the range of the values.

    Where that passes a bound of the metric, it is halfway from the best to the bound. A metric without stated bounds
    has none: neither 1 nor 0 is assumed.
    """
    best = max(values) if maximize else min(values)
    spread = max(values) - min(values) or 0.1 * max(abs(best), 1e-3)
    target = best + alpha * spread if maximize else best - alpha * spread
    low, high = bounds
    if high is not None and target > high:
        return (best + high) / 2
    if low is not None and target < low:
        return (best + low) / 2
    return target


def summarize(draws: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of each candidate's predictions.

    Args:
        draws: ``(draw, candidate)``; nan where a reply had no usable number.

    Returns:
        two arrays ``(candidate,)``. A candidate without a number gets the average of the others, as LLAMBO does; nan
        where no candidate has one.
    """
    known = np.isfinite(draws)
    counts = known.sum(axis=0)
    filled = np.where(known, draws, 0.0)
    mean = np.divide(filled.sum(axis=0), counts, out=np.full(draws.shape[1], np.nan), where=counts > 0)
    squares = np.where(known, (draws - np.where(np.isnan(mean), 0.0, mean)) ** 2, 0.0).sum(axis=0)
    deviation = np.sqrt(np.divide(squares, counts, out=np.full(draws.shape[1], np.nan), where=counts > 0))
    scored = counts > 0
    if scored.any():
        mean = np.where(scored, mean, mean[scored].mean())
        deviation = np.where(scored, deviation, deviation[scored].mean())
    return mean, deviation


def expected_improvement(mean: Floats, deviation: Floats, *, best: float, spread: float, maximize: bool) -> Floats:
    """Return the expected improvement on ``best`` under a normal prediction.

    Args:
        mean: ``(candidate,)``.
        deviation: ``(candidate,)``; raised to a small share of ``spread`` where replies agree exactly.
        best: value so far.
        spread: range of the values seen.
        maximize: whether higher is better.
    """
    sigma = np.maximum(deviation, _LEAST_SPREAD * max(spread, 1e-12))
    sign = -1.0 if maximize else 1.0
    return np.exp(log_expected_improvement(sign * mean, sigma, sign * best))


def top_labels(losses: Sequence[float], share: float) -> list[int]:
    """Return 1 for each of the best ``share`` of the losses, at least one of them, else 0; a failure's loss is inf."""
    finite = sorted(loss for loss in losses if math.isfinite(loss))
    if not finite:
        return [0] * len(losses)
    limit = finite[min(max(1, math.ceil(share * len(losses))), len(finite)) - 1]
    return [int(loss <= limit) for loss in losses]
