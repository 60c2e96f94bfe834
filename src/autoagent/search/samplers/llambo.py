"""LLAMBO: Bayesian optimisation in which a language model warm-starts, proposes candidates and predicts values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Unpack

import numpy as np
from optuna.samplers import BaseSampler

from autoagent.llm.client import LLM
from autoagent.search.encoding import Encoding
from autoagent.search.history import Observation
from autoagent.search.language.cards import Level, TaskContext
from autoagent.search.language.evidence import outcome_of, overused, row_of
from autoagent.search.language.known import KnownSpace, Params, short
from autoagent.search.language.prediction import (
    Bounds,
    Floats,
    expected_improvement,
    summarize,
    target_value,
    top_labels,
)
from autoagent.search.language.replies import configs_reply, labels_reply, predictions_reply
from autoagent.search.language.sampling import INITIAL, LanguageSampler, Shared
from autoagent.search.language.turn import Turn
from autoagent.search.samplers.native import build_tpe
from autoagent.space import Space

_ROUNDS = 3  # of asking for candidates
_MEMORY = 60  # examples in a prompt: the best half and the latest half


@dataclass(frozen=True)
class Options:
    """How LLAMBO asks.

    Attributes:
        surrogate: ``discriminative`` predicts values, ``generative`` labels the best share.
        num_warm: trials of the zero-shot warm start.
        level: of the context in every prompt.
        candidates: asked for in a trial.
        templates: permutations of the examples under which candidates are asked for.
        draws: Monte-Carlo replies of the surrogate in a trial, each with its own permutation.
        per_request: candidates that one surrogate reply scores; 1 is the paper's, and the dearest.
        alpha: how far beyond the best the target lies, as a share of the range.
        top: share that the generative surrogate calls best.
        bounds: of the metric, where it has any.
    """

    surrogate: Literal["discriminative", "generative"] = "discriminative"
    num_warm: int = 5
    level: Level = "partial"
    candidates: int = 10
    templates: int = 2
    draws: int = 10
    per_request: int = 10
    alpha: float = 0.1
    top: float = 0.25
    bounds: Bounds = (None, None)

    def requests_per_trial(self) -> int:
        """Return how many requests one trial usually costs; more where replies must be mended or give too little."""
        return self.templates + self.draws * math.ceil(self.candidates / self.per_request)


class LLAMBOSampler(LanguageSampler):
    """Asks for candidates that would reach a target value, predicts each one's value, and takes the most promising.

    Source: arXiv:2402.03921, sections 3 to 5, and the public code at 196fe23.
    Differs: by default one reply holds several candidates and one reply scores all of them, so that a trial costs 12
    replies, where the code draws about 210 in 22 requests; each Monte-Carlo reply has its own permutation of the
    examples, where the code draws 10 from each of 2; at most 60 trials are shown.
    Differs: numbers keep six significant digits whatever their bounds (the code cut them to the decimals of the lower
    bound); categories, conditions and failed trials are in the prompts; a predicted failure lowers a candidate's worth.
    Differs: the target is one formula that ends (the code's loop over alpha need not), and no metric is taken to lie
    in [0, 1] unless ``bounds`` says so.
    Differs: repeats are removed after rounding, among candidates and against all trials; values to which the proposals
    have collapsed are named in the prompt, and a copy of such a candidate with that value redrawn competes with it.
    Differs: where candidates or predictions fail, a classical sampler proposes, and it is counted; nothing is raised.
    Differs: all state is in the study, so that a search resumes.
    Differs: the generative surrogate counts sampled labels, because chat endpoints seldom give log-probabilities.
    """

    name = "llambo"

    most_requests = 300

    def __init__(
        self, llm: LLM | None, classical: BaseSampler, *, options: Options | None = None, **shared: Unpack[Shared]
    ) -> None:
        """Take the parts; the usual price of 30 trials is ``1 + 25 * options.requests_per_trial()`` requests."""
        super().__init__(llm, classical, **shared)
        self.options = options or Options()

    def propose(self, turn: Turn) -> list[Params]:
        """Return the warm start, or the one candidate that the surrogate likes best."""
        if sum(trial.state != "running" for trial in turn.trials) < self.options.num_warm:
            return self._warm_start(turn)
        if len(turn.valued) < 2:
            turn.entry.why = "fewer than two trials have a value"
            return []
        candidates = self._candidates(turn)
        worth = self._worth(turn, candidates) if candidates else None
        if worth is None:
            return []
        best = np.flatnonzero(worth == worth.max())
        return [candidates[int(turn.rng.choice(best))]]

    def _warm_start(self, turn: Turn) -> list[Params]:
        if turn.ledger.sources()[self.name]:
            turn.entry.why = INITIAL  # it has answered; what the answer lacks, the classical sampler fills up
            return []
        count = self.options.num_warm
        context = {**self._shared(turn), "count": count}
        reply = turn.voice.ask(
            "search/warm_start",
            context,
            configs_reply(turn.space, most=count),
            seed=turn.seed(),
            temperature=0.7,
            max_tokens=turn.tokens(count),
        )
        return [] if reply is None else turn.legal(reply.configs)[:count]

    def _candidates(self, turn: Turn) -> list[Params]:
        """Return new candidates; few, or none, where the model gives no more in three rounds."""
        values = [outcome_of(trial, maximize=turn.maximize) for trial in turn.valued]
        options = self.options
        target = target_value(values, maximize=turn.maximize, alpha=options.alpha, bounds=options.bounds)
        past = [entry.config for entry in turn.ledger.entries.values() if entry.by == self.name]
        each = math.ceil(options.candidates / options.templates)
        found: list[Params] = []
        for _ in range(_ROUNDS):
            for _ in range(options.templates):
                context = {
                    **self._shared(turn),
                    "examples": self._examples(turn),
                    "target": target,
                    "count": each,
                    "overused": overused(past, turn.space),
                }
                reply = turn.voice.ask(
                    "search/llambo_candidates",
                    context,
                    configs_reply(turn.space, most=each),
                    seed=turn.seed(),
                    temperature=0.8,
                    max_tokens=turn.tokens(each),
                )
                found += [] if reply is None else turn.legal(reply.configs, besides=found)
            if len(found) >= max(1, options.candidates // 2):
                break
        return found + self._spread(turn, found, past)

    def _spread(self, turn: Turn, found: Sequence[Params], past: Sequence[Any]) -> list[Params]:
        """Return copies of the candidates with collapsed values redrawn."""
        worn = overused([*past, *found], turn.space)
        copies = []
        for params in found:
            names = [name for name, value in worn.items() if name in params and short(params[name]) == value]
            if names:
                fresh = Encoding({name: turn.space.distributions[name] for name in names}).random(turn.rng)
                copies.append({**params, **fresh})
        usable = turn.legal([turn.space.shown(params) for params in copies], besides=list(found))
        turn.entry.count("spread", len(usable))
        return usable

    def _worth(self, turn: Turn, candidates: Sequence[Params]) -> Floats | None:
        """Return the acquisition of each candidate, or None where the model gave nothing to compute it from."""
        if self.options.surrogate == "generative":
            return self._from_labels(turn, candidates)
        return self._from_predictions(turn, candidates)

    def _from_predictions(self, turn: Turn, candidates: Sequence[Params]) -> Floats | None:
        rows = [self._draw(turn, candidates, "llambo_predictions") for _ in range(self.options.draws)]
        draws = np.array(rows, dtype=np.float64)
        numbers = np.where(np.isinf(draws), np.nan, draws)
        mean, deviation = summarize(numbers)
        turn.entry.count("unscored", int((~np.isfinite(numbers).any(axis=0)).sum()))
        if not np.isfinite(mean).all():
            return None
        values = [outcome_of(trial, maximize=turn.maximize) for trial in turn.valued]
        spread = max(values) - min(values)
        gain = expected_improvement(mean, deviation, best=values[0], spread=spread, maximize=turn.maximize)
        answered = np.maximum((~np.isnan(draws)).sum(axis=0), 1)
        return np.asarray(gain * (1 - np.isinf(draws).sum(axis=0) / answered), dtype=np.float64)

    def _from_labels(self, turn: Turn, candidates: Sequence[Params]) -> Floats | None:
        rows = [self._draw(turn, candidates, "llambo_labels") for _ in range(self.options.draws)]
        share, _ = summarize(np.array(rows, dtype=np.float64))
        return share if np.isfinite(share).all() else None

    def _draw(self, turn: Turn, candidates: Sequence[Params], template: str) -> list[float]:
        """Return one Monte-Carlo reply: a number for each candidate; nan is no answer, inf a predicted failure."""
        found: list[float] = []
        step = self.options.per_request
        for start in range(0, len(candidates), step):
            queries = [turn.space.shown(params) for params in candidates[start : start + step]]
            found += self._replies(turn, queries, template)
        return found

    def _replies(self, turn: Turn, queries: Sequence[dict[str, Any]], template: str) -> list[float]:
        context = {**self._shared(turn), "queries": queries, "percent": round(100 * self.options.top)}
        how: dict[str, Any] = {"seed": turn.seed(), "temperature": 0.7, "max_tokens": 200 + 30 * len(queries)}
        if template == "llambo_labels":
            context["examples"] = self._examples(turn, labelled=True)
            labels = turn.voice.ask(f"search/{template}", context, labels_reply(len(queries)), **how)
            numbers = [] if labels is None else [float(label > 0) for label in labels.labels]
        else:
            context["examples"] = self._examples(turn)
            predicted = turn.voice.ask(f"search/{template}", context, predictions_reply(len(queries)), **how)
            numbers = [] if predicted is None else [math.inf if p is None else p for p in predicted.predictions]
        return (numbers + [math.nan] * len(queries))[: len(queries)]

    def _shared(self, turn: Turn) -> dict[str, object]:
        return turn.said(self.context, self.options.level)

    def _examples(self, turn: Turn, *, labelled: bool = False) -> list[dict[str, Any]]:
        """Return the trials to learn from in a fresh order, each with its value or its label."""
        trials = _shown(turn.trials, turn.valued)
        labels = top_labels(
            [t.loss if t.state == "done" and t.loss is not None else math.inf for t in trials], self.options.top
        )
        rows = []
        for place in turn.rng.permutation(len(trials)):
            row = row_of(trials[place], turn.space, maximize=turn.maximize)
            rows.append({"config": row["config"], "label": labels[place]} if labelled else row)
        return rows


def _shown(trials: Sequence[Observation], valued: Sequence[Observation]) -> list[Observation]:
    ended = [trial for trial in trials if trial.state != "running"]
    if len(ended) <= _MEMORY:
        return ended
    best = {trial.number for trial in valued[: _MEMORY // 2]}
    latest = [trial for trial in ended if trial.number not in best][-(_MEMORY - len(best)) :]
    return [*valued[: len(best)], *latest]


def build(
    *,
    seed: int,
    llm: LLM | None = None,
    space: Space | KnownSpace | None = None,
    context: TaskContext | None = None,
    options: Options | None = None,
    max_requests: int = 300,
) -> BaseSampler:
    """Return a LLAMBO sampler; without a model it is the multivariate TPE."""
    classical = build_tpe(seed=seed)
    return LLAMBOSampler(
        llm, classical, seed=seed, space=space, context=context, options=options, max_requests=max_requests
    )
