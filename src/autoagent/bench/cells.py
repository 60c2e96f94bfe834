"""One cell of a comparison: one method on one task with one seed, from the first trial to the sealed evaluation."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import optuna
from optuna import Study, Trial
from optuna.trial import TrialState

from autoagent.bench.arms import Arm, CountedLLM, build_sampler, model_of
from autoagent.bench.protocol import Benchmark, Cost, Finalizer, Outcome, SeedPlan, mean_loss
from autoagent.bench.tasks import task
from autoagent.errors import AutoAgentError
from autoagent.search.contamination import Disguise, DisguisedTrial
from autoagent.search.trials_log import distribution
from autoagent.space import Config, Space


@dataclass(frozen=True)
class Cell:
    """What to run; text and numbers, so that it reaches a process.

    Attributes:
        task: its name.
        arm: the method.
        seed: of the search.
        trials: of the search; an arm's ``budget`` multiplies them.
        plan: the seeds of the evaluations.
        top: how many of the best the sealed evaluation looks at.
    """

    task: str
    arm: Arm
    seed: int
    trials: int
    plan: SeedPlan
    top: int = 1

    @property
    def key(self) -> tuple[str, str, int]:
        """Task, arm and seed."""
        return (self.task, self.arm.name, self.seed)


@dataclass(frozen=True)
class Step:
    """One trial.

    Attributes:
        loss: mean over the tuning seeds; None without one.
        truth: of the configuration, where the benchmark knows it.
        cost: of the trial, its proposal included.
        status: as the evaluation says.
    """

    loss: float | None
    truth: float | None
    cost: Cost
    status: str


@dataclass(frozen=True)
class Record:
    """What came of a cell.

    Attributes:
        task: its name.
        arm: the method's name.
        seed: of the search.
        steps: its trials in order.
        config: that it recommends; empty when it crashed.
        tuning: its loss on the tuning seeds.
        test: its loss on each test seed.
        runners_up: mean test losses of the next best.
        error: empty, or why there is nothing: the cell ranks last.
    """

    task: str
    arm: str
    seed: int
    steps: tuple[Step, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    tuning: float | None = None
    test: tuple[float | None, ...] = ()
    runners_up: tuple[float | None, ...] = ()
    error: str = ""

    @property
    def cost(self) -> Cost:
        """Of all trials together."""
        return sum((step.cost for step in self.steps), Cost())

    def incumbents(self) -> list[float]:
        """Return, after each trial, the loss of the best so far by tuning, true where the truth is known; else inf."""
        best, shown, found = math.inf, math.inf, []
        for step in self.steps:
            if step.loss is not None and step.loss < best:
                best = step.loss
                shown = step.loss if step.truth is None else step.truth
            found.append(shown)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return one line of the journal."""
        return {**asdict(self), "config": dict(self.config)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Record:
        """Read what `to_json` wrote."""
        steps = tuple(Step(**{**step, "cost": Cost(**step["cost"])}) for step in row["steps"])
        rest = {name: value for name, value in row.items() if name != "steps"}
        return cls(**{**rest, "steps": steps, "test": tuple(row["test"]), "runners_up": tuple(row["runners_up"])})


def run_cell(cell: Cell) -> Record:
    """Search, then open the test split once for what was found.

    A method that raises one of our errors, or breaks on a task, is recorded with the reason and ranks last.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # each sampler's own remarks, once a trial, say nothing here
    benchmark = task(cell.task)
    steps: list[Step] = []
    tried: list[tuple[Config, float]] = []
    try:
        _search(cell, benchmark, steps, tried)
    except (AutoAgentError, ValueError, ArithmeticError, LookupError, RuntimeError) as error:
        return Record(*cell.key, steps=tuple(steps), error=f"{type(error).__name__}: {error}"[:500])
    if not tried:
        return Record(*cell.key, steps=tuple(steps), error="no trial has a loss")
    final = Finalizer(benchmark, cell.plan).finish(tried, top=cell.top)
    return Record(
        *cell.key,
        steps=tuple(steps),
        config=final.config,
        tuning=final.tuning,
        test=final.losses,
        runners_up=final.runners_up,
    )


def suggest(trial: Trial | DisguisedTrial, space: Space) -> Config:
    """Ask a trial for a configuration, parameter by parameter as far as the conditions go."""
    config: Config = {}
    for name, param in space.items():
        if space.is_active(name, config):
            config[name] = trial._suggest(name, distribution(param.domain))
    return space.check(config)


def _search(cell: Cell, benchmark: Benchmark, steps: list[Step], tried: list[tuple[Config, float]]) -> None:
    if cell.arm.sampler == "default":
        _evaluate(cell, benchmark, benchmark.space.default(), Cost(), steps, tried)
        return
    model = model_of(cell.arm)
    disguise = Disguise(seed=cell.seed) if cell.arm.disguised else None
    study = optuna.create_study(
        sampler=build_sampler(cell.arm, benchmark, cell.seed, model),
        direction="minimize" if disguise is None else disguise.direction("minimize"),
        study_name=f"{cell.task}-{cell.arm.name}-{cell.seed}",  # fixed: Optuna's Hyperband hashes it
    )
    for _ in range(cell.trials * cell.arm.budget):
        trial, config, cost = _proposed(study, benchmark.space, disguise, model)
        loss = _evaluate(cell, benchmark, config, cost, steps, tried)
        began = time.perf_counter()
        if loss is None:
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, loss if disguise is None else disguise.value(loss))
        steps[-1] = _later(steps[-1], time.perf_counter() - began)


def _proposed(
    study: Study, space: Space, disguise: Disguise | None, model: CountedLLM | None
) -> tuple[Trial, Config, Cost]:
    began = time.perf_counter()
    trial = study.ask()
    config = suggest(trial if disguise is None else DisguisedTrial(trial, disguise), space)
    spent = Cost(propose_s=time.perf_counter() - began)
    return trial, config, spent + model.take() if model else spent  # the first has what building the sampler spent


def _evaluate(
    cell: Cell,
    benchmark: Benchmark,
    config: Config,
    cost: Cost,
    steps: list[Step],
    tried: list[tuple[Config, float]],
) -> float | None:
    outcomes: list[Outcome] = [benchmark.evaluate(config, seed, cell.plan.tuning) for seed in cell.plan.tune]
    loss = mean_loss([outcome.loss for outcome in outcomes])
    truth = getattr(benchmark, "truth", None)
    known = truth(config) if truth is not None and loss is not None else None
    status = next((outcome.status for outcome in outcomes if outcome.status != "ok"), "ok")
    spent = cost + Cost(trials=1.0, evaluate_s=sum(outcome.seconds for outcome in outcomes))
    steps.append(Step(loss, known, spent, status))
    if loss is not None:
        tried.append((config, loss))
    return loss


def _later(step: Step, seconds: float) -> Step:
    return Step(step.loss, step.truth, step.cost + Cost(propose_s=seconds), step.status)
