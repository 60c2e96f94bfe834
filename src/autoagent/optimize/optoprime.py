"""OptoPrime: the traced operations, the feedback and earlier tries in one prompt."""

from __future__ import annotations

from collections.abc import Sequence

from autoagent.optimize.candidate import Candidate
from autoagent.optimize.prompt import Prompt, Try
from autoagent.optimize.rewriter import Rewriter


class OptoPrime(Rewriter):
    """Shows a language model what ran, what came of it and what was tried, and takes typed updates.

    Source: arXiv:2406.16218, section 4.
    Differs: it builds upon the best try so far, not the last; loops are collapsed and the prompt has a budget; replies
    are checked against each parameter's domain; code is asked for outside the JSON; the memory shows outputs and
    scores; nobody is asked without feedback.
    """

    name = "optoprime"

    def prompt(self, base: Try, *, beside: Sequence[Candidate] = ()) -> Prompt:
        """Return the prompt that asks for a better candidate than ``base``, other than those ``beside`` it."""
        return self.drafter.draft("optimize/optoprime", base, memory=self.memory(base), extra=self.beside(beside))
