"""The grid of a table's times: how far apart they are, and what period repeats on it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autoagent.errors import DataError
from autoagent.windows import Grid

_ON_GRID = 0.98  # share of the times that must lie on the grid; the rest makes it irregular
_FEWEST = 4
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_WORDS = {"hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month", "quarterly": "quarter"}
_WORDS |= {"yearly": "year", "annual": "year", "minutely": "minute"}
_PERIODS = {604_800: (52,), 86_400: (7, 365), 3600: (24, 168), 1800: (48, 336), 900: (96, 672), 60: (60, 1440)}
_LONGEST_SEASON = 2000


def find_grid(times: Sequence[pd.Series], name: str) -> Grid:
    """Find the grid that the times of every series lie on.

    Args:
        times: of each series: dates without a zone, or numbers; any order, repeats allowed.
        name: of the column, for the message.

    Raises:
        DataError: there are too few times, or they are not equally spaced.
    """
    ordered = [one.drop_duplicates().sort_values() for one in times]
    longest = max(ordered, key=len)
    if len(longest) < _FEWEST:
        raise DataError(f"no series has {_FEWEST} different times in {name!r}; its longest has {len(longest)}")
    grid = _of_numbers(ordered, name) if pd.api.types.is_numeric_dtype(longest.dtype) else _of_dates(ordered)
    share = np.mean(np.concatenate([grid.place(one)[1] for one in ordered]))
    if share < 1.0:
        bad = next(
            one.iloc[int(np.flatnonzero(~grid.place(one)[1])[0])] for one in ordered if not grid.place(one)[1].all()
        )
        how = f"{1 - share:.1%} of them lie off it" if share >= _ON_GRID else "they have no common spacing"
        raise DataError(
            f"the times in {name!r} are irregular: the nearest grid is {spoken(grid)}, and {how}, for example {bad}; "
            "round the times, or sum the values over equal spans"
        )
    return grid


def _of_numbers(ordered: Sequence[pd.Series], name: str) -> Grid:
    values = np.concatenate([one.to_numpy(dtype=np.float64) for one in ordered])
    if not (np.isfinite(values).all() and (values == np.round(values)).all()):
        raise DataError(f"the times in {name!r} are numbers and not whole; give dates, or number the steps")
    steps = [int(gap) for one in ordered for gap in np.unique(np.diff(one.to_numpy(dtype=np.float64)))]
    step = math.gcd(*steps) if steps else 1
    return Grid("integer", step, int(values[0]) % step)


def _of_dates(ordered: Sequence[pd.Series]) -> Grid:
    all_times = pd.concat(list(ordered))
    gaps = np.concatenate([np.diff(one.to_numpy(dtype="datetime64[s]").astype(np.int64)) for one in ordered])
    usual = float(np.median(gaps))
    if usual >= 27 * 86_400 and (grid := _of_months(all_times, ordered)) is not None:
        return grid
    weekdays = all_times.dt.day_of_week
    midnight = bool((all_times.dt.normalize() == all_times).all())
    if midnight and usual == 86_400 and not (weekdays >= 5).any() and all_times.nunique() > 10:
        return Grid("business")
    seconds = all_times.to_numpy(dtype="datetime64[s]").astype(np.int64)
    step = _common_step(gaps, usual)
    offsets, counts = np.unique(seconds % step, return_counts=True)
    return Grid("seconds", step, int(offsets[counts.argmax()]))


def _common_step(gaps: NDArray[np.int64], usual: float) -> int:
    """Return the largest spacing that divides nearly all gaps; a stray stamp does not make a grid of seconds."""
    values, counts = np.unique(gaps, return_counts=True)
    often = values[counts >= max(1, 0.01 * counts.sum())]
    step = math.gcd(*(int(v) for v in (often if len(often) else values)))
    return step if step * 20 >= usual else int(usual)


def _of_months(times: pd.Series, ordered: Sequence[pd.Series]) -> Grid | None:
    days = times.dt.day
    if bool(times.dt.is_month_end.all()):
        day = 31
    elif days.nunique() == 1 and days.iloc[0] <= 28:
        day = int(days.iloc[0])
    else:
        return None
    months = [(one.dt.year * 12 + one.dt.month - 1).to_numpy(dtype=np.int64) for one in ordered]
    steps = [int(gap) for one in months for gap in np.unique(np.diff(one)) if gap]
    step = math.gcd(*steps) if steps else 1
    return Grid("months", step, int(months[0][0]) % step, day)


def spoken(grid: Grid) -> str:
    """Return a grid in words."""
    if grid.kind == "business":
        return "one weekday"
    if grid.kind == "integer":
        return "1 step" if grid.step == 1 else f"{grid.step} whole numbers"
    units = _MONTHS if grid.kind == "months" else _SECONDS
    unit, size = max(((u, s) for u, s in units.items() if grid.step % s == 0), key=lambda pair: pair[1])
    count = grid.step // size
    return f"1 {unit}" if count == 1 else f"{count} {unit}s"


def periods(grid: Grid, length: int, *, stated: int | None = None) -> tuple[int, ...]:
    """Return the periods to frame, the main one first: the stated one, or the usual ones that fit three times.

    Args:
        grid: of the series.
        length: points of the longest series.
        stated: what the request says.

    Raises:
        DataError: the stated period is not possible.
    """
    if stated is not None and not 1 <= stated <= min(_LONGEST_SEASON, max(length - 1, 1)):
        raise DataError(f"a season of {stated} steps does not fit series of {length} points")
    usual = _usual(grid)
    first = (stated,) if stated is not None else tuple(p for p in usual[:1] if 3 * p <= length) or (1,)
    others = tuple(p for p in usual if p > first[0] and 3 * p <= length)
    return first + others


def seen_calendar(grid: Grid, length: int) -> tuple[str, ...]:
    """Return the calendar features whose whole cycle the longest series has seen twice; others would only be dates."""
    if grid.kind == "months":
        days = 30.4 * grid.step * length
    else:
        days = length * (7 / 5 if grid.kind == "business" else grid.step / 86_400)
    cycles = {"minute_of_day": 1.0, "weekday": 7.0, "day": 30.4, "week": 365.25, "month": 365.25}
    return tuple(name for name in grid.calendar() if 2 * cycles[name] <= days)


def _usual(grid: Grid) -> tuple[int, ...]:
    if grid.kind == "business":
        return (5, 260)
    if grid.kind == "months":
        return (12 // grid.step,) if grid.step < 12 and 12 % grid.step == 0 else ()
    if grid.kind == "seconds":
        day = 86_400 // grid.step if grid.step < 86_400 and 86_400 % grid.step == 0 else 0
        return _PERIODS.get(grid.step, (day,) if day > 1 else ())
    return ()


def steps_of(count: int, unit: str | None, grid: Grid) -> int:
    """Turn a stated horizon into steps of the grid: 2 weeks of daily values are 14.

    Raises:
        DataError: the unit is finer than the grid.
    """
    if unit is None or grid.kind == "integer":
        return count
    word = unit.lower().rstrip("s")
    word = _WORDS.get(word, word)
    if match := re.fullmatch(r"(\d+)\s+(\w+)", word):
        count, word = count * int(match[1]), match[2].rstrip("s")
    if word not in _SECONDS and word not in _MONTHS:
        return count
    if grid.kind == "months":
        steps = count * _MONTHS[word] / grid.step if word in _MONTHS else 0.0
    elif grid.kind == "business":
        per = {"day": 1.0, "week": 5.0, "month": 21.0, "quarter": 63.0, "year": 260.0}
        steps = count * per.get(word, 0.0)
    else:
        seconds = _SECONDS.get(word) or {"month": 2_592_000, "quarter": 7_862_400, "year": 31_536_000}[word]
        steps = count * seconds / grid.step
    if steps < 1 or (word in _SECONDS and steps != round(steps)):
        raise DataError(f"{count} {word}s cannot be forecast from values {spoken(grid)} apart; ask for whole steps")
    return round(steps)


def season_of(unit: str, grid: Grid) -> int | None:
    """Turn a stated season ("week") into steps; None where it is no whole number of them or only one."""
    try:
        steps = steps_of(1, unit, grid)
    except DataError:
        return None
    return steps if steps > 1 else None
