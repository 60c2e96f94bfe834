"""What a model was asked and what came of it, trial by trial: counted, visible, and kept in the study for a resume."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from optuna import Study
from optuna.trial import FrozenTrial

ATTRIBUTE = "autoagent:language"
Event = Literal[
    "requests",  # sent to the model, repairs among them
    "unusable",  # replies that were given up, after the chance to mend them
    "no_answer",  # the endpoint failed
    "over_budget",  # a request was not sent: a limit would have been passed
    "repaired",  # configurations that were changed to make them legal
    "dropped",  # configurations that could not be made legal
    "duplicates",  # configurations that had been tried already
    "spread",  # configurations redrawn in a value that the model had collapsed to
    "unscored",  # candidates without a usable prediction
    "fallbacks",  # trials that the classical sampler proposed in the model's stead
]


@dataclass
class Entry:
    """One trial's part of the ledger.

    Attributes:
        by: who proposed the trial.
        why: the reason of a fallback; empty otherwise.
        events: what was counted.
        config: what a model proposed, as the prompt's own JSON shows it.
        queue: further configurations of the same reply, for the trials after it, with what was predicted of them.
    """

    by: str = "classical"
    why: str = ""
    events: Counter[str] = field(default_factory=Counter)
    config: Mapping[str, Any] = field(default_factory=dict)
    queue: Sequence[Mapping[str, Any]] = ()

    def count(self, event: Event, number: int = 1) -> None:
        """Count an event."""
        if number:
            self.events[event] += number

    def write(self, study: Study, trial: FrozenTrial) -> None:
        """Keep the entry with its trial."""
        row: dict[str, Any] = {
            "by": self.by,
            "why": self.why,
            "events": dict(self.events),
            "config": dict(self.config),
            "queue": [dict(row) for row in self.queue],
        }
        study._storage.set_trial_system_attr(trial._trial_id, ATTRIBUTE, row)


@dataclass(frozen=True)
class Ledger:
    """What is on record of a study, by trial number."""

    entries: Mapping[int, Entry]

    @classmethod
    def of(cls, study: Study) -> Ledger:
        """Read a study."""
        found = {}
        for trial in study.get_trials(deepcopy=False):
            row = trial.system_attrs.get(ATTRIBUTE)
            if row is not None:
                found[trial.number] = Entry(
                    row["by"], row["why"], Counter(row["events"]), row["config"], tuple(row["queue"])
                )
        return cls(found)

    def total(self) -> Counter[str]:
        """Return all counts together."""
        return sum((entry.events for entry in self.entries.values()), Counter())

    def sources(self) -> Counter[str]:
        """Return how many trials each source proposed."""
        return Counter(entry.by for entry in self.entries.values())
