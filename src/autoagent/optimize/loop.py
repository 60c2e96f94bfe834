"""The one loop of all optimizers: ask, run, tell; split, budget, record and resume are in it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from autoagent.errors import BudgetExceeded, LLMError
from autoagent.optimize.candidate import Candidate, Outcome, rank
from autoagent.optimize.evaluation import Evaluator, Judge, Runner, Threads, Workflow
from autoagent.optimize.instances import Split, minibatches, split
from autoagent.optimize.interval import Difference, paired_difference
from autoagent.optimize.optimizer import Optimizer
from autoagent.optimize.prompt import Try
from autoagent.optimize.purse import Purse
from autoagent.optimize.record import Record, RecordedTalk
from autoagent.runs.budget import Budget, Limits


@dataclass(frozen=True)
class Plan:
    """How to go about an optimization.

    Attributes:
        steps: rounds of ask, run and tell.
        candidates: asked for in a round.
        minibatch: training instances of a round; None is all.
        validation: share of the instances to choose by, where they come as one sequence.
        test: share that is opened once at the end.
        workers: threads that run candidates.
        patience: rounds in a row without a new candidate after which it ends.
        seed: of the split and the minibatches.
        limits: of seconds, model calls, tokens and dollars; ``trials`` counts runs of the workflow, the test included.
    """

    steps: int = 10
    candidates: int = 1
    minibatch: int | None = None
    validation: float = 0.25
    test: float = 0.25
    workers: int = 1
    patience: int = 3
    seed: int = 0
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Result:
    """What an optimization came to.

    Attributes:
        best: the chosen candidate; the parameters hold its values.
        start: the candidate that it began with.
        score: of the best, on the instances to choose by; None after an error.
        start_score: of the start, on the same.
        test_score: of the best on the test instances, which were run once after the end; None without any.
        test_start_score: of the start on the same.
        test_difference: the paired difference on the test instances, best minus start, with a 95 % interval.
        test_failed: test runs of the best without a score.
        stopped: why it ended.
        steps: rounds made.
        num_runs: runs of the workflow.
        num_calls: replies asked for.
        num_failed_replies: questions without a usable reply.
        num_duplicates: proposals that had been tried before.
        used: seconds, calls, tokens and dollars.
        history: what was proposed, in order, the start first, and what came of it on training instances.
    """

    best: Candidate
    start: Candidate
    score: float | None
    start_score: float | None
    test_score: float | None
    test_start_score: float | None
    test_difference: Difference | None
    test_failed: int
    stopped: str
    steps: int
    num_runs: int
    num_calls: int
    num_failed_replies: int
    num_duplicates: int
    used: Mapping[str, float]
    history: tuple[Try, ...] = field(repr=False)


def optimize(
    workflow: Workflow,
    optimizer: Optimizer,
    instances: Sequence[Any] | Split = (None,),
    *,
    judge: Judge | None = None,
    plan: Plan | None = None,
    record: Path | str | None = None,
    runner: Runner | None = None,
) -> Result:
    """Improve the parameters of a workflow, and leave the best values in them.

    A round runs the candidates to start from on a minibatch, asks for new ones, and runs these on the same minibatch.
    One that beats its parent there is run on the instances to choose by, and becomes the best if it is better there.
    Of the test instances neither the optimizer nor the choice learns anything.

    Args:
        workflow: takes an instance, returns an output, traced or plain; it may call ``backward`` itself.
        optimizer: what proposes; with parameters that the workflow reads.
        instances: one sequence, which is split, or a ``Split``.
        judge: ``(instance, output) -> score, text, (score, text) or Feedback``; None where the workflow calls
            ``backward`` itself.
        plan: rounds, split, limits, seed.
        record: a JSONL file; where it holds a cut run of the same settings, that one goes on.
        runner: runs the candidates; threads of this process when None.

    Raises:
        BudgetExceeded: the limits do not even allow the first runs.
        RunFolderError: the record is damaged, or of a run with other settings.
    """
    plan = plan or Plan()
    parts = (
        instances
        if isinstance(instances, Split)
        else split(instances, validation=plan.validation, test=plan.test, seed=plan.seed)
    )
    runner = runner or Threads(workflow, judge, optimizer.parameters, workers=plan.workers)
    with Record(None if record is None else Path(record)) as notes:
        budget = Budget(plan.limits, time.monotonic, seconds_before=notes.elapsed_s)
        purse = Purse(budget, notes.spent)
        if isinstance(runner, Threads):
            runner.purse = purse
        optimizer.spend_from(budget, lambda llm: RecordedTalk(llm, notes))
        try:
            result = _Search(optimizer, parts, plan, budget, Evaluator(runner, notes, budget, purse), notes).run()
        finally:
            optimizer.spend_from(None, lambda llm: llm)
            runner.close()
    optimizer.parameters.assign(result.best)
    return result


class _Search:
    """One optimization under way."""

    def __init__(
        self, optimizer: Optimizer, parts: Split, plan: Plan, budget: Budget, evaluator: Evaluator, notes: Record
    ) -> None:
        self.optimizer, self.plan, self.budget, self.notes = optimizer, plan, budget, notes
        self.evaluator = evaluator
        self.train = _named(parts.train)
        self.choosing = ("validation", _named(parts.validation)) if len(parts.validation) else ("train", self.train)
        self.sealed = _named(parts.test)
        self.start = optimizer.parameters.current()
        self.best, self.best_outcome = self.start, Outcome(())
        self.start_outcome = self.best_outcome
        self.reserved = 2 * len(self.sealed)
        self.proposed = [self.start]

    def run(self) -> Result:
        """Make the rounds, then open the test instances once."""
        self.notes.write("started", self._settings())
        self.budget.reserve("trials", self.reserved)
        spent = 0
        try:
            self._judge_start()
            stopped, steps = self._rounds()
            tested, untested = self._test()
            stopped += untested
            spent = sum(len(outcome.cases) for outcome in tested)
        finally:
            self.budget.settle("trials", reserved=self.reserved, spent=spent)
        return self._result(stopped, steps, tested)

    def _judge_start(self) -> None:
        part, instances = self.choosing
        self.start_outcome = self.best_outcome = self.evaluator.outcomes([self.start], part, instances)[0]
        if part == "validation":
            self.optimizer.hear_scores(self.start, self.best_outcome.cells)

    def _rounds(self) -> tuple[str, int]:
        batches = minibatches(len(self.train), self.plan.minibatch, seed=self.plan.seed)
        idle = step = 0
        for step in range(1, self.plan.steps + 1):
            try:
                if self.budget.seconds_left() == 0:
                    return "seconds: the limit is reached", step - 1
                is_new, reason = self._round(step, batches)
            except BudgetExceeded as error:
                self._note(step, "budget", str(error))
                return str(error), step
            except LLMError as error:
                self._note(step, "llm_failed", str(error))
                is_new, reason = False, str(error)
            if reason == "passed":
                return "every training run of the best reached the target", step
            idle = 0 if is_new else idle + 1
            if idle >= self.plan.patience:
                return f"no new candidate in {idle} rounds; the last time: {reason or 'nothing was proposed'}", step
        return f"{self.plan.steps} rounds were made", step

    def _round(self, step: int, batches: Iterator[list[int]]) -> tuple[bool, str]:
        names = list(self.train)
        batch = {names[place]: self.train[names[place]] for place in next(batches)}
        bases = self.optimizer.focus(self.plan.candidates)
        for base, outcome in zip(bases, self.evaluator.outcomes(bases, "train", batch), strict=True):
            self.optimizer.tell(base, outcome)
        if self._all_passed():
            self._note(step, "passed", "")
            return False, "passed"
        failures = self.optimizer.failures
        asked = self.optimizer.ask(self.plan.candidates)
        for failure in self.optimizer.failed[failures:]:
            self.notes.write("failed_reply", {"step": step, "message": failure.message[:2000]})
        for candidate in asked:
            row = {"step": step, "key": candidate.key, "values": candidate.to_json()}
            self.notes.write("proposed", {**row, "parents": list(candidate.parents), "source": candidate.source})
        for candidate, outcome in zip(asked, self.evaluator.outcomes(asked, "train", batch), strict=True):
            self.proposed.append(candidate)
            before = [self.optimizer.tries[key].outcome for key in candidate.parents if key in self.optimizer.tries]
            self.optimizer.tell(candidate, outcome)
            if all(_is_better(outcome, parent) for parent in before):
                self._choose(candidate)
        self._note(step, "ran" if asked else "idle", self.optimizer.last_reason if not asked else "")
        return bool(asked), self.optimizer.last_reason

    def _all_passed(self) -> bool:
        known = self.optimizer.tries.get(self.best.key)
        whole = known is not None and set(known.outcome.scores) >= set(self.train)
        return whole and known is not None and known.outcome.passed(self.optimizer.target)

    def _choose(self, candidate: Candidate) -> None:
        part, instances = self.choosing
        outcome = self.evaluator.outcomes([candidate], part, instances)[0]
        if part == "validation":
            self.optimizer.hear_scores(candidate, outcome.cells)
        if rank(outcome) > rank(self.best_outcome):
            self.best, self.best_outcome = candidate, outcome

    def _test(self) -> tuple[list[Outcome], str]:
        """Return what came of the start and the best on the test instances, and why not where they were not run."""
        if not self.sealed:
            return [], ""
        self.notes.write("opened_test", {"best": self.best.key, "instances": len(self.sealed)})
        both = [self.start] if self.best == self.start else [self.start, self.best]
        try:
            return self.evaluator.outcomes(both, "test", self.sealed, is_reserved=True), ""
        except BudgetExceeded as error:  # of the workflow's own model calls; the runs themselves were set aside
            return [], f"; the test was not run to its end: {error}"

    def _result(self, stopped: str, steps: int, tested: Sequence[Outcome]) -> Result:
        start, best = (tested[0], tested[-1]) if tested else (Outcome(()), Outcome(()))
        names = list(self.sealed)
        pairs = [start.scores.get(name) for name in names], [best.scores.get(name) for name in names]
        result = Result(
            best=self.best,
            start=self.start,
            score=self.best_outcome.score,
            start_score=self.start_outcome.score,
            test_score=best.score,
            test_start_score=start.score,
            test_difference=paired_difference(*pairs, seed=self.plan.seed) if tested else None,
            test_failed=sum(case.score is None for case in best.cases),
            stopped=stopped,
            steps=steps,
            num_runs=self.evaluator.num_runs,
            num_calls=self.optimizer.num_calls,
            num_failed_replies=self.optimizer.failures,
            num_duplicates=self.optimizer.num_duplicates,
            used=self.budget.snapshot(),
            history=tuple(self.optimizer.tries[c.key] for c in self.proposed if c.key in self.optimizer.tries),
        )
        facts = {name: value for name, value in vars(result).items() if name not in ("best", "start", "history")}
        facts["test_difference"] = None if result.test_difference is None else asdict(result.test_difference)
        self.notes.write("finished", {**facts, "best": self.best.to_json(), "start": self.start.to_json()})
        return result

    def _note(self, step: int, status: str, message: str) -> None:
        facts = {"step": step, "status": status, "message": message[:2000], "best": self.best.key}
        elapsed = round(self.budget.seconds_used(), 3)
        self.notes.write("step", {**facts, "score": self.best_outcome.score, "elapsed_s": elapsed})

    def _settings(self) -> dict[str, Any]:
        plan = {name: value for name, value in asdict(self.plan).items() if name not in ("limits", "steps", "workers")}
        sizes = {"train": len(self.train), "choosing": len(self.choosing[1]), "test": len(self.sealed)}
        return {"optimizer": self.optimizer.name, "start": self.start.to_json(), "plan": plan, "instances": sizes}


def _is_better(outcome: Outcome, parent: Outcome) -> bool:
    common = set(outcome.scores) & set(parent.scores)
    return not common or rank(outcome.on(common)) > rank(parent.on(common))


def _named(instances: Sequence[Any]) -> dict[str, Any]:
    return {str(place): instance for place, instance in enumerate(instances)}
