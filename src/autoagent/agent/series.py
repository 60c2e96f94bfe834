"""The first half of a run of series: find them, frame them, divide them by time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from autoagent.agent.spec import TaskSpec, Understanding
from autoagent.data.leakage import LeakWarning, check_leaks
from autoagent.data.seal import Schema, write_split
from autoagent.data.series.grid import find_grid, periods, season_of, seen_calendar, spoken, steps_of
from autoagent.data.series.layout import Asked, Layout, find_layout
from autoagent.data.series.measures import divisors, scales
from autoagent.data.series.origins import Cuts, fewest_points, frame_all, plan_cuts
from autoagent.errors import DataError, RequestError
from autoagent.forecasting import HISTORY
from autoagent.runs.folder import RunFolder
from autoagent.windows import MAX_POINTS, Framing, Series, WindowError, level, read_series, read_times

_QUANTILES = {"forecasting": [0.1, 0.9], "quantile_forecasting": [0.1, 0.5, 0.9]}
_FOLDS = 3
_MAX_LAGS, _MIN_LAGS, _LONG_SEASON_LAGS = 64, 8, 32
_MAX_SERIES, _MAX_NAMED = 5000, 500
_MAX_GAPS = 0.5  # of the points of a series
_METRICS = ("mase", "rmsse", "smape", "mae", "mape", "rmse", "mse")


class SeriesPlan(BaseModel):
    """How the series are framed and divided; kept in the plan.

    Attributes:
        framing: as ``windows.Framing`` writes it.
        quantiles: that forecasts come with.
        tests: sealed origins of each series.
        folds: validated blocks of each.
        block: points of one.
        origins: validated in each block, at most.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    framing: dict[str, Any]
    quantiles: list[float]
    tests: int
    folds: int
    block: int
    origins: int


@dataclass(frozen=True)
class FoundSeries:
    """Series that can be built on.

    Attributes:
        frame: their rows, one for each series and time.
        framing: how they become rows.
        series: those that are long enough.
        plan: what the plan keeps.
        metric: the metric's name.
        leaks: what was left out because it will not be known.
        said: what was taken for granted or mended.
    """

    frame: pd.DataFrame
    framing: Framing
    series: tuple[Series, ...]
    plan: SeriesPlan
    metric: str
    leaks: tuple[LeakWarning, ...]
    said: tuple[str, ...]


def find_series(understanding: Understanding, frame: pd.DataFrame) -> FoundSeries:
    """Find the series of a table that a request to forecast speaks of.

    Raises:
        RequestError: something essential is missing or cannot be done.
        DataError: the times are irregular, rows contradict each other, or the series are too short.
    """
    spec = understanding.spec
    _ask(understanding)
    said = [text for text in understanding.assumptions if "data.target" in text]
    layout = find_layout(frame, _asked(spec))
    said += layout.said
    if spec.data.features_exclude:
        frame = frame.drop(columns=spec.data.features_exclude, errors="ignore")
    framing = _framing(spec, layout, frame, said)
    try:
        found, notes = read_series(frame, framing)
    except WindowError as error:
        raise DataError(str(error)) from error
    kept = _usable(found, framing, said)
    said += notes[:10] + ([f"and {len(notes) - 10} more such notes"] if len(notes) > 10 else [])
    cuts = plan_cuts([len(one.values) for one in kept], framing, folds=_folds(spec), tests=_tests(spec, framing))
    said += _told(framing, cuts, kept)
    plan = SeriesPlan(
        framing=json.loads(json.dumps(framing.to_json())),
        quantiles=_quantiles(spec),
        tests=cuts.tests,
        folds=cuts.folds,
        block=cuts.block,
        origins=cuts.origins,
    )
    metric = _metric(spec, said)
    rows = frame if not framing.wide else _melted(frame, framing)
    return FoundSeries(rows, framing, tuple(kept), plan, metric, tuple(_left_out(layout)), tuple(said))


def _ask(understanding: Understanding) -> None:
    """Refuse what the reader left open, except what the table answers."""
    open_ones = [q for q in understanding.questions if q.key not in ("data.target", "task_type")]
    warned = [q for q in understanding.questions if f"infeasible:{q.key}" in understanding.spec.warnings]
    asked = list({q.key: q for q in (*open_ones, *warned)}.values())
    if understanding.spec.horizon.steps is None and not any(q.key == "horizon.steps" for q in asked):
        raise RequestError("how many steps ahead should be forecast?", missing=["horizon.steps"])
    if asked:
        lines = "\n".join(f"  {question.key}: {question.text}" for question in asked)
        raise RequestError(f"the request cannot be built yet:\n{lines}", missing=[q.key for q in asked])


def _asked(spec: TaskSpec) -> Asked:
    target = spec.data.target
    if isinstance(target, list):
        raise RequestError(
            f"several targets {target!r} of long rows are not forecast in one run; leave the target out where every "
            "column is a series, or start one run per target",
            missing=["data.target"],
        )
    return Asked(
        target,
        spec.data.time_key,
        tuple(spec.data.series_keys or ([spec.data.group_key] if spec.data.group_key else [])),
        tuple(spec.data.features_known_future or ()),
        tuple(spec.data.features_exclude or ()),
    )


