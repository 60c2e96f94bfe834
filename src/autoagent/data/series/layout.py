"""Find the series in a table: which column is the time, which name a series, which is forecast, what is known ahead."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from autoagent.errors import DataError, RequestError
from autoagent.windows import read_times

_MAX_KEYS = 3  # columns that together may name a series, where the request names none
_TIME_NAMES = ("time", "date", "timestamp", "datetime", "ds", "day", "month", "week", "year", "period", "t")
_DATE_SHARE = 0.98
WIDE_TARGET = "value"


@dataclass(frozen=True)
class Asked:
    """What the request says of the series; None or empty where it says nothing."""

    target: str | None = None
    time: str | None = None
    keys: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """Which column plays which part.

    Attributes:
        wide: columns that are one series each.
        said: what was taken for granted, one sentence each.
    """

    time: str
    target: str
    keys: tuple[str, ...] = ()
    wide: tuple[str, ...] = ()
    known: dict[str, str] = field(default_factory=dict)
    past: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    day_first: bool = False
    said: tuple[str, ...] = ()


def find_layout(frame: pd.DataFrame, asked: Asked) -> Layout:
    """Find the parts that the columns play.

    Raises:
        RequestError: a part is missing or could be several columns; the message asks for it.
        DataError: the time column holds something else.
    """
    _check_named(frame, asked)
    said: list[str] = []
    frame = frame.drop(columns=[name for name in asked.excluded if name in frame.columns])
    time = asked.time or _find_time(frame, asked, said)
    day_first = _days_first(frame[time])
    times = read_times(frame[time], day_first=day_first)
    if times.isna().any():
        bad = frame[time][times.isna()].iloc[0]
        raise DataError(f"{time!r} holds {bad!r}, which is no time; mend or drop those rows")
    numeric = [str(c) for c in frame.columns if _is_number(frame[c]) and c not in (time, *asked.keys)]
    target = asked.target
    once = not bool(times.duplicated().any())
    if target is None:
        candidates = [name for name in numeric if name not in asked.known]
        if once and not asked.keys and len(candidates) > 1:
            said.append(f"No column was named, so each of {len(candidates)} numeric columns is taken as a series.")
            return Layout(time, WIDE_TARGET, wide=tuple(candidates), day_first=day_first, said=tuple(said))
        if len(candidates) != 1:
            raise RequestError(
                f"which column should be forecast? There are: {', '.join(map(repr, candidates)) or 'no numbers'}",
                missing=["data.target"],
            )
        target = candidates[0]
        said.append(f"The only numbers are in {target!r}, so it is forecast.")
    if not _is_number(frame[target]):
        raise RequestError(f"{target!r} does not hold numbers, so it cannot be forecast", missing=["data.target"])
    keys = asked.keys or _find_keys(frame, times, time, target, said)
    rest = [str(c) for c in frame.columns if c not in (time, target, *keys)]
    known = _find_known(frame, times, rest, target, asked, said)
    static = _find_static(frame, keys, [name for name in rest if name not in known])
    past = tuple(name for name in rest if name not in known and name not in static and _is_number(frame[name]))
    return Layout(time, target, tuple(keys), (), known, past, static, day_first, tuple(said))


def _check_named(frame: pd.DataFrame, asked: Asked) -> None:
    parts = [("data.target", asked.target), ("data.time_key", asked.time)]
    parts += [("data.series_keys", key) for key in asked.keys]
    parts += [("data.features_known_future", name) for name in asked.known]
    lost = [(key, name) for key, name in parts if name is not None and name not in frame.columns]
    if lost:
        names = ", ".join(map(repr, list(frame.columns)[:30]))
        text = "; ".join(f"{key}: there is no column {name!r}" for key, name in lost)
        raise RequestError(f"{text}; there are: {names}", missing=[key for key, _ in lost])


def _is_number(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)


def _find_time(frame: pd.DataFrame, asked: Asked, said: list[str]) -> str:
    others = [str(c) for c in frame.columns if c not in (asked.target, *asked.keys)]
    dates = [name for name in others if not _is_number(frame[name]) and _holds_dates(frame[name])]
    if len(dates) > 1:
        named = [name for name in dates if name.lower() in _TIME_NAMES]
        dates = named if len(named) == 1 else dates
    if not dates:
        dates = [name for name in others if name.lower() in _TIME_NAMES and _counts_up(frame[name])][:1]
    if len(dates) != 1:
        told = f"it could be {' or '.join(map(repr, dates))}" if dates else "no column holds dates"
        raise RequestError(f"which column holds the time? {told}; name it in the request", missing=["data.time_key"])
    said.append(f"The time is taken from {dates[0]!r}.")
    return dates[0]


def _holds_dates(values: pd.Series) -> bool:
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return True
    if pd.api.types.is_bool_dtype(values.dtype):
        return False
    known = values.dropna().astype(str)
    sample = known.iloc[:: max(1, len(known) // 200)]
    if sample.empty or not sample.str.contains(r"\d{4}", regex=True).mean() > _DATE_SHARE:
        return False
    return bool(read_times(sample, day_first=False).notna().mean() > _DATE_SHARE)


def _counts_up(values: pd.Series) -> bool:
    if not _is_number(values) or values.isna().any():
        return False
    numbers = np.unique(values.to_numpy(dtype=np.float64))
    return len(numbers) > 3 and bool((numbers == np.round(numbers)).all())


def _days_first(values: pd.Series) -> bool:
    if _is_number(values) or pd.api.types.is_datetime64_any_dtype(values.dtype):
        return False
    first = pd.to_numeric(values.astype(str).str.extract(r"^\s*(\d{1,2})[-/.]\d{1,2}[-/.]\d{4}", expand=False))
    return bool((first > 12).any())


def _find_keys(frame: pd.DataFrame, times: pd.Series, time: str, target: str, said: list[str]) -> tuple[str, ...]:
    """Return the fewest columns of words or codes that leave one row for each time."""
    if not bool(times.duplicated().any()):
        return ()
    rows = frame.assign(**{time: times})
    known = rows[rows[target].notna()]
    kinds = {str(c): int(frame[str(c)].nunique()) for c in frame.columns if c not in (time, target)}
    words = [name for name, count in kinds.items() if 1 < count <= len(frame) / 3]
    words.sort(key=lambda name: (_is_number(frame.loc[:, name]), kinds[name]))
    for size in range(1, _MAX_KEYS + 1):
        for names in itertools.combinations(words[:12], size):
            if not bool(known.duplicated([time, *names]).any()) and _lasts(rows, names):
                said.append(
                    f"Several rows share a time, and {' and '.join(map(repr, names))} tells them apart: a series each."
                )
                return tuple(names)
    distinct = known.drop_duplicates()
    if not bool(distinct.duplicated([time]).any()):
        return ()
    raise RequestError(
        f"several rows share a time in {time!r}, and no column tells them apart; name the column of the series, "
        "or sum the rows first",
        missing=["data.series_keys"],
    )


def _lasts(rows: pd.DataFrame, names: Sequence[str]) -> bool:
    """Say whether the groups are series: most have at least four rows, and no group is a number that varies."""
    sizes = rows.groupby(list(names)).size()
    return bool(sizes.median() >= 4)


def _find_known(
    frame: pd.DataFrame, times: pd.Series, rest: Sequence[str], target: str, asked: Asked, said: list[str]
) -> dict[str, str]:
    """Return the columns that are known ahead: those named, and those filled in after the last value."""
    ahead = frame[target].isna() & (times > times[frame[target].notna()].max())
    given = [name for name in rest if int(ahead.sum()) and frame.loc[ahead, name].notna().all()]
    found = [name for name in rest if name in asked.known or name in given]
    if new := [name for name in found if name not in asked.known]:
        said.append(f"{', '.join(map(repr, new))} is given after the last value of {target!r}, so it is known ahead.")
    return {name: "numeric" if _is_number(frame[name]) else "categorical" for name in found}


def _find_static(frame: pd.DataFrame, keys: Sequence[str], rest: Sequence[str]) -> tuple[str, ...]:
    if not keys:
        return ()
    counts = frame.groupby(list(keys))[list(rest)].nunique() if rest else pd.DataFrame()
    fixed = [name for name in rest if bool((counts[name] <= 1).all()) and frame[name].nunique() > 1]
    return tuple(name for name in fixed if frame[name].nunique() < max(len(counts), 2))
