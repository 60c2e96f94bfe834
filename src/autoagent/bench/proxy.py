"""A cheap stand-in for a benchmark: a Gaussian process fitted to configurations of it that were evaluated once."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoagent.bench.protocol import Outcome, Split
from autoagent.errors import UserError
from autoagent.search.surrogate.features import Features
from autoagent.search.surrogate.process import Process, fit
from autoagent.search.trials_log import distribution
from autoagent.space import Config, Space

_DRAWS = 2000  # of the space, for the median and the least loss that the process knows


@dataclass(frozen=True)
class Proxy:
    """A benchmark's losses as a function that costs a fraction of a millisecond.

    Source: surrogate benchmarks, arXiv:1409.3389 and carps. Differs: a Gaussian process, whose noise is that of the
    evaluations it was fitted to; a test seed draws other noise. Losses that are farther above the median than twice
    its distance from the best count as that, since a few that diverge would be all that a process sees, and the mean
    never leaves their range. What it says of the real task is no better than `agreement`, and a sampler with such a
    process of its own is at home here: compare on the real task too.

    Attributes:
        name: of the task.
        space: of the benchmark.
        configs: that were evaluated.
        losses: ``(n,)`` of them.
        about: what a language model may be told.
    """

    name: str
    space: Space
    configs: tuple[Config, ...]
    losses: NDArray[np.float64]
    units: int | None = None
    about: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.configs) != len(self.losses) or len(self.losses) < 20:
            raise UserError(f"{self.name}: at least 20 configurations, each with a loss, are needed for a proxy")

    @property
    def optimum(self) -> float:
        """The least noiseless loss among many draws and the configurations themselves."""
        return self._ends[0]

    @property
    def median(self) -> float:
        """The median noiseless loss of many draws."""
        return self._ends[1]

    def truth(self, config: Config) -> float:
        """Return the loss without noise."""
        return float(self._means(self._fitted[0].rows([config]))[0])

    def evaluate(self, config: Config, seed: int, split: Split, fidelity: float = 1.0) -> Outcome:
        """Return the process's mean and a draw of its noise, larger at a lower fidelity."""
        split.check(seed)
        rng = np.random.default_rng([seed, *json.dumps(config, sort_keys=True).encode()])
        spread = np.sqrt(self._fitted[1].noise / fidelity) * self._scale[1]
        return Outcome(self.truth(config) + float(spread * rng.normal()))

    def agreement(self, folds: int = 5) -> float:
        """Return the rank correlation of held-out losses with what a process of the others says of them."""
        from scipy.stats import spearmanr

        features, rows, targets = self._data
        said, order = np.empty(len(targets)), np.random.default_rng(0).permutation(len(targets)) % folds
        for number in range(folds):
            kept = order != number
            said[~kept] = fit(features, rows[kept], targets[kept]).predict(rows[~kept])[0]
        return float(spearmanr(said, targets).statistic)

    @functools.cached_property
    def _scale(self) -> tuple[NDArray[np.float64], float, float]:
        """The losses without what is far above the median, their deviation and their mean."""
        middle = float(np.median(self.losses))
        tame = np.minimum(self.losses, middle + 2.0 * (middle - float(self.losses.min())))
        return tame, float(tame.std()), float(tame.mean())

    @functools.cached_property
    def _data(self) -> tuple[Features, NDArray[np.float64], NDArray[np.float64]]:
        features = Features({name: distribution(param.domain) for name, param in self.space.items()})
        tame, spread, mean = self._scale
        return features, features.rows(self.configs), (tame - mean) / spread

    def _means(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        tame, spread, mean = self._scale
        return np.clip(self._fitted[1].predict(rows)[0] * spread + mean, tame.min(), tame.max())

    @functools.cached_property
    def _fitted(self) -> tuple[Features, Process]:
        features, rows, targets = self._data
        return features, fit(features, rows, targets)

    @functools.cached_property
    def _ends(self) -> tuple[float, float]:
        features = self._fitted[0]
        rng = random.Random(0)
        drawn = features.rows([self.space.sample(rng) for _ in range(_DRAWS)])
        means, known = self._means(drawn), self._means(self._data[1])
        return float(min(means.min(), known.min())), float(np.median(means))


def svm_diabetes() -> Proxy:
    """Return the proxy of the task ``svm_diabetes``: 100 configurations of it, evaluated once."""
    from autoagent.bench.sklearn_tasks import SklearnTask

    real = SklearnTask("diabetes", "svm")
    row: dict[str, Any] = json.loads((Path(__file__).parent / "proxy_svm_diabetes.json").read_text(encoding="utf-8"))
    named = [dict(zip(row["names"], values, strict=True)) for values in row["configs"]]
    configs = tuple(real.space.check({n: v for n, v in one.items() if v is not None}) for one in named)
    return Proxy("proxy_svm_diabetes", real.space, configs, np.array(row["losses"]), about={"model": "svm"})
