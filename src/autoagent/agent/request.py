"""From a sentence and a data source to an understanding, with planted instructions looked for and reported."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path

import pandas as pd

from autoagent.agent.spec import Understanding
from autoagent.agent.understand import ColumnEvidence, DataEvidence, understand
from autoagent.agent.understand.injection import Suspicion, suspicions
from autoagent.agent.understand.resolve import wanted_structure
from autoagent.data.images.structures import Wanted
from autoagent.data.readers import read_table
from autoagent.data.table import Table
from autoagent.llm.ask import ask
from autoagent.llm.client import LLM
from autoagent.runs.budget import tighter
from autoagent.runs.folder import check_request

_LONGEST_S = 120.0  # that a language model may take to read the request
_SHARE = 1 / 3  # of a stated time; the rules' reading stands when it is over
_SIDE_FILES = (".txt", ".md", ".rst", ".json", ".yaml", ".yml")
_SIDE_BYTES = 100_000  # a longer file beside the data is not a note to the reader
_SIDE_MOST = 20


def read_request(
    text: str, data: str | Path | pd.DataFrame | None, *, llm: LLM | None = None, budget_s: float | None = None
) -> tuple[Understanding, Table | None, DataEvidence]:
    """Read a request, with the table as evidence if there is one.

    Args:
        text: the sentence.
        data: a built-in name, a path, a DataFrame or None.
        llm: reads the sentence too; without it the rules read alone.
        budget_s: wall seconds of the run; the language model gets a third of them, or of what the request states.

    Raises:
        DataError: the data cannot be read.
        RequestError: the text is too long, or no Unicode.
    """
    check_request(text)
    table = None if data is None else read_table(data, _wanted(text, data))
    evidence = DataEvidence() if table is None else _evidence(table)
    if llm is None:
        return understand(text, evidence=evidence), table, evidence
    stated = understand(text, evidence=evidence).spec.constraints.train_time_s
    left = tighter(budget_s, stated)
    timeout = _LONGEST_S if left is None else min(_LONGEST_S, _SHARE * left)
    bound = functools.partial(ask, llm, timeout_s=timeout)
    return understand(text, evidence=evidence, ask=bound), table, evidence


def _wanted(text: str, data: str | Path | pd.DataFrame) -> Wanted:
    """Return which labels of images the sentence by itself means; a folder may hold several."""
    if isinstance(data, pd.DataFrame) or not Path(data).is_dir():
        return Wanted()
    spec = understand(text, evidence=DataEvidence()).spec
    return Wanted(wanted_structure(spec), spec.data.annotations)


def render_rows(understanding: Understanding) -> list[tuple[str, str, str]]:
    """Return the fields as rows for people: key, value, the words that state it or the reason it was inferred for."""
    rows = understanding.spec.stated()
    return [(key, _shown(value), _because(understanding, key)) for key, value in rows.items()]


def _because(understanding: Understanding, key: str) -> str:
    reason = understanding.inferred.get(key)
    return understanding.evidence.get(key, "") if reason is None else f"inferred: {reason}"


def _evidence(table: Table) -> DataEvidence:
    found = DataEvidence.of(table.frame, default_target=table.default_target, name=table.name)
    if table.images is not None:  # a request for "image classification" does not ask to predict the column
        others = tuple(column for column in found.columns if column.name != table.images.column)
        found = dataclasses.replace(found, columns=others)
    if table.targets is not None:
        structure = table.targets.structure
        columns = tuple(_no_prose(one) if one.name == table.default_target else one for one in found.columns)
        parts = structure.classes or structure.joints
        found = dataclasses.replace(found, columns=columns, structure=structure.kind, parts=parts)
    beside = _side_notes(Path(table.source))
    return dataclasses.replace(found, suspicious=(*found.suspicious, *beside)) if beside else found


def _no_prose(column: ColumnEvidence) -> ColumnEvidence:
    """Return a column of boxes or joints, whose cells are long texts, as one that nobody wrote to be read."""
    return dataclasses.replace(column, kind="categorical")


def _side_notes(source: Path) -> tuple[Suspicion, ...]:
    """Look for instructions in small text files beside the data; they change nothing, and they are reported."""
    if not source.is_file():
        return ()
    notes = [p for p in sorted(source.parent.iterdir()) if p.suffix.lower() in _SIDE_FILES and p != source]
    found: list[Suspicion] = []
    for path in notes[:_SIDE_MOST]:
        if path.is_file() and path.stat().st_size <= _SIDE_BYTES:
            text = path.read_text(encoding="utf-8", errors="replace")
            found += suspicions(f"the file {path.name!r} beside the data", text.splitlines(), limit=1)
    return tuple(found)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