def _framing(spec: TaskSpec, layout: Layout, frame: pd.DataFrame, said: list[str]) -> Framing:
    times = read_times(frame[layout.time], day_first=layout.day_first)
    values = frame[layout.target] if not layout.wide else frame[list(layout.wide)].max(axis=1)
    known = values.notna().to_numpy()
    if layout.keys:
        groups = [frame[key].map(level) for key in layout.keys]
        parts = [one for _, one in times[known].groupby([g[known] for g in groups])]
    else:
        parts = [times[known]]
    if len(parts) > _MAX_SERIES:
        raise DataError(f"{len(parts)} series; at most {_MAX_SERIES} are forecast in one run")
    grid = find_grid(parts, layout.time)
    steps = int(spec.horizon.steps or 1)
    horizon = steps_of(steps, spec.horizon.freq, grid)
    if horizon != steps:
        said.append(f"{steps} {spec.horizon.freq}s are {horizon} steps of {spoken(grid)}.")
    longest = max(int(np.ptp(grid.place(one)[0])) + 1 for one in parts)
    if longest > MAX_POINTS:
        raise DataError(f"a series spans {longest} points {spoken(grid)} apart; at most {MAX_POINTS} can be framed")
    season = _stated_season(spec, grid)
    seasons = periods(grid, longest, stated=season)
    usual = max(2 * seasons[0], _MIN_LAGS)
    lags = spec.horizon.context or (usual if usual <= _MAX_LAGS else _LONG_SEASON_LAGS)
    return Framing(
        layout.time,
        layout.target,
        grid,
        horizon,
        seasons,
        max(4, min(lags, _MAX_LAGS)),
        layout.keys,
        layout.wide,
        layout.known,
        layout.past,
        layout.static,
        seen_calendar(grid, longest),
        1 < max(len(parts), len(layout.wide)) <= _MAX_NAMED,
        layout.day_first,
    )


def _stated_season(spec: TaskSpec, grid: Any) -> int | None:  # noqa: ANN401 - a Grid
    said = (spec.metric.params or {}).get("season")
    if said is None:
        return None
    if isinstance(said, int | float):
        return int(said)
    steps = season_of(str(said), grid)
    if steps is None and spoken(grid) != f"1 {said}":
        raise RequestError(
            f"a season of one {said} is no whole number of steps of {spoken(grid)}", missing=["metric.params.season"]
        )
    return steps or 1


def _usable(found: list[Series], framing: Framing, said: list[str]) -> list[Series]:
    least = fewest_points(framing)
    kept = [one for one in found if len(one.values) >= least and np.isnan(one.values).mean() <= _MAX_GAPS]
    if not kept:
        longest = max(len(one.values) for one in found)
        raise DataError(
            f"no series has the {least} points (half of them known) that a season of {framing.season} and "
            f"{framing.horizon} steps ahead need; the longest has {longest}: ask for fewer steps, or give more history"
        )
    if left := len(found) - len(kept):
        said.append(
            f"{left} of {len(found)} series have fewer than {least} points or more gaps than values: "
            "they are forecast, and neither train nor test the model."
        )
    return kept


def _tests(spec: TaskSpec, framing: Framing) -> int | None:
    """Return the sealed origins that the request states: the last three weeks at a horizon of a week are three."""
    asked = spec.split.test
    if not isinstance(asked, str):
        return None
    words = asked.lower().split()
    count = next((int(word) for word in words if word.isdigit()), 1)
    unit = next(
        (w.rstrip("s") for w in words if w.rstrip("s") in ("hour", "day", "week", "month", "quarter", "year")), None
    )
    if unit is None:
        return None
    return max(1, round(steps_of(count, unit, framing.grid) / framing.horizon))


def _folds(spec: TaskSpec) -> int:
    return max(1, min(spec.split.k or _FOLDS, 10))


def _quantiles(spec: TaskSpec) -> list[float]:
    stated = (spec.metric.params or {}).get("quantiles")
    usual = _QUANTILES[spec.task_type or "forecasting"]
    if not isinstance(stated, list):
        return usual
    chosen = sorted({float(q) for q in stated if 0 < float(q) < 1})
    return chosen if len(chosen) > 1 else sorted({*chosen, 0.1, 0.9})


def _metric(spec: TaskSpec, said: list[str]) -> str:
    name = spec.metric.name
    if name == "mean_pinball":
        said.append(
            "Trials are chosen by MASE; the pinball losses of the quantiles are measured on the sealed windows."
        )
        return "mase"
    if name is None:
        said.append("No metric was asked for; forecasts are judged by mase.")
        return "mase"
    if name not in _METRICS:
        raise RequestError(
            f"{name!r} does not judge forecasts here; there are: {', '.join(_METRICS)}", missing=["metric.name"]
        )
    return name


