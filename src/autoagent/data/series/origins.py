"""Rolling origins: which rows train, which validate and which are sealed, ordered by time in every series.

A series of T points is cut once: its last ``tests * horizon`` points are sealed. What is before is divided into folds,
each a block of points that its training rows end before. A row of a later fold never trains an earlier one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autoagent.data.splits import Split
from autoagent.errors import DataError
from autoagent.windows import ORIGIN, STEP, Framing, Series, frame_rows

Rows = NDArray[np.int64]
MAX_ROWS = 30_000  # framed for training; more series or longer ones get fewer origins each
_MAX_TESTS, _TEST_SHARE, _FOLD_SHARE = 8, 0.2, 0.12
_VALID_ORIGINS = 8  # of a fold and series


@dataclass(frozen=True)
class Cuts:
    """How every series is divided.

    Attributes:
        tests: sealed origins of each series, a horizon apart.
        folds: blocks before them.
        block: points of a block.
        origins: of each block and series that are validated, at most.
    """

    tests: int
    folds: int
    block: int
    origins: int = 8

    def sealed(self, horizon: int) -> int:
        """Return the sealed points at the end of a series."""
        return self.tests * horizon


@dataclass(frozen=True)
class Framed:
    """The framed rows, their values in the metric's unit, and how they are divided.

    Attributes:
        frame: features, ``@shift`` and ``@unit`` in the metric's unit, and what the report needs.
        y: ``(n,)`` values in the metric's unit.
    """

    frame: pd.DataFrame
    y: NDArray[np.float64]
    split: Split


def fewest_points(framing: Framing) -> int:
    """Return how long a series must be: history, one window to learn from, one to validate and one to test."""
    return framing.fewest + 3 * framing.horizon


def plan_cuts(lengths: Sequence[int], framing: Framing, *, folds: int, tests: int | None = None) -> Cuts:
    """Decide how many origins are tested and how many blocks validate.

    Args:
        lengths: points of each series.
        framing: of the rows.
        folds: wanted; fewer where the shortest series has no room.
        tests: stated number of sealed origins.

    Raises:
        DataError: every series is too short, or the stated test part leaves nothing to learn from.
    """
    shortest, H, least = min(lengths), framing.horizon, fewest_points(framing)
    if shortest < least:
        raise DataError(
            f"series have {shortest} to {max(lengths)} points; {least} are needed for a season of {framing.season} and "
            f"{H} steps ahead: ask for fewer steps, or give a longer history"
        )
    room = (shortest - framing.fewest - 2 * H) // H
    if tests is not None and tests > room:
        raise DataError(f"{tests} test origins of {H} steps leave nothing to learn from {shortest} points")
    tests = tests or max(1, min(int(_TEST_SHARE * shortest / H), _MAX_TESTS, room))
    left = shortest - tests * H
    block = max(H, int(_FOLD_SHARE * left))
    free = left - framing.fewest - H  # points beside the history and one window to learn from
    if free < block:
        block = H
    folds = max(1, min(folds, free // block))
    origins = MAX_ROWS // (2 * folds * H * len(lengths))  # validated rows are at most half of all
    return Cuts(tests, folds, block, max(1, min(_VALID_ORIGINS, origins)))


def frame_all(
    series: Sequence[Series], framing: Framing, cuts: Cuts, divisors: NDArray[np.float64], extra: pd.DataFrame
) -> Framed:
    """Frame every series, the sealed rows last.

    Args:
        series: long enough for the cuts.
        framing: of the rows.
        cuts: of each series.
        divisors: ``(series,)`` what turns a value into the metric's unit.
        extra: one row for each series, columns that stand beside its rows.
    """
    H = framing.horizon
    per_series = max(cuts.folds * cuts.origins + 4, MAX_ROWS // (H * len(series)))
    train: list[pd.DataFrame] = []
    test: list[pd.DataFrame] = []
    for number, one in enumerate(series):
        beside = {name: extra[name].iloc[number] for name in extra.columns}
        cut = len(one.values) - cuts.sealed(H)
        for parts, origins in (
            (train, _train_origins(cut, framing, cuts, per_series)),
            (test, _test_origins(cut, H, cuts)),
        ):
            rows = frame_rows(_until(one, cut) if parts is train else one, framing, origins)
            target = (rows[ORIGIN] + rows[STEP]).to_numpy()
            values = one.values[np.minimum(target, len(one.values) - 1)]
            rows = rows.assign(**beside, **{"@value": values, "@end": cut - target, "@divisor": divisors[number]})
            parts.append(rows[(target < (cut if parts is train else len(one.values))) & ~np.isnan(values)])
    frame = pd.concat([*train, *test], ignore_index=True)
    n_train = sum(map(len, train))
    divisor = frame["@divisor"].to_numpy()
    frame["@shift"], frame["@unit"] = frame["@shift"] / divisor, frame["@unit"] / divisor
    y = frame["@value"].to_numpy() / divisor
    split = _split(frame, n_train, framing, cuts)
    return Framed(frame.drop(columns=["@value", "@end"]), y, split)


def _until(series: Series, cut: int) -> Series:
    """Return a series without its sealed points, so that no training feature can see them."""
    past = {name: values[:cut] for name, values in series.past.items()}
    known = {name: values[:cut] for name, values in series.known.items()}
    return Series(series.keys, series.start, series.values[:cut], known, past, series.static)


def _test_origins(cut: int, horizon: int, cuts: Cuts) -> Rows:
    return cut - 1 + horizon * np.arange(cuts.tests)


def _train_origins(cut: int, framing: Framing, cuts: Cuts, most: int) -> Rows:
    """Return origins from the first possible one to the last with a target, the validated ones among them."""
    first, last = framing.fewest - 1, cut - 2
    every = np.unique(np.linspace(first, last, min(most, last - first + 1)).round().astype(np.int64))
    needed = [origin for fold in range(cuts.folds) for origin in valid_origins(cut, framing.horizon, cuts, fold)]
    return np.unique(np.concatenate([every, np.array(needed, dtype=np.int64)]))


def valid_origins(cut: int, horizon: int, cuts: Cuts, fold: int) -> list[int]:
    """Return the validated origins of a fold; the last fold ends at the cut."""
    begin = cut - (cuts.folds - fold) * cuts.block
    last = begin + cuts.block - 1 - horizon  # its whole window lies in the block
    picked = np.linspace(begin - 1, max(last, begin - 1), cuts.origins).round().astype(np.int64)
    return [int(origin) for origin in np.unique(picked)]


def _split(frame: pd.DataFrame, n_train: int, framing: Framing, cuts: Cuts) -> Split:
    """Divide by points to the cut, so that series of different lengths are divided alike."""
    train = np.arange(n_train, dtype=np.int64)
    to_cut = frame["@end"].to_numpy()[:n_train]  # 1 is the last point before the sealed ones
    origin_to_cut = to_cut + frame[STEP].to_numpy()[:n_train]
    folds = []
    for fold in range(cuts.folds):
        begin = (cuts.folds - fold) * cuts.block  # points to the cut at which the block begins
        wanted = [-origin for origin in valid_origins(0, framing.horizon, cuts, fold)]
        valid = np.isin(origin_to_cut, wanted) & (to_cut <= begin) & (to_cut > begin - cuts.block)
        earlier = to_cut > begin
        if earlier.any() and valid.any():
            folds.append((train[earlier], train[valid]))
    if not folds:
        raise DataError("the series leave no window to validate on; give a longer history or ask for fewer steps")
    test = np.arange(n_train, len(frame), dtype=np.int64)
    digest = hashlib.sha256(train.tobytes() + test.tobytes())
    for pair in folds:
        digest.update(pair[0].tobytes() + pair[1].tobytes())
    return Split(train, test, tuple(folds), "rolling_origin", digest.hexdigest())
