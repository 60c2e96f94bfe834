"""The logarithm of the expected improvement, without underflow where improvement is unlikely."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc, erfcx

Array = NDArray[np.float64]

_TAIL = -25.0


def log_expected_improvement(mean: Array, deviation: Array, best: float) -> Array:
    """Return ``(m,)``: log E[max(best - f, 0)] for normal beliefs about a loss (arXiv:2310.20708, equation 9).

    Args:
        mean: ``(m,)``.
        deviation: ``(m,)`` positive.
        best: the loss to improve on; for a noisy objective the lowest posterior mean, not the luckiest value.
    """
    z = (best - mean) / deviation
    near, far = np.maximum(z, _TAIL), np.minimum(z, _TAIL)
    direct = near / 2.0 * erfc(-near / math.sqrt(2.0)) + np.exp(-0.5 * near * near) / math.sqrt(2.0 * math.pi)
    tail = 1.0 + math.sqrt(math.pi / 2.0) * far * erfcx(-far / math.sqrt(2.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        body = np.log(np.maximum(direct, 1e-300))
        rest = -0.5 * far * far - 0.5 * math.log(2.0 * math.pi) + np.log(np.maximum(tail, 1e-300))
    return np.where(z >= _TAIL, body, rest) + np.log(deviation)
