"""Which trials to deliver together: greedy forward selection on out-of-fold predictions (Caruana et al., ICML 2004).

Differs: the selection starts from an even blend of the best trials, as their sorted initialisation does but with so
many that the luck of one among hundreds of trials cannot decide; it is made on halves of the rows and the weights are
averaged; the rows left out judge whether a single trial is better than the blends by more than a standard error; size
and latency limits hold for every choice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoagent.data.metrics import METRICS, Array, score
from autoagent.errors import DataError
from autoagent.runs.state import Selection
from autoagent.search.blend import Blender
from autoagent.search.rule import decision_rule

_CANDIDATES = 24
_SHUFFLES = 5  # each gives two halves of the rows
_START = 8  # trials that a blend begins with: fewer followed the luck of single trials on 24 run folders
_STEPS = 15
_PATIENCE = 5
_MIN_ROWS = 20
_MIN_COVER = 0.9  # of the rows that the fullest trial predicts; whoever has fewer is not compared


@dataclass(frozen=True)
class _Limits:
    """What a set of members may cost: the sums of their sizes and latencies."""

    sizes: Mapping[int, int]
    predict_s: Mapping[int, float]
    max_bytes: int | None
    max_predict_s: float | None
    max_members: int

    def allow(self, members: set[int]) -> bool:
        fits = self.max_bytes is None or sum(self.sizes[m] for m in members) <= self.max_bytes
        fast = self.max_predict_s is None or sum(self.predict_s[m] for m in members) <= self.max_predict_s
        return fits and fast and len(members) <= self.max_members


def choose(  # noqa: PLR0913 - the limits are separate facts of a request
    oofs: Mapping[int, NDArray[np.floating]],
    y: Array,
    metric: str,
    *,
    sizes: Mapping[int, int],
    predict_s: Mapping[int, float],
    max_bytes: int | None = None,
    max_members: int = 8,
    max_predict_s: float | None = None,
    seed: int = 0,
) -> Selection:
    """Choose the trials to deliver, their weights and the decision rule.

    Args:
        oofs: ``(n, k)`` probabilities or ``(n,)`` numbers of each trial; NaN where it did not predict.
        y: ``(n,)`` class codes or numbers.
        metric: a name in ``METRICS``.
        sizes: bytes of each trial's saved models.
        predict_s: seconds that each needs for the out-of-fold rows.
        max_bytes: limit of the sum of sizes.
        max_members: limit of the number of trials.
        max_predict_s: limit of the sum of seconds.
        seed: of the row parts.

    Raises:
        DataError: there is no trial, none fits the limits, or no row was predicted by the trials together.
    """
    limits = _Limits(sizes, predict_s, max_bytes, max_predict_s, max(1, max_members))
    numbers = [number for number in sorted(oofs) if limits.allow({number})]
    if not numbers:
        raise DataError(_none_fits(list(oofs), limits))
    numbers, rows = _comparable(numbers, oofs)
    y = y[rows]
    singles = _single_scores(numbers, oofs, y, rows, metric)
    ranked = sorted(singles, key=lambda number: (-singles[number], sizes[number], number))
    best = ranked[0]
    best_score = score(metric, y, _blend({best: 1.0}, oofs, rows))
    weights, reason = _weights(ranked[:_CANDIDATES], oofs, y, rows, metric, limits, seed)
    blend = _blend(weights, oofs, rows)
    rule = decision_rule(metric, y, blend, seed=seed) if METRICS[metric].needs == "label" else ()
    if rule:
        reason += "; classes are weighted before the decision, which paid on rows left out"
    ruled = blend * np.array(rule) if rule else blend
    members = tuple(sorted(weights.items(), key=lambda pair: (-pair[1], pair[0])))
    return Selection(members, score(metric, y, ruled), best_score, rule, reason)


def choose_one(scores: Mapping[int, float], sizes: Mapping[int, int], *, max_bytes: int | None = None) -> Selection:
    """Choose the one best trial, of predictions that cannot be averaged; the smallest where none fits.

    Args:
        scores: out of fold, higher is better.
        sizes: bytes of each trial's saved model.
        max_bytes: limit of its size.
    """
    fitting = [m for m in sorted(scores) if max_bytes is None or sizes[m] <= max_bytes]
    if not fitting:
        best = min(sorted(scores), key=lambda m: sizes[m])
        return Selection(((best, 1.0),), scores[best], max(scores.values()), (), f"trial {best} is the smallest")
    best = max(fitting, key=lambda m: scores[m])
    return Selection(((best, 1.0),), scores[best], scores[best], (), f"trial {best} is the best that fits")


def _none_fits(numbers: Sequence[int], limits: _Limits) -> str:
    if not numbers:
        return "no trial ended with out-of-fold predictions; there is nothing to choose from"
    said = []
    small = min(numbers, key=lambda m: (limits.sizes[m], m))
    if limits.max_bytes is not None and limits.sizes[small] > limits.max_bytes:
        said.append(f"the smallest is trial {small} with {limits.sizes[small]:,} bytes of {limits.max_bytes:,}")
    quick = min(numbers, key=lambda m: (limits.predict_s[m], m))
    if limits.max_predict_s is not None and limits.predict_s[quick] > limits.max_predict_s:
        took, most = limits.predict_s[quick], limits.max_predict_s
        said.append(f"the fastest is trial {quick} with {took:.4g} s of {most:.4g} s")
    said = said or [f"trial {small} is the smallest with {limits.sizes[small]:,} bytes but too slow"]
    return f"none of {len(numbers)} trials fits the limits: {'; '.join(said)}. Allow more, or ask for a smaller family"


def _comparable(
    numbers: Sequence[int], oofs: Mapping[int, NDArray[np.floating]]
) -> tuple[list[int], NDArray[np.bool_]]:
    """Return the trials that predict nearly all that any predicts, and the rows that all of those predict."""
    known = {m: np.isfinite(oofs[m]).reshape(len(oofs[m]), -1).all(axis=1) for m in numbers}
    most = max(int(mask.sum()) for mask in known.values())
    kept = [m for m in numbers if known[m].sum() >= _MIN_COVER * most]
    rows = np.logical_and.reduce([known[m] for m in kept])
    if not rows.any():
        raise DataError("no row was predicted by all trials that fit; they cannot be compared")
    return kept, rows


def _single_scores(
    numbers: Sequence[int],
    oofs: Mapping[int, NDArray[np.floating]],
    y: Array,
    rows: NDArray[np.bool_],
    metric: str,
) -> dict[int, float]:
    return {m: score(metric, y, np.asarray(oofs[m], dtype=float)[rows]) for m in numbers}


def _blend(weights: Mapping[int, float], oofs: Mapping[int, NDArray[np.floating]], rows: NDArray[np.bool_]) -> Array:
    return np.asarray(sum(w * np.asarray(oofs[m], dtype=float)[rows] for m, w in weights.items()))


def _weights(
    ranked: Sequence[int],
    oofs: Mapping[int, NDArray[np.floating]],
    y: Array,
    rows: NDArray[np.bool_],
    metric: str,
    limits: _Limits,
    seed: int,
) -> tuple[dict[int, float], str]:
    """Average the choices of several halves, unless a single trial is really better on the rows left out."""
    best = ranked[0]
    if len(ranked) == 1 or limits.max_members == 1 or rows.sum() < _MIN_ROWS:
        return {best: 1.0}, f"trial {best} is the best that fits"
    blender = Blender(ranked, oofs, y, np.flatnonzero(rows), metric, seed)
    bags: list[dict[int, int]] = []
    gains: list[float] = []
    for fit, held in blender.halves(_SHUFFLES, seed):
        order = fit.order(ranked)
        bags.append(_greedy(fit, order, limits))
        gains.append(held.value(bags[-1]) - held.value({order[0]: 1}))
    gain = float(np.nanmean(gains)) if np.isfinite(gains).any() else 0.0
    if gain <= -float(np.nan_to_num(np.nanstd(gains))) / math.sqrt(_SHUFFLES) or all(len(bag) == 1 for bag in bags):
        return {best: 1.0}, f"trial {best} alone: blends did not gain on rows left out"
    weights = _average(bags, limits)
    names = f"{len(weights)} trials" if len(weights) > 1 else f"trial {next(iter(weights))}"
    return weights, f"{names} blended on {len(bags)} halves of the rows; mean gain on the other halves {gain:.2g}"


def _greedy(part: Blender, order: Sequence[int], limits: _Limits) -> dict[int, int]:
    """Grow from each of a few sets, with replacement; the shortest of the best states wins."""
    found: list[tuple[float, dict[int, int]]] = []
    for start in _starts(order, limits):
        counts, value = dict.fromkeys(start, 1), part.value(dict.fromkeys(start, 1))
        top = (value, dict(counts))
        for _ in range(_STEPS):
            allowed = [m for m in order if limits.allow({*counts, m})]
            step, value = part.best_step(counts, allowed)
            counts[step] = counts.get(step, 0) + 1
            if value > top[0] + 1e-9:
                top = (value, dict(counts))
        found.append(top)
    return max(found, key=lambda pair: pair[0])[1]


def _starts(order: Sequence[int], limits: _Limits) -> list[list[int]]:
    """Return the best trials together; where that passes a limit, each of the best three and what fits beside it."""
    if limits.allow(set(order[:_START])):
        return [list(order[:_START])]
    starts = []
    for first in order[:3]:
        kept = [first]
        for other in order[:_START]:
            if other != first and limits.allow({*kept, other}):
                kept.append(other)
        starts.append(kept)
    return starts


def _average(bags: Sequence[Mapping[int, int]], limits: _Limits) -> dict[int, float]:
    """Average the weights of several choices, the heaviest first as far as the limits go."""
    total: dict[int, float] = {}
    for counts in bags:
        for member, count in counts.items():
            total[member] = total.get(member, 0.0) + count / sum(counts.values()) / len(bags)
    kept: dict[int, float] = {}
    for member in sorted(total, key=lambda m: (-total[m], m)):
        if total[member] >= 0.02 and limits.allow({*kept, member}):
            kept[member] = total[member]
    whole = sum(kept.values())
    return {member: weight / whole for member, weight in kept.items()}
