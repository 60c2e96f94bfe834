"""The end of a run: choose, deliver, measure the delivered file, open the test rows once, report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from autoagent.agent.losses import losses
from autoagent.agent.plan import Plan
from autoagent.agent.pool import Pool
from autoagent.agent.prepare import write_json
from autoagent.agent.recorder import Recorder
from autoagent.agent.reserve import Reserve
from autoagent.agent.scoring import Array, TrainData, read_predictions
from autoagent.data.images.structures import delivered
from autoagent.data.metrics import METRICS
from autoagent.data.seal import read_schema
from autoagent.errors import AutoAgentError, DataError, TrialFailed
from autoagent.runs.disk import check_room
from autoagent.runs.folder import RunFolder
from autoagent.runs.state import RunState, Selection, TrialRecord
from autoagent.search.ensemble import choose, choose_one

_CANDIDATES = 30  # best trials that the ensemble may choose from
_OVERHEAD_BYTES = 60_000  # of the delivered folder beside the models: schema, predict.py, card
_MEASURE_S = 1.5  # of calls to the delivered model
_MEASURE_SHARE = 0.15  # of the time left, where no limit asks for the measurement
_LATE_S = 1.0  # with less processor time left, one model is delivered instead of several
_CHILD_S = 120.0  # a finishing step without a clock may take so long


@dataclass
class Finish:
    """The steps after the search; each is done once, also over several sittings."""

    folder: RunFolder
    plan: Plan
    data: TrainData
    recorder: Recorder
    pool: Pool
    reserve: Reserve

    def run(self, reason: str) -> None:
        """Deliver the best of what there is.

        Raises:
            TrialFailed: no trial has a model that can be delivered.
        """
        if self.recorder.state.exported is None:
            self._deliver()
        if self.recorder.state.test is None:
            self._test()
        self._write_verdicts()
        shutil.rmtree(self.folder.scratch, ignore_errors=True)  # a file that stays costs space, not the run
        self.recorder.record("ended", {"reason": reason, "used": self.recorder.budget.snapshot()})

    def _deliver(self) -> None:
        timed = bool(self.plan.limits.latency_ms or self.plan.limits.throughput_per_s)
        late = self._left_s() < _LATE_S * self.reserve.slowness()
        self._leave_out_lost()
        attempts = [1] if late else [8, 1] if timed else [8]
        for place, members in enumerate(attempts):
            chosen = select(self.recorder.state, self.folder, self.plan, self.data, max_members=members)
            measured = _MEASURE_S if timed else min(max(_MEASURE_SHARE * self._left_s(), 0.1), _MEASURE_S)
            facts = self._child({"kind": "export", "measure_s": measured, **self._export_job(chosen)})
            last = place == len(attempts) - 1 or len(chosen.members) == 1
            if last or all(row["ok"] for row in limit_rows(self.plan, facts, None)):
                break
        self.recorder.record("selected", chosen.to_json())
        write_json(self.folder.root / "export.json", facts)
        self.recorder.record("exported", facts)

    def _leave_out_lost(self) -> None:
        """Record the trials whose files are gone until every one that may be chosen is readable."""
        while lost := losses(deliverable(self.recorder.state), self.folder, self.data):
            for number, reason in lost.items():
                self.recorder.record("lost", {"trial": number, "error": reason})

    def _left_s(self) -> float:
        left = self.recorder.budget.seconds_left()
        return float("inf") if left is None else left

    def _export_job(self, chosen: Selection) -> dict[str, Any]:
        schema = read_schema(self.folder.data)
        kinds = json.loads((self.folder.root / "classes.json").read_text(encoding="utf-8"))
        return {
            "run": str(self.folder.root.resolve()),
            "members": [[str(self.folder.trial(number).resolve()), weight] for number, weight in chosen.members],
            "task": self.plan.task,
            "target": self.plan.target,
            "metric": self.plan.metric,
            "classes": schema.classes,
            "class_kind": kinds["kind"],
            "roles": {name: role for name, role in schema.roles.items() if role != "beside"},
            "rule": list(chosen.rule),
            "seed": self.plan.seed,
            **self._series_job(),
            "structure": None if self.data.structure is None else delivered(self.data.structure),
        }

    def _series_job(self) -> dict[str, Any]:
        series = self.plan.series
        return {} if series is None else {"framing": series.framing, "quantiles": series.quantiles}

    def _test(self) -> None:
        chosen = self.recorder.state.selection
        if chosen is None:
            raise TrialFailed("nothing was selected", kind="error")
        sign = 1.0 if METRICS[self.plan.metric].direction == "max" else -1.0
        facts = self._child(
            {
                "kind": "test",
                "run": str(self.folder.root.resolve()),
                "metric": self.plan.metric,
                "task": self.plan.task,
                "classes": read_schema(self.folder.data).classes,
                "rule": list(chosen.rule),
                "validation": sign * chosen.score,
                "seed": self.plan.seed,
            }
        )
        small = {key: value for key, value in facts.items() if key not in ("confusion", "residuals", "calibration")}
        self.recorder.record("tested", small)

    def _child(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Run one step in a process of its own and return the JSON file that it wrote.

        Raises:
            TrialFailed: it crashed or took too long; a crash is an error, never a score.
            RunFolderError: the disk is full.
        """
        out = self.folder.root / "finish"
        facts = {"trial": -1, "out": str(out.resolve()), "deadline_s": _CHILD_S}
        ended = self.pool.run({**facts, **job}, preload="light")
        if ended.ending != "exited":
            check_room(self.folder.root)
            log = (out / "log.txt").read_text(encoding="utf-8", errors="replace") if (out / "log.txt").exists() else ""
            raise TrialFailed(
                f"{job['kind']} ended by {ended.ending}: {ended.detail} {log.strip()[-2000:]}", kind="crash"
            )
        return read_json(self.folder.root / f"{job['kind']}.json")

    def _write_verdicts(self) -> None:
        path = self.folder.root / "export.json"
        facts = read_json(path)
        write_json(path, {**facts, "limits": limit_rows(self.plan, facts, self.recorder.state.test)})


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def _kept(state: RunState) -> list[TrialRecord]:
    """Return the whole trials that have saved models and have not lost them, by number."""
    return [t for n, t in sorted(state.trials.items()) if t.is_whole and t.saved and n not in state.lost]


