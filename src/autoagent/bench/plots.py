"""The plots of a comparison, as inline SVG in the report's own style."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from autoagent.bench.lottery import Spread
from autoagent.report.svg import Canvas, Scale, fit, frame, spread, tick_labels, ticks
from autoagent.report.wording import number

_MOST_SHOWN = 0.5  # powers of ten: what lies above, the first trials of a loss without bounds, is drawn on the edge
Points = Sequence[tuple[float, float]]


def regret_curves(curves: Mapping[str, Points], colours: Mapping[str, int], *, x_label: str, whole: bool) -> Markup:
    """Plot regret against what was spent, on a log scale, one line for each method."""
    floor = 1e-4
    logged = {
        name: [(x, math.log10(max(y, floor))) for x, y in points if math.isfinite(y)] for name, points in curves.items()
    }
    every = [point for points in logged.values() for point in points]
    if not every:
        return Markup()
    xs, ys = [x for x, _ in every], [y for _, y in every]
    box = frame(
        (740, 320),
        (min(0.0, *xs), max(xs)),
        spread([min(y, max(_MOST_SHOWN, min(ys))) for y in ys]),
        x_label=x_label,
        y_label="regret, powers of ten",
        x_whole=whole,
    )
    for name, points in logged.items():
        box.canvas.path([(box.x(x), box.y(y)) for x, y in points], f"curve s{colours[name]}", name)
    return box.canvas.svg(f"Regret of {', '.join(curves)} against {x_label}; lower is better")


def rank_line(ranks: Mapping[str, float], colours: Mapping[str, int], critical: float | None) -> Markup:
    """Draw mean ranks on a line; a bar spans the critical difference, and methods within it are joined."""
    names = list(ranks)
    canvas = Canvas(740, 74.0 + 24 * len(names))
    x = Scale(1, max(len(names), 2), 190, 700)
    values = ticks(1, max(len(names), 2), min(len(names), 10))
    for value, text in zip(values, tick_labels(values), strict=True):
        canvas.line(x(value), 40, x(value), 50 + 24 * len(names), "grid")
        canvas.text(x(value), 66 + 24 * len(names), text, "mid")
    if critical is not None:
        canvas.line(x(1), 18, x(1 + critical), 18, "whisker f7")
        canvas.text(x(1 + critical) + 10, 22, f"critical difference {critical:.2f}")
    for row, name in enumerate(names):
        y = 56.0 + 24 * row
        canvas.text(180, y + 4, fit(name, 165), "end")
        if critical is not None:
            reach = [other for other in ranks.values() if abs(other - ranks[name]) <= critical]
            canvas.line(x(min(reach)), y, x(max(reach)), y, f"whisker f{colours[name]}")
        canvas.dot(x(ranks[name]), y, 6, f"dot f{colours[name]}", f"{name}: mean rank {ranks[name]:.2f}")
    return canvas.svg("Mean ranks, 1 is best: " + ", ".join(f"{name} {rank:.2f}" for name, rank in ranks.items()))


def lottery_strip(rows: Sequence[Spread]) -> Markup:
    """Draw each sampler's regret under each of its settings; the declared ones are the ring."""
    values = [value for row in rows for value in row.regrets if math.isfinite(value)]
    if not values:
        return Markup()
    canvas = Canvas(740, 60.0 + 34 * len(rows))
    low, high = spread(values)
    x = Scale(max(low, 0.0), high, 190, 700)
    marks = ticks(max(low, 0.0), high, 6)
    for value, text in zip(marks, tick_labels(marks), strict=True):
        canvas.line(x(value), 8, x(value), 22 + 34 * len(rows), "grid")
        canvas.text(x(value), 40 + 34 * len(rows), text, "mid")
    canvas.text((x.start + x.end) / 2, 56 + 34 * len(rows), "mean regret after all trials", "mid label")
    for place, row in enumerate(rows):
        y = 24.0 + 34 * place
        canvas.text(180, y + 4, fit(row.sampler, 165), "end")
        for regret, settings in list(zip(row.regrets, row.settings, strict=True))[1:]:
            said = ", ".join(f"{n} {number(v) if isinstance(v, float) else v}" for n, v in settings.items())
            canvas.dot(x(regret), y, 5, f"dot soft f{place % 10}", f"{number(regret)}: {said}")
        canvas.dot(x(row.regrets[0]), y, 7, f"ring f{place % 10}", f"declared settings: {number(row.regrets[0])}")
    return canvas.svg("Regret of each sampler under each of its settings")
