"""How many turns a language model has: at most a fixed share, fewer or none while its trials rank behind the others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

from autoagent.search.history import Observation

_WINDOW = 40  # latest trials that count
_TRUST = 2  # trials of the model before it is judged
_SLOPE = 4.0  # share that is lost by a rank that is behind by one


def share_of_model(history: Sequence[Observation], sources: Mapping[int, str], *, most: float, price: float) -> float:
    """Return the share of turns that a language model may have now.

    Its reward is the mean rank of its trials among the latest ones, 1 the best and 0 the worst or failed; it keeps
    the whole share while its reward, less its price, is not behind the surrogate's, and loses the rest in proportion.

    Args:
        history: trials by number.
        sources: who proposed each.
        most: the share that it may have.
        price: of a question, in units of rank.
    """
    rewards = rank_rewards([one for one in history if one.state != "running"][-_WINDOW:])
    model = [reward for number, reward in rewards.items() if sources.get(number) == "llm"]
    others = [reward for number, reward in rewards.items() if sources.get(number) not in ("llm", "default")]
    if len(model) < _TRUST or not others:
        return most
    behind = float(np.mean(others)) + price - float(np.mean(model))
    return most * min(1.0, max(0.0, 1.0 - _SLOPE * behind))


def is_turn_of_model(history: Sequence[Observation], sources: Mapping[int, str], share: float) -> bool:
    """Say whether the next turn is the model's, so that its part of all trials stays below the share."""
    count = sum(sources.get(one.number) == "llm" for one in history)
    return share > 0 and count + 1 <= share * (len(history) + 1)


def has_failed_at_first(history: Sequence[Observation], sources: Mapping[int, str]) -> bool:
    """Say whether a model's first two trials or more are all worse than the default, so that it should not go on."""
    model = [_loss(one) for one in history if sources.get(one.number) == "llm" and one.state != "running"]
    default = [_loss(one) for one in history if sources.get(one.number) == "default" and one.state != "running"]
    return len(model) >= _TRUST and bool(default) and min(model) > min(default)


def rank_rewards(ended: Sequence[Observation]) -> dict[int, float]:
    """Return the reward of each trial by its number: 1 for the best, 0 for the worst; failures are worst."""
    if not ended:
        return {}
    ranks = rankdata([_loss(one) for one in ended])
    last = max(len(ended) - 1, 1)
    return {one.number: 1.0 - float(rank - 1) / last for one, rank in zip(ended, ranks, strict=True)}


def _loss(one: Observation) -> float:
    bad = one.loss is None or math.isnan(one.loss) or one.state == "failed" or one.violation > 0
    return 1e300 if bad or one.loss is None else min(one.loss, 1e300)
