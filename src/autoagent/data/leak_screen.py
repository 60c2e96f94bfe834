"""Vectorised screens for leaks: how alike the targets of neighbouring rows are, after sorting by each column."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from autoagent.data.table import Task

Floats = NDArray[np.float64]
Bits = NDArray[np.uint64]
Shares = NDArray[np.float64]

# Shapes: N rows, C columns of one chunk, K classes.


@dataclass(frozen=True)
class Target:
    """What the screens know of the target.

    Attributes:
        values: ``(N,)`` class codes 0..K-1, or ranks with mean 0 and variance 1.
        weights: ``(N,)``; each class weighs the same in total.
        n_classes: ``0`` for regression.
    """

    values: Floats
    weights: Floats
    n_classes: int

    def alike(self, a: Floats, b: Floats) -> Floats:
        """Return a measure of each pair that is 0 on average by chance and 1 for equal targets."""
        if self.n_classes == 0:
            return np.asarray(1.0 - (a - b) ** 2 / 2)
        chance = 1.0 / self.n_classes
        return np.asarray(((a == b) - chance) / (1 - chance))

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Target:
        """Return the target of some rows, with its ranks as they are."""
        return Target(self.values[rows], self.weights[rows], self.n_classes)


def make_target(y: Floats, task: Task) -> Target:
    """Return class codes or ranks of a target."""
    if task == "regression":
        ranks = rankdata(y)
        spread = float(ranks.std()) or 1.0
        return Target((ranks - ranks.mean()) / spread, np.ones(len(y)), 0)
    classes, codes = np.unique(y, return_inverse=True)
    counts = np.bincount(codes, minlength=len(classes))
    return Target(codes.astype(float), 1.0 / counts[codes] / len(classes), len(classes))


def encode(values: pd.Series) -> Floats:
    """Return numbers, seconds or codes of a column's cells, NaN where missing; lists and dicts count as text."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes = values.cat.codes.to_numpy().astype(float)
        return np.where(codes < 0, np.nan, codes)
    if pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
        ticks = values.astype("int64").to_numpy().astype(float)
        return np.where(values.isna().to_numpy(), np.nan, ticks)
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_complex_dtype(values):
        return values.to_numpy(dtype=float, na_value=np.nan)
    head = values.dropna().head(20)
    if len(head) and all(isinstance(cell, str) for cell in head) and pd.to_numeric(head, errors="coerce").notna().all():
        numbers: Floats = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        return numbers
    try:
        codes = pd.factorize(values)[0].astype(float)
    except TypeError:  # cells that cannot be hashed
        codes = pd.factorize(values.astype(str).where(values.notna()))[0].astype(float)
    return np.where(codes < 0, np.nan, codes)


@dataclass(frozen=True)
class Screen:
    """Measures of each column of a chunk, each of shape ``(C,)``.

    Attributes:
        alike: of neighbours after sorting; close to the share of the target that the column explains.
        within: of neighbours with equal values; ``between``: of those with unequal ones; 0 where there are none.
        within_z: how many deviations ``within`` is above chance.
        excess_z: how many deviations ``within`` is above ``between``.
    """

    known: NDArray[np.int64]
    distinct: NDArray[np.int64]
    alike: Floats
    within: Floats
    between: Floats
    within_z: Floats
    excess_z: Floats


def screen(x_CN: Floats, target: Target) -> Screen:
    """Measure every column of a chunk; the rows must stand in random order, so that ties are broken by chance."""
    order = np.argsort(x_CN, axis=1)
    x = np.take_along_axis(x_CN, order, axis=1)
    t = target.values[order]
    known = (~np.isnan(x_CN)).sum(axis=1)
    pair = np.arange(x.shape[1] - 1)[None, :] < known[:, None] - 1
    tie = (x[:, 1:] == x[:, :-1]) & pair
    alike, weight = target.alike(t[:, 1:], t[:, :-1]), target.weights[order[:, :-1]]
    total = _mean(alike, weight * pair)
    within, between = _mean(alike, weight * tie), _mean(alike, weight * (pair & ~tie))
    spread = 1.2 if target.n_classes == 0 else (1 / max(target.n_classes - 1, 1)) ** 0.5
    noise = spread / np.sqrt(_effective(weight * tie))
    noise_between = spread / np.sqrt(_effective(weight * (pair & ~tie)))
    distinct = (pair & ~tie).sum(axis=1) + (known > 0)
    excess_z = (within - between) / np.hypot(noise, noise_between)
    return Screen(known, distinct, total, within, between, within / noise, excess_z)


def _mean(values: Floats, weights: Floats) -> Floats:
    total = weights.sum(axis=1)
    return np.asarray((values * weights).sum(axis=1) / np.where(total > 0, total, 1.0))


