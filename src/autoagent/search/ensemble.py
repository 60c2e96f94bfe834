"""Which trials to deliver together: greedy forward selection on out-of-fold predictions (Caruana et al., ICML 2004).

Differs: the selection is made on several parts of the rows and the weights are averaged, the rows left out judge
whether the blend is better than the best single trial at all, and size and latency limits hold for every choice.
"""

from __future__ import annotations

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
_BAGS = 5
_STEPS = 20
_PATIENCE = 5
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
    if len(weights) > 1 and score(metric, y, blend) <= best_score:
        weights, reason = {best: 1.0}, f"no blend was better than trial {best} alone"
        blend = _blend(weights, oofs, rows)
    rule = decision_rule(metric, y, blend, seed=seed) if METRICS[metric].needs == "label" else ()
    if rule:
        reason += "; classes are weighted before the decision, which paid on rows left out"
    ruled = blend * np.array(rule) if rule else blend
    members = tuple(sorted(weights.items(), key=lambda pair: (-pair[1], pair[0])))
    return Selection(members, score(metric, y, ruled), best_score, rule, reason)


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
    """Average the greedy choices of several row parts, if they beat the best single trial on the rows left out."""
    best = ranked[0]
    if len(ranked) == 1 or limits.max_members == 1 or rows.sum() < 4 * _BAGS:
        return {best: 1.0}, f"trial {best} is the best that fits"
    blender = Blender(ranked, oofs, y, np.flatnonzero(rows), metric, seed)
    bags: list[dict[int, int]] = []
    gains: list[float] = []
    for part in range(_BAGS):
        fit, held = blender.part(part, _BAGS)
        counts = _greedy(fit, ranked, limits)
        bags.append(counts)
        gains.append(held.value(counts) - held.value({fit.best(ranked): 1}))
    if not np.nanmean(gains) > 0:
        return {best: 1.0}, f"trial {best} alone: blends did not gain on rows left out"
    weights = _average(bags, limits)
    names = f"{len(weights)} trials" if len(weights) > 1 else f"trial {next(iter(weights))}"
    return weights, f"{names} chosen greedily on {_BAGS} parts of the rows; mean gain left out {np.nanmean(gains):.2g}"


def _greedy(part: Blender, ranked: Sequence[int], limits: _Limits) -> dict[int, int]:
    """Grow from each of a few best singles, with replacement; the shortest of the best states wins."""
    found: list[tuple[float, dict[int, int]]] = []
    tight = not limits.allow(set(sorted(ranked, key=lambda m: -limits.sizes[m])[: limits.max_members]))
    for start in part.order(ranked)[: 3 if tight else 1]:
        counts, value = {start: 1}, part.value({start: 1})
        top, stale = (value, dict(counts)), 0
        while sum(counts.values()) < _STEPS and stale < _PATIENCE:
            allowed = [m for m in ranked if limits.allow({*counts, m})]
            step, value = part.best_step(counts, allowed)
            counts[step] = counts.get(step, 0) + 1
            stale += 1
            if value > top[0] + 1e-9:
                top, stale = (value, dict(counts)), 0
        found.append(top)
    return max(found, key=lambda pair: pair[0])[1]


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
