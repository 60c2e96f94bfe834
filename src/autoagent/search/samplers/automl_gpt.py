"""AutoML-GPT: configurations chosen by the training log that a model predicts, and the prediction held to account."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Unpack

from optuna import Study
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import TrialState

from autoagent.llm.client import LLM
from autoagent.search.language.agreement import Agreement, rank_agreement
from autoagent.search.language.cards import TaskContext, without_test_figures
from autoagent.search.language.evidence import gather
from autoagent.search.language.known import KnownSpace, Params
from autoagent.search.language.replies import forecasts_reply
from autoagent.search.language.sampling import PREDICTED, LanguageSampler, Shared
from autoagent.search.language.turn import Turn
from autoagent.search.samplers.native import build_tpe
from autoagent.space import Space

_NEAREST = 3


@dataclass(frozen=True)
class Archived:
    """A data set on record.

    Attributes:
        card: its data card.
        config: what worked best on it, in a run that was measured.
    """

    card: Mapping[str, Any]
    config: Mapping[str, Any]


class AutoMLGPTSampler(LanguageSampler):
    """Asks for several configurations, each with the log that the model expects of it, and tries them best first.

    Each trial keeps its forecast under the user attribute ``predicted``; it is never a result, and `forecast_agreement`
    says what it was worth.

    Source: arXiv:2305.02499, sections 3 and 4 (cards, the nearest known cards, predicted training logs).
    Differs: every configuration is then trained, where the paper takes the predicted log for an answer; similarity of
    cards is the cosine of their word counts, not a text encoder's; there is no talk with a user over the log.
    """

    name = "automl_gpt"

    def __init__(
        self,
        llm: LLM | None,
        classical: BaseSampler,
        *,
        archive: Sequence[Archived] = (),
        per_request: int = 4,
        **shared: Unpack[Shared],
    ) -> None:
        """Take the parts; ``archive`` are data sets on record, of which the three most similar are shown."""
        super().__init__(llm, classical, **shared)
        self._archive = tuple(archive)
        self._per_request = per_request

    def propose(self, turn: Turn) -> list[Params]:
        """Return the usable configurations of one reply, the best predicted first."""
        reply = turn.voice.ask(
            "search/automl_gpt",
            self._shown(turn),
            forecasts_reply(turn.space, most=self._per_request),
            seed=turn.seed(),
            temperature=0.7,
            max_tokens=turn.tokens(2 * self._per_request),
        )
        if reply is None:
            return []
        found: list[Params] = []
        for forecast in sorted(reply.forecasts, key=lambda each: -each.value if turn.maximize else each.value):
            usable = turn.legal([forecast.config], besides=found)
            for params in usable:
                turn.forecasts[turn.key(params)] = {
                    "label": PREDICTED,
                    "value": forecast.value,
                    "log": forecast.log[:20],
                }
            found += usable
        return found

    def _shown(self, turn: Turn) -> dict[str, object]:
        evidence = gather(turn.trials, turn.space, maximize=turn.maximize)
        near = nearest(self.context.data_card, self._archive)
        known = [{"data card": without_test_figures(row.card), "config": dict(row.config)} for row in near]
        shown = {**turn.said(self.context, "full"), **asdict(evidence)}
        return {**shown, "known": known, "count": self._per_request}


def nearest(card: Mapping[str, Any], archive: Sequence[Archived], *, count: int = _NEAREST) -> list[Archived]:
    """Return the most similar data sets on record, the nearest first, by the cosine of their cards' word counts."""
    words = _words(card)
    likeness = [(-_cosine(words, _words(row.card)), place) for place, row in enumerate(archive)]
    return [archive[place] for score, place in sorted(likeness)[:count] if score < 0]


def forecast_agreement(study: Study) -> Agreement:
    """Return the rank correlation of predicted and measured values over a study's ended trials.

    A failed or pruned trial counts as the worst value, equal among themselves: a forecast that did not see it coming
    is held to it.
    """
    sign = -1.0 if study.directions[0] == StudyDirection.MAXIMIZE else 1.0
    predicted, measured = [], []
    for trial in study.get_trials(deepcopy=False):
        forecast = trial.user_attrs.get(PREDICTED)
        if forecast is None or not trial.state.is_finished():
            continue
        predicted.append(sign * float(forecast["value"]))
        value = trial.value if trial.state == TrialState.COMPLETE else None
        measured.append(math.inf if value is None else sign * value)
    return rank_agreement(predicted, measured)


def build(
    *,
    seed: int,
    llm: LLM | None = None,
    space: Space | KnownSpace | None = None,
    context: TaskContext | None = None,
    archive: Sequence[Archived] = (),
    max_requests: int = 60,
) -> BaseSampler:
    """Return an AutoML-GPT sampler; without a model it is the multivariate TPE."""
    classical = build_tpe(seed=seed)
    return AutoMLGPTSampler(
        llm, classical, seed=seed, space=space, context=context, archive=archive, max_requests=max_requests
    )


def _words(card: Mapping[str, Any]) -> Counter[str]:
    return Counter(re.findall(r"\w+", json.dumps(card, ensure_ascii=False, default=str).casefold()))


def _cosine(first: Counter[str], second: Counter[str]) -> float:
    shared = sum(count * second[word] for word, count in first.items())
    norms = math.sqrt(sum(n * n for n in first.values()) * sum(n * n for n in second.values()))
    return shared / norms if norms else 0.0
