"""What every optimizer of traced parameters promises: ask, tell, render; and zero_feedback, backward, step on top."""

from __future__ import annotations

import statistics
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from autoagent.llm.client import LLM
from autoagent.optimize.candidate import Candidate, Case, Outcome, Parameters, is_comparable, rank
from autoagent.optimize.prompt import Try
from autoagent.optimize.sheet import cut, sheet_of
from autoagent.optimize.talk import Failure
from autoagent.runs.budget import Budget
from autoagent.trace.feedback import Said, backward
from autoagent.trace.nodes import Node
from autoagent.trace.parameters import ParameterNode
from autoagent.trace.problem import Problem, problem
from autoagent.trace.verdict import Feedback

Status = Literal["updated", "no_feedback", "passed", "no_change", "failed", "duplicate"]


@dataclass(frozen=True)
class Step:
    """What one ``step`` did.

    Attributes:
        status: ``updated`` stored new values; ``no_feedback`` and ``passed`` asked nobody; ``no_change``, ``failed``
            and ``duplicate`` left the best values so far in place.
        candidate: the values that the parameters have now.
        message: why, in words.
    """

    status: Status
    candidate: Candidate
    message: str = ""


class Optimizer(ABC):
    """Proposes candidates from what came of earlier ones.

    A candidate that is worse on the same instances than the one it is compared with is remembered and not built upon:
    proposals start from the best so far. An optimizer is used by one thread; candidates may run in many.

    Attributes:
        name: in the table of optimizers.
        parameters: that it may change.
        target: the score at which a run needs no improvement; None is never.
        tries: candidate key -> candidate and outcome, the latest told last.
        base: the try that proposals start from.
        num_skipped: steps without feedback.
        num_duplicates: proposals that had been tried before.
    """

    name: str

    def __init__(self, parameters: Iterable[ParameterNode], *, target: float | None = None) -> None:
        self.parameters = Parameters(parameters)
        self.target = target
        self.tries: dict[str, Try] = {}
        self.base: Try | None = None
        self.num_skipped = self.num_duplicates = 0
        self.last_reason = ""

    @abstractmethod
    def propose(self, n: int) -> list[Candidate]:
        """Return at most ``n`` candidates; those tried before are taken out by the caller."""

    @abstractmethod
    def render(self) -> str:
        """Return the exact prompt of the next question, without asking it; empty where none would be asked."""

    @property
    @abstractmethod
    def failed(self) -> list[Failure]:
        """Replies that could not be used."""

    @abstractmethod
    def spend_from(self, budget: Budget | None, wrap: Callable[[LLM], LLM]) -> None:
        """Put a budget before every model call, and ``wrap`` behind it; None takes both away."""

    @property
    def failures(self) -> int:
        """How many questions had no usable reply."""
        return len(self.failed)

    @property
    def num_calls(self) -> int:
        """How many replies were asked for."""
        return 0

    @property
    def best(self) -> Candidate | None:
        """The best candidate so far."""
        return None if self.base is None else self.base.candidate

    def focus(self, n: int = 1) -> list[Candidate]:
        """Return the candidates that the next ``ask(n)`` starts from, each once: they are run first."""
        return [self.parameters.current() if self.base is None else self.base.candidate]

    def ask(self, n: int = 1) -> list[Candidate]:
        """Return at most ``n`` new candidates; the present values before anything was told.

        Raises:
            LLMError: the endpoint gave no reply.
            BudgetExceeded: a call would pass a limit.
        """
        if self.base is None:
            return [self.parameters.current()]
        fresh: dict[str, Candidate] = {}
        for candidate in self.propose(n):
            if candidate.key in self.tries or candidate.key in fresh:
                self.num_duplicates += 1
                self.last_reason = "it proposed values that were tried already"
            else:
                fresh[candidate.key] = candidate
        return list(fresh.values())

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """Learn what came of a candidate on some instances; of an instance told twice the later case counts."""
        known = self.tries.pop(candidate.key, None)
        here = Try(candidate, outcome if known is None else known.outcome.merged(outcome))
        self.tries[candidate.key] = here
        if self.base is None or candidate == self.base.candidate or is_no_worse(outcome, self.base.outcome):
            self.base = here

    def hear_scores(self, candidate: Candidate, scores: Mapping[str, float | None]) -> None:  # noqa: B027 - most ignore it
        """Learn scores on validation instances, `Outcome.cells`. No text comes with them: none can reach a prompt."""

    def zero_feedback(self) -> None:
        """Forget the feedback on the parameters."""
        for parameter in self.parameters.nodes.values():
            parameter.zero_feedback()

    def backward(self, output: Node, feedback: Said) -> None:
        """Give feedback to an output, as `trace.backward` does; here because Trace has it here too."""
        backward(output, feedback)

    def step(self, *, instance: str = "", force: bool = False) -> Step:
        """Tell the feedback that ``backward`` left on the parameters, ask for new values, and store them.

        Without feedback, or when every output reached the target, nobody is asked.

        Args:
            instance: what was run; values are compared on the same instance only.
            force: ask although everything passed.

        Raises:
            LLMError: the endpoint gave no reply.
            BudgetExceeded: a call would pass a limit.
        """
        here, case = self.parameters.current(), self._case(instance)
        if case is None:
            self.num_skipped += 1
            return Step("no_feedback", here, "no output was judged since zero_feedback(): nobody was asked")
        self.tell(here, Outcome((case,)))
        if self.tries[here.key].outcome.passed(self.target) and not force:
            return Step("passed", here, "every output reached the target: nobody was asked")
        before = (self.failures, self.num_duplicates)
        self.last_reason = ""
        asked = self.ask()
        candidate = asked[0] if asked else self.base.candidate if self.base else here
        self.parameters.assign(candidate)
        if asked:
            return Step("updated", candidate)
        if self.failures > before[0]:
            return Step("failed", candidate, self.failed[-1].message)
        return Step("duplicate" if self.num_duplicates > before[1] else "no_change", candidate, self.last_reason)

    def _case(self, instance: str) -> Case | None:
        posed = self._posed()
        return case_of(posed, instance) if posed.feedback else None

    def _posed(self) -> Problem:
        return problem(list(self.parameters.nodes.values()))


def is_no_worse(outcome: Outcome, than: Outcome) -> bool:
    """Say whether an outcome is as good as another on the instances of both; yes where they cannot be compared."""
    common = set(outcome.scores) & set(than.scores)
    mine, theirs = outcome.on(common), than.on(common)
    return not is_comparable(mine, theirs) or rank(mine) >= rank(theirs)


def case_of(posed: Problem, instance: str, *, seconds: float = 0.0) -> Case:
    """Return what came of one run from the problem that its feedback poses."""
    said = [feedback for _, feedback in posed.feedback]
    scores = [score for feedback in said if (score := score_of(feedback)) is not None]
    sheet = sheet_of(posed)
    raised = [line.value for line in sheet.lines if line.kind == "exception" and line.name in sheet.outputs]
    values = [line.value for line in sheet.lines if line.kind == "output"]
    return Case(
        instance,
        statistics.fmean(scores) if scores and not raised else None,
        "\n".join(dict.fromkeys(text for _, text in sheet.feedback)),
        next(iter([*raised, *(feedback.error for feedback in said if feedback.error)]), ""),
        cut("; ".join(values), 1000),
        sheet,
        seconds,
        {} if raised else {name: value for feedback in said for name, value in feedback.scores.items()},
    )


def score_of(said: Feedback) -> float | None:
    """Return the score, or the mean of several objectives; None without any."""
    if said.score is not None:
        return said.score
    return statistics.fmean(said.scores.values()) if said.scores else None
