"""What a language model wrote for the trainings, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass

from autoagent.report.reading import RunRecord
from autoagent.report.wording import one_line


@dataclass(frozen=True)
class CodeRow:
    """One piece of code.

    Attributes:
        trial: that tried it; empty for none.
        outcome: kept, dropped, refused or not tried.
    """

    hook: str
    trial: str
    outcome: str
    reason: str
    source: str


def code_rows(record: RunRecord) -> list[CodeRow]:
    """Return every piece of code, in the order in which it was written."""
    state, rows = record.state, list[CodeRow]()
    for one in state.written:
        tried = [t for t in state.trials.values() if t.pair is not None and t.code.get(one.hook) == one.source]
        trial = tried[0] if tried else None
        verdict = None if trial is None else state.verdicts.get(trial.number)
        outcome, reason = "not tried", "no time or memory was left for its trial"
        if one.fault:
            outcome, reason = "refused", one.fault
        elif verdict is not None:
            outcome, reason = "kept" if verdict.kept else "dropped", verdict.reason
        elif trial is not None:
            reason = f"its trial ended as {trial.status or 'not ended'}"
        rows.append(CodeRow(one.hook, str(trial.number) if trial else "", outcome, one_line(reason, 300), one.source))
    return rows
