"""HPO-LLaMA's dialogue: each round the model sees what came of its last hyperparameters, on validation data only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Unpack

from optuna.samplers import BaseSampler

from autoagent.llm.client import LLM
from autoagent.llm.messages import Message
from autoagent.prompts.render import render
from autoagent.search.history import Observation
from autoagent.search.language.cards import TaskContext, log_tail
from autoagent.search.language.evidence import gather, outcome_of
from autoagent.search.language.known import KnownSpace, Params, short
from autoagent.search.language.replies import configs_reply
from autoagent.search.language.sampling import LanguageSampler, Shared
from autoagent.search.language.turn import Turn
from autoagent.search.samplers.native import build_tpe
from autoagent.space import Space

_LAST_LINES = 8
_MOST_STEPS = 20


class HPOLlamaSampler(LanguageSampler):
    """Chooses one configuration a round in a conversation: cards and space first, then result and log of each round.

    The result of a round is the trial's value, its intermediate values, and the end of the text that the objective put
    into ``trial.set_user_attr("log", ...)``. No other attribute is read, and lines, keys and texts that speak of test
    data are left out of logs and cards; the value itself must be measured on validation data.

    Source: AutoMMLab, arXiv:2402.15351, and its released code.
    Differs: a model of any kind in place of a fine-tuned LLaMA-2; it is told validation results, where the released
    code tells it results on the test set; failed rounds are told as failed, where they end the original's run; replies
    are JSON with a schema, not evaluated as Python; it goes on beyond three rounds, with the rounds before the last few
    in a short list; it does not stop by itself at a target (that is the study's matter).
    """

    name = "hpo_llama"

    def __init__(self, llm: LLM | None, classical: BaseSampler, *, rounds: int = 3, **shared: Unpack[Shared]) -> None:
        """Take the parts; the last ``rounds`` trials are turns of the conversation."""
        super().__init__(llm, classical, **shared)
        self._rounds = rounds

    def propose(self, turn: Turn) -> list[Params]:
        """Return the next round's configuration."""
        reply = turn.voice.converse(
            self.conversation(turn),
            configs_reply(turn.space, most=1),
            seed=turn.seed(),
            temperature=0.6,
            max_tokens=turn.tokens(1),
        )
        return [] if reply is None else turn.legal(reply.configs)[:1]

    def conversation(self, turn: Turn) -> tuple[Message, ...]:
        """Return the conversation up to the question for the next configuration."""
        ended = [trial for trial in turn.trials if trial.state != "running"]
        earlier, rounds = ended[: -self._rounds or None], ended[-self._rounds :]
        messages = [Message("user", render("search/hpo_llama", self._opening(turn, earlier)))]
        for number, trial in enumerate(rounds):
            told = earlier + rounds[: number + 1]
            config = json.dumps({"configs": [turn.space.shown(trial.params)]}, ensure_ascii=False)
            messages.append(Message("assistant", config))
            messages.append(Message("user", render("search/hpo_llama_result", self._result(turn, trial, told))))
        return tuple(messages)

    def _opening(self, turn: Turn, earlier: Sequence[Observation]) -> dict[str, object]:
        evidence = gather(earlier, turn.space, maximize=turn.maximize)
        return {**turn.said(self.context, "full"), **asdict(evidence)}

    def _result(self, turn: Turn, trial: Observation, told: Sequence[Observation]) -> dict[str, object]:
        best = gather(told, turn.space, maximize=turn.maximize, top=1, last=0).best
        course = turn.course_of(trial.number)
        return {
            "metric": self.context.metric,
            "maximize": turn.maximize,
            "value": outcome_of(trial, maximize=turn.maximize),
            "best": best[0]["value"] if best else None,
            "curve": thinned(course.curve),
            "log": log_tail(course.log, lines=_LAST_LINES),
        }


def thinned(curve: Sequence[tuple[int, float]]) -> list[list[Any]]:
    """Return at most 20 points of a curve, the last one among them."""
    step = max(1, -(-len(curve) // _MOST_STEPS))
    kept = curve[::-1][::step][::-1]
    return [[number, short(value)] for number, value in kept]


def build(
    *,
    seed: int,
    llm: LLM | None = None,
    space: Space | KnownSpace | None = None,
    context: TaskContext | None = None,
    rounds: int = 3,
    max_requests: int = 60,
) -> BaseSampler:
    """Return an HPO-LLaMA sampler; without a model it is the multivariate TPE."""
    classical = build_tpe(seed=seed)
    return HPOLlamaSampler(
        llm, classical, seed=seed, space=space, context=context, rounds=rounds, max_requests=max_requests
    )
