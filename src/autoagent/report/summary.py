"""The headline facts of a run, shared by the report and the model card."""

from __future__ import annotations

from dataclasses import dataclass

from autoagent.report.reading import RunRecord
from autoagent.report.wording import dollars, duration, label, number, quantity, score, size


@dataclass(frozen=True)
class Tile:
    """One number at the top of the page."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Meter:
    """What was used of one resource; ``share`` of its limit, None without a limit."""

    name: str
    used: str
    limit: str
    share: float | None


@dataclass(frozen=True)
class Promise:
    """A stated limit and what was measured."""

    name: str
    limit: str
    measured: str
    ok: bool | None


def status(record: RunRecord) -> str:
    """Return what is not finished; empty for a finished run."""
    if record.state.ended is None:
        return "This run has not ended: what follows is what its folder holds so far."
    if record.test is None:
        return f"The run ended ({record.state.ended}) without a sealed test, so no honest score is known."
    return ""


def tiles(record: RunRecord) -> list[Tile]:
    """Return the numbers at the top: score, validation, baseline, size, latency, time."""
    test, export = record.test, record.export
    found = [Tile(f"{record.metric or 'score'} on the sealed test", score(test.score if test else None), _span(record))]
    best = record.state.best()
    selected = record.state.selection.score if record.state.selection else best.score if best else None
    validation = test.validation if test and test.validation is not None else record.as_read(selected)
    found.append(Tile("Validation", score(validation), "what the model was chosen by"))
    found.append(Tile("Baseline", score(test.baseline_score if test else None), "no learning, same test rows"))
    found.append(Tile("Model size", size(export.model_bytes if export else None), "measured on the files"))
    what = "forecast of a series" if test and test.forecasts else "row"
    p50, p99 = (export.latency_ms_p50, export.latency_ms_p99) if export else (None, None)
    found.append(Tile("Latency", quantity("_ms", p50), f"one {what}, median; p99 {quantity('_ms', p99)}"))
    trials = f"{len(record.state.finished)} trials ended"
    return [*found, Tile("Time", duration(record.state.seconds_used), trials)]


def promises(record: RunRecord) -> list[Promise]:
    """Return each stated limit beside its measurement."""
    rows = record.export.limits if record.export else []
    return [Promise(label(r.key), quantity(r.key, r.limit), quantity(r.key, r.measured), r.ok) for r in rows]


def meters(record: RunRecord) -> list[Meter]:
    """Return what was used of each budget."""
    state = record.state
    limits = record.plan.limits if record.plan else {}
    used = {**state.spent, "seconds": state.seconds_used, "trials": float(len(state.finished))}
    found = []
    for name, amount in sorted(used.items()):
        limit = limits.get(name)
        write = dollars if name.endswith("usd") else duration if name == "seconds" else number
        share = min(amount / limit, 1.0) if limit else None
        found.append(Meter(label(name), write(amount), write(limit) if limit is not None else "no limit", share))
    return found


def _span(record: RunRecord) -> str:
    test = record.test
    if not test or not test.interval or len(test.interval) != 2:
        return "not measured yet"
    rows = f", {number(test.n_rows)} rows" if test.n_rows else ""
    return f"95 % interval {score(test.interval[0])} to {score(test.interval[1])}{rows}"
