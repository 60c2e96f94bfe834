"""OPRO on hyperparameters: earlier configurations and their values, and nothing else; the plain baseline."""

from __future__ import annotations

from typing import Unpack

from optuna.samplers import BaseSampler

from autoagent.llm.client import LLM
from autoagent.prompts.search_replies import ConfigsReply
from autoagent.search.language.cards import TaskContext
from autoagent.search.language.evidence import row_of
from autoagent.search.language.known import KnownSpace, Params
from autoagent.search.language.replies import configs_reply
from autoagent.search.language.sampling import LanguageSampler, Shared
from autoagent.search.language.turn import Turn
from autoagent.search.samplers.native import build_tpe
from autoagent.space import Space


class OPROSampler(LanguageSampler):
    """Shows a model the best trials, the worst of them first, and asks for several better ones.

    Source: arXiv:2309.03409, sections 2 and 3 (8 proposals a step, temperature 1, 20 solutions in the meta-prompt).
    Differs: proposals come in one reply, not one reply each, so that ``n`` trials cost ``n / 8`` requests; the initial
    random solutions are the classical sampler's first; what is illegal or a repeat is mended or left out and counted.
    """

    name = "opro"

    def __init__(
        self,
        llm: LLM | None,
        classical: BaseSampler,
        *,
        num_initial: int = 5,
        per_request: int = 8,
        memory: int = 20,
        **shared: Unpack[Shared],
    ) -> None:
        """Take the parts; ``memory`` trials are shown."""
        super().__init__(llm, classical, **shared)
        self.num_initial = num_initial
        self._per_request = per_request
        self._memory = memory

    def propose(self, turn: Turn) -> list[Params]:
        """Return the usable configurations of one reply."""
        shown = reversed(turn.valued[: self._memory])
        context = {
            **turn.said(TaskContext(), "none"),
            "history": [row_of(trial, turn.space, maximize=turn.maximize) for trial in shown],
            "count": self._per_request,
        }
        reply: ConfigsReply | None = turn.voice.ask(
            "search/opro",
            context,
            configs_reply(turn.space, most=self._per_request),
            seed=turn.seed(),
            temperature=1.0,
            max_tokens=turn.tokens(self._per_request),
        )
        return [] if reply is None else turn.legal(reply.configs)


def build(
    *,
    seed: int,
    llm: LLM | None = None,
    space: Space | KnownSpace | None = None,
    num_initial: int = 5,
    per_request: int = 8,
    max_requests: int = 60,
) -> BaseSampler:
    """Return an OPRO sampler; without a model it is the multivariate TPE."""
    return OPROSampler(
        llm,
        build_tpe(seed=seed),
        seed=seed,
        space=space,
        num_initial=num_initial,
        per_request=per_request,
        max_requests=max_requests,
    )
