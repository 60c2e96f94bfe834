"""A control for what a model remembers: the same task, its names hidden, numbers rescaled and objective flipped.

A model that has seen a task, or a library's defaults, does better on it than on its disguise. What is left of its lead
under the disguise is search; the rest is memory.
"""

from __future__ import annotations

import hashlib
import math
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial

from autoagent.search.history import Observation
from autoagent.search.language.cards import TaskContext
from autoagent.search.language.known import KnownSpace, Params
from autoagent.search.language.repair import on_grid
from autoagent.search.language.turn import LOG
from autoagent.search.llm_proposals import Situation

Direction = Literal["minimize", "maximize"]


@dataclass(frozen=True)
class Disguise:
    """Hides a task from a proposer and reveals its answers; a value, the same for the same seed.

    Names become codes; a float becomes a number from 0 to 1 on its own scale; an integer becomes its place from 0, or a
    number from 0 to 1 where its scale is logarithmic; choices become letters in another order; nothing is said of the
    task; a value changes its sign, and the direction with it.

    Attributes:
        seed: of codes and orders.
        flips: whether the objective is flipped too.
    """

    seed: int = 0
    flips: bool = True

    def name(self, name: str) -> str:
        """Return the code of a parameter."""
        return f"p{self._digest('name', name)[:6]}"

    def direction(self, direction: Direction) -> Direction:
        """Return the direction of the disguised study."""
        if not self.flips:
            return direction
        return "minimize" if direction == "maximize" else "maximize"

    def value(self, value: float) -> float:
        """Return a value under the disguise; applied twice, it is the value again."""
        return -value if self.flips else value

    def distribution(self, name: str, domain: BaseDistribution) -> BaseDistribution:
        """Return the hidden distribution of a parameter."""
        match domain:
            case CategoricalDistribution():
                return CategoricalDistribution([_letters(place) for place in range(len(domain.choices))])
            case FloatDistribution() | IntDistribution() if domain.step is not None and not domain.log:
                return IntDistribution(0, round((domain.high - domain.low) / domain.step))
            case FloatDistribution() | IntDistribution():
                return FloatDistribution(0.0, 1.0)
        raise TypeError(f"{name!r}: a {type(domain).__name__} cannot be disguised")

    def hide(self, name: str, domain: BaseDistribution, value: Any) -> Any:  # noqa: ANN401 - the domain's own type
        """Return a value of one parameter under the disguise."""
        if isinstance(domain, CategoricalDistribution):
            return _letters(self._order(name, domain).index(int(domain.to_internal_repr(value))))
        assert isinstance(domain, FloatDistribution | IntDistribution)
        if domain.step is not None and not domain.log:
            return round((value - domain.low) / domain.step)
        low, high, place = _scaled(domain, domain.low), _scaled(domain, domain.high), _scaled(domain, value)
        return 0.0 if high == low else min(max((place - low) / (high - low), 0.0), 1.0)

    def reveal(self, name: str, domain: BaseDistribution, value: Any) -> Any:  # noqa: ANN401 - the domain's own type
        """Return the true value of a hidden one."""
        if isinstance(domain, CategoricalDistribution):
            place = [_letters(index) for index in range(len(domain.choices))].index(value)
            return domain.choices[self._order(name, domain)[place]]
        assert isinstance(domain, FloatDistribution | IntDistribution)
        if domain.step is not None and not domain.log:
            return on_grid(domain, domain.low + value * domain.step)
        low, high = _scaled(domain, domain.low), _scaled(domain, domain.high)
        place = low + value * (high - low)
        return on_grid(domain, math.exp(place) if domain.log else place)

    def space(self, space: KnownSpace) -> KnownSpace:
        """Return the hidden space, in another order and without defaults."""
        names = sorted(space.distributions, key=self.name)
        when = {
            self.name(name): {
                self.name(other): tuple(self.hide(other, space.distributions[other], value) for value in values)
                for other, values in conditions.items()
            }
            for name, conditions in space.when.items()
        }
        hidden = {self.name(name): self.distribution(name, space.distributions[name]) for name in names}
        return KnownSpace(hidden, when)

    def hide_all(self, params: Mapping[str, Any], domains: Mapping[str, BaseDistribution]) -> Params:
        """Return a configuration under the disguise."""
        return {self.name(name): self.hide(name, domains[name], value) for name, value in params.items()}

    def reveal_all(self, params: Mapping[str, Any], domains: Mapping[str, BaseDistribution]) -> Params:
        """Return the true configuration of a hidden one; codes that stand for nothing are left out."""
        names = {self.name(name): name for name in domains}
        return {
            names[code]: self.reveal(names[code], domains[names[code]], value)
            for code, value in params.items()
            if code in names
        }

    def observation(self, trial: Observation) -> Observation:
        """Return a trial under the disguise; its loss stays: value and direction are both flipped."""
        domains = trial.distributions
        return replace(
            trial,
            params=self.hide_all(trial.params, domains),
            distributions={self.name(name): self.distribution(name, domain) for name, domain in domains.items()},
        )

    def context(self, context: TaskContext) -> TaskContext:
        """Return a context that says nothing."""
        return TaskContext()

    def objective(self, objective: Callable[[Any], float]) -> Callable[[Trial], float]:
        """Return the objective of the disguised study; the original sees its own names and values."""

        def disguised(trial: Trial) -> float:
            return self.value(objective(DisguisedTrial(trial, self)))

        return disguised

    def _order(self, name: str, domain: CategoricalDistribution) -> list[int]:
        return sorted(range(len(domain.choices)), key=lambda index: self._digest("choice", name, str(index)))

    def _digest(self, *words: str) -> str:
        return hashlib.sha256("\0".join([str(self.seed), *words]).encode()).hexdigest()