def deliverable(state: RunState) -> list[TrialRecord]:
    """Return the candidates and their repeats: whatever ``select`` reads."""
    return [one for alike in with_repeats(state, candidates(state)).values() for one in alike]


def candidates(state: RunState) -> list[TrialRecord]:
    """Return the best whole trials whose models are on disk, best first; the earlier of equals first."""
    kept = [t for t in _kept(state) if t.repeats is None and state.is_settled(t)]
    return sorted(kept, key=lambda trial: -(trial.score or 0.0))[:_CANDIDATES]


def select(state: RunState, folder: RunFolder, plan: Plan, data: TrainData, *, max_members: int) -> Selection:
    """Choose the ensemble, or the single model, within the stated size; the smallest model where nothing fits.

    Raises:
        TrialFailed: there is no whole trial with a model.
    """
    kept = candidates(state)
    if not kept:
        failed = [one for one in state.trials.values() if one.error and one.status != "interrupted"]
        lost = [*state.lost.values(), *(f"{one.family}: {one.error}" for one in failed)][:3]
        time = "" if plan.limits.seconds is None else f" within {plan.limits.seconds:g} s; give it more time"
        raise TrialFailed(f"no trial could be delivered; {'; '.join(lost) or f'none ended{time}'}", kind="error")
    size, alike = plan.limits.model_size_mb, with_repeats(state, kept)
    limit = None if size is None else int(size * 1e6) - _OVERHEAD_BYTES
    if data.structure is not None:
        sizes = {t.number: t.model_bytes for t in kept}
        return choose_one({t.number: t.score or 0.0 for t in kept}, sizes, max_bytes=limit)
    options: dict[str, Any] = {
        "sizes": {t.number: sum(one.model_bytes for one in alike[t.number]) for t in kept},
        "predict_s": {t.number: sum(one.predict_s for one in alike[t.number]) for t in kept},
        "seed": plan.seed,
        "max_predict_s": None,
        "max_members": max_members,
    }
    oofs = {t.number: _average([read_predictions(folder.trial(o.number), data) for o in alike[t.number]]) for t in kept}
    try:
        return _unfolded(choose(oofs, data.y, plan.metric, max_bytes=limit, **options), alike)
    except DataError:
        if limit is None:
            raise
        smallest = min(kept, key=lambda t: t.model_bytes)
        one = {smallest.number: oofs[smallest.number]}
        return _unfolded(choose(one, data.y, plan.metric, max_bytes=None, **options), alike)


def with_repeats(state: RunState, kept: Sequence[TrialRecord]) -> dict[int, list[TrialRecord]]:
    """Return each trial together with those that cross-validated it again."""
    again = [t for t in _kept(state) if t.repeats is not None]
    return {t.number: [t, *(other for other in again if other.repeats == t.number)] for t in kept}


def _average(predictions: Sequence[Array]) -> Array:
    """Average cross-validations of one configuration; each row is NaN where one of them did not predict it."""
    return np.asarray(np.mean(predictions, axis=0))


def _unfolded(chosen: Selection, alike: Mapping[int, Sequence[TrialRecord]]) -> Selection:
    """Give the trials that were averaged to one member an even share of its weight each."""
    members = [(one.number, w / len(alike[m])) for m, w in chosen.members for one in alike[m]]
    return replace(chosen, members=tuple(members))


def limit_rows(plan: Plan, export: Mapping[str, Any], test: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Compare every stated limit with what was measured on the delivered files."""
    limits, rows = plan.limits, []
    if limits.model_size_mb is not None:
        rows.append(_row("model_size_mb", limits.model_size_mb, export["model_bytes"] / 1e6))
    if limits.latency_ms is not None:
        key = "latency_ms_p50" if limits.latency_percentile <= 50 else "latency_ms_p99"
        rows.append(_row("latency_ms", limits.latency_ms, export[key]))
    if limits.throughput_per_s is not None:
        rows.append(_row("throughput_per_s", limits.throughput_per_s, 1000 / export["latency_ms_p50"], at_least=True))
    if limits.threshold is not None and test is not None:
        up = METRICS[plan.metric].direction == "max"
        rows.append(_row(plan.metric, limits.threshold, test["score"], at_least=up))
    return rows


def _row(key: str, limit: float, measured: float, *, at_least: bool = False) -> dict[str, Any]:
    return {
        "key": key,
        "limit": limit,
        "measured": measured,
        "ok": measured >= limit if at_least else measured <= limit,
        "at_least": at_least,
    }


def write_documents(folder: RunFolder) -> list[str]:
    """Write the model card and the report; return what went wrong, for the journal: a report never ends a run."""
    from autoagent.report.card import write_model_card
    from autoagent.report.html import write_report

    problems = []
    for write in (write_model_card, write_report):
        try:
            write(folder)
        except (AutoAgentError, OSError, ValueError, KeyError, TypeError) as error:
            problems.append(f"{write.__name__}: {type(error).__name__}: {error}")
    return problems
