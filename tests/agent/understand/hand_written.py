"""Reads the hand-written requests beside this file."""

from __future__ import annotations

import json
from pathlib import Path

from autoagent.agent.understand.evidence import ColumnEvidence
from autoagent.agent.understand.scoring import Example

_N_UNIQUE = {"boolean": 2, "categorical": 3, "numeric": 200, "text": 900, "date": 900}


def examples(name: str) -> list[Example]:
    lines = (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines()
    return [_example(json.loads(line)) for line in lines if line.strip()]


def _example(row: dict) -> Example:
    columns = tuple(ColumnEvidence(key, kind, _N_UNIQUE[kind]) for key, kind in row.get("columns", {}).items())
    return Example(
        row["request"],
        row["spec"],
        tuple(row.get("clarify", ())),
        tuple(row.get("warnings", ())),
        columns,
        row.get("inferred", {}),
    )
