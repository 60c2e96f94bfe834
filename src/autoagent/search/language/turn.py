"""One turn of a language-model sampler: what it may look at, whom it may ask, and what counts as a usable answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from autoagent.search.encoding import Encoding
from autoagent.search.history import Observation
from autoagent.search.language.cards import Level, TaskContext
from autoagent.search.language.evidence import by_value
from autoagent.search.language.known import KnownSpace, Params
from autoagent.search.language.ledger import Entry, Ledger
from autoagent.search.language.repair import repair
from autoagent.search.language.voice import Voice

LOG = "log"  # user attribute of a trial with the text of its training log
_QUEUES = 3  # replies whose configurations may still wait: trials that run at once ask at once
_TOKENS_A_VALUE = 24
_MOST_TOKENS = 6000


@dataclass(frozen=True)
class Course:
    """How a trial went: the only attributes of a trial, beside its value, that may reach a prompt.

    Attributes:
        curve: its intermediate values, ``(step, value)``.
        log: the text that the objective kept under the user attribute ``log``.
    """

    curve: tuple[tuple[int, float], ...] = ()
    log: str = ""

    @classmethod
    def of(cls, trial: FrozenTrial) -> Course:
        """Read a trial."""
        return cls(tuple(sorted(trial.intermediate_values.items())), str(trial.user_attrs.get(LOG, "")))


@dataclass(frozen=True)
class Turn:
    """What a proposal may depend on.

    Attributes:
        number: of the trial to propose.
        trials: all others, running ones included, by number.
        space: as far as it is known.
        maximize: whether a higher value is better.
        rng: of this trial; the same seed and number give the same draws.
        voice: the model.
        entry: this trial's part of the ledger.
        ledger: of the trials before.
        course_of: the course of a trial, by its number.
        forecasts: what the model predicted of configurations, by their identity; written by `propose`.
    """

    number: int
    trials: Sequence[Observation]
    space: KnownSpace
    maximize: bool
    rng: np.random.Generator
    voice: Voice
    entry: Entry
    ledger: Ledger
    course_of: Callable[[int], Course] = lambda number: Course()
    forecasts: dict[tuple[object, ...], dict[str, Any]] = field(default_factory=dict)

    @property
    def valued(self) -> list[Observation]:
        """The trials with a value, best first."""
        return by_value(self.trials)

    def said(self, task: TaskContext, level: Level) -> dict[str, object]:
        """Return what every prompt says: the metric and its direction, the task, and the parameters in words."""
        words = self.space.words()
        return {
            "metric": task.metric,
            "maximize": self.maximize,
            "task": task.shown(level),
            "parameters": words,
            "names": list(words),
        }

    def seed(self) -> int:
        """Return a fresh seed for one request."""
        return int(self.rng.integers(2**31 - 1))

    def tokens(self, num_configs: int, *, extra: int = 300) -> int:
        """Return how many tokens a reply of so many configurations may need."""
        each = 20 + _TOKENS_A_VALUE * len(self.space.distributions)
        return min(extra + num_configs * each, _MOST_TOKENS)

    def legal(self, raws: Iterable[Mapping[str, object]], *, besides: Sequence[Params] = ()) -> list[Params]:
        """Return the usable configurations of a reply: repaired, and without repeats of anything tried or running.

        Repeats are looked for after rounding, and among the configurations themselves.
        """
        seen = self.tried() | {self.key(params) for params in besides}
        best = self.valued[0].params if self.valued else {}
        found = []
        for raw in raws:
            mended = repair(raw, self.space, fill=best)
            if mended.params is None:
                self.entry.count("dropped")
                continue
            if (key := self.key(mended.params)) in seen:
                self.entry.count("duplicates")
                continue
            self.entry.count("repaired", int(bool(mended.changes)))
            seen.add(key)
            found.append(mended.params)
        return found

    def key(self, params: Mapping[str, Any]) -> tuple[object, ...]:
        """Return a configuration's identity after rounding."""
        return Encoding(self.space.distributions).key(params)

    def tried(self) -> set[tuple[object, ...]]:
        """Return the identities of all that was tried, runs, or was proposed to a trial that runs."""
        rows = [dict(trial.params) for trial in self.trials]
        running = {trial.number for trial in self.trials if trial.state == "running"}
        for number in running & set(self.ledger.entries):
            mended = repair(self.ledger.entries[number].config, self.space)
            rows += [mended.params] if mended.params else []
        return {self.key(row) for row in rows if row}

    def rows(self, configs: Sequence[Params]) -> list[dict[str, Any]]:
        """Return configurations as the ledger keeps them, with what was predicted of them."""
        return [
            {"config": self.space.shown(params), "predicted": self.forecasts.get(self.key(params))}
            for params in configs
        ]

    def queued(self) -> Params | None:
        """Return the next untried configuration of a reply that gave several, the latest reply first, or None.

        Trials that run at once take different ones, without a word between them.
        """
        asked = [number for number, entry in self.ledger.entries.items() if entry.queue and number < self.number]
        if not asked:
            return None
        seen = self.tried()
        for number in sorted(asked)[: -_QUEUES - 1 : -1]:
            queue = list(self.ledger.entries[number].queue)
            place = min(self.number - number - 1, len(queue))
            for row in [*queue[place:], *queue[:place]]:
                params = repair(row["config"], self.space).params
                if params is None or self.key(params) in seen:
                    continue
                if row["predicted"]:
                    self.forecasts[self.key(params)] = row["predicted"]
                return params
        return None
