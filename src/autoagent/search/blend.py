"""The value of many blends of the same out-of-fold predictions, cheap enough to try thousands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from autoagent.data.metrics import METRICS, Array, score
from autoagent.errors import DataError

_ROWS = 10_000
_RANKING_CELLS = 12_000  # rows * classes that a ranking metric sorts for each blend
_TIE_BREAK = 1e-3  # weight of the log-loss beside a label metric, whose steps are coarse


class Blender:
    """Predictions of several trials on some rows.

    Large tables are judged by a random part of their rows: 10,000, fewer for metrics that sort.
    """

    def __init__(
        self,
        numbers: Sequence[int],
        oofs: Mapping[int, NDArray[np.floating]],
        y: Array,
        rows: NDArray[np.int64],
        metric: str,
        seed: int,
    ) -> None:
        shape = oofs[numbers[0]].shape
        classes = shape[1] if len(shape) == 2 else 1
        most = _RANKING_CELLS // classes if metric in ("roc_auc", "average_precision") else _ROWS
        picked = np.random.default_rng(seed).permutation(len(rows))[: max(most, 1000)]
        self._metric = metric
        self._y = y[picked]
        self._preds = {m: np.asarray(oofs[m], dtype=float)[rows[picked]] for m in numbers}

    def halves(self, shuffles: int, seed: int) -> Iterator[tuple[Blender, Blender]]:
        """Yield each half of the rows with the other half, for so many random divisions."""
        rng = np.random.default_rng(seed)
        for _ in range(shuffles):
            one = rng.permutation(len(self._y)) % 2 == 0
            yield self._only(one), self._only(~one)
            yield self._only(~one), self._only(one)

    def _only(self, rows: NDArray[np.bool_]) -> Blender:
        part = object.__new__(Blender)
        part._metric, part._y = self._metric, self._y[rows]
        part._preds = {m: values[rows] for m, values in self._preds.items()}
        return part

    def value(self, counts: Mapping[int, int]) -> float:
        """Return the score of the blend with these weights, NaN where it is not defined."""
        whole = sum(counts.values())
        return self._judge(np.asarray(sum(c * self._preds[m] for m, c in counts.items())) / whole)

    def order(self, numbers: Sequence[int]) -> list[int]:
        """Return the trials, the best single one first."""
        return sorted(numbers, key=lambda m: -np.nan_to_num(self.value({m: 1}), nan=-np.inf))

    def best_step(self, counts: Mapping[int, int], allowed: Sequence[int]) -> tuple[int, float]:
        """Return the trial that is best to add once more, and the score after it."""
        total = np.asarray(sum(c * self._preds[m] for m, c in counts.items()))
        whole = sum(counts.values()) + 1
        values = [np.nan_to_num(self._judge((total + self._preds[m]) / whole), nan=-np.inf) for m in allowed]
        place = int(np.argmax(values))
        return allowed[place], float(values[place])

    def _judge(self, blend: Array) -> float:
        try:
            value = score(self._metric, self._y, blend)
        except DataError:  # for example one class only among a few rows
            return float("nan")
        if METRICS[self._metric].needs == "label":
            value += _TIE_BREAK * score("log_loss", self._y, blend)
        return value