def _effective(weights: Floats) -> Floats:
    """Return the number of equal weights that are worth these."""
    squares = (weights**2).sum(axis=1)
    return np.asarray(np.maximum(weights.sum(axis=1) ** 2 / np.where(squares > 0, squares, 1.0), 1e-9))


def vote(x_N: Floats, target: Target, *, window: int = 5) -> float:
    """Return the balanced share of rows whose class their neighbours tell, themselves left out.

    Rows with equal values are the neighbours where values repeat, else ``window`` rows on either side.
    """
    codes, n, k = target.values.astype(int), len(x_N), target.n_classes
    levels, level_N = np.unique(x_N, return_inverse=True)
    hot_NK = np.zeros((n, k))
    hot_NK[np.arange(n), codes] = target.weights
    if len(levels) <= n / 3:
        flat = np.bincount(level_N * k + codes, weights=target.weights, minlength=len(levels) * k)
        votes_NK = flat.reshape(len(levels), k)[level_N] - hot_NK
    else:
        order = np.argsort(x_N, kind="stable")
        sums = np.vstack([np.zeros(k), hot_NK[order].cumsum(axis=0)])
        place = np.arange(n)
        votes = sums[np.minimum(place + window + 1, n)] - sums[np.maximum(place - window, 0)] - hot_NK[order]
        votes_NK = np.empty_like(votes)
        votes_NK[order] = votes
    right = (votes_NK.argmax(axis=1) == codes) & (votes_NK.max(axis=1) > 1e-12)
    return float(np.average(right, weights=target.weights))


def binned_share(order_value_N: Floats, target: Target, *, bins: int = 10) -> float:
    """Return the share of the target's variance between equal bins of a column's ranks: the best class's, or ranks'."""
    place = ((rankdata(order_value_N, method="ordinal") - 1) * bins // len(order_value_N)).astype(int)
    sizes = np.maximum(np.bincount(place, minlength=bins), 1)
    shares = [0.0]
    for k in range(max(target.n_classes, 1)):
        t = target.values if target.n_classes == 0 else (target.values == k).astype(float)
        means = np.bincount(place, weights=t, minlength=bins) / sizes
        if t.var() > 0:
            shares.append(float(((means - t.mean()) ** 2 * sizes).sum() / len(t) / t.var()))
    return max(shares)


class RowHashes:
    """Hashes of rows, built column by column; a second one from shifted columns tells how many twins chance makes."""

    def __init__(self, n_rows: int) -> None:
        self._rng = np.random.default_rng(0)
        self.real: Bits = np.zeros(n_rows, np.uint64)
        self.shifted: Bits = np.zeros(n_rows, np.uint64)
        self.n_columns = 0

    def add(self, x_CN: Floats) -> None:
        """Take in a chunk of columns."""
        bits = np.ascontiguousarray(np.where(np.isnan(x_CN), np.nan, x_CN + 0.0)).view(np.uint64)
        bits = (bits ^ (bits >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
        bits ^= bits >> np.uint64(29)
        for column in bits:
            column = column * (self._rng.integers(0, 2**63, dtype=np.uint64) * np.uint64(2) + np.uint64(1))
            self.real += column
            self.shifted += np.roll(column, int(self._rng.integers(len(column))))
            self.n_columns += 1


def is_whole(x_N: Floats) -> bool:
    """Tell whether all known numbers are whole."""
    return bool(np.all((x_N == np.round(x_N)) | np.isnan(x_N)))


def is_number(values: pd.Series) -> bool:
    """Tell whether a column is stored as numbers."""
    return pd.api.types.is_numeric_dtype(values)


def is_plain(kind: object) -> bool:
    """Tell whether a dtype is one of numpy's plain numbers."""
    return isinstance(kind, np.dtype) and kind.kind in "iufb"


def is_prose(values: pd.Series) -> bool:
    """Tell whether most cells of a column are four words or more: then each is different without being an id."""
    cells = values.dropna().head(200)
    if is_number(values) or not len(cells) or not all(isinstance(cell, str) for cell in cells):
        return False
    return sum(len(cell.split()) >= 4 for cell in cells) > len(cells) / 2


def is_date(values: pd.Series) -> bool:
    """Tell whether a column holds dates, stored as such or written."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.nunique() > 1
    cells = values.dropna().head(200)
    if is_number(values) or not len(cells) or not all(isinstance(cell, str) for cell in cells):
        return False
    if not cells.str.contains(r"^\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}", regex=True).mean() > 0.9:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a mixed format is no fault: it is judged by the share that parses
        return bool(pd.to_datetime(cells, errors="coerce", format="mixed").notna().mean() > 0.9)
