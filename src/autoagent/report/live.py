"""What a run shows while it works: a live panel on a terminal, plain lines in a pipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from autoagent.report.wording import config_text, duration, one_line

_SHOWN = 8  # latest trials in the panel


class PlainView:
    """One line for each event."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._best: float | None = None
        self._trials: dict[int, Mapping[str, Any]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing to close."""

    def understood(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Print each field with the words that state it."""
        for key, value, words in rows:
            self._print(f"understood {key} = {value}" + (f"  («{words}»)" if words else ""))

    def note(self, text: str) -> None:
        """Print a sentence."""
        self._print(f"note: {text}")

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Print an event, if a person wants to know it."""
        line = self._line(kind, data)
        if line is not None:
            self._print(f"[{data.get('at_s', 0.0):7.1f} s] {line}")

    def _line(self, kind: str, data: Mapping[str, Any]) -> str | None:
        match kind:
            case "planned":
                return f"searching {', '.join(data['families'])} on {data['n_folds']} folds by {data['metric']}"
            case "proposed":
                self._trials[data["trial"]] = data
                return None
            case "finished":
                return self._finished(data)
            case "suggested":
                return f"the language model proposed {len(data['configs'])} configurations"
            case "llm_failed":
                return f"language model: {data['message']}"
            case "note":
                return f"note: {data['text']}"
            case "selected":
                return f"chosen: {len(data['members'])} member(s), {data['reason']}"
            case "exported":
                size, speed = data["model_bytes"] / 1e6, data["latency_ms_p50"]
                return f"delivered: {size:.3g} MB, {speed:.3g} ms a row (p50)"
            case "tested":
                return f"sealed test: {data['metric']} {data['score']:.4g}"
            case "ended":
                return f"ended: {data['reason']}"
            case _:
                return None

    def _finished(self, data: Mapping[str, Any]) -> str:
        trial = self._trials.get(data["trial"], {})
        score = data["score"]
        better = score is not None and (self._best is None or score > self._best)
        self._best = score if better else self._best
        shown = f"{score:.4f}{' *best*' if better else ''}" if score is not None else str(data["status"])
        what = f"{trial.get('family', '?')} ({trial.get('source', '?')})"
        problem = f": {one_line(data['error'], 120)}" if data["error"] else ""
        return f"trial {data['trial']} {what}: {shown} in {data['seconds']:.1f} s{problem}"

    def _print(self, text: str) -> None:
        self._console.print(Text(one_line(text, 400)), soft_wrap=True)


class LiveView(PlainView):
    """A panel that is drawn anew: best so far, the latest trials, time; notes scroll above it."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._latest: list[tuple[str, str, str, str]] = []
        self._done = 0
        self._seconds = 0.0
        self._champion = "none yet"
        self._spent: Mapping[str, Any] = {}
        self._live = Live(console=console, refresh_per_second=4, transient=True, get_renderable=self.render)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def understood(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Print the fields as a table."""
        table = Table("understood", "value", "because you wrote", box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(Text(one_line(cell, 120)) for cell in row))
        self._console.print(table)

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Take an event into the panel; what is not of the search is printed above it."""
        self._seconds = float(data.get("at_s", self._seconds))
        if kind == "budget":
            self._spent = data["used"]
        if kind != "finished":
            super().event(kind, data)
            return
        before, line = self._best, self._finished(data)
        self._done += 1
        trial = self._trials.get(data["trial"], {})
        if self._best != before:
            self._champion = one_line(line, 120)
        if data["error"]:
            self._print(f"[{self._seconds:7.1f} s] {line}")
        score = "" if data["score"] is None else f"{data['score']:.4f}"
        row = (str(data["trial"]), str(trial.get("family", "?")), score or str(data["status"]))
        self._latest = [*self._latest, (*row, config_text(dict(trial.get("config", {})), 60))][-_SHOWN:]

    def render(self) -> Group:
        """Return the panel."""
        table = Table("trial", "family", "score", "configuration", box=None, pad_edge=False)
        for row in self._latest:
            table.add_row(*(Text(one_line(cell, 70)) for cell in row))
        money = f", {self._spent['llm_cost_usd']:.3f} $" if "llm_cost_usd" in self._spent else ""
        tokens = f", {self._spent['llm_tokens']:.0f} tokens" if "llm_tokens" in self._spent else ""
        head = Text(f"{self._done} trials, {duration(self._seconds)}{money}{tokens}", style="bold")
        return Group(head, Text(f"best: {self._champion}"), table if self._latest else Text("starting"))
