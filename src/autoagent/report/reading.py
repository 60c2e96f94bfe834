"""Read everything that a run folder holds; what is missing is left out, what is damaged is said."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from autoagent.data.metrics import METRICS
from autoagent.errors import RunFolderError
from autoagent.report.exchanges import Exchange, read_exchanges
from autoagent.report.images import Pictures
from autoagent.report.parts import Export, Leak, Plan, SplitFacts, TableCard, Test, TrialCurve, Understood
from autoagent.runs.folder import RunFolder
from autoagent.runs.journal import Event, read_events
from autoagent.runs.state import RunState, fold

PartT = TypeVar("PartT", bound=BaseModel)


@dataclass(frozen=True)
class RunRecord:
    """All that a report is made of.

    Attributes:
        problems: files that are there but could not be read, one sentence each.
    """

    folder: RunFolder
    request: str = ""
    understood: Understood | None = None
    card: TableCard | None = None
    leaks: list[Leak] | None = None
    split: SplitFacts | None = None
    plan: Plan | None = None
    test: Test | None = None
    export: Export | None = None
    environment: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    graph: Any = None
    pictures: Pictures | None = None
    events: tuple[Event, ...] = ()
    state: RunState = field(default_factory=RunState)
    exchanges: tuple[Exchange, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def metric(self) -> str:
        """The metric's name; empty when the run did not get that far."""
        return (self.test.metric if self.test else "") or (self.plan.metric if self.plan else "")

    @property
    def lower_is_better(self) -> bool:
        """People read this metric as a loss."""
        if self.test and self.test.direction:
            return self.test.direction == "min"
        return self.metric in METRICS and METRICS[self.metric].direction == "min"

    def as_read(self, value: float | None) -> float | None:
        """Return a score of record (higher is better) as people read the metric."""
        return -value if value is not None and self.lower_is_better else value


class Reader:
    """Reads files of one run and keeps what went wrong."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.problems: list[str] = []

    def text(self, path: Path) -> str:
        """Return a text file, empty when there is none."""
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            self._note(path, str(error.strerror))
            return ""

    def json(self, path: Path) -> Any:  # noqa: ANN401 - any JSON value
        """Return a JSON file's value, None when there is none."""
        raw = self.text(path)
        if not raw:
            return None
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            self._note(path, f"it is not whole JSON ({error})")
            return None

    def part(self, name: str, kind: type[PartT], otherwise: object = None) -> PartT | None:
        """Return a file as ``kind``; None when it is not there or does not fit."""
        value = self.json(self.root / name)
        return self.fit(name, otherwise if value is None else value, kind)

    def fit(self, name: str, value: object, kind: type[PartT]) -> PartT | None:
        """Return a JSON value as ``kind``; None when there is none or it does not fit."""
        if value is None:
            return None
        try:
            return kind.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            self._note(self.root / name, f"{place}: {first['msg']}")
            return None

    def table(self, name: str) -> dict[str, Any]:
        """Return a file that holds one JSON object, empty when it does not."""
        value = self.json(self.root / name)
        return value if isinstance(value, dict) else {}

    def rows(self, name: str, kind: type[PartT]) -> list[PartT] | None:
        """Return a file that holds a list; None when there is none."""
        value = self.json(self.root / name)
        if not isinstance(value, list):
            return None
        found = [self.fit(name, row, kind) for row in value]
        return [row for row in found if row is not None]

    def history(self, path: Path) -> tuple[tuple[Event, ...], RunState]:
        """Return the journal and its state; both empty when it cannot be read."""
        try:
            events = read_events(path)
            return tuple(events), fold(events)
        except FileNotFoundError:
            return (), RunState()
        except (RunFolderError, OSError, KeyError, TypeError, ValueError) as error:
            self._note(path, f"{type(error).__name__}: {error}")
            return (), RunState()

    def _note(self, path: Path, what: str) -> None:
        self.problems.append(f"{path.relative_to(self.root)} could not be read: {what}")


def read_record(folder: RunFolder) -> RunRecord:
    """Read a run, finished or not."""
    reader = Reader(folder.root)
    events, state = reader.history(folder.journal)
    return RunRecord(
        folder=folder,
        request=reader.text(folder.request).strip(),
        understood=reader.part("spec.json", Understood),
        card=reader.part("card.json", TableCard),
        leaks=reader.rows("leaks.json", Leak),
        split=reader.part("split.json", SplitFacts),
        plan=reader.part("plan.json", Plan),
        test=reader.part("test.json", Test, state.test),
        export=reader.part("export.json", Export, state.exported),
        pictures=reader.part("pictures.json", Pictures),
        environment=reader.table("environment.json"),
        settings=reader.table("settings.json"),
        graph=reader.json(folder.graph),
        events=events,
        state=state,
        exchanges=tuple(read_exchanges(folder.llm, reader.json)),
        problems=tuple(reader.problems),
    )


def read_curve(record: RunRecord, trial: int) -> list[list[float]]:
    """Return the learning curve of each fold of a trial; empty when it has none."""
    reader = Reader(record.folder.root)
    result = reader.part(f"trials/{trial:04d}/result.json", TrialCurve)
    curves = (result.curve if result else None) or _streamed(reader.text(record.folder.trial(trial) / "curve.jsonl"))
    return [[v for v in fold_curve if v is not None] for fold_curve in curves if len(fold_curve) > 1]


def _streamed(text: str) -> list[list[float | None]]:
    folds: dict[int, list[float | None]] = {}
    for line in text.splitlines():
        try:
            row = json.loads(line)
            folds.setdefault(int(row["fold"]), []).append(float(row["value"]))
        except (ValueError, KeyError, TypeError):
            break  # a killed worker leaves a torn last line
    return [folds[number] for number in sorted(folds)]
