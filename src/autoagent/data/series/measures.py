"""What forecasts are measured by: scales from the training part alone, and errors by series and by step.

The scale of MASE is the mean absolute difference of values one season apart before the sealed part (Hyndman and
Koehler 2006, 10.1016/j.ijforecast.2006.03.001); of RMSSE the root of the mean squared one. Where that is zero, the
differences of neighbours count, then the mean size of the values, then 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autoagent.windows import NAME, ORIGIN, STEP, TIME

Array = NDArray[np.float64]
_SHOWN = 6  # series drawn in the report
_TOLD = 200  # series with a row of numbers


def scales(values: Array, season: int) -> tuple[float, float, bool]:
    """Return the scales of MASE and RMSSE of a training part, and whether a season's differences gave them.

    Args:
        values: ``(T,)`` before the sealed part; NaN is a gap.
        season: of the naive forecast.
    """
    for period in dict.fromkeys((season, 1)):
        gaps = values[period:] - values[:-period]
        gaps = gaps[~np.isnan(gaps)]
        if len(gaps) and float(np.abs(gaps).mean()) > 1e-12 * max(float(np.nanmax(np.abs(values))), 1e-300):
            return float(np.abs(gaps).mean()), float(np.sqrt((gaps**2).mean())), period == season
    size = float(np.nanmean(np.abs(values)))
    size = size if size > 0 else 1.0
    return size, size, False


def divisors(metric: str, both: Array) -> Array:
    """Return what turns each series' values into the unit of a metric.

    Args:
        metric: its name.
        both: ``(series, 2)`` scales of MASE and RMSSE.
    """
    if metric == "mase":
        return both[:, 0]
    return both[:, 1] if metric == "rmsse" else np.ones(len(both))


def errors(frame: pd.DataFrame, y: Array, prediction: Array) -> pd.DataFrame:
    """Return actual values, forecasts and their errors, one row for each sealed row.

    Args:
        frame: the sealed rows with ``@divisor @mase_scale @rmsse_scale``.
        y: ``(n,)`` in the metric's unit.
        prediction: ``(n,)`` in the metric's unit.
    """
    divisor = frame["@divisor"].to_numpy()
    actual, forecast = y * divisor, prediction * divisor
    miss = np.abs(actual - forecast)
    size = (np.abs(actual) + np.abs(forecast)) / 2
    return pd.DataFrame(
        {
            "series": frame[NAME].to_numpy(),
            "time": frame[TIME].astype(str).to_numpy(),
            "step": frame[STEP].to_numpy(),
            "origin": frame[ORIGIN].to_numpy(),
            "actual": actual,
            "forecast": forecast,
            "mase": miss / frame["@mase_scale"].to_numpy(),
            "squared": (miss / frame["@rmsse_scale"].to_numpy()) ** 2,
            "smape": np.where(size > 0, 100 * miss / np.where(size > 0, size, 1.0), 0.0),
            "mae": miss,
        }
    )


def summary(rows: pd.DataFrame) -> dict[str, float]:
    """Return the measures over some rows of ``errors``; RMSSE is the mean over series."""
    root = np.sqrt(rows.groupby("series")["squared"].mean()).mean()
    return {
        "mase": float(rows["mase"].mean()),
        "rmsse": float(root),
        "smape": float(rows["smape"].mean()),
        "mae": float(rows["mae"].mean()),
    }


def pinball(actual: Array, forecast: Array, quantile: float) -> Array:
    """Return the pinball loss of each forecast of a quantile."""
    miss = actual - forecast
    return np.maximum(quantile * miss, (quantile - 1) * miss)


def offsets(residuals: Array, steps: NDArray[np.int64], quantiles: Sequence[float], horizon: int) -> list[list[float]]:
    """Return for each quantile the residual that stands for it at each step, never crossing.

    Split conformal (arXiv:1905.03222 uses the same residual quantiles on rolling origins): a step with fewer than 40
    residuals borrows those of its neighbours.

    Args:
        residuals: ``(n,)`` actual less forecast on validated origins, in a unit that series share.
        steps: ``(n,)`` of each.
        quantiles: ascending.
        horizon: steps in all.
    """
    rows = np.empty((horizon, len(quantiles)))
    for step in range(1, horizon + 1):
        reach = 0
        near = steps == step
        while near.sum() < min(40, len(residuals)) and reach < horizon:
            reach += 1
            near = np.abs(steps - step) <= reach
        rows[step - 1] = _spaced(np.sort(residuals[near]), quantiles)
    found: list[list[float]] = np.sort(rows, axis=1).T.tolist()
    return found


def _spaced(ordered: Array, quantiles: Sequence[float]) -> Array:
    """Return quantiles with the finite sample's correction outwards."""
    n = len(ordered)
    places = []
    for q in quantiles:
        corrected = q * (n + 1) - 1
        places.append(min(max(np.ceil(corrected) if q > 0.5 else np.floor(corrected), 0), n - 1))
    return ordered[np.array(places, dtype=np.int64)]


def told(rows: pd.DataFrame, naive: pd.DataFrame, past: Mapping[str, list[float | None]]) -> dict[str, Any]:
    """Return what the report shows: totals, the rows of series and of steps, and some series to draw.

    Args:
        rows: of ``errors``, with the columns ``low`` and ``high`` of the interval.
        naive: the same of the seasonal naive forecast.
        past: last values of each series before the sealed part.
    """
    inside = (rows["actual"] >= rows["low"]) & (rows["actual"] <= rows["high"])
    by_series = []
    for name, part in list(rows.groupby("series", sort=True))[:_TOLD]:
        theirs = naive[naive["series"] == name]
        row = {"series": str(name), "n": len(part), **summary(part), "naive_mase": float(theirs["mase"].mean())}
        by_series.append(row | {"coverage": float(inside[part.index].mean())})
    by_step = [
        {
            "step": int(str(step)),
            "mase": float(part["mase"].mean()),
            "naive_mase": float(naive.loc[part.index, "mase"].mean()),
            "coverage": float(inside[part.index].mean()),
        }
        for step, part in rows.groupby("step", sort=True)
    ]
    return {
        "total": summary(rows),
        "naive": summary(naive),
        "coverage": float(inside.mean()),
        "n_series": int(rows["series"].nunique()),
        "series": by_series,
        "steps": by_step,
        "drawn": _drawn(rows, past),
    }


def _drawn(rows: pd.DataFrame, past: Mapping[str, list[float | None]]) -> list[dict[str, Any]]:
    """Return some series with their points: the best, the worst and those between."""
    order = rows.groupby("series")["mase"].mean().sort_values(kind="stable").index.tolist()
    picked = np.unique(np.linspace(0, len(order) - 1, min(_SHOWN, len(order))).round().astype(int))
    found = []
    for place in picked:
        part = rows[rows["series"] == order[place]]
        columns = ("time", "actual", "forecast", "low", "high")
        starts = np.flatnonzero(np.append(1, np.diff(part["origin"].to_numpy()))).tolist()
        name = str(order[place])
        found.append(
            {"series": name, "past": past.get(name, []), "starts": starts}
            | {name: part[name].tolist() for name in columns}
        )
    return found