@dataclass(frozen=True)
class HiddenSituation:
    """What a proposer is told under a disguise; see `autoagent.search.llm_proposals.Situation`."""

    number: int
    seed: int
    defaults: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    asked: int = 0


class DisguisedProposals:
    """A proposer that sees a search in disguise; the search around it sees the true names.

    The proposer must be built for the disguised task: without a task, and with the other direction where the disguise
    flips it.
    """

    def __init__(self, inner: Callable[..., Sequence[Mapping[str, Any]]], disguise: Disguise) -> None:
        """Take a proposer, called with a situation, the other trials, and how many configurations are wanted."""
        self._inner = inner
        self._disguise = disguise

    def __call__(self, context: Situation, observations: Sequence[Observation], count: int) -> list[Params]:
        """Return the true configurations of what the proposer answers."""
        domains: dict[str, BaseDistribution] = {}
        for trial in observations:
            domains |= trial.distributions
        hidden = [self._disguise.observation(trial) for trial in observations if trial.distributions]
        found = self._inner(HiddenSituation(context.number, context.seed, asked=context.asked), hidden, count)
        return [self._disguise.reveal_all(config, domains) for config in found]


class DisguisedTrial:
    """A trial as the true objective knows it, over a trial that a disguised study knows."""

    def __init__(self, trial: Trial, disguise: Disguise) -> None:
        self._trial = trial
        self._disguise = disguise

    @property
    def number(self) -> int:
        """The trial's number."""
        return int(self._trial.number)

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Suggest a number, as Optuna's trial does."""
        return float(self._suggest(name, FloatDistribution(low, high, log=log, step=step)))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Suggest a whole number, as Optuna's trial does."""
        return int(self._suggest(name, IntDistribution(low, high, log=log, step=step)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:  # noqa: ANN401 - Optuna's own signature
        """Suggest a choice, as Optuna's trial does."""
        return self._suggest(name, CategoricalDistribution(choices))

    def set_user_attr(self, key: str, value: Any) -> None:  # noqa: ANN401 - Optuna's own signature
        """Keep an attribute, but for a log: it would give the task away."""
        if key != LOG:
            self._trial.set_user_attr(key, value)

    def report(self, value: float, step: int) -> None:
        """Report an intermediate value."""
        self._trial.report(self._disguise.value(value), step)

    def should_prune(self) -> bool:
        """Say whether the study's pruner wants the trial to end."""
        return bool(self._trial.should_prune())

    def _suggest(self, name: str, domain: BaseDistribution) -> Any:  # noqa: ANN401 - the domain's own type
        hidden = self._disguise.distribution(name, domain)
        value = self._trial._suggest(self._disguise.name(name), hidden)
        return self._disguise.reveal(name, domain, value)


def _scaled(domain: FloatDistribution | IntDistribution, value: float) -> float:
    return math.log(value) if domain.log else float(value)


def _letters(place: int) -> str:
    letters = string.ascii_lowercase
    return (
        letters[place] if place < len(letters) else _letters(place // len(letters) - 1) + letters[place % len(letters)]
    )
