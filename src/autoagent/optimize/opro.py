"""OPRO: earlier values and their scores, without the graph."""

from __future__ import annotations

from collections.abc import Sequence

from autoagent.optimize.candidate import Candidate, Outcome, rank
from autoagent.optimize.prompt import Prompt, Try
from autoagent.optimize.rewriter import Rewriter


class OPRO(Rewriter):
    """Shows a language model the best tries so far, the worst of them first, and asks for something better.

    Source: arXiv:2309.03409, section 3.
    Differs: typed updates instead of free text; outputs and feedback stand beside the scores; one proposal a question,
    where the paper samples eight.
    """

    name = "opro"

    def prompt(self, base: Try, *, beside: Sequence[Candidate] = ()) -> Prompt:
        """Return the prompt that asks for a better candidate than every one shown."""
        tries = sorted(self.tries.values(), key=lambda entry: rank(entry.outcome)) or [base]
        shown = tries[-max(1, self.memory_size) :]
        alone = Try(base.candidate, Outcome(()))
        return self.drafter.draft(
            "optimize/opro",
            alone,
            names=list(self.parameters),
            memory=shown,
            with_graph=False,
            extra=self.beside(beside),
        )
