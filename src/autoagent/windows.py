"""Windows over series: a row of lags, calendar and known columns for each (series, origin, step).

Training and prediction frame their rows by this one file, which is copied into the delivered folder; it needs only
numpy and pandas. An origin is the last value that a row may look at: every feature is of the origin or before it, of
the calendar, or of a column that is known ahead.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

FORMAT = 1
SHIFT, UNIT = "@shift", "@unit"  # a prediction z stands for shift + unit * z
NAME, TIME, STEP, ORIGIN = "@series", "@time", "@step", "@origin"
NAIVE = "season_1"  # the value one season before the target, scaled as the target is
LAG = "lag_"
SEPARATOR = " / "  # between the keys of a series in its name
MAX_POINTS = 2_000_000  # of one series on its grid; more is a stamp far off
_SEASON_LAGS = 3
_SMOOTHINGS, _SMOOTHED = (20, 50), 48  # percent of the latest value, and points, of exponential smoothing
_TINY = 1e-9


class WindowError(ValueError):
    """The rows are no series as the framing has them; the message says what to change."""


@dataclass(frozen=True)
class Grid:
    """Equally spaced points in time, each with a whole number.

    Attributes:
        kind: of the spacing: seconds, calendar months, weekdays from Monday to Friday, or plain whole numbers.
        step: points are so many seconds, months or whole numbers apart.
        offset: what is left of a point divided by the step.
        day: of the month, for months; 31 is the last.
    """

    kind: Literal["seconds", "months", "business", "integer"]
    step: int = 1
    offset: int = 0
    day: int = 1

    def place(self, times: pd.Series) -> tuple[Whole, NDArray[np.bool_]]:
        """Return each time's number, rounded down, and whether it lies on the grid."""
        if self.kind == "integer":
            raw = times.to_numpy(dtype=np.float64)
            whole = np.floor((raw - self.offset) / self.step)
            return whole.astype(np.int64), raw == whole * self.step + self.offset
        if self.kind == "months":
            months = (times.dt.year * 12 + times.dt.month - 1).to_numpy(dtype=np.int64)
            return (months - self.offset) // self.step, (months - self.offset) % self.step == 0
        if self.kind == "business":
            days = times.to_numpy(dtype="datetime64[D]")
            return np.busday_count(np.datetime64("1970-01-01"), days).astype(np.int64), np.is_busday(days)
        seconds = times.to_numpy(dtype="datetime64[s]").astype(np.int64) - self.offset
        return seconds // self.step, seconds % self.step == 0

    def times(self, numbers: Whole) -> pd.DatetimeIndex | Whole:
        """Return the points of some numbers: dates, or whole numbers."""
        if self.kind == "integer":
            return numbers * self.step + self.offset
        if self.kind == "months":
            months = numbers * self.step + self.offset
            first = (months - 1970 * 12).astype("datetime64[M]")
            last = (first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")
            day = np.minimum(self.day, last.astype(np.int64)) - 1
            return pd.DatetimeIndex((first.astype("datetime64[D]") + day).astype("datetime64[s]"))
        if self.kind == "business":
            days = np.busday_offset(np.datetime64("1970-01-01"), numbers)
            return pd.DatetimeIndex(days.astype("datetime64[s]"))
        return pd.DatetimeIndex((numbers * self.step + self.offset).astype("datetime64[s]"))

    def calendar(self) -> tuple[str, ...]:
        """Return the names of the calendar features that differ between points."""
        if self.kind == "integer":
            return ()
        if self.kind == "months":
            return () if self.step % 12 == 0 else ("month",)
        fields = ("weekday", "day", "month", "week")
        if self.kind == "business" or self.step % 86_400 == 0:
            return fields[1:] if self.kind == "seconds" and self.step % 604_800 == 0 else fields
        return ("minute_of_day", *fields)

    def read_calendar(self, numbers: Whole, names: Sequence[str]) -> dict[str, Array]:
        """Return some calendar features of some points."""
        if not names:
            return {}
        at = pd.DatetimeIndex(self.times(numbers))
        read: dict[str, Any] = {"minute_of_day": at.hour * 60 + at.minute, "weekday": at.day_of_week, "day": at.day}
        read |= {"month": at.month, "week": at.isocalendar().week}
        return {name: np.asarray(read[name], dtype=np.float64) for name in names}


@dataclass(frozen=True)
class Framing:
    """How a table becomes series, and series become rows.

    Attributes:
        time: column of the time.
        target: column of the values; in the wide layout the name of what its columns hold.
        keys: columns that together name a series; none for a single one.
        wide: columns that are a series each; then there are no keys.
        horizon: steps ahead.
        seasons: periods in steps; the first is the one that the naive forecast repeats.
        lags: last values that a row sees one by one.
        known: columns that are known ahead, and their roles.
        past: columns of which only the past is known, all numeric.
        static: columns that are one value for each series, all categorical.
        calendar: features of ``Grid.calendar`` that the series have seen more than once.
        named: whether a row tells the name of its series.
        day_first: how to read 03/04/2024.
    """

    time: str
    target: str
    grid: Grid
    horizon: int
    seasons: tuple[int, ...]
    lags: int
    keys: tuple[str, ...] = ()
    wide: tuple[str, ...] = ()
    known: Mapping[str, str] = field(default_factory=dict)
    past: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ()
    named: bool = False
    day_first: bool = False

    @property
    def season(self) -> int:
        """The period of the naive forecast."""
        return self.seasons[0]

    @property
    def fewest(self) -> int:
        """Values that a series must have before its first origin."""
        return max(self.season, 3) + 1

    @property
    def context(self) -> int:
        """The last points of a series that its rows can depend on."""
        return max(4 * self.season, _SMOOTHED, self.lags, *self.seasons) + 1

    def to_json(self) -> dict[str, Any]:
        """Return what ``json`` can write."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Framing:
        """Read what ``to_json`` returned.

        Raises:
            WindowError: another version wrote it.
        """
        if value.get("format") != FORMAT:
            raise WindowError(f"framing format {value.get('format')!r} is not {FORMAT}; use the version that wrote it")
        parts: dict[str, Any] = {name: tuple(part) if isinstance(part, list) else part for name, part in value.items()}
        del parts["format"]
        parts["grid"] = Grid(**value["grid"])
        return cls(**parts)

    def roles(self) -> dict[str, str]:
        """Return the role of each column of the rows, in their order."""
        numbers = [NAIVE, "step", *(f"{LAG}{i}" for i in range(1, self.lags + 1))]
        numbers += [f"season_{i}" for i in range(2, _SEASON_LAGS + 1)] + ["season_mean", "season_level", "season_drift"]
        numbers += [f"season{period}" for period in self.seasons[1:]]
        numbers += [f"{name}_{w}" for w in self._spans() for name in ("mean", "spread", "low", "high")]
        numbers += [f"smooth_{share}" for share in _SMOOTHINGS] + [
            "slope",
            "size",
            *(f"calendar:{name}" for name in self.calendar),
        ]
        numbers += ["phase"] * (self.season > 1)
        numbers += [f"known:{name}" for name, role in self.known.items() if role == "numeric"]
        numbers += [f"{how}:{name}" for name in self.past for how in ("past", "past_mean")]
        levels = [f"known:{name}" for name, role in self.known.items() if role != "numeric"]
        levels += [f"static:{name}" for name in self.static] + ["series"] * self.named
        rows: dict[str, str] = {name: "numeric" for name in numbers} | {name: "categorical" for name in levels}
        return rows | {SHIFT: "shift", UNIT: "unit"}

    def _spans(self) -> tuple[int, ...]:
        return (4, 12) if self.season == 1 else (self.season, 4 * self.season)


@dataclass(frozen=True)
class Series:
    """One series on its grid.

    Attributes:
        keys: what names it.
        start: number of the first point.
        values: ``(T,)`` up to the last known value; NaN is a gap.
        known: columns that are known ahead, ``(T + F,)`` each.
        past: columns of which the past is known, ``(T,)`` each.
        static: its own columns.
    """

    keys: tuple[str, ...]
    start: int
    values: Array
    known: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    past: Mapping[str, Array] = field(default_factory=dict)
    static: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its keys as one text."""
        return SEPARATOR.join(self.keys)


def read_times(values: pd.Series, *, day_first: bool) -> pd.Series:
    """Return dates without a zone, or plain numbers; what is neither becomes missing."""
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.astype(float)
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return values.dt.tz_convert("UTC").dt.tz_localize(None) if values.dt.tz is not None else values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what cannot be read is missing, and said by the caller
        found = pd.to_datetime(values.astype("object"), errors="coerce", format="mixed", dayfirst=day_first, utc=True)
    return found.dt.tz_localize(None)


def read_series(frame: pd.DataFrame, framing: Framing) -> tuple[list[Series], list[str]]:
    """Read the series of a table in its own order of keys, and say what was mended.

    Rows may come in any order. A row that repeats another counts once. Points without a row are gaps. Rows after the
    last value of a series tell its known columns ahead.

    Raises:
        WindowError: columns are missing, or times or numbers cannot be read, or two rows of a series disagree.
    """
    wanted = [framing.time, *framing.keys, *(framing.wide or (framing.target,)), *framing.known, *framing.static]
    if missing := [name for name in wanted if name not in frame.columns]:
        raise WindowError(f"missing columns: {', '.join(map(repr, missing))}; a history needs {', '.join(wanted)}")
    frame = frame.copy(deep=False)
    times = read_times(frame[framing.time], day_first=framing.day_first)
    if times.isna().any():
        bad = int(np.flatnonzero(times.isna())[0])
        raise WindowError(f"row {bad + 1}: {frame[framing.time].iloc[bad]!r} in {framing.time!r} is no time")
    if pd.api.types.is_numeric_dtype(times.dtype) != (framing.grid.kind == "integer"):
        raise WindowError(
            f"{framing.time!r} must hold {'whole numbers' if framing.grid.kind == 'integer' else 'dates'}"
        )
    numbers, fits = framing.grid.place(times)
    if not fits.all():
        bad = int(np.flatnonzero(~fits)[0])
        raise WindowError(
            f"row {bad + 1}: {frame[framing.time].iloc[bad]!r} does not lie on the grid of the other times; "
            "round the times, or sum the values over equal spans"
        )
    notes: list[str] = []
    found = [
        one
        for keys, rows, target in _groups(frame, framing)
        if (one := _one(keys, rows, target, numbers, framing, notes))
    ]
    if not found:
        raise WindowError(f"no series has a value in {framing.target!r}")
    return found, notes


def _groups(frame: pd.DataFrame, framing: Framing) -> Iterator[tuple[tuple[str, ...], pd.DataFrame, str]]:
    plain = frame.reset_index(drop=True)
    if framing.wide:
        for column in framing.wide:
            yield (column,), plain, column
    elif framing.keys:
        texts = [plain[key].map(level) for key in framing.keys]
        for keys, rows in plain.groupby(texts, sort=True, dropna=False):
            yield tuple(map(str, keys)), rows, framing.target
    else:
        yield (), plain, framing.target


def level(value: object) -> str:
    """Return a key's text; 1, 1.0 and "1" are the same key."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _one(
    keys: tuple[str, ...], rows: pd.DataFrame, target: str, numbers: Whole, framing: Framing, notes: list[str]
) -> Series | None:
    at = numbers[rows.index.to_numpy()]
    order = np.argsort(at, kind="stable")
    rows, at = rows.iloc[order], at[order]
    columns = [target, *framing.known, *(name for name in framing.past if name in rows.columns)]
    whose = f"series {SEPARATOR.join(keys)!r}" if keys else "the series"
    if (again := at[1:] == at[:-1]).any():
        once = ~np.append(False, again)
        if len(rows[[*columns]].assign(at=at).drop_duplicates()) > once.sum():
            bad = rows[framing.time].iloc[int(np.flatnonzero(again)[0])]
            raise WindowError(
                f"{whose} has several different rows at {bad!r}; name the column that tells its series apart, "
                "or sum them first"
            )
        notes.append(f"{whose}: {int(again.sum())} rows repeat another and count once")
        rows, at = rows[once], at[once]
    values = pd.to_numeric(rows[target], errors="coerce").to_numpy(dtype=np.float64)
    if (wrong := np.isnan(values) & rows[target].notna().to_numpy()).any() or np.isinf(values).any():
        bad = rows[target].iloc[int(np.flatnonzero(wrong | np.isinf(values))[0])]
        raise WindowError(f"{whose}: {bad!r} in {target!r} is no finite number")
    there = np.flatnonzero(~np.isnan(values))
    if not len(there):
        return None
    start, end = int(at[there[0]]), int(at[there[-1]])
    if end - start > MAX_POINTS:
        raise WindowError(f"{whose} spans {end - start} points of its grid, at most {MAX_POINTS} are framed")
    ahead = int(at[-1])
    kept = at >= start
    place, size = at[kept] - start, end - start + 1
    gaps = size - len(there)
    if gaps:
        notes.append(f"{whose}: {gaps} of {size} points have no value")
    spread = {name: _spread(rows[name][kept], place, ahead - start + 1, framing.known[name]) for name in framing.known}
    past = {n: _spread(rows[n][kept], place, ahead - start + 1, "numeric")[:size] for n in framing.past if n in rows}
    static = {name: next(iter(rows[name].dropna()), None) for name in framing.static}
    return Series(
        keys, start, _spread(rows[target][kept], place, ahead - start + 1, "numeric")[:size], spread, past, static
    )


def _spread(values: pd.Series, place: Whole, size: int, role: str) -> NDArray[Any]:
    """Put values at their places; what has none is missing."""
    if role == "numeric":
        numbers = np.full(size, np.nan)
        numbers[place] = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
        return numbers
    texts = np.full(size, None, dtype=object)
    texts[place] = values.to_numpy(dtype=object)
    return texts


def frame_rows(series: Series, framing: Framing, origins: Whole) -> pd.DataFrame:
    """Return the rows of some origins of one series, all steps of the first origin first.

    Args:
        series: on its grid.
        framing: what to frame.
        origins: ``(m,)`` places of the last value that may be looked at, at least 0.

    Returns:
        ``m * horizon`` rows with the columns of ``framing.roles()`` and ``@series @time @step @origin``.
    """
    values, m, H = series.values, len(origins), framing.horizon
    steps = np.tile(np.arange(1, H + 1), m)
    at = np.repeat(origins, H)
    shift, unit = _scales(values, origins, framing)
    shift_R, unit_R = np.repeat(shift, H), np.repeat(unit, H)
    columns: dict[str, Any] = {"step": steps.astype(np.float64)}
    columns |= _seasonal(values, at, steps, framing, shift_R, unit_R)
    shift_R = shift_R + unit_R * columns["season_level"]
    columns |= {name: np.repeat(one, H) for name, one in _recent(values, origins, framing, shift, unit).items()}
    target = at + steps
    calendar = framing.grid.read_calendar(series.start + target, framing.calendar)
    columns |= {f"calendar:{name}": one for name, one in calendar.items()}
    if framing.season > 1:
        columns["phase"] = ((series.start + target) % framing.season).astype(np.float64)
    for name, role in framing.known.items():
        columns[f"known:{name}"] = _take(series.known[name], target, np.nan if role == "numeric" else None)
    for name in framing.past:
        one = series.past.get(name, np.full(len(values), np.nan))
        columns[f"past:{name}"] = np.repeat(_take(_carried(one), origins, np.nan), H)
        columns[f"past_mean:{name}"] = np.repeat(_means(_window(one, origins, framing.season)), H)
    columns |= {f"static:{name}": np.full(m * H, series.static[name], dtype=object) for name in framing.static}
    if framing.named:
        columns["series"] = np.full(m * H, series.name, dtype=object)
    columns |= {SHIFT: shift_R, UNIT: unit_R, NAME: np.full(m * H, series.name, dtype=object)}
    columns |= {TIME: framing.grid.times(series.start + target), STEP: steps, ORIGIN: at}
    return pd.DataFrame({name: columns[name] for name in [*framing.roles(), NAME, TIME, STEP, ORIGIN]})


def _scales(values: Array, origins: Whole, framing: Framing) -> tuple[Array, Array]:
    """Return for each origin the level and the spread of the values up to it: the last four seasons, at least 24."""
    recent = _window(values, origins, max(framing.season, 4))
    last = _take(_carried(values), origins, np.nan)
    level_m = _means(recent)
    level_m = np.where(np.isnan(level_m), last, level_m)
    level_m = np.where(np.isnan(level_m), 0.0, level_m)
    wide = _window(values, origins, max(4 * framing.season, 24))
    spread = _means(np.abs(wide - _means(wide)[:, None]))
    spread = np.where(np.isnan(spread), 0.0, spread)
    flat = spread <= _TINY * np.maximum(np.abs(level_m), _TINY)
    return level_m, np.where(flat, np.where(np.abs(level_m) > _TINY, np.abs(level_m), 1.0), spread)


def _seasonal(values: Array, at: Whole, steps: Whole, framing: Framing, shift: Array, unit: Array) -> dict[str, Array]:
    """Return the values whole seasons before the target, the latest that the origin knows first.

    The target itself is measured from the mean of the latest two, ``season_level``; so is the naive column.
    """
    filled = _carried(values)

    def read(period: int, back: int, source: Array) -> Array:
        cycles = -(-steps // period) + back
        return (_take(source, at + steps - cycles * period, np.nan) - shift) / unit

    first = read(framing.season, 0, filled)
    last = (_take(filled, at, np.nan) - shift) / unit
    first = np.where(np.isnan(first), last, first)
    first = np.where(np.isnan(first), 0.0, first)
    found = {f"season_{back + 1}": read(framing.season, back, values) for back in range(1, _SEASON_LAGS)}
    found["season_mean"] = _means(np.column_stack([first, *found.values()]))
    found["season_level"] = _means(np.column_stack([first, found["season_2"]]))
    found[NAIVE] = first - found["season_level"]
    change = _means(_window(values, at, framing.season)) - _means(_window(values, at - framing.season, framing.season))
    cycles = -(-steps // framing.season)
    found["season_drift"] = first + np.where(np.isnan(change), 0.0, change) * cycles / unit
    return found | {f"season{period}": read(period, 0, values) for period in framing.seasons[1:]}


def _recent(values: Array, origins: Whole, framing: Framing, shift: Array, unit: Array) -> dict[str, Array]:
    """Return lags, rolling statistics and the slope up to each origin."""
    scaled = (_window(values, origins, framing.lags) - shift[:, None]) / unit[:, None]
    found = {f"{LAG}{i + 1}": scaled[:, i] for i in range(framing.lags)}
    for span in framing._spans():
        window = (_window(values, origins, span) - shift[:, None]) / unit[:, None]
        known = ~np.isnan(window)
        any_known = known.any(axis=1)
        mean = _means(window)
        found[f"mean_{span}"] = mean
        found[f"spread_{span}"] = np.sqrt(_means((window - mean[:, None]) ** 2))
        found[f"low_{span}"] = np.where(any_known, np.where(known, window, np.inf).min(axis=1), np.nan)
        found[f"high_{span}"] = np.where(any_known, np.where(known, window, -np.inf).max(axis=1), np.nan)
    window = (_window(values, origins, _SMOOTHED) - shift[:, None]) / unit[:, None]
    for share in _SMOOTHINGS:
        weight = np.where(np.isnan(window), 0.0, (1 - share / 100) ** np.arange(_SMOOTHED))
        found[f"smooth_{share}"] = (weight * np.nan_to_num(window)).sum(axis=1) / np.maximum(weight.sum(axis=1), _TINY)
    span = max(2 * framing.season, 8)
    window = (_window(values, origins, span) - shift[:, None]) / unit[:, None]
    place = np.where(np.isnan(window), np.nan, -np.arange(span, dtype=np.float64))
    centred = place - _means(place)[:, None]
    spread = _means(centred**2)
    slope = _means(centred * (window - _means(window)[:, None]))
    found["slope"] = np.where(spread > 0, slope / np.where(spread > 0, spread, 1.0), 0.0)
    found["size"] = np.clip(shift / unit, -1e6, 1e6)
    return found


def _window(values: Array, origins: Whole, span: int) -> Array:
    """Return ``(m, span)`` values up to each origin, the latest first; NaN before the first."""
    return np.asarray(_take(values, origins[:, None] - np.arange(span), np.nan))


def _take(values: NDArray[Any], places: Whole, missing: float | None) -> NDArray[Any]:
    inside = (places >= 0) & (places < len(values))
    found: NDArray[Any] = values[np.where(inside, places, 0)]
    found[~inside] = missing
    return found


def _carried(values: Array) -> Array:
    """Return the values with each gap filled by the value before it."""
    place = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(len(values))))
    return np.where(place < 0, np.nan, values[np.maximum(place, 0)])


def _means(rows: Array) -> Array:
    """Return the mean of what is known of each row; NaN where nothing is."""
    known = ~np.isnan(rows)
    counts = known.sum(axis=1)
    sums = np.where(known, rows, 0.0).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def last_rows(series: Sequence[Series], framing: Framing) -> pd.DataFrame:
    """Return the rows that forecast from the end of every series.

    Raises:
        WindowError: a column that is known ahead is not given ahead.
    """
    parts = []
    for one in series:
        end = len(one.values)
        short = [name for name in framing.known if len(one.known[name]) < end + framing.horizon]
        if short:
            whose = f" of series {one.name!r}" if one.keys else ""
            raise WindowError(
                f"{', '.join(map(repr, short))} must be given for the {framing.horizon} steps after the last value"
                f"{whose}: add rows with the later times, their {framing.target!r} left empty"
            )
        parts.append(frame_rows(one, framing, np.array([end - 1])))
    return pd.concat(parts, ignore_index=True)
