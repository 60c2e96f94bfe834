"""The part that the optimizers with a language model have in common: prompts, one talk, and updates as candidates."""

from __future__ import annotations

import copy
import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Self

from autoagent.errors import BudgetExceeded, LLMError, ReplyError, UserError
from autoagent.llm.client import LLM
from autoagent.optimize.candidate import Candidate, Outcome
from autoagent.optimize.optimizer import Optimizer
from autoagent.optimize.prompt import Drafter, Prompt, Try
from autoagent.optimize.reading import Updates, read_updates
from autoagent.optimize.talk import Failure, Style, Talk
from autoagent.runs.budget import Budget
from autoagent.trace.parameters import ParameterNode

STYLE = Style()
TOKENS = 8000


class Rewriter(Optimizer):
    """An optimizer that asks a language model for new values.

    Attributes:
        talk: with the model: calls, repairs and failures are counted there.
        drafter: writes the prompts.
        memory_size: how many earlier tries a prompt shows.
    """

    def __init__(
        self,
        parameters: Iterable[ParameterNode],
        llm: LLM | None = None,
        *,
        objective: str = "",
        memory_size: int = 5,
        token_budget: int = TOKENS,
        target: float | None = None,
        style: Style = STYLE,
    ) -> None:
        """Make an optimizer.

        Args:
            parameters: trainable nodes.
            llm: the model; None is good for ``render`` alone.
            objective: what is wanted, in words.
            memory_size: how many earlier tries a prompt shows.
            token_budget: the most tokens of a prompt, estimated at three bytes each.
            target: the score at which a run needs no improvement.
            style: temperature, reply length, timeout and seed of the questions.

        Raises:
            DomainError: no parameters, or something else among them.
            UserError: a size that is not positive.
        """
        super().__init__(parameters, target=target)
        if memory_size < 0 or token_budget <= 0:
            raise UserError(f"memory_size={memory_size} and token_budget={token_budget} must not be negative")
        self.talk = Talk(llm, style)
        self.drafter = Drafter(self.parameters, objective=objective, token_budget=token_budget)
        self.memory_size = memory_size

    @property
    def failed(self) -> list[Failure]:
        """Replies that could not be used."""
        return self.talk.failed

    @property
    def num_calls(self) -> int:
        """How many replies were asked for."""
        return self.talk.num_calls

    def spend_from(self, budget: Budget | None, wrap: Callable[[LLM], LLM]) -> None:
        """Put a budget before every model call, and ``wrap`` behind it; None takes both away."""
        self.talk.spend_from(budget, wrap)

    def render(self) -> str:
        """Return the exact prompt that ``step`` would send now, without sending it."""
        case = self._case("")
        if case is None:
            return self.prompt(self.base or Try(self.parameters.current(), Outcome(()))).text
        preview = self.copied()
        preview.tell(self.parameters.current(), Outcome((case,)))
        return preview.prompt(preview.base or Try(self.parameters.current(), Outcome((case,)))).text

    def copied(self) -> Self:
        """Return an optimizer that can be told something without this one learning of it."""
        preview = copy.copy(self)
        preview.tries = dict(self.tries)
        return preview

    @abstractmethod
    def prompt(self, base: Try, *, beside: Sequence[Candidate] = ()) -> Prompt:
        """Return the prompt that asks for a better candidate than ``base``, other than those ``beside`` it."""

    def propose(self, n: int) -> list[Candidate]:
        """Ask ``n`` times; each question shows the proposals before it, which are kept if a later one gets no reply."""
        base = self.base or Try(self.parameters.current(), Outcome(()))
        found: list[Candidate] = []
        for _ in range(n):
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

    def beside(self, found: Sequence[Candidate]) -> dict[str, list[str]]:
        """Return the section that shows proposals of the same round."""
        rows = [json.dumps(candidate.to_json(), ensure_ascii=False) for candidate in found]
        return {"proposals of this round, from which yours must differ": rows} if rows else {}

    def memory(self, present: Try) -> list[Try]:
        """Return the latest tries beside the present one, which is the best so far; oldest first."""
        others = [entry for key, entry in self.tries.items() if key != present.candidate.key]
        return others[-self.memory_size :] if self.memory_size else []

    def improve(self, base: Try, prompt: Prompt, beside: Sequence[Candidate] = ()) -> Candidate | None:
        """Ask, and return the base with the updates; None after no change or a counted failure.

        Values that were tried already are a fault of the reply: the model is told what came of them, and asked again.
        """
        known = {entry.key for entry in beside}

        def check(updates: Updates) -> None:
            key = self.parameters.changed(base.candidate, updates.values, source=self.name).key
            if updates.values and (key in self.tries or key in known):
                raise ReplyError(f"these values were tried already{self._memory_of(key)}; choose others")

        updates = self.updates(base, prompt, check)
        if updates is None or not updates.values:
            return None
        return self.parameters.changed(base.candidate, updates.values, source=self.name)

    def updates(self, base: Try, prompt: Prompt, check: Callable[[Updates], None] = lambda _: None) -> Updates | None:
        """Ask, and return what the reply says; None after a counted failure. ``check`` may raise further faults."""

        def read(text: str) -> Updates:
            updates = read_updates(text, self.parameters, prompt.shown, base.candidate.values)
            check(updates)
            return updates

        updates = self.talk.ask(prompt.text, read, prompt.schema)
        self.last_reason = self.talk.failed[-1].message if updates is None else updates.no_change
        return updates

    def _memory_of(self, key: str) -> str:
        entry = self.tries.get(key)
        score = None if entry is None else entry.outcome.score
        return "" if score is None else f", with the score {score:.6g}"
