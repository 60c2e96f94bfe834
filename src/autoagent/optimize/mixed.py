"""Mixed: numbers, choices and switches from an Optuna sampler, text and code from a language model."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Sequence

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import TrialState, create_trial

from autoagent.llm.client import LLM
from autoagent.optimize.candidate import Candidate, Outcome
from autoagent.optimize.prompt import Prompt, Try
from autoagent.optimize.rewriter import STYLE, TOKENS, Rewriter
from autoagent.optimize.talk import Style
from autoagent.search.trials_log import distribution
from autoagent.space import Bool, Choice, Domain, Float, Int
from autoagent.trace.parameters import ParameterNode

_DRAWS = 20  # before a space of few values counts as exhausted


class Mixed(Rewriter):
    """Gives each parameter to who can search it, and every outcome to both.

    Rounds alternate, so that a better score can be put down to one of the two: in one the sampler draws the numbers
    under the best text, in the next the model rewrites the text under the best numbers. Without a model, or without
    text, every round is the sampler's; without numbers, every round is the model's.

    Source: none; the sampler is Optuna's multivariate TPE (arXiv:2304.11127) unless another is given, the prompt that
    of OptoPrime (arXiv:2406.16218).
    """

    name = "mixed"

    def __init__(
        self,
        parameters: Iterable[ParameterNode],
        llm: LLM | None = None,
        *,
        objective: str = "",
        token_budget: int = TOKENS,
        target: float | None = None,
        style: Style = STYLE,
        sampler: BaseSampler | None = None,
    ) -> None:
        super().__init__(parameters, llm, objective=objective, token_budget=token_budget, target=target, style=style)
        nodes = self.parameters.nodes
        found = {name: distribution_of(parameter.domain) for name, parameter in nodes.items()}
        self.distributions = {name: entry for name, entry in found.items() if entry is not None}
        self.written = [name for name in nodes if name not in self.distributions]
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(direction="maximize", sampler=sampler or default_sampler(style.seed))
        self._open: dict[str, int] = {}
        self._round = 0

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """Learn what came of a candidate, in both halves."""
        super().tell(candidate, outcome)
        if not self.distributions:
            return
        score = self.tries[candidate.key].outcome.score
        state = TrialState.FAIL if score is None else TrialState.COMPLETE
        number = self._open.pop(candidate.key, None)
        if number is not None:
            self._inform(number, score, state)
            return
        values = {name: candidate.values[name] for name in self.distributions}
        self._study.add_trial(create_trial(state=state, params=values, distributions=self.distributions, value=score))

    def copied(self) -> Mixed:
        """Return an optimizer that can be told something without this one learning of it."""
        preview = super().copied()
        preview.distributions = {}
        preview._open = copy.copy(self._open)
        return preview

    def prompt(self, base: Try, *, beside: Sequence[Candidate] = ()) -> Prompt:
        """Return the prompt that asks for better text and code under the numbers of ``base``."""
        fixed = [self.drafter.variable(name, base.candidate.values[name]) for name in self.parameters]
        rows = [row for name, row in zip(self.parameters, fixed, strict=True) if name not in self.written]
        extra = {"variables that another search sets": rows} if rows else {}
        return self.drafter.draft(
            "optimize/optoprime",
            base,
            names=self.written or list(self.parameters),
            memory=self.memory(base),
            extra={**extra, **self.beside(beside)},
        )

    def propose(self, n: int) -> list[Candidate]:
        """Draw numbers in one round, ask for text in the next."""
        self._round += 1
        has_model = self.talk.llm is not None and bool(self.written)
        if has_model and (not self.distributions or self._round % 2 == 0):
            return super().propose(n)
        base = self.base.candidate if self.base is not None else self.parameters.current()
        return [drawn for _ in range(n) if (drawn := self._draw(base)) is not None] if self.distributions else []

    def _draw(self, base: Candidate) -> Candidate | None:
        for _ in range(_DRAWS):
            trial = self._study.ask(self.distributions)
            values, faults = self.parameters.checked(trial.params)
            candidate = self.parameters.changed(base, values, source="sampler")
            if not faults and candidate.key not in self.tries and candidate.key not in self._open:
                self._open[candidate.key] = trial.number
                return candidate
            self._inform(trial.number, None, TrialState.FAIL)
        self.last_reason = f"{_DRAWS} draws of the sampler were all tried already"
        return None

    def _inform(self, number: int, score: float | None, state: TrialState) -> None:
        try:
            self._study.tell(number, score, state=state)
        except (
            RuntimeError
        ) as error:  # GridSampler stops the study after its last cell, which only Optuna's loop may do
            if "Study.stop" not in str(error):
                raise


def distribution_of(domain: Domain) -> BaseDistribution | None:
    """Return Optuna's distribution of a domain; None where only a model can propose a value."""
    return distribution(domain) if isinstance(domain, Float | Int | Choice | Bool) else None


def default_sampler(seed: int) -> BaseSampler:
    """Return a multivariate TPE after four random draws."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # `multivariate` has been experimental since 2.2
        return TPESampler(n_startup_trials=4, multivariate=True, seed=seed)
