"""A language model as a proposer for any search: compact state of the trials in, legal new configurations out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Protocol

import numpy as np

from autoagent.llm.client import LLM
from autoagent.search.history import Observation
from autoagent.search.language.cards import Level, TaskContext
from autoagent.search.language.evidence import gather
from autoagent.search.language.known import KnownSpace, Params
from autoagent.search.language.ledger import Entry, Ledger
from autoagent.search.language.replies import configs_reply
from autoagent.search.language.sampling import PATIENCE, RETRY_EVERY
from autoagent.search.language.turn import Turn
from autoagent.search.language.voice import Voice
from autoagent.space import Space

MAX_REQUESTS = 10  # of 30 trials; LLAMBO's code sends up to 660


class Situation(Protocol):
    """What a search tells its proposer beside the trials; `autoagent.search.agent_search.context.Context` is one."""

    @property
    def number(self) -> int:
        """Of the trial to propose."""

    @property
    def seed(self) -> int:
        """Of the search."""

    @property
    def defaults(self) -> Mapping[str, Any]:
        """The library's own values."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Of the task."""

    @property
    def asked(self) -> int:
        """Questions so far, in all processes and sittings of the study."""


class LanguageProposals:
    """Asks a model for configurations: a zero-shot warm start while nothing has a value, improvements afterwards.

    The model sees the space in words, the best 5 and the latest 10 trials, failures as failures, and as much of the
    task as ``level`` allows. What it answers is repaired where there is one way, dropped where there is none, and kept
    only where it is new after rounding. It raises for nothing that a model or an endpoint does; after three answers
    in a row without anything usable it is asked at every tenth trial only.

    Source: LLAMBO's warm start, arXiv:2402.03921, section 4 (no, partial and full context).
    Differs: it may be asked again, with the state of the search in place of the whole history.

    Attributes:
        events: counts of what was asked and what came of it; see `autoagent.search.language.ledger.Event`.
        why: the latest reason for which nothing came back.
    """

    def __init__(
        self,
        llm: LLM,
        *,
        space: Space | KnownSpace | None = None,
        task: TaskContext | None = None,
        level: Level = "partial",
        maximize: bool = False,
        max_requests: int = MAX_REQUESTS,
        timeout_s: float = 120.0,
    ) -> None:
        """Take the parts.

        Args:
            llm: the model.
            space: with conditions and defaults; None learns it from the trials.
            task: what may be said of the task.
            level: how much of it is said.
            maximize: whether the objective is maximized, so that prompts show its own sign.
            max_requests: to the model, repairs among them, in the life of this object; what other processes and
                earlier sittings asked in the same study counts too, each turn that the model had as one request.
            timeout_s: for each question.
        """
        self.events: Counter[str] = Counter()
        self.why = ""
        self._failures = 0
        self._llm = llm
        self._space = KnownSpace.from_space(space) if isinstance(space, Space) else space or KnownSpace({})
        self._task = task or TaskContext()
        self._level: Level = level
        self._maximize = maximize
        self._max_requests = max_requests
        self._timeout_s = timeout_s

    def __call__(self, context: Situation, observations: Sequence[Observation], count: int) -> list[Params]:
        """Return up to ``count`` legal configurations that were not tried; none where the model gives none.

        Args:
            context: of the trial.
            observations: all other trials by number.
            count: how many are wanted.
        """
        entry = Entry(by="llm")
        turn = self._turn(context, observations, entry)
        if not turn.space.distributions:
            self.why = "nothing is known of the space yet"
            return []
        if self._failures >= PATIENCE and context.number % RETRY_EVERY:
            self.why = f"nothing usable came back {self._failures} times in a row"
            return []
        reply = turn.voice.ask(
            "search/proposals" if turn.valued else "search/warm_start",
            self._shown(turn, context, count),
            configs_reply(turn.space, most=count),
            seed=turn.seed(),
            temperature=0.7,
            max_tokens=turn.tokens(count),
        )
        found = [] if reply is None else turn.legal(reply.configs)[:count]
        self.events.update(entry.events)
        self._failures = 0 if found else self._failures + 1
        self.why = "" if found else entry.why or "no usable configuration"
        return found

    def _turn(self, context: Situation, observations: Sequence[Observation], entry: Entry) -> Turn:
        trials = [trial for trial in observations if trial.number != context.number]
        space = self._space.joined_by((trial.params, trial.distributions) for trial in trials if trial.distributions)
        left = self._max_requests - max(self.events["requests"], context.asked)
        return Turn(
            number=context.number,
            trials=trials,
            space=replace(space, defaults={**context.defaults, **space.defaults}),
            maximize=self._maximize,
            rng=np.random.default_rng([context.seed, context.number]),
            voice=Voice(self._llm, entry, left=left, timeout_s=self._timeout_s),
            entry=entry,
            ledger=Ledger({}),
        )

    def _shown(self, turn: Turn, context: Situation, count: int) -> dict[str, object]:
        task = replace(self._task, facts={**context.facts, **self._task.facts})
        evidence = gather(turn.trials, turn.space, maximize=turn.maximize)
        return {**turn.said(task, self._level), **asdict(evidence), "count": count}