def _told(framing: Framing, cuts: Cuts, kept: list[Series]) -> list[str]:
    lengths = [len(one.values) for one in kept]
    H = framing.horizon
    every = f"{spoken(framing.grid)} apart; season {framing.season}"
    text = f"{len(kept)} series of {min(lengths)} to {max(lengths)} points, {every}."
    ends = {one.start + len(one.values) for one in kept}
    found = [
        text,
        f"The last {cuts.tests * H} points of every series are sealed: {cuts.tests} origins, {H} steps from each.",
        f"{cuts.folds} rolling-origin folds of {cuts.block} points come before; training rows end before their block.",
    ]
    if len(ends) > 1:
        found.append("The series end at different times, so origins count from each one's own end.")
    return found


def _left_out(layout: Layout) -> list[LeakWarning]:
    """Say of each column that only its past is used, because nobody will know it at the time of the target."""
    return [
        LeakWarning(
            "future_column", name, "low", f"{name!r} is not known ahead: only its values up to the origin are used"
        )
        for name in layout.past
    ]


def _melted(frame: pd.DataFrame, framing: Framing) -> pd.DataFrame:
    return frame.melt(
        id_vars=[framing.time], value_vars=list(framing.wide), var_name="series", value_name=framing.target
    )


def split_series(
    folder: RunFolder, found: FoundSeries, metric: str, *, seed: int
) -> tuple[dict[str, Any], list[LeakWarning]]:
    """Frame the series, seal the last windows, and return the facts of the split and the leaks."""
    framing, plan = found.framing, found.plan
    cuts = Cuts(plan.tests, plan.folds, plan.block, plan.origins)
    sealed = cuts.sealed(framing.horizon)
    rows = [scales(one.values[: len(one.values) - sealed], framing.season) for one in found.series]
    both = np.array([row[:2] for row in rows])
    extra = pd.DataFrame({"@mase_scale": both[:, 0], "@rmsse_scale": both[:, 1]})
    framed = frame_all(found.series, framing, cuts, divisors(metric, both), extra)
    beside = [name for name in framed.frame.columns if name not in framing.roles()]
    roles: Mapping[str, Any] = {**framing.roles(), **dict.fromkeys(beside, "beside")}
    schema = Schema(roles=dict(roles), target=framing.target, task="regression", classes=[])
    write_split(folder.root, framed.frame, framed.y, framed.split, schema)
    _write_histories(folder, found, sealed)
    leaks = [*found.leaks, *_known_leaks(found, seed=seed)]
    if odd := sum(not row[2] for row in rows):
        text = f"{odd} series do not change over a season before the sealed part; neighbours or their size scale them"
        leaks.append(LeakWarning("not_checked", framing.target, "low", text))
    split = framed.split
    facts = {
        "kind": split.kind,
        "sha256": split.sha256,
        "n_train": len(split.train_rows),
        "n_test": len(split.test_rows),
    }
    return facts, leaks


def _known_leaks(found: FoundSeries, *, seed: int) -> list[LeakWarning]:
    """Look for columns called known ahead that are the target by another name."""
    framing = found.framing
    names = [name for name in framing.known if name in found.frame]
    rows = found.frame[found.frame[framing.target].notna()].reset_index(drop=True)
    if not names or len(rows) < 30:
        return []
    y = rows[framing.target].to_numpy(dtype=np.float64)
    return check_leaks(rows[[*names, framing.target]], y, target=framing.target, task="regression")


def _write_histories(folder: RunFolder, found: FoundSeries, sealed: int) -> None:
    """Write the ends of the series: before the sealed part for measuring, whole for forecasting afterwards."""
    framing = found.framing
    frame = _source_rows(found)
    numbers = framing.grid.place(read_times(frame[framing.time], day_first=framing.day_first))[0]
    last = {one.keys: one.start + len(one.values) - 1 for one in found.series}
    keys = [tuple(level(frame[key].iloc[i]) for key in framing.keys) for i in range(len(frame))]
    ends = (
        np.array([last.get(key, -(10**12)) for key in keys])
        if not framing.wide
        else np.full(len(frame), max(last.values()))
    )
    values = list(framing.wide) or [framing.target]
    early = frame[(numbers <= ends - sealed + framing.horizon) & (numbers > ends - sealed - framing.context)].copy()
    late = numbers[early.index] > (ends - sealed)[early.index]
    early[values] = early[values].astype(float)
    early.loc[late, values] = np.nan
    early.to_csv(folder.data / HISTORY, index=False)
    known_end = np.where(ends > -(10**12), ends, np.inf)
    tail = frame[(numbers > known_end - framing.context) | ~np.isfinite(known_end)]
    tail.to_csv(folder.sealed / HISTORY, index=False)


def _source_rows(found: FoundSeries) -> pd.DataFrame:
    """Return the columns that a history needs, keys as the model names them, ordered by time."""
    framing = found.framing
    if framing.wide:
        frame = found.frame.pivot(index=framing.time, columns="series", values=framing.target).reset_index()
        return pd.DataFrame(frame[[framing.time, *framing.wide]])
    columns = [framing.time, *framing.keys, framing.target, *framing.known, *framing.past, *framing.static]
    frame = found.frame[columns].drop_duplicates().reset_index(drop=True)
    for name in (*framing.keys, *framing.static):
        frame[name] = frame[name].map(level, na_action="ignore")
    return frame
