"""What a comparison shows: regret, ranks, pairs, budgets, and what its validation sets can tell apart."""

from __future__ import annotations

import functools
import json
import math
import statistics as plain
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoagent.bench import statistics
from autoagent.bench.arms import Arm
from autoagent.bench.cells import Record
from autoagent.bench.comparison import read_records
from autoagent.bench.protocol import Benchmark, Cost, mean_loss
from autoagent.bench.tasks import task
from autoagent.errors import UserError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """How a loss of a task becomes a regret: 0 is the optimum, 1 a median random configuration.

    Attributes:
        optimum: known, or the best that any search saw.
        median: known, or that of all trials of random search.
        is_known: whether both are known.
    """

    optimum: float
    median: float
    is_known: bool

    def regret(self, loss: float) -> float:
        """Return the regret of a loss."""
        return (loss - self.optimum) / max(self.median - self.optimum, 1e-12)


@dataclass(frozen=True)
class Adequacy:
    """What the validation set of a task can tell.

    Attributes:
        tried: configurations behind a recommendation, at most.
        units: validation units behind a loss.
        bound: see `statistics.gap_bound`, for a loss from 0 to 1.
        best: the two methods with the least mean test loss.
        difference: of their mean test losses.
        paired_se: its standard error over search seeds.
    """

    task: str
    tried: int
    units: int
    bound: float
    best: tuple[str, str]
    difference: float
    paired_se: float

    @property
    def verdict(self) -> str:
        """What to say of the two best; a difference within twice its error is none."""
        if not math.isfinite(self.paired_se) or abs(self.difference) <= 2 * self.paired_se:
            return "not distinguishable"
        return "distinguishable" if abs(self.difference) > self.bound else "by the paired error only"


