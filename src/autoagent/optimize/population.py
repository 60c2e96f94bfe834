"""A population: parents from the Pareto front over instances and objectives, reflection, and merges of lineages."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from autoagent.errors import BudgetExceeded, LLMError
from autoagent.llm.client import LLM
from autoagent.optimize.candidate import Candidate, Outcome, is_comparable, plain, rank
from autoagent.optimize.prompt import Prompt, Try
from autoagent.optimize.rewriter import STYLE, TOKENS, Rewriter
from autoagent.optimize.talk import Style
from autoagent.trace.parameters import ParameterNode

_MERGE_EVERY = 4  # questions
_FLOOR = -1e300  # of a run without a score, below every score


class Population(Rewriter):
    """Keeps every candidate that beat its parent, and improves those that are best on some instance or objective.

    Source: arXiv:2507.19457, sections 3 and 4 (GEPA).
    Differs: all parameters are shown at once and the model chooses which to change; a merge takes each parameter from
    the parent that changed it and asks no model; a run without a score counts below every score; where the feedback
    has several objectives, the front is over each objective of each instance.
    """

    name = "population"

    def __init__(
        self,
        parameters: Iterable[ParameterNode],
        llm: LLM | None = None,
        *,
        objective: str = "",
        memory_size: int = 3,
        token_budget: int = TOKENS,
        target: float | None = None,
        style: Style = STYLE,
    ) -> None:
        super().__init__(
            parameters,
            llm,
            objective=objective,
            memory_size=memory_size,
            token_budget=token_budget,
            target=target,
            style=style,
        )
        self.pool: dict[str, Candidate] = {}
        self.latest: dict[str, Outcome] = {}
        self.scores: dict[str, dict[str, float]] = {}
        self._judged_apart = False
        self._parents: list[str] = []
        self._rng = random.Random(style.seed)
        self._num_asked = 0

    def copied(self) -> Self:
        """Return an optimizer that can be told something without this one learning of it."""
        preview = super().copied()
        preview.pool, preview.latest, preview.scores = dict(self.pool), dict(self.latest), dict(self.scores)
        return preview

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """Learn what came of a candidate; it joins the pool if it beats its parents on the same instances."""
        super().tell(candidate, outcome)
        self.latest[candidate.key] = outcome
        if not self._judged_apart:
            self.scores[candidate.key] = _floored(self.tries[candidate.key].outcome.cells)
        parents = [self.tries[key].outcome for key in candidate.parents if key in self.tries]
        if all(_beats(self.tries[candidate.key].outcome, parent) for parent in parents):
            self.pool.setdefault(candidate.key, candidate)

    def hear_scores(self, candidate: Candidate, scores: Mapping[str, float | None]) -> None:
        """Learn scores on validation instances; from the first on, the front is over these alone."""
        if not self._judged_apart:
            self._judged_apart, self.scores = True, {}
        self.scores[candidate.key] = _floored(scores)

    def front(self) -> dict[str, int]:
        """Return the candidates of the pool that are best on some instance, with the number of those instances."""
        rows = {key: self.scores[key] for key in self.pool if self.scores.get(key)}
        wins: dict[str, int] = {}
        for instance in dict.fromkeys(name for row in rows.values() for name in row):
            known = {key: row[instance] for key, row in rows.items() if instance in row}
            best = max(known.values())
            for key, score in known.items():
                if score == best:
                    wins[key] = wins.get(key, 0) + 1
        return {key: count for key, count in wins.items() if not _is_dominated(key, wins, rows)}

    def focus(self, n: int = 1) -> list[Candidate]:
        """Draw the parents of the next ``ask``, each as often as it is best on an instance."""
        front = self.front()
        if not front:
            return super().focus(n)
        self._parents = self._rng.choices(list(front), weights=list(front.values()), k=n)
        return [self.pool[key] for key in dict.fromkeys(self._parents)]

    def prompt(self, base: Try, *, beside: Sequence[Candidate] = ()) -> Prompt:
        """Return the prompt that reflects on the runs of ``base``."""
        return self.drafter.draft("optimize/reflect", base, memory=self.memory(base), extra=self.beside(beside))

    def propose(self, n: int) -> list[Candidate]:
        """Reflect on each parent that ``focus`` drew; now and then merge two candidates of the front."""
        parents = self._parents or [candidate.key for candidate in self.focus(n)]
        self._parents = []
        found: list[Candidate] = []
        for key in (parents * n)[:n]:
            self._num_asked += 1
            merged = self._merge() if self._num_asked % _MERGE_EVERY == 0 else None
            if merged is not None and merged.key not in self.tries:
                found.append(merged)
                continue
            entry = self.tries[key]
            base = Try(entry.candidate, self.latest.get(key, entry.outcome))
            try:
                candidate = self.improve(base, self.prompt(base, beside=found), found)
            except (LLMError, BudgetExceeded) as error:
                if not found:
                    raise
                self.last_reason = str(error)
                break
            if candidate is not None:
                found.append(candidate)
        return found

    def _merge(self) -> Candidate | None:
        """Return a cross of two candidates of the front, each parameter from the one that changed it."""
        front = list(self.front())
        if len(front) < 2:
            return None
        first, second = (self.pool[key] for key in self._rng.sample(front, 2))
        origin = next(iter(self.pool.values()))
        if self._mean(second) > self._mean(first):
            first, second = second, first
        values: dict[str, Any] = {
            name: second.values[name] if _same(value, origin.values[name]) else value
            for name, value in first.values.items()
        }
        return Candidate(values, parents=(first.key, second.key), source="merge")

    def _mean(self, candidate: Candidate) -> float:
        return statistics.fmean(self.scores.get(candidate.key, {}).values() or [_FLOOR])


def _floored(scores: Mapping[str, float | None]) -> dict[str, float]:
    return {name: _FLOOR if score is None else score for name, score in scores.items()}


def _same(one: object, other: object) -> bool:
    return bool(plain(one) == plain(other))


def _beats(outcome: Outcome, parent: Outcome) -> bool:
    common = set(outcome.scores) & set(parent.scores)
    mine, theirs = outcome.on(common), parent.on(common)
    return not is_comparable(mine, theirs) or rank(mine) > rank(theirs)


def _is_dominated(key: str, wins: Mapping[str, int], rows: Mapping[str, Mapping[str, float]]) -> bool:
    """Say whether another candidate of the front is as good everywhere on more or equal instances, and better once."""
    mine = rows[key]
    for other in wins:
        theirs = rows[other]
        if other == key or not set(mine) <= set(theirs):
            continue
        if all(theirs[name] >= mine[name] for name in mine) and any(theirs[name] > mine[name] for name in mine):
            return True
    return False
