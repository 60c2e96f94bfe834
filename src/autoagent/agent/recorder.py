"""Writes what happens to the journal, keeps the state that it folds to, and tells the view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from autoagent.runs.budget import Budget
from autoagent.runs.journal import Journal
from autoagent.runs.state import RunState, fold, step


class View(Protocol):
    """What a live view must offer; `report.live` has two."""

    def understood(self, rows: list[tuple[str, str, str]]) -> None:
        """Show the spec: key, value, source words."""

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Show a journal event."""

    def note(self, text: str) -> None:
        """Show a sentence."""


class NullView:
    """Shows nothing."""

    def understood(self, rows: list[tuple[str, str, str]]) -> None:
        """Show nothing."""

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""


class Recorder:
    """One door for events: on disk first, then in the state, then on the screen."""

    def __init__(self, journal: Journal, budget: Budget, view: View) -> None:
        self.journal = journal
        self.budget = budget
        self.view = view
        self.state: RunState = fold(journal.events)

    def record(self, kind: str, data: Mapping[str, Any]) -> None:
        """Record an event; ``at_s``, the budget's seconds used, is added."""
        event = self.journal.append(kind, {**data, "at_s": round(self.budget.seconds_used(), 3)})
        self.state = step(self.state, event)
        self.view.event(kind, event.data)

    def note(self, text: str) -> None:
        """Record a sentence and show it."""
        self.record("note", {"text": text})
