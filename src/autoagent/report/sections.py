"""The rows and pictures of the report's sections, computed from a run's record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup

from autoagent.report import plots
from autoagent.report.reading import RunRecord, read_curve
from autoagent.report.training import optim_state
from autoagent.report.wording import config_text, duration, one_line, score, visible
from autoagent.runs.state import TrialRecord

_COLOURS = 10
_NOT_STATED = ("intent", "warnings", "clarify")  # conclusions of the reader, told elsewhere
_MAX_CURVES = 6
_SAFE_TAGS = {
    "svg",
    "g",
    "rect",
    "line",
    "path",
    "text",
    "title",
    "circle",
    "defs",
    "marker",
    "style",
    "polygon",
    "tspan",
}


@dataclass(frozen=True)
class TrialRow:
    """One row of the table of trials."""

    number: int
    family: str
    colour: int
    source: str
    score: str
    seconds: str
    status: str
    config: str
    error: str
    optim: str
    optim_note: str


@dataclass(frozen=True)
class Picture:
    """A picture and what it shows."""

    title: str
    svg: Markup


def colours(record: RunRecord) -> dict[str, int]:
    """Return a colour for each family, in order of appearance."""
    families = dict.fromkeys(t.family for _, t in sorted(record.state.trials.items()))
    return {name: i % _COLOURS for i, name in enumerate(families)}


def spec_rows(record: RunRecord) -> list[tuple[str, str, str]]:
    """Return ``(key, value, words of the request)`` for each key; the reason in place of words for an inferred one."""
    if record.understood is None:
        return []
    inferred = {key: f"inferred: {reason}" for key, reason in record.understood.inferred.items()}
    because = {**record.understood.evidence, **inferred}
    rows = [(key, _text(value), because.get(key, "")) for key, value in _flat(record.understood.spec)]
    return [row for row in rows if row[0] not in _NOT_STATED]


def trial_rows(record: RunRecord) -> list[TrialRow]:
    """Return every trial, by number."""
    colour = colours(record)
    return [
        TrialRow(
            t.number,
            t.family,
            colour[t.family],
            t.source,
            score(record.as_read(t.score)),
            duration(t.seconds) if t.status else "–",
            t.status or "not ended",
            config_text(dict(t.config)),
            one_line(_problem(record, t), 300),
            *(one_line(text, 300) for text in optim_state(t)),
        )
        for _, t in sorted(record.state.trials.items())
    ]


def refused_rows(record: RunRecord) -> list[tuple[str, str, str, str]]:
    """Return family, source, configuration and reason of what was not started."""
    return [
        (one.family, one.source, config_text(dict(one.config)), one_line(one.reason, 300))
        for one in record.state.refused
    ]


def _problem(record: RunRecord, trial: TrialRecord) -> str:
    lost = record.state.lost.get(trial.number)
    return trial.error or (f"is left out: {lost}" if lost else "")


def best_rows(record: RunRecord, count: int = 10) -> list[TrialRow]:
    """Return the best whole trials, best first."""
    rows = {row.number: row for row in trial_rows(record)}
    whole = [t for t in record.state.trials.values() if t.is_whole]
    return [rows[t.number] for t in sorted(whole, key=lambda t: (-(t.score or 0.0), t.number))[:count]]


def members(record: RunRecord) -> list[tuple[int, str, float]]:
    """Return the chosen trials with family and weight."""
    chosen = record.state.selection.members if record.state.selection else ()
    trials = record.state.trials
    return [(n, trials[n].family if n in trials else "?", weight) for n, weight in chosen]


def history_plot(record: RunRecord) -> Markup | None:
    """Plot the search; None before the first trial ended."""
    colour = colours(record)
    dots = [_dot(record, t, colour[t.family]) for t in record.state.history()]
    dots.sort(key=lambda dot: dot.x)
    return plots.history(dots, metric=record.metric, lower_is_better=record.lower_is_better) if dots else None


def score_plot(record: RunRecord) -> Markup | None:
    """Plot baseline, validation and test; None before the test."""
    test = record.test
    if test is None or test.score is None:
        return None
    span = (test.interval[0], test.interval[1]) if test.interval and len(test.interval) == 2 else None
    rows = [("sealed test", test.score, "f0", span), ("validation", test.validation, "f1", None)]
    rows.append(("baseline", test.baseline_score, "f7", None))
    marks = [plots.Mark(n, v, c, s) for n, v, c, s in rows if v is not None and math.isfinite(v)]
    return plots.score_line(marks, metric=record.metric) if marks else None


def curve_plots(record: RunRecord) -> list[Picture]:
    """Plot the learning curves of the best trial of each family that reported one."""
    colour, seen = colours(record), set[str]()
    found: list[Picture] = []
    for trial in sorted(record.state.trials.values(), key=lambda t: -(t.score if t.score is not None else -1e300)):
        if trial.family in seen or trial.status not in ("ok", "pruned") or len(found) == _MAX_CURVES:
            continue
        seen.add(trial.family)
        if folds := read_curve(record, trial.number):
            title = f"{trial.family}, trial {trial.number}"
            found.append(Picture(title, plots.curves(folds, colour=colour[trial.family], title=title)))
    return found


def error_plots(record: RunRecord) -> list[Picture]:
    """Plot the confusion matrix, or predictions and errors, on the test rows."""
    test = record.test
    if test and test.confusion and _is_square(test.confusion.matrix, len(test.confusion.labels)):
        return [Picture("Confusion matrix: rows are true classes", plots.confusion(test.confusion))]
    if test and test.residuals and test.residuals.y and test.residuals.prediction:
        scatter, bars = plots.residuals(test.residuals), plots.residual_histogram(test.residuals)
        return [Picture("Predicted against true", scatter), Picture("Distribution of the errors", bars)]
    return []


def trace_picture(record: RunRecord) -> tuple[Markup | None, str]:
    """Return the traced graph as SVG, or the reason why there is none."""
    if record.graph is None:
        return None, "The run holds no traced graph yet."
    try:
        from autoagent.trace.graph import Graph
        from autoagent.trace.show import to_svg

        return safe_svg(to_svg(Graph.from_json(record.graph))), ""
    except (ImportError, AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        return None, f"The traced graph could not be drawn: {type(error).__name__}: {error}"


def safe_svg(text: str) -> Markup:
    """Return an SVG for the page.

    Raises:
        ValueError: it holds anything but shapes and text, so it does not belong on the page.
    """
    shown = visible(text)  # controls are not even XML
    try:
        root = ElementTree.fromstring(shown)
    except ElementTree.ParseError as error:
        raise ValueError(f"not well-formed ({error})") from error
    for element in root.iter():
        tag = str(element.tag).rsplit("}", 1)[-1]
        active = [name for name in element.attrib if name.lower().startswith("on") or name.lower().endswith("href")]
        if tag not in _SAFE_TAGS or active:
            raise ValueError(f"it holds {tag!r} with {active!r}")
    return Markup(shown)  # only shapes and text, checked above


def _dot(record: RunRecord, trial: TrialRecord, colour: int) -> plots.Dot:
    value = record.as_read(trial.score)
    tip = f"trial {trial.number}, {trial.family} ({trial.source}): {score(value)}, {trial.status}"
    return plots.Dot(trial.number, value, colour, tip, trial.is_whole)


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, below in value.items():
        if isinstance(below, dict):
            yield from _flat(below, f"{prefix}{key}.")
        elif below is not None and below != []:
            yield f"{prefix}{key}", below


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _is_square(matrix: Sequence[Sequence[float]], count: int) -> bool:
    return count > 0 and len(matrix) == count and all(len(row) == count for row in matrix)