class Standing:
    """A comparison read back from its folder; every figure of the report is computed here.

    Attributes:
        settings: of ``comparison.json``.
        arms: methods that are ranked.
        references: methods that are shown beside them.
        tasks: names.
        seeds: of the searches.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "comparison.json"
        if not path.is_file():
            raise UserError(f"{str(folder)!r} has no comparison; run: autoagent bench samplers --out {folder}")
        self.settings: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        every = [Arm(**row) for row in self.settings["arms"]]
        self.every_arm = {arm.name: arm for arm in every}
        self.arms = [arm.name for arm in every if not arm.is_reference]
        self.references = [arm.name for arm in every if arm.is_reference]
        self.tasks: list[str] = list(self.settings["tasks"])
        self.seeds: list[int] = list(self.settings["seeds"])
        self.trials = int(self.settings["trials"])
        self.records = {(r.task, r.arm, r.seed): r for r in read_records(folder / "records.jsonl")}

    @functools.cached_property
    def missing(self) -> list[tuple[str, str, int]]:
        """Cells that were not run."""
        names = [*self.arms, *self.references]
        cells = [(t, a, s) for t in self.tasks for a in names for s in self.seeds]
        return [cell for cell in cells if cell not in self.records]

    def benchmark(self, name: str) -> Benchmark:
        """Return a task."""
        return _task(name)

    @functools.cached_property
    def scales(self) -> dict[str, Scale]:
        """How losses of each task are scaled."""
        return {name: self._scale(name) for name in self.tasks}

    def curve(self, arm: str, name: str) -> Floats:
        """Return ``(seeds, trials)`` regrets of the best so far on a task; inf before the first loss and after a crash.

        A method with fewer trials keeps its last.
        """
        rows = np.full((len(self.seeds), self.trials), np.nan)
        for row, seed in enumerate(self.seeds):
            record = self.records.get((name, arm, seed))
            if record is None:
                continue
            budget = self.every_arm[arm].budget
            best = record.incumbents()[budget - 1 :: budget] or [math.inf]
            best += [math.inf if record.error else best[-1]] * (self.trials - len(best))
            rows[row] = [self.scales[name].regret(value) for value in best[: self.trials]]
        return rows

    def mean_curve(self, arm: str) -> Floats:
        """Return ``(trials,)`` mean regrets over tasks and seeds; what has no loss counts as the worst seen there."""
        rows = [self._capped(arm, name) for name in self.tasks]
        means = [row[~np.isnan(row).any(axis=1)].mean(axis=0) for row in rows if not np.isnan(row).any(axis=1).all()]
        return np.mean(means, axis=0) if means else np.full(self.trials, np.nan)

    def final(self, record: Record | None) -> float:
        """Return what a search is judged by: its recommendation's true loss, else its mean test loss; inf is a crash.

        NaN when it was not run.
        """
        if record is None:
            return math.nan
        if record.error:
            return math.inf
        truths = [step.truth for step in record.steps if step.loss == record.tuning and step.truth is not None]
        value = truths[0] if truths else mean_loss(record.test)
        return math.inf if value is None else value

    def finals(self, arm: str) -> Floats:
        """Return ``(tasks, seeds)`` final regrets."""
        return np.array(
            [
                [self.scales[name].regret(self.final(self.records.get((name, arm, seed)))) for seed in self.seeds]
                for name in self.tasks
            ]
        )

    @functools.cached_property
    def task_ranks(self) -> Floats:
        """``(tasks, arms)``: mean over seeds of the ranks within a seed, so that no seed outweighs another.

        Tasks without a seed that every method has run are left out.
        """
        table = np.stack([self.finals(arm) for arm in self.arms], axis=2)
        whole = [rows[~np.isnan(rows).any(axis=1)] for rows in table]  # a seed counts when every method has run it
        ranked = [statistics.ranks(np.where(np.isinf(rows), np.nan, rows)).mean(axis=0) for rows in whole if len(rows)]
        return np.stack(ranked) if ranked else np.full((1, len(self.arms)), np.nan)

    @functools.cached_property
    def mean_ranks(self) -> dict[str, float]:
        """Mean rank of each method over tasks, best first."""
        means = dict(zip(self.arms, self.task_ranks.mean(axis=0).tolist(), strict=True))
        return dict(sorted(means.items(), key=lambda item: item[1]))

    @property
    def critical_difference(self) -> float | None:
        """Nemenyi's, with at least 10 tasks and 2 methods."""
        if len(self.task_ranks) < statistics.LEAST_TASKS or len(self.arms) < 2:
            return None
        return statistics.critical_difference(len(self.arms), len(self.task_ranks))

    @property
    def friedman(self) -> float | None:
        """Friedman's p-value, with at least 10 tasks and 3 methods."""
        if len(self.task_ranks) < statistics.LEAST_TASKS or len(self.arms) < 3:
            return None
        return statistics.friedman(self.task_ranks)

    @functools.cached_property
    def pairs(self) -> list[statistics.Comparison]:
        """Every two methods."""
        return statistics.compare_all({arm: self.finals(arm) for arm in self.arms})

    def cost(self, arm: str) -> Cost:
        """Return what all searches of a method cost together."""
        return sum((record.cost for key, record in self.records.items() if key[1] == arm), Cost())

    def crashes(self, arm: str) -> tuple[int, int]:
        """Return searches of a method that gave nothing, and trials that crashed."""
        of_arm = [record for key, record in self.records.items() if key[1] == arm]
        trials = sum(step.status != "ok" for record in of_arm for step in record.steps)
        return sum(bool(record.error) for record in of_arm), trials

    def summary(self, arm: str, at: int) -> tuple[float, float]:
        """Return mean and interquartile mean of the regret after so many trials."""
        values = np.concatenate([self._capped(arm, name)[:, min(at, self.trials) - 1] for name in self.tasks])
        values = values[np.isfinite(values)]
        return float(values.mean()) if values.size else math.nan, statistics.interquartile_mean(values.tolist())

    def optimism(self, arm: str) -> float | None:
        """Return how much worse, on average, the test was than the tuning loss, on tasks where chance plays a part."""
        gaps = [
            mean - record.tuning
            for (name, found, _), record in self.records.items()
            if found == arm and self.benchmark(name).units and record.tuning is not None
            if (mean := mean_loss(record.test)) is not None
        ]
        return plain.mean(gaps) if gaps else None

    def adequacy(self) -> list[Adequacy]:
        """Return what each task's validation set can tell; exact tasks are left out."""
        found = []
        for name in self.tasks:
            units = self.benchmark(name).units
            losses = {arm: self._tests(arm, name) for arm in self.arms}
            whole = {arm: row for arm, row in losses.items() if len(row) == len(self.seeds)}
            if not units or len(whole) < 2:
                continue
            first, second = sorted(whole, key=lambda arm: plain.mean(whole[arm]))[:2]
            found.append(
                Adequacy(
                    name,
                    self.trials,
                    units,
                    statistics.gap_bound(self.trials, units * len(self.settings["tune_seeds"])),
                    (first, second),
                    plain.mean(whole[second]) - plain.mean(whole[first]),
                    statistics.paired_se(whole[second], whole[first]),
                )
            )
        return found

    def against(self, arm: str, axis: str) -> list[tuple[float, float]]:
        """Return mean regret against mean cumulative ``seconds`` or ``cost_usd``, one point per trial."""
        spent = []
        for (_, found, _), record in self.records.items():
            if found == arm and len(record.steps) >= self.trials:
                amounts = [_amount(step.cost, axis) for step in record.steps[: self.trials]]
                spent.append(np.cumsum(amounts))
        if not spent:
            return []
        return list(zip(np.mean(spent, axis=0).tolist(), self.mean_curve(arm).tolist(), strict=True))

    def _tests(self, arm: str, name: str) -> list[float]:
        values = [mean_loss(r.test) for s in self.seeds if (r := self.records.get((name, arm, s))) is not None]
        return [value for value in values if value is not None]

    def _capped(self, arm: str, name: str) -> Floats:
        rows = self.curve(arm, name)
        return np.where(np.isinf(rows), self._worst[name], rows)

    @functools.cached_property
    def _worst(self) -> dict[str, float]:
        found = {}
        for name in self.tasks:
            losses = [
                step.loss if step.truth is None else step.truth
                for key, record in self.records.items()
                if key[0] == name
                for step in record.steps
                if step.loss is not None
            ]
            found[name] = self.scales[name].regret(max(losses, default=self.scales[name].median))
        return found

    def _scale(self, name: str) -> Scale:
        benchmark = self.benchmark(name)
        of_task = {key: record for key, record in self.records.items() if key[0] == name}
        seen = [best for record in of_task.values() for best in record.incumbents()[-1:] if math.isfinite(best)]
        tests = [value for record in of_task.values() if (value := mean_loss(record.test)) is not None]
        optimum = benchmark.optimum if benchmark.optimum is not None else min([*seen, *tests], default=0.0)
        random = [r for key, r in of_task.items() if key[1] in ("random", "random_twice")] or list(of_task.values())
        losses = [step.loss for record in random for step in record.steps if step.loss is not None]
        median = benchmark.median if benchmark.median is not None else plain.median(losses or [optimum + 1.0])
        return Scale(optimum, median, benchmark.optimum is not None and benchmark.median is not None)


@functools.lru_cache(maxsize=64)
def _task(name: str) -> Benchmark:
    return task(name)


def _amount(cost: Cost, axis: str) -> float:
    return cost.evaluate_s + cost.propose_s if axis == "seconds" else cost.cost_usd or 0.0


def checkpoints(trials: int) -> Sequence[int]:
    """Return the numbers of trials that tables show."""
    return [at for at in (5, 10, 25, 50, 100, 200) if at < trials] + [trials]
