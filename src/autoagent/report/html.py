"""Write the report of a run: one page that needs nothing but itself."""

from __future__ import annotations

import json
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from autoagent.report import forecasts, images, plots, sections, summary, wording
from autoagent.report.code import code_rows
from autoagent.report.importance import by_family
from autoagent.report.reading import RunRecord, read_record
from autoagent.runs.folder import RunFolder


def write_report(folder: RunFolder) -> Path:
    """Write ``report.html`` from what the run folder holds, finished or not, and return its path."""
    page = render(read_record(folder))
    unfinished = folder.report.with_suffix(".tmp")
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(folder.report)
    return folder.report


def render(record: RunRecord) -> str:
    """Return the page."""
    environment = Environment(
        loader=PackageLoader("autoagent.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"score": wording.score, "number": wording.number, "percent": wording.percent}
    environment.filters |= {"duration": wording.duration, "dollars": wording.dollars, "flat": _flat}
    environment.filters["png"] = images.safe_png
    trace, trace_note = sections.trace_picture(record)
    calibration = record.test.calibration if record.test else None
    found = record.test.forecasts if record.test else None
    delivered = [number for number, _, _ in sections.members(record)]
    return environment.get_template("page.html.j2").render(
        record=record,
        title=wording.one_line(record.request or record.folder.root.name, 140),
        status=summary.status(record),
        tiles=summary.tiles(record),
        promises=summary.promises(record),
        meters=summary.meters(record),
        spec_rows=sections.spec_rows(record),
        colours=sections.colours(record),
        trials=sections.trial_rows(record),
        refused=sections.refused_rows(record),
        codes=code_rows(record),
        best=sections.best_rows(record),
        members=sections.members(record),
        history=sections.history_plot(record),
        scores=sections.score_plot(record),
        importances=by_family(record.state.history()),
        curves=sections.curve_plots(record),
        errors=sections.error_plots(record),
        calibration=plots.calibration(calibration) if calibration and calibration.count else None,
        calibration_error=plots.calibration_error(calibration) if calibration else None,
        pictures=record.pictures,
        image_costs=images.costs([t for n, t in sorted(record.state.trials.items()) if n in delivered]),
        windows=forecasts.pictures(found) if found else [],
        steps=forecasts.step_plot(found.steps) if found else None,
        series_rows=forecasts.series_rows(found) if found else [],
        forecast_sentence=forecasts.sentence(found) if found else "",
        trace=trace,
        trace_note=trace_note,
    )


def _visible(value: object) -> object:
    return wording.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _flat(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
