"""What a run shows while it works: a live panel on a terminal, plain lines in a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from autoagent.data.metrics import METRICS
from autoagent.report.wording import config_text, dollars, duration, one_line, score, size

_SHOWN = 8  # latest trials in the panel
_NAMED_SOURCES = ("portfolio", "llm", "code")  # whose configurations are worth a line when they are not started
_NARROW = 80  # columns of a terminal, below which the configurations are left out


class PlainView:
    """One line for each event."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._metric = "score"
        self._sign = 1.0  # of a score of record, as people read the metric
        self._best: Mapping[str, Any] | None = None
        self._trials: dict[int, Mapping[str, Any]] = {}
        self._done: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing to close."""

    def understood(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Print each field with the words that state it."""
        for key, value, words in rows:
            why = words if words.startswith("inferred: ") else f"«{words}»"
            self._print(f"understood {key} = {value}" + (f"  ({why})" if words else ""))

    def note(self, text: str) -> None:
        """Print a sentence."""
        self._print(f"note: {text}")

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Print an event, if a person wants to know it."""
        line = self._line(kind, data)
        if line is not None:
            self._print(line, at_s=float(data.get("at_s", 0.0)))

    def _line(self, kind: str, data: Mapping[str, Any]) -> str | None:
        match kind:
            case "planned":
                return self._planned(data)
            case "proposed":
                self._trials[data["trial"]] = data
                return None
            case "finished":
                line = self._finished(data)
                return None if data["status"] == "interrupted" else line  # the search ended; that is said once
            case "suggested":
                return f"the language model proposed {len(data['configs'])} configurations" if data["configs"] else None
            case "llm_failed":
                return f"language model: {data['message']}"
            case "note":
                return f"note: {data['text']}"
            case "lost" | "refused" | "code_written" | "code_judged":
                return _judged(kind, data)
            case "selected":
                return self._selected(data)
            case "exported":
                return f"delivered: {size(data['model_bytes'])}, {data['latency_ms_p50']:.3g} ms a row (median)"
            case "tested":
                return f"sealed test: {data['metric']} {score(data['score'])}"
            case "ended":
                return f"ended: {data['reason']}"
            case _:
                return None

    def _planned(self, data: Mapping[str, Any]) -> str:
        self._metric = str(data["metric"])
        known = METRICS.get(self._metric)
        self._sign = -1.0 if known is not None and known.direction == "min" else 1.0
        return f"searching {', '.join(data['families'])} on {data['n_folds']} folds by {self._metric}"

    def _finished(self, data: Mapping[str, Any]) -> str:
        self._done.add(data["trial"])
        trial, best = self._trials.get(data["trial"], {}), self._best
        better = data["score"] is not None and (best is None or data["score"] > best["score"])
        if better:
            self._best = {**data, "family": trial.get("family", "?")}
        shown = f"{self._shown(data['score'])}{' *best*' if better else ''}"
        what = f"{trial.get('family', '?')} ({trial.get('source', '?')})"
        problem = f": {one_line(data['error'], 120)}" if data["error"] else ""
        status = str(data["status"]) if data["score"] is None else shown
        return f"trial {data['trial']} {what}: {status} in {duration(data['seconds'])}{problem}"

    def _selected(self, data: Mapping[str, Any]) -> str:
        numbers = [member[0] if isinstance(member, list | tuple) else member for member in data["members"]]
        names = [f"trial {n} {self._trials.get(n, {}).get('family', '')}".strip() for n in numbers]
        return f"chosen after {self._count()}: {' + '.join(names)}; {data['reason']}"

    def _count(self) -> str:
        return "1 trial" if len(self._done) == 1 else f"{len(self._done)} trials"

    def _shown(self, value: float | None) -> str:
        return score(None if value is None else self._sign * value)

    def _print(self, text: str, *, at_s: float | None = None) -> None:
        stamp = "" if at_s is None else f"[{at_s:7.1f} s] "
        self._console.print(Text(stamp + one_line(text, 400)), soft_wrap=not self._console.is_terminal)


class LiveView(PlainView):
    """A panel that is drawn anew: best so far, what runs, the latest trials, time; notes scroll above it."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(console)
        self._clock = clock
        self._rows: list[Mapping[str, Any]] = []
        self._at: tuple[float, float] | None = None  # the run's seconds, and the clock then
        self._left: tuple[float, float] | None = None  # seconds left for trials, and the clock then
        self._ended = False
        self._spent: Mapping[str, Any] = {}
        self._live = Live(console=console, refresh_per_second=4, transient=True, get_renderable=self.render)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended = True
        self._live.stop()

    def understood(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Print the fields as a table."""
        if not rows:
            return
        table = Table("understood", "value", "because you wrote", box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(Text(one_line(cell, 120), overflow="fold") for cell in row))
        self._console.print(table)

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Take an event into the panel; what is not of the search is printed above it."""
        now = self._clock()
        if "at_s" in data:
            self._at = (float(data["at_s"]), now)
        if kind == "budget":
            self._spent = data["used"]
        if kind == "proposed" and data.get("left_s") is not None:
            self._left = (float(data["left_s"]), now)
        if kind != "finished":
            super().event(kind, data)
            return
        line = self._finished(data)
        if data["error"] and data["status"] != "interrupted":
            self._print(line, at_s=float(data.get("at_s", 0.0)))
        self._rows = [*self._rows, data][-_SHOWN:]

    def render(self) -> Group:
        """Return the panel; empty when the run has ended, so that only the result stays."""
        if self._ended:
            return Group()
        lines = [self._head(), Text(f"best  {self._champion()}", no_wrap=True, overflow="ellipsis")]
        running = [f"{n} {t.get('family', '?')}" for n, t in sorted(self._trials.items()) if n not in self._done]
        if running:
            lines.append(Text(f"now   trial {one_line(', '.join(running))}", no_wrap=True, overflow="ellipsis"))
        return Group(*lines, self._table()) if self._rows else Group(*lines)

    def _head(self) -> Text:
        now = self._clock()
        parts = [self._count()]
        if self._at is not None:
            parts.append(duration(self._at[0] + now - self._at[1]))
        if self._left is not None:
            parts.append(f"{duration(max(0.0, self._left[0] - now + self._left[1]))} left")
        if "llm_cost_usd" in self._spent:
            parts.append(dollars(self._spent["llm_cost_usd"]))
        if "llm_tokens" in self._spent:
            parts.append(f"{self._spent['llm_tokens']:,.0f} tokens")
        return Text(" · ".join(parts), style="bold", no_wrap=True, overflow="ellipsis")

    def _champion(self) -> str:
        if self._best is None:
            return "none yet"
        folds = [self._sign * value for value in self._best.get("fold_scores") or []]
        spread = f", folds {score(min(folds))} to {score(max(folds))}" if len(folds) > 1 else ""
        where = f"{self._best['family']}, trial {self._best['trial']}"
        return one_line(f"{self._metric} {self._shown(self._best['score'])} ({where}{spread})", 160)

    def _table(self) -> Table:
        wide = self._console.width >= _NARROW
        heads = ["trial", "family", self._metric, "time", *(["configuration"] if wide else [])]
        table = Table(*heads, box=None, pad_edge=False)
        for column in table.columns:
            column.no_wrap, column.overflow = True, "ellipsis"
        for row in self._rows:
            trial = self._trials.get(row["trial"], {})
            value = str(row["status"]) if row["score"] is None else self._shown(row["score"])
            cells = [str(row["trial"]), str(trial.get("family", "?")), value, duration(row["seconds"])]
            cells += [config_text(dict(trial.get("config", {})), 200)] if wide else []
            best = self._best is not None and self._best["trial"] == row["trial"]
            table.add_row(*(Text(one_line(cell, 200)) for cell in cells), style="bold" if best else "")
        return table


def _judged(kind: str, data: Mapping[str, Any]) -> str | None:
    """Say what was lost, not started, or became of code; draws of a sampler that are not started are too many."""
    if kind == "lost":
        return f"trial {data['trial']} is left out: {data['error']}"
    if kind == "code_judged":
        return (
            f"code for {data['hook']}, trial {data['trial']}: {'kept' if data['kept'] else 'dropped'}: {data['reason']}"
        )
    if kind == "code_written":
        what = f"code for {data['hook']} was written" if data["hook"] else "code was asked for"
        return f"{what}{', and refused: ' if data['fault'] else ': '}{data['fault'] or data['reason']}"
    if data["source"] not in _NAMED_SOURCES:
        return None
    return f"not started: {data['family']} ({data['source']}): {data['reason']}"
