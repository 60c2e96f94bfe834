"""The next configurations as a pure function: defaults, a model's ideas or draws of a first guess, then a surrogate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution

from autoagent.errors import AutoAgentError
from autoagent.search.agent_search.candidates import anywhere, climb, pool
from autoagent.search.agent_search.conditions import Conditions, learn
from autoagent.search.agent_search.context import Config, Context, Proposals, Suggestion
from autoagent.search.agent_search.landscape import Landscape, survey
from autoagent.search.agent_search.prior import Guess
from autoagent.search.agent_search.share import has_failed_at_first, is_turn_of_model, share_of_model
from autoagent.search.encoding import Encoding, exact
from autoagent.search.history import Observation
from autoagent.search.surrogate.features import Features

Array = NDArray[np.float64]

_DRAWS = 64  # of the guess, among which the one farthest from all trials starts


def propose(
    space: Mapping[str, BaseDistribution],
    history: Sequence[Observation],
    context: Context,
    llm: Proposals | None = None,
    *,
    count: int = 1,
) -> list[Suggestion]:
    """Return the next configurations; the same arguments give the same answer.

    Args:
        space: every parameter; which of them hang on others is learned from the history.
        history: all other trials by number, running ones included.
        context: see `Context`.
        llm: asked for the first trials and then at most in a share of the turns; None leaves it out.
        count: how many, to be tried at once; each knows of those before it.
    """
    found: list[Suggestion] = []
    seen, sources = list(history), dict(context.sources)
    for step in range(count):
        number = context.number + step
        turn = _Turn(space, seen, replace(context, number=number, sources=sources), llm)
        suggestion = turn.suggestion()
        found.append(suggestion)
        sources[number] = suggestion.source
        seen.append(Observation(number, turn.used(suggestion.config), state="running"))
        context = replace(
            context, ideas=(*context.ideas, *suggestion.ideas), asked=context.asked + int(suggestion.asked)
        )
    return found


class _Turn:
    """One proposal and what it needs."""

    def __init__(
        self,
        space: Mapping[str, BaseDistribution],
        history: Sequence[Observation],
        context: Context,
        llm: Proposals | None,
    ) -> None:
        self.space = space
        self.history = [one for one in history if one.number != context.number]
        self.context = context
        self.settings = context.settings
        self.llm = llm
        self.features = Features(space)
        ended = [one.params for one in self.history if one.state in ("done", "pruned")]
        self.conditions: Conditions = learn(self.features, ended)
        self.guess = Guess(self.features, context.defaults)
        self.rng = np.random.default_rng([context.seed, context.number])
        self.encoding = Encoding(space)
        self.tried = {self.key(one.params) for one in self.history}
        self.fresh: tuple[Config, ...] = ()
        self.asked = False

    def suggestion(self) -> Suggestion:
        """Return the first of what has its turn that is new."""
        for config in ({**self.guess.config, **self.context.defaults}, *self.context.portfolio):
            whole = self.completed(config)
            if self.key(self.used(whole)) not in self.tried and self._own() < self._openings():
                return Suggestion(whole, "portfolio" if self._has_default() else "default")
        if len(self.history) < self.settings.starts:
            return self._start()
        landscape = survey(self.features, self.history, self.conditions, self.guess, self.settings)
        if landscape.value is None and landscape.works is None:
            return self._start()
        return self._modelled(landscape)

    def _own(self) -> int:
        """Return how many trials were proposed here; a study that others began still gets its openings."""
        return sum(one.number in self.context.sources for one in self.history)

    def _openings(self) -> int:
        return 1 + len(self.context.portfolio)

    def _has_default(self) -> bool:
        return any(source == "default" for source in self.context.sources.values())

    def _start(self) -> Suggestion:
        """Return a language model's idea, or the draw of the guess that is farthest from all trials."""
        if self.llm is not None and not has_failed_at_first(self.history, self.context.sources):
            ideas = self._ideas(self.settings.llm_batch)
            if ideas:
                return self._said(ideas[0])
        rows = self.conditions.masked(self.guess.draw(_DRAWS, self.rng), self.features)
        seen = self.conditions.masked(self.features.rows([one.params for one in self.history]), self.features)
        if len(seen):
            gaps = self.features.weighted(rows, seen, np.ones(self.features.width)).min(axis=1)
            rows = rows[np.argsort(-gaps, kind="stable")]
        return Suggestion(self._first_new(rows), "start", self.fresh, self.asked)

    def _modelled(self, landscape: Landscape) -> Suggestion:
        """Return the candidate of the highest acquisition, or in its turn the model's best one."""
        mine = self._is_models_turn()
        ideas = self._ideas(self.settings.llm_batch) if mine else self._legal(self.context.ideas)
        candidates = pool(self.features, self.guess, landscape.good, self.conditions, self.rng)
        said = self.conditions.masked(self.features.rows(ideas), self.features)
        rows, values = climb(self.features, np.vstack([candidates, said]), landscape.score, self.conditions, self.rng)
        order = np.argsort(-values, kind="stable")
        if mine and len(said):
            scores = landscape.score(said)
            place = int(np.argmax(scores))
            if scores[place] >= float(values.max()) + np.log(self.settings.least_ei):
                return self._said(ideas[place])
        return Suggestion(self._first_new(rows[order]), "model", self.fresh, self.asked)

    def _is_models_turn(self) -> bool:
        if self.llm is None:
            return False
        most, price = self.settings.llm_share, self.settings.llm_price
        share = share_of_model(self.history, self.context.sources, most=most, price=price)
        return is_turn_of_model(self.history, self.context.sources, share)

    def _ideas(self, count: int) -> list[Config]:
        """Return untried legal ideas: what is left of earlier answers in the beginning, else a new answer."""
        left = self._legal(self.context.ideas)
        if self.llm is None or (left and len(self.history) < self.settings.starts):
            return left
        self.asked = True
        try:
            said = self.llm(self.context, self.history, count)
        except AutoAgentError:
            return left
        self.fresh = tuple(self._legal(said))
        return [*self.fresh, *left]

    def _said(self, config: Config) -> Suggestion:
        rest = tuple(other for other in self.fresh if self.key(other) != self.key(config))
        return Suggestion(config, "llm", rest, self.asked)

    def _legal(self, said: Iterable[Mapping[str, Any]]) -> list[Config]:
        """Return whole, legal and new configurations, each once."""
        found: dict[tuple[object, ...], Config] = {}
        for config in said:
            if isinstance(config, Mapping) and set(config) & set(self.space):
                whole = self.completed(config)
                key = self.key(self.used(whole))
                if key not in self.tried:
                    found.setdefault(key, whole)
        return list(found.values())

    def completed(self, config: Mapping[str, Any]) -> Config:
        """Return the nearest legal configuration; what is missing or no value at all is as in the default.

        What is legal already stays as it is to the last digit.
        """
        usable = {name: value for name, value in config.items() if name in self.space and self._is_value(name, value)}
        whole = self.guess.config | usable
        kept = {name: exact(self.space[name], value) for name, value in whole.items()}
        nearest = self.features.config(self.features.rows([whole])[0])
        return nearest | {name: value for name, value in kept.items() if value is not None}

    def _is_value(self, name: str, value: object) -> bool:
        choices = getattr(self.space[name], "choices", None)
        if choices is not None:
            return value in choices
        return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))

    def used(self, config: Mapping[str, Any]) -> Config:
        """Return a configuration without what its own choices leave out."""
        active = self.conditions.active(self.features.rows([config]))[0]
        return {name: config[name] for name, is_used in zip(self.features.names, active, strict=True) if is_used}

    def key(self, config: Mapping[str, Any]) -> tuple[object, ...]:
        """Return the identity after rounding."""
        return self.encoding.key(config)

    def _first_new(self, rows: Array) -> Config:
        """Return the first row that was not tried, else an untried draw of the space, else the first row."""
        for row in [*rows[:200], *anywhere(self.features, 200, self.rng)]:
            config = self.features.config(row)
            if self.key(self.used(config)) not in self.tried:
                return config
        return self.features.config(rows[0])
