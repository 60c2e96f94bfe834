"""The plots of the report, as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from autoagent.report.parts import Calibration, Confusion, Residuals
from autoagent.report.svg import Canvas, Frame, Scale, fit, frame, spread, tick_labels, ticks
from autoagent.report.wording import number, percent, score

_WIDE = (740.0, 320.0)
_SQUARE = (380.0, 320.0)
MAX_CLASSES = 24


@dataclass(frozen=True)
class Dot:
    """One trial in the history.

    Attributes:
        x: its number.
        y: its score as people read it; None when it has none.
        colour: of its family, 0 to 9.
        whole: its score is over every fold.
    """

    x: float
    y: float | None
    colour: int
    tip: str
    whole: bool = True


@dataclass(frozen=True)
class Mark:
    """A value, with an interval where it has one, on the score line."""

    name: str
    value: float
    cls: str
    interval: tuple[float, float] | None = None


def history(dots: Sequence[Dot], *, metric: str, lower_is_better: bool) -> Markup:
    """Plot scores by trial, the best so far as a step line; far-off and failed trials stand on the edge."""
    low, high = _useful_range([d.y for d in dots if d.y is not None], lower_is_better)
    last = max((d.x for d in dots), default=1.0)
    box = frame(_WIDE, (-0.5, last + 0.5), (low, high), x_label="trial", y_label=metric or "score", x_whole=True)
    _best_line(box, dots, lower_is_better)
    for dot in dots:
        x = box.x(dot.x)
        if dot.y is None:
            foot = box.y.start - 6
            box.canvas.path([(x - 3, foot - 3), (x + 3, foot + 3)], "cross", dot.tip)
            box.canvas.path([(x - 3, foot + 3), (x + 3, foot - 3)], "cross", dot.tip)
        else:
            kind = "dot" if dot.whole and box.y.holds(dot.y) else "ring"
            box.canvas.dot(x, box.y(dot.y), 4 if dot.whole else 3, f"{kind} f{dot.colour}", dot.tip)
    return box.canvas.svg(f"{metric} of {len(dots)} trials in order, with the best so far")


def score_line(marks: Sequence[Mark], *, metric: str) -> Markup:
    """Plot validation, test and baseline on one line, one row each."""
    ends = [v for m in marks for v in (m.value, *(m.interval or ()))]
    low, high = spread(ends, 0.12)
    height = 40.0 + 34 * len(marks)
    canvas, x = Canvas(740, height + 14), Scale(low, high, 150, 640)
    values = ticks(low, high, 6)
    for value, text in zip(values, tick_labels(values), strict=True):
        canvas.line(x(value), 8, x(value), height - 24, "grid")
        canvas.text(x(value), height - 6, text, "mid")
    canvas.text((x.start + x.end) / 2, height + 10, metric, "mid label")
    for row, mark in enumerate(marks):
        y = 26.0 + 34 * row
        canvas.text(140, y + 4, mark.name, "end")
        if mark.interval:
            canvas.line(x(mark.interval[0]), y, x(mark.interval[1]), y, f"whisker {mark.cls}")
        canvas.dot(x(mark.value), y, 6, f"dot {mark.cls}", f"{mark.name}: {score(mark.value)}")
        canvas.text(652, y + 4, score(mark.value), "strong")
    return canvas.svg(f"{metric}: " + ", ".join(f"{m.name} {score(m.value)}" for m in marks))


def curves(folds: Sequence[Sequence[float]], *, colour: int, title: str) -> Markup:
    """Plot the learning curve of each fold, thin, and their mean, bold."""
    values = [v for fold in folds for v in fold if math.isfinite(v)]
    steps = max(len(fold) for fold in folds)
    box = frame(
        (360, 240), (1, max(steps, 2)), spread(values), x_label="reported step", y_label="validation", x_whole=True
    )
    for fold in folds:
        box.canvas.path([(box.x(i + 1), box.y(v)) for i, v in enumerate(fold) if math.isfinite(v)], "thin")
    shared = min(len(fold) for fold in folds)
    mean = [sum(fold[i] for fold in folds) / len(folds) for i in range(shared)]
    points = [(box.x(i + 1), box.y(v)) for i, v in enumerate(mean) if math.isfinite(v)]
    box.canvas.path(points, f"curve s{colour}")
    return box.canvas.svg(f"Learning curves of {title}")


def confusion(value: Confusion) -> Markup:
    """Draw the confusion matrix; the depth of a cell is its share of the true class."""
    names = [str(label) for label in value.labels]
    cell = 44.0 if len(names) <= 12 else 26.0
    left = 44 + 7 * min(max((len(fit(n, 120)) for n in names), default=1), 18)
    canvas = Canvas(left + cell * len(names) + 14, 104 + cell * len(names))
    for i, row in enumerate(value.matrix):
        canvas.text(left - 8, 84 + cell * (i + 0.5) + 4, fit(names[i], 120), "end")
        canvas.text(left + cell * (i + 0.5) + 4, 76, fit(names[i], 70), "start", turn=-45 if len(names) > 3 else -25)
        for j, count in enumerate(row):
            share = count / (sum(row) or 1)
            x, y = left + cell * j, 84 + cell * i
            tip = f"true {names[i]}, predicted {names[j]}: {number(count)} ({percent(share)} of the class)"
            good = "right" if i == j else "wrong"
            canvas.rect(x + 1, y + 1, cell - 2, cell - 2, f"cell {good}", tip, 0.06 + 0.94 * share)
            if count and len(names) <= MAX_CLASSES:
                deep = "on" if share > 0.45 else ""
                canvas.text(x + cell / 2, y + cell / 2 + 4, number(count), f"mid {deep} {'tiny' if cell < 40 else ''}")
    canvas.text(14, 84 + cell * len(names) / 2, "true class", "mid label", turn=-90)
    canvas.text(left + cell * len(names) / 2, 98 + cell * len(names), "predicted class", "mid label")
    return canvas.svg(f"Confusion matrix of {len(names)} classes")


def residuals(value: Residuals) -> Markup:
    """Plot predicted against true values."""
    pairs = [(y, p) for y, p in zip(value.y, value.prediction, strict=False) if math.isfinite(y) and math.isfinite(p)]
    both = spread([v for pair in pairs for v in pair])
    box = frame(_SQUARE, both, both, x_label="true value", y_label="predicted value")
    box.canvas.line(box.x(both[0]), box.y(both[0]), box.x(both[1]), box.y(both[1]), "guide")
    for y, p in pairs:
        tip = f"true {number(y)}, predicted {number(p)}"
        box.canvas.dot(box.x(y), box.y(p), 3, "dot soft f0", tip)
    return box.canvas.svg("Predicted against true values on the test rows")


def residual_histogram(value: Residuals) -> Markup:
    """Plot how the errors are distributed."""
    errors = [p - y for y, p in zip(value.y, value.prediction, strict=False) if math.isfinite(p - y)]
    reach = max(abs(e) for e in errors) or 1.0
    bins = min(31, max(7, round(math.sqrt(len(errors))) | 1))
    counts = [0] * bins
    for error in errors:
        counts[min(int((error + reach) / (2 * reach) * bins), bins - 1)] += 1
    box = frame(_SQUARE, (-reach, reach), (0, max(counts) * 1.08), x_label="predicted − true", y_label="test rows")
    step = 2 * reach / bins
    for i, count in enumerate(counts):
        x1, x2 = box.x(-reach + i * step), box.x(-reach + (i + 1) * step)
        top = box.y(count)
        box.canvas.rect(x1 + 0.5, top, x2 - x1 - 1, box.y.start - top, "bar f0", f"{count} rows")
    box.canvas.line(box.x(0), box.y.start, box.x(0), box.y.end, "guide")
    return box.canvas.svg("Distribution of the errors on the test rows")


def calibration(value: Calibration) -> Markup:
    """Plot observed against predicted frequency; the size of a dot is the number of rows."""
    box = frame(_SQUARE, (0, 1), (0, 1), x_label="predicted probability", y_label="observed frequency")
    box.canvas.line(box.x(0), box.y(0), box.x(1), box.y(1), "guide")
    most = max(value.count, default=1) or 1
    rows = sorted(zip(value.mean_predicted, value.observed, value.count, strict=False))
    rows = [row for row in rows if all(map(math.isfinite, row))]
    box.canvas.path([(box.x(p), box.y(o)) for p, o, _ in rows], "curve s0")
    for predicted, observed, count in rows:
        tip = f"predicted {percent(predicted)}, observed {percent(observed)}, {number(count)} rows"
        box.canvas.dot(box.x(predicted), box.y(observed), 3 + 6 * math.sqrt(count / most), "dot f0", tip)
    return box.canvas.svg("Observed against predicted frequency on the test rows")


def calibration_error(value: Calibration) -> float | None:
    """Return the mean distance of predicted and observed frequency over rows."""
    total = sum(value.count)
    rows = zip(value.mean_predicted, value.observed, value.count, strict=False)
    return sum(abs(p - o) * n for p, o, n in rows) / total if total else None


def _useful_range(scores: Sequence[float], lower_is_better: bool) -> tuple[float, float]:
    """Cut far-off trials, so that the differences among the good ones can be seen."""
    finite = sorted((v for v in scores if math.isfinite(v)), reverse=lower_is_better)
    if not finite:
        return 0.0, 1.0
    best, middle = finite[-1], finite[len(finite) // 4]
    edge = middle - 1.5 * (best - middle)
    kept = [v for v in finite if (v <= edge if lower_is_better else v >= edge)]
    return spread(kept, 0.08)


def _best_line(box: Frame, dots: Sequence[Dot], lower_is_better: bool) -> None:
    points: list[tuple[float, float]] = []
    best: float | None = None
    for dot in dots:
        if dot.whole and dot.y is not None and (best is None or (dot.y < best if lower_is_better else dot.y > best)):
            if best is not None:
                points.append((box.x(dot.x), box.y(best)))
            best = dot.y
            points.append((box.x(dot.x), box.y(best)))
    if best is not None:
        points.append((box.x.end, box.y(best)))
    box.canvas.path(points, "best")
