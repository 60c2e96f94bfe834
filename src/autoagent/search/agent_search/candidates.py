"""Where to look for the next trial: draws of the whole space, of the first guess, and steps from good trials."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from autoagent.search.agent_search.conditions import Conditions
from autoagent.search.agent_search.prior import Guess
from autoagent.search.surrogate.features import Features

Array = NDArray[np.float64]
Score = Callable[[Array], Array]

_ANYWHERE, _GUESSED, _NEAR = 500, 200, 60  # candidates: of the space, of the guess, round each good trial
_STEPS = (0.01, 0.04, 0.12, 0.3)  # standard deviations of a step, as shares of a range
_CLIMBERS, _ROUNDS, _CHILDREN = 8, 5, 10


def pool(features: Features, guess: Guess, good: Array, conditions: Conditions, rng: np.random.Generator) -> Array:
    """Return candidates as legal rows.

    Args:
        features: of the space.
        guess: where good settings are believed to be.
        good: ``(k, width)`` the best trials.
        conditions: under which parameters are used.
        rng: of this trial.
    """
    parts = [anywhere(features, _ANYWHERE, rng), guess.draw(_GUESSED, rng)]
    if len(good):
        parts.append(stepped(features, np.repeat(good, _NEAR, axis=0), rng, np.array(_STEPS)))
    return conditions.masked(np.vstack(parts), features)


def climb(
    features: Features, rows: Array, score: Score, conditions: Conditions, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return rows and their scores after a few rounds of smaller and smaller steps from the best of them."""
    values = score(rows)
    for round_ in range(_ROUNDS):
        leaders = rows[np.argsort(-values, kind="stable")[:_CLIMBERS]]
        sizes = np.array(_STEPS[::-1])[min(round_, len(_STEPS) - 1) :]
        children = stepped(features, np.repeat(leaders, _CHILDREN, axis=0), rng, sizes)
        children = conditions.masked(children, features)
        rows, values = np.vstack([rows, children]), np.concatenate([values, score(children)])
    return rows, values


def anywhere(features: Features, count: int, rng: np.random.Generator) -> Array:
    """Return uniform draws of the space."""
    table = rng.random((count, features.width))
    for index in np.flatnonzero(features.is_category):
        table[:, index] = rng.integers(len(features.columns[index].levels), size=count)
    return features.snapped(table)


def stepped(features: Features, rows: Array, rng: np.random.Generator, sizes: Array) -> Array:
    """Return rows with about two columns changed: numbers by a normal step, categories by another draw.

    A number on levels moves at least to the next one.
    """
    shape = rows.shape
    chosen = rng.random(shape) < min(1.0, 2.0 / max(shape[1], 1))
    chosen[np.arange(shape[0]), rng.integers(shape[1], size=shape[0])] = True
    steps = rng.normal(size=shape) * rng.choice(sizes, size=(shape[0], 1))
    fresh = rows.copy()
    for index, column in enumerate(features.columns):
        if column.is_category:
            drawn = rng.integers(len(column.levels), size=shape[0]).astype(float)
            fresh[:, index] = np.where(chosen[:, index], drawn, rows[:, index])
            continue
        step = steps[:, index]
        if len(column.levels) > 1:
            gap = float(np.diff(column.levels).min()) if len(column.levels) < 60 else 0.0
            step = np.sign(step) * np.maximum(np.abs(step), gap)
        moved = rows[:, index] + step
        fresh[:, index] = np.where(chosen[:, index], np.clip(moved, 0.0, 1.0), rows[:, index])
    return features.snapped(fresh)
