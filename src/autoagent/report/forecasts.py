"""The report's section on forecasts: windows with intervals against what happened, errors by series and by step."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from markupsafe import Markup

from autoagent.report.parts import Drawn, Forecasts, StepErrors
from autoagent.report.svg import frame, spread
from autoagent.report.wording import number, one_line, percent

_SIZE = (740.0, 250.0)
_MAX_ROWS = 60


def pictures(value: Forecasts) -> list[tuple[str, Markup]]:
    """Return a title and a picture for each drawn series."""
    rows = {row.series: row for row in value.series}
    found = []
    for one in value.drawn:
        row = rows.get(one.series)
        error = f": MASE {number(row.mase)}" if row and row.mase is not None else ""
        found.append((f"{one_line(one.series, 80) or 'the series'}{error}", windows(one)))
    return found


def windows(one: Drawn) -> Markup:
    """Draw the end of a series, its forecasts, their interval and what happened."""
    past = [value for value in one.past if value is not None]
    start = len(past)
    low, high = spread([*past, *one.actual, *one.forecast, *one.low, *one.high])
    box = frame(_SIZE, (0, max(start + len(one.actual) - 1, 1)), (low, high), x_label="points", y_label="value")
    for first, last in itertools.pairwise([*one.starts, len(one.actual)]):
        at = range(first, last)
        upper = [(box.x(start + i), box.y(one.high[i])) for i in at]
        lower = [(box.x(start + i), box.y(one.low[i])) for i in reversed(at)]
        box.canvas.path([*upper, *lower], "band")
        box.canvas.line(box.x(start + first - 0.5), box.y.start, box.x(start + first - 0.5), box.y.end, "guide")
    box.canvas.path([(box.x(i), box.y(v)) for i, v in enumerate([*past, *one.actual])], "actual")
    for first, last in itertools.pairwise([*one.starts, len(one.actual)]):
        points = [(box.x(start + i), box.y(one.forecast[i])) for i in range(first, last)]
        box.canvas.path(points, "curve s1", f"forecast from {one_line(one.time[first])}")
    for i, value in enumerate(one.actual):
        tip = f"{one_line(one.time[i])}: {number(value)}, forecast {number(one.forecast[i])}"
        box.canvas.dot(box.x(start + i), box.y(value), 2.5, "dot f0", tip)
    return box.canvas.svg(f"Forecasts of {one.series} with their interval against what happened")


def step_plot(rows: Sequence[StepErrors]) -> Markup | None:
    """Plot the error of each step beside the naive forecast's; None where there is one step only."""
    if len(rows) < 2:
        return None
    values = [v for row in rows for v in (row.mase, row.naive_mase)]
    box = frame(
        _SIZE, (1, rows[-1].step), (0, max(values) * 1.08 or 1.0), x_label="steps ahead", y_label="MASE", x_whole=True
    )
    box.canvas.path([(box.x(row.step), box.y(row.naive_mase)) for row in rows], "curve s7", "seasonal naive")
    box.canvas.path([(box.x(row.step), box.y(row.mase)) for row in rows], "curve s1", "the model")
    for row in rows:
        tip = (
            f"step {row.step}: MASE {number(row.mase)}, naive {number(row.naive_mase)}, {percent(row.coverage)} inside"
        )
        box.canvas.dot(box.x(row.step), box.y(row.mase), 3, "dot f1", tip)
    return box.canvas.svg("Error by steps ahead, beside the seasonal naive forecast")


def series_rows(value: Forecasts) -> list[tuple[str, ...]]:
    """Return the rows of the table of series, the worst first."""
    ordered = sorted(value.series, key=lambda row: -(row.mase or 0.0))[:_MAX_ROWS]
    return [
        (
            one_line(row.series, 80) or "the series",
            number(row.n),
            number(row.mase),
            number(row.naive_mase),
            number(row.rmsse),
            number(row.smape),
            number(row.mae),
            percent(row.coverage),
        )
        for row in ordered
    ]


def sentence(value: Forecasts) -> str:
    """Return what was measured, in words."""
    nominal = value.quantiles[-1] - value.quantiles[0] if len(value.quantiles) > 1 else 0.0
    total, naive = value.total, value.naive
    return (
        f"{number(value.n_windows)} sealed windows of {number(value.n_series)} series, season {value.season}. "
        f"MASE {number(total.mase)} (seasonal naive {number(naive.mase)}), RMSSE {number(total.rmsse)} "
        f"({number(naive.rmsse)}), sMAPE {number(total.smape)} ({number(naive.smape)}). "
        f"{percent(value.coverage)} of the values lie in the interval that should hold {percent(nominal)}."
    )
