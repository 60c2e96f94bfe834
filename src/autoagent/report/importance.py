"""How much of the scores' variance a parameter explains alone, within one family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autoagent.runs.state import TrialRecord
from autoagent.space import JSONScalar

MIN_TRIALS = 10
_BINS = 4


def importance(trials: Sequence[TrialRecord]) -> list[tuple[str, float]]:
    """Return each parameter's share of the variance of the ranked scores, largest first.

    The share is epsilon squared of a one-way layout over at most four equally filled bins: it is corrected for the
    number of bins, so that a parameter without effect is near 0. Ranks, so that one crash-like score decides nothing.
    Differs: no interactions (fANOVA, Hutter et al. 2014, has them).
    """
    whole = [trial for trial in trials if trial.is_whole and trial.score is not None]
    if len(whole) < MIN_TRIALS:
        return []
    names = sorted({name for trial in whole for name in trial.config})
    found = []
    for name in names:
        rows = [(trial.config[name], trial.score or 0.0) for trial in whole if name in trial.config]
        share = _epsilon_squared([value for value, _ in rows], _ranks([score for _, score in rows]))
        if share is not None:
            found.append((name, share))
    return sorted(found, key=lambda row: (-row[1], row[0]))


def by_family(trials: Sequence[TrialRecord]) -> Mapping[str, list[tuple[str, float]]]:
    """Return the importances of each family that has enough whole trials."""
    families = dict.fromkeys(trial.family for trial in trials)
    found = {name: importance([trial for trial in trials if trial.family == name]) for name in families}
    return {name: rows for name, rows in found.items() if rows}


def _epsilon_squared(values: Sequence[JSONScalar], ranks: Sequence[float]) -> float | None:
    groups: dict[object, list[float]] = {}
    for group, rank in zip(_groups(values), ranks, strict=True):
        groups.setdefault(group, []).append(rank)
    count, num_groups = len(ranks), len(groups)
    if num_groups < 2 or count - num_groups < 2:
        return None
    mean = sum(ranks) / count
    total = sum((rank - mean) ** 2 for rank in ranks)
    within = sum(sum((r - sum(g) / len(g)) ** 2 for r in g) for g in groups.values())
    if total == 0:
        return None
    between = total - within
    return max(0.0, (between - (num_groups - 1) * within / (count - num_groups)) / total)


def _groups(values: Sequence[JSONScalar]) -> list[object]:
    numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if not numeric or len(set(values)) <= _BINS:
        return [repr(value) for value in values]
    ranks = _ranks([float(v) for v in values if isinstance(v, int | float)])
    return [int(rank * _BINS / len(values)) for rank in ranks]


def _ranks(values: Sequence[float]) -> list[float]:
    """Return ranks from 0, the mean rank for equal values."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in range(start, end + 1):
            ranks[order[place]] = (start + end) / 2
        start = end + 1
    return ranks
