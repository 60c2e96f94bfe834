"""Runs candidates on instances, in threads, each once: what ran, what came of it, and what it cost."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from autoagent.errors import BudgetExceeded
from autoagent.optimize.candidate import Candidate, Case, Outcome, Parameters, rank
from autoagent.optimize.optimizer import case_of, score_of
from autoagent.optimize.purse import Purse, spending_from
from autoagent.optimize.record import Record
from autoagent.optimize.sheet import short
from autoagent.runs.budget import Budget
from autoagent.trace import ExecutionError, Node
from autoagent.trace.feedback import backward
from autoagent.trace.feedback import record as collect
from autoagent.trace.parameters import override
from autoagent.trace.problem import problem
from autoagent.trace.verdict import Feedback

Workflow = Callable[[Any], object]
Said = Feedback | float | str | Mapping[str, float] | tuple[float, str]
Judge = Callable[[Any, Any], Said]
_SHEETS = 3  # runs of a batch whose operations are kept
_OUTPUT = 1000  # characters


class Runner(Protocol):
    """Runs candidates; threads are one, processes another."""

    def run(self, jobs: Sequence[tuple[Candidate, str, Any]]) -> Sequence[Case]:
        """Return what came of each (candidate, instance's name, instance), in the order of the jobs."""

    def close(self) -> None:
        """Let go of what was started."""


class Threads:
    """Runs a workflow in threads of this process, each under its own candidate.

    Attributes:
        purse: that `metered` models of the workflow spend from.
    """

    def __init__(self, workflow: Workflow, judge: Judge | None, parameters: Parameters, *, workers: int) -> None:
        self._of = (workflow, judge, parameters)
        self.purse: Purse | None = None
        self._pool = ThreadPoolExecutor(workers, "candidate") if workers > 1 else None

    def run(self, jobs: Sequence[tuple[Candidate, str, Any]]) -> Sequence[Case]:
        """Return what came of each job, in order."""
        return list(map(self._run, jobs) if self._pool is None else self._pool.map(self._run, jobs))

    def _run(self, job: tuple[Candidate, str, Any]) -> Case:
        with spending_from(self.purse):
            return run_case(*self._of, *job)

    def close(self) -> None:
        """Wait for the threads."""
        if self._pool is not None:
            self._pool.shutdown()


def run_case(
    workflow: Workflow,
    judge: Judge | None,
    parameters: Parameters,
    candidate: Candidate,
    name: str,
    instance: Any,  # noqa: ANN401 - whatever the workflow takes
) -> Case:
    """Run a workflow under a candidate, judge its output, and return the case with its traced operations.

    What the workflow raises is recorded and is no score. A judge that raises is a bug and is let through.

    Raises:
        BudgetExceeded: a `metered` model of the workflow could have passed a limit.
    """
    started = time.perf_counter()
    with override(parameters.overrides(candidate)), collect() as run:
        try:
            output, raised = workflow(instance), None
        except BudgetExceeded:
            raise
        except ExecutionError as error:
            output, raised = error.exception_node, str(error)
        except Exception as error:  # noqa: BLE001 - the border to foreign code; the failure is recorded whole
            output, raised = None, f"{type(error).__name__}: {error}"
        value = output.data if isinstance(output, Node) else output
        said = Feedback(error=raised) if raised is not None else _judged(judge, instance, value)
        if said is not None and isinstance(output, Node):
            backward(output, said)
        posed = problem(list(parameters.nodes.values()), run.verdicts) if run.verdicts else None
    seconds = time.perf_counter() - started
    case = case_of(posed, name) if posed is not None else Case(name)
    if posed is None or said is not None:
        told = said or Feedback(text="the workflow gave no feedback")
        case = dataclasses.replace(
            case,
            score=score_of(told),
            text=case.text or told.text,
            error=told.error,
            output=short(value, _OUTPUT),
            objectives=dict(told.scores),
        )
    return dataclasses.replace(case, seconds=seconds)


class Evaluator:
    """Evaluates candidates on the instances of one part, each pair once, inside the budget.

    Attributes:
        num_runs: runs of the workflow that were made or taken from the record.
    """

    def __init__(self, runner: Runner, record: Record, budget: Budget, purse: Purse) -> None:
        self._runner, self._record, self._budget, self._purse = runner, record, budget, purse
        self._known: dict[tuple[str, str, str], Case] = {}
        self.num_runs = 0

    def outcomes(
        self,
        candidates: Sequence[Candidate],
        part: str,
        instances: Mapping[str, Any],
        *,
        is_reserved: bool = False,
    ) -> list[Outcome]:
        """Return what came of each candidate on the instances; all missing runs are made, or none.

        Args:
            candidates: to run.
            part: ``train``, ``validation`` or ``test``.
            instances: name -> instance.
            is_reserved: the runs were set aside in the budget before.

        Raises:
            BudgetExceeded: the runs would pass a limit.
        """
        wanted = [(candidate, name) for candidate in dict.fromkeys(candidates) for name in instances]
        missing = [(c, name) for c, name in wanted if (c.key, part, name) not in self._known]
        if missing:
            if not is_reserved:
                self._budget.reserve("trials", len(missing))
            made = 0
            try:
                made = self._make(missing, part, instances)
            finally:
                reserved = 0 if is_reserved else len(missing)
                self._budget.settle("trials", reserved=reserved, spent=0 if is_reserved else made)
        return [Outcome(_trimmed([self._known[c.key, part, name] for name in instances])) for c in candidates]

    def _make(self, missing: Sequence[tuple[Candidate, str]], part: str, instances: Mapping[str, Any]) -> int:
        on_file = [self._record.case(c.key, name, part) for c, name in missing]
        jobs = [(c, name, instances[name]) for (c, name), case in zip(missing, on_file, strict=True) if case is None]
        fresh = iter(self._runner.run(jobs))
        for (candidate, name), past in zip(missing, on_file, strict=True):
            case = next(fresh) if past is None else past
            if part != "train":
                case = dataclasses.replace(case, sheet=None)  # no optimizer is shown it
            self._known[candidate.key, part, name] = case
            spent = {"spent": dict(self._purse.spent)} if self._purse.spent else {}
            self._record.write("evaluated", {"candidate": candidate.key, "part": part, "case": case.to_json(), **spent})
            self.num_runs += 1
        return len(missing)


def _judged(judge: Judge | None, instance: object, value: object) -> Feedback | None:
    if judge is None:
        return None
    said = judge(instance, value)
    if isinstance(said, tuple):
        return Feedback(score=float(said[0]), text=str(said[1]))
    return Feedback.of(said)


def _trimmed(cases: Sequence[Case]) -> tuple[Case, ...]:
    """Return the cases, with the operations of the worst ones alone."""
    order = sorted(range(len(cases)), key=lambda place: rank(Outcome((cases[place],))))
    kept = set(order[:_SHEETS])
    return tuple(c if place in kept else dataclasses.replace(c, sheet=None) for place, c in enumerate(cases))
