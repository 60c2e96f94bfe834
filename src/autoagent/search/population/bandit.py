"""A time-varying Gaussian process over hyperparameters: what a configuration adds to the score, now."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.spatial.distance import cdist

from autoagent.search.trees.units import to_unit
from autoagent.search.trials_log import distribution
from autoagent.space import Bool, Choice, Space
from autoagent.space.domains import JSONScalar

Floats = NDArray[np.float64]
_LENGTHS = (0.1, 0.3, 1.0, 3.0)  # squared length of the kernel
_FORGETTING = (0.0, 0.05, 0.15, 0.5)  # epsilon; 0.5 is the most that is allowed
_NOISES = (1e-3, 1e-2, 0.1, 0.5)  # variance, in units of the kernel's scale


@dataclass(frozen=True)
class Rows:
    """Points of the process.

    Attributes:
        numbers: places in [0, 1] of the number of the interval's score before it and of numeric parameters, (n, d).
        labels: the number of the option of each choice, -1 for one that is not there, (n, c).
        times: the number of the interval, (n,).
    """

    numbers: Floats
    labels: Floats
    times: Floats

    def __len__(self) -> int:
        return len(self.times)


def encode(space: Space, config: Mapping[str, JSONScalar]) -> tuple[list[float], list[float]]:
    """Return the places of the numbers and the labels of the choices of a configuration; absent ones in the middle."""
    numbers, labels = [], []
    for name, param in space.items():
        if isinstance(param.domain, Choice | Bool):
            options = param.domain.options if isinstance(param.domain, Choice) else (False, True)
            labels.append(float(options.index(config[name])) if name in config else -1.0)
        else:
            numbers.append(to_unit(distribution(param.domain), config[name]) if name in config else 0.5)
    return numbers, labels


class TimeVaryingProcess:
    """``k = s² exp(-|x - x'|²/l) (1 - e)^(|t - t'|/2)``, with choices mixed in as CoCaBO does.

    With choices, ``x`` is compared by half of ``k_num + k_cat`` plus half of ``k_num k_cat``, where ``k_cat`` is the
    share of equal labels (Parker-Holder et al. 2021, arXiv:2106.15883, PB2-Mix). Values are standardised and clipped
    at 2; length, forgetting and noise are those of the highest likelihood on a grid, the scale is solved for.

    Differs: a grid in place of a gradient search from random starts.

    Args:
        rows: what was tried.
        gains: what the score changed by, (n,).
    """

    def __init__(self, rows: Rows, gains: Floats) -> None:
        spread = float(gains.std()) or 1.0
        values = np.clip((gains - gains.mean()) / spread, -2.0, 2.0)
        self._rows, best = rows, -np.inf
        for length, forgetting in itertools.product(_LENGTHS, _FORGETTING):
            kernel = similarity(rows, rows, length, forgetting)
            for noise in _NOISES:
                found = _fit(kernel, noise, values)
                if found[0] > best:
                    best, self._scale, self._weights = found
                    self._length, self.forgetting, self._noise = length, forgetting, noise
        self._factor = self._factored(rows)
        self._seen = rows

    def expect(self, rows: Rows) -> None:
        """Take in points that are being tried: they make their surroundings surer and no better or worse."""
        self._seen = joined(self._rows, rows)
        self._factor = self._factored(self._seen)

    def predict(self, rows: Rows) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the standardised gain, each (m,)."""
        mean = similarity(rows, self._rows, self._length, self.forgetting) @ self._weights
        across = similarity(rows, self._seen, self._length, self.forgetting)
        inside = solve_triangular(self._factor, across.T, lower=True)
        return mean, np.sqrt(self._scale * np.maximum(1.0 - np.sum(inside**2, axis=0), 1e-10))

    def _factored(self, rows: Rows) -> Floats:
        kernel = similarity(rows, rows, self._length, self.forgetting)
        factor: Floats = cholesky(kernel + (self._noise + 1e-9) * np.eye(len(rows)), lower=True)
        return factor


def similarity(one: Rows, other: Rows, length: float, forgetting: float) -> Floats:
    """Return the kernel without its scale, (n, m)."""
    near = np.exp(-cdist(one.numbers, other.numbers, "sqeuclidean") / length)
    if one.labels.shape[1]:
        same = np.mean(one.labels[:, None] == other.labels[None], axis=2)
        near = 0.5 * (near + same) / 2 + 0.5 * near * same
    lag = np.abs(one.times[:, None] - other.times[None])
    return np.asarray(near * (1.0 - forgetting) ** (lag / 2), dtype=np.float64)


def joined(one: Rows, other: Rows) -> Rows:
    """Return the points of both."""
    return Rows(
        np.vstack([one.numbers, other.numbers]),
        np.vstack([one.labels, other.labels]),
        np.concatenate([one.times, other.times]),
    )


def _fit(kernel: Floats, noise: float, values: Floats) -> tuple[float, float, Floats]:
    """Return the log likelihood with the best scale, that scale and the weights."""
    factor = cholesky(kernel + (noise + 1e-9) * np.eye(len(values)), lower=True)
    weights = cho_solve((factor, True), values)
    scale = max(float(values @ weights) / len(values), 1e-12)
    return -0.5 * len(values) * np.log(scale) - float(np.log(np.diag(factor)).sum()), scale, weights
