"""Sequential model-based search over decision lists: a Gaussian process on n-grams of decisions scores rollouts."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.spatial.distance import cdist
from scipy.stats import norm, rankdata

from autoagent.search.trees.evidence import Evidence, Floats, Tried, placed
from autoagent.search.trees.policy import Chooser, Random, planned
from autoagent.search.trees.tree import Decisions, Rollouts
from autoagent.search.trees.variation import cross, mutate

Tokens = dict[str, float]
_MOST = 300  # trials that the model sees: the better half of them the best, the other the latest
_LENGTHS = (0.35, 0.7, 1.4, 2.8, 5.6)  # of the kernel, in units of the usual distance
_NOISES = (1e-3, 1e-2, 1e-1, 0.5)  # variance, in units of the scale
_COPY = re.compile(r"\[\d+\]")


@dataclass(frozen=True)
class Smbo:
    """A surrogate over decisions, maximised over rollouts (arXiv:1704.08792 section 4.3).

    Attributes:
        startup: trials drawn at random before the model speaks.
        rollouts: random lists that the model scores, beside changes and mixtures of the best lists.
        epsilon: probability of a random list, so that the model cannot lock itself in.

    Differs: a Gaussian process with expected improvement on normal scores of the losses, where the authors' code takes
    a ridge regression's mean over hashed features (Python's ``hash`` changes with each process); candidates are
    also neighbours of the best, not rollouts only.
    """

    startup: int = 8
    rollouts: int = 200
    epsilon: float = 0.05

    def begin(self, evidence: Evidence, space: Rollouts | None, rng: random.Random) -> Chooser:
        """Return what answers from the list of the highest expected improvement."""
        known = evidence.best_first()
        if space is None or len(known) < max(self.startup, 2) or rng.random() < self.epsilon:
            return Random().begin(evidence, space, rng)
        candidates = _candidates(space, known, self.rollouts, rng)
        tried = {_identity(t.decisions) for t in (*evidence.ended, *evidence.running)}
        fresh = [one for one in candidates if _identity(one) not in tried] or candidates
        return planned(fresh[int(np.argmax(_improvements(space, evidence, fresh)))], rng)


def tokens(decisions: Mapping[str, object], distributions: Mapping[str, BaseDistribution]) -> Tokens:
    """Return the features of a decision list: each decision, each pair of neighbours, copies of a part together.

    A choice is 1 under its name and label, a number its place in its range; ``[3]`` counts under ``[]`` too, so what
    is learned of one copy helps with the others. Names, not hashes: they mean the same in every process.
    """
    found: Tokens = {}
    last = ""
    for name, value in decisions.items():
        where, common = distributions[name], _COPY.sub("[]", name)
        unit = placed(value, where)
        if isinstance(where, CategoricalDistribution):
            word = f"{common}:{unit:.0f}"
            found[f"{name}:{unit:.0f}"] = 1.0
        else:
            word = f"{common}~{int(unit * 3.999)}"
            found[name], found[f"{name}~"] = 0.5, 2.0 * (unit - 0.5)
        if common != name:
            found[word] = found.get(word, 0.0) + 0.5
        found[f"{last}>{word}"] = found.get(f"{last}>{word}", 0.0) + 0.3
        last = word
    return found


def _candidates(space: Rollouts, best: Sequence[Tried], rollouts: int, rng: random.Random) -> list[Decisions]:
    found = [space.complete({}, rng) for _ in range(rollouts)]
    elite = [space.complete(trial.decisions, rng) for trial in best[:5]]
    for _ in range(rollouts // 2):
        found.append(mutate(space, rng.choice(elite), rng))
        found.append(mutate(space, cross(space, rng.choice(elite), rng.choice(elite), rng), rng))
    return found


def _improvements(space: Rollouts, evidence: Evidence, candidates: Sequence[Decisions]) -> Floats:
    kept = _kept(evidence)
    shared = [*kept, *evidence.running]
    rows = [tokens(d, space.distributions(d)) for d in candidates]
    seen = [
        tokens(t.decisions, space.distributions(t.decisions) if t.distributions is None else t.distributions)
        for t in shared
    ]
    table, is_pair = _matrix([*seen, *rows])
    losses = _normal_scores(Evidence(kept))
    model = Process(table[: len(kept)], losses, is_pair)
    pending = table[len(kept) : len(shared)]
    if len(pending):  # believe the mean of what still runs
        model = Process(table[: len(shared)], np.concatenate([losses, model.predict(pending)[0]]), is_pair)
    mean, deviation = model.predict(table[len(shared) :])
    z = (losses.min() - mean) / deviation
    return np.asarray(deviation * (z * norm.cdf(z) + norm.pdf(z)), dtype=np.float64)


def _kept(evidence: Evidence) -> list[Tried]:
    if len(evidence) <= _MOST:
        return evidence.ended
    best = {id(trial) for trial in evidence.best_first()[: _MOST // 2]}
    latest = {id(trial) for trial in evidence.ended[-_MOST // 2 :]}
    return [trial for trial in evidence.ended if id(trial) in best | latest]


def _normal_scores(evidence: Evidence) -> Floats:
    """Return the quantile of each trial as a standard normal number, lower is better: no outlier rules the fit."""
    ranks = rankdata(-evidence.scores())
    return np.asarray(norm.ppf((ranks - 0.5) / len(ranks)), dtype=np.float64)


def _matrix(rows: Sequence[Tokens]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return a row of features for each list, and which columns are pairs of decisions."""
    columns = {token: place for place, token in enumerate(sorted({token for row in rows for token in row}))}
    table = np.zeros((len(rows), max(len(columns), 1)))
    for number, row in enumerate(rows):
        table[number, [columns[token] for token in row]] = list(row.values())
    return table, np.array([">" in token for token in columns], dtype=bool)


