"""The first guess as a density over a space: a normal round each number's default, odds for each choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from autoagent.search.agent_search.hints import choice_weights, hint_for
from autoagent.search.encoding import exact
from autoagent.search.surrogate.features import Column, Features

Array = NDArray[np.float64]

_KNOWN = 0.22  # standard deviation round a default, as a share of the range
_UNKNOWN = 0.35  # round the middle of a range of which nothing is known
_EDGE = 0.1  # a default outside the range or at its end is believed this far inside it


class Guess:
    """What is believed of a space before the first trial.

    Attributes:
        default: ``(width,)`` the one most likely configuration.
        config: the same as values; a published default inside its range is kept to the last digit.
    """

    def __init__(self, features: Features, known: Mapping[str, Any] | None = None) -> None:
        """Take the names' hints, and over them the library's own defaults where the caller knows them."""
        self._features = features
        known = known or {}
        distributions = {column.name: column.distribution for column in features.columns}
        places = [_place(features, column, distributions, known) for column in features.columns]
        self.default = features.snapped(np.array([[place for place, _ in places]], dtype=float))[0]
        stated = {column.name: _stated(column, distributions, known) for column in features.columns}
        self.config = features.config(self.default) | {name: v for name, v in stated.items() if v is not None}
        self._centres = np.clip([place for place, _ in places], _EDGE, 1.0 - _EDGE)
        self._spreads = np.array([spread for _, spread in places], dtype=float)
        self._odds = [_odds(column, known) for column in features.columns]

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Return ``(count, width)`` legal rows: a scrambled Halton sequence sent through the density."""
        width = self._features.width
        seed = np.random.default_rng(int(rng.integers(2**31)))
        units = np.clip(qmc.Halton(width, scramble=True, rng=seed).random(count), 1e-9, 1.0 - 1e-9)
        table = np.empty((count, width))
        for index, column in enumerate(self._features.columns):
            if column.is_category:
                table[:, index] = np.searchsorted(np.cumsum(self._odds[index])[:-1], units[:, index], side="right")
            else:
                low, high = ndtr((np.array([0.0, 1.0]) - self._centres[index]) / self._spreads[index])
                drawn = ndtri(low + units[:, index] * (high - low))
                table[:, index] = self._centres[index] + self._spreads[index] * drawn
        return self._features.snapped(table)

    def log_density(self, rows: Array) -> Array:
        """Return ``(n,)`` the density's logarithm, 0 at its mode."""
        total = np.zeros(len(rows))
        for index, column in enumerate(self._features.columns):
            if column.is_category:
                odds = self._odds[index]
                codes = np.clip(rows[:, index].astype(int), 0, len(odds) - 1)
                total += np.log(odds[codes] / odds.max())
            else:
                away = (rows[:, index] - self._centres[index]) / self._spreads[index]
                total -= 0.5 * away * away
        return total


def _place(
    features: Features, column: Column, distributions: Mapping[str, Any], known: Mapping[str, Any]
) -> tuple[float, float]:
    """Return position and deviation of one column's centre."""
    if column.name in known:
        return features.place(column, known), _KNOWN
    if column.is_category:
        return float(np.argmax(_odds(column, known))), 1.0
    hint = hint_for(column.name, distributions)
    if hint is None:
        return 0.5, _UNKNOWN
    if hint.value is None:
        return hint.place, _KNOWN
    return _position(features, column, hint.value), _KNOWN


def _stated(column: Column, distributions: Mapping[str, Any], known: Mapping[str, Any]) -> float | int | None:
    """Return the number that was given or published for a column, if it is legal."""
    if column.name in known:
        return exact(column.distribution, known[column.name])
    hint = hint_for(column.name, distributions)
    return None if hint is None else exact(column.distribution, hint.value)


def _position(features: Features, column: Column, value: float) -> float:
    distribution = column.distribution
    if isinstance(distribution, CategoricalDistribution):  # ordered numbers: the nearest, in logs where they allow it
        choices = np.array(distribution.choices, dtype=float)
        in_logs = bool((choices > 0).all()) and value > 0
        gaps = np.abs(np.log(choices / value)) if in_logs else np.abs(choices - value)
        return float(np.argmin(gaps)) / (len(choices) - 1)
    return features.place(column, {column.name: value})


def _odds(column: Column, known: Mapping[str, Any]) -> Array:
    """Return the probabilities of the choices of a category; of a number, nothing."""
    if not column.is_category or not isinstance(column.distribution, CategoricalDistribution):
        return np.empty(0)
    weights = np.array(choice_weights(column.distribution))
    if column.name in known and known[column.name] in column.distribution.choices:
        weights[column.distribution.choices.index(known[column.name])] *= 3.0
    return np.asarray(weights / weights.sum())