def _identity(decisions: Mapping[str, object]) -> str:
    rounded = {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in sorted(decisions.items())}
    return repr(rounded)


class Process:
    """A Gaussian process with a Matérn 5/2 kernel.

    Length, noise and whether pairs of decisions count at all are those of the highest likelihood on a grid.

    Args:
        points: features, (n, d).
        values: losses, (n,).
        is_pair: the columns that may be left out, (d,).
    """

    def __init__(self, points: Floats, values: Floats, is_pair: NDArray[np.bool_]) -> None:
        self._mean, best = float(values.mean()), -np.inf
        for weight in (0.0, 1.0) if is_pair.any() else (1.0,):
            columns = np.where(is_pair, weight, 1.0)
            distances = cdist(points * columns, points * columns)
            usual = float(np.median(distances[distances > 0])) if np.any(distances > 0) else 1.0
            for length, noise in itertools.product(_LENGTHS, _NOISES):
                found = _likelihood(_matern(distances / (usual * length)), noise, values - self._mean)
                if found[0] > best:
                    best, self._scale, self._factor, self._weights = found
                    self._columns, self._length, self._points = columns, usual * length, points * columns

    def predict(self, points: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the value without noise at (m, d) points, each (m,)."""
        kernel = _matern(cdist(points * self._columns, self._points) / self._length)
        inside = solve_triangular(self._factor, kernel.T, lower=True)
        variance = self._scale * np.maximum(1.0 - np.sum(inside**2, axis=0), 1e-10)
        return self._mean + kernel @ self._weights, np.sqrt(variance)


def _matern(distance: Floats) -> Floats:
    scaled = np.sqrt(5.0) * distance
    return np.asarray((1.0 + scaled + scaled**2 / 3.0) * np.exp(-scaled), dtype=np.float64)


def _likelihood(kernel: Floats, noise: float, values: Floats) -> tuple[float, float, Floats, Floats]:
    """Return the log likelihood with the best scale, that scale, the Cholesky factor and the weights."""
    factor = cholesky(kernel + (noise + 1e-9) * np.eye(len(values)), lower=True)
    weights = cho_solve((factor, True), values)
    scale = max(float(values @ weights) / len(values), 1e-12)
    return -0.5 * len(values) * np.log(scale) - float(np.log(np.diag(factor)).sum()), scale, factor, weights
