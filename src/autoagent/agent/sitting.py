"""One sitting of a run, from wherever its folder stands to the end: what `run` and `resume` share."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, cast

import psutil
from optuna.samplers import BaseSampler

from autoagent.agent.code_trials import TEMPLATE as CODE_TEMPLATE
from autoagent.agent.code_trials import WithCode
from autoagent.agent.finish import Finish, read_json, write_documents
from autoagent.agent.graph import add_trials
from autoagent.agent.ideas import TEMPLATE, IdeaSource, ModelIdeas, NoIdeas
from autoagent.agent.interrupts import Interrupts, watch_interrupts
from autoagent.agent.plan import Plan, arms_of, cards
from autoagent.agent.pool import Pool
from autoagent.agent.prepare import prepare
from autoagent.agent.recorder import Recorder, View
from autoagent.agent.reserve import Reserve, choice_seconds
from autoagent.agent.scoring import TrainData
from autoagent.agent.search_loop import Search
from autoagent.agent.settings import Settings
from autoagent.errors import RunFolderError, TrialFailed
from autoagent.llm.ask import ask
from autoagent.llm.client import LLM
from autoagent.llm.meter import MeteredLLM
from autoagent.llm.recorded import RecordingLLM, spent_in
from autoagent.prompts.replies import CodeIdea, Ideas
from autoagent.registry import family
from autoagent.runs.budget import Budget, Limits, Resource
from autoagent.runs.disk import explained, undamaged
from autoagent.runs.folder import RunFolder
from autoagent.runs.heartbeat import beating, last_beat
from autoagent.runs.journal import Journal
from autoagent.runs.state import RunState
from autoagent.search.proposer import Arm, Proposer
from autoagent.search.trials_log import TrialsLog

_MEMORY_SHARE = 0.8  # of what is free, until the plan says what one trial may use


@dataclass
class Sitting:
    """A run in the hands of this process.

    Attributes:
        llm: the model behind the recording; None without one.
        view: shows what happens.
        began: of the clock, when the budget began; None is now.
        pool: whose workers are starting already; None starts them here.
    """

    folder: RunFolder
    settings: Settings
    request: str
    llm: LLM | None
    view: View
    clock: Callable[[], float] = time.monotonic
    began: float | None = None
    pool: Pool | None = None

    def run(self) -> RunState:
        """Take the run to its end and return its state.

        Raises:
            UserError: the request or the data must change.
            TrialFailed: no trial gave a model that could be delivered.
            RunFolderError: another process works on the run, or the disk refuses to be written.
            KeyboardInterrupt: the user stopped it before there was a model.
        """
        with ExitStack() as stack:
            stack.enter_context(self.folder.lock())
            stack.enter_context(explained(self.folder.root))
            journal = stack.enter_context(Journal(self.folder.journal))
            flag = stack.enter_context(watch_interrupts())
            recorder = self._recorder(journal)
            stack.enter_context(beating(self.folder.clock, recorder.budget.seconds_used))
            kind = "resumed" if recorder.state.seconds_used or recorder.state.planned else "started"
            recorder.record(kind, {"request": self.request, "seed": self.settings.seed})
            if recorder.state.ended is None:
                self._work(recorder, flag)
            if not self.folder.report.exists():  # also when a kill fell between the end and the report
                self._document(recorder)
            return recorder.state

    def _recorder(self, journal: Journal) -> Recorder:
        budget = Budget(Limits(llm_cost_usd=self.settings.max_cost_usd), self.clock)
        recorder = Recorder(journal, budget, self.view)
        spent_before = 0.0 if self.began is None else self.clock() - self.began
        used_before = max(recorder.state.seconds_used, last_beat(self.folder.clock))
        budget.seconds_before = used_before + spent_before
        told, written = recorder.state.spent, spent_in(self.folder.llm)
        spent = {name: max(told.get(name, 0.0), written.get(name, 0.0)) for name in {*told, *written} - {"seconds"}}
        budget.book(cast("Mapping[Resource, float]", spent))
        return recorder

    def _work(self, recorder: Recorder, flag: Interrupts) -> None:
        llm = self._llm(recorder)
        pool = self.pool or Pool(memory_bytes=0)
        pool.memory_bytes = int(_MEMORY_SHARE * psutil.virtual_memory().available)
        try:
            pool.warm("light")  # it imports while the request is read and the table inspected
            if not recorder.state.planned:
                plan = prepare(self.folder, self.settings, self.request, llm, recorder)
            else:
                plan = self._read_plan()
            recorder.budget.limits = plan.limits.budget()
            flag.graceful = True
            pool.memory_bytes = plan.memory_bytes
            with undamaged():
                data = TrainData.read(self.folder.data)
            reserve = Reserve(plan.limits.seconds, choice_seconds(data, plan.metric))
            reason = self._search(plan, data, llm, recorder, flag, pool, reserve)
            recorder.record("searched", {"reason": reason, "slowness": round(reserve.slowness(), 2)})
            Finish(self.folder, plan, data, recorder, pool, reserve).run(reason)
        except TrialFailed:
            if flag.asked and recorder.state.selection is None:
                raise KeyboardInterrupt from None
            raise
        finally:
            pool.close()

    def _read_plan(self) -> Plan:
        """Return the plan; what the finish will need is looked at too, since damage is better said now than then."""
        with undamaged():
            read_json(self.folder.root / "classes.json")
            return Plan.model_validate(read_json(self.folder.plan))

    def _document(self, recorder: Recorder) -> None:
        try:
            with undamaged():
                add_trials(self.folder, recorder.state)
        except RunFolderError as error:
            recorder.note(f"The trials are missing from the traced workflow: {error}")
        for problem in write_documents(self.folder):
            recorder.note(problem)

    def _llm(self, recorder: Recorder) -> LLM | None:
        if self.llm is None and self.settings.llm == "none":
            return None
        inner = None if self.llm is None else MeteredLLM(self.llm, recorder.budget)
        return RecordingLLM(inner, self.folder.llm)

    def _search(
        self,
        plan: Plan,
        data: TrainData,
        llm: LLM | None,
        recorder: Recorder,
        flag: Interrupts,
        pool: Pool,
        reserve: Reserve,
    ) -> str:
        if recorder.state.selection is not None:
            return "resumed after the search"
        arms = arms_of(plan)
        ideas = self._ideas(plan, arms, llm)
        search = Search(
            folder=self.folder,
            plan=plan,
            data=data,
            recorder=recorder,
            pool=pool,
            proposer=proposer_of(plan, arms),
            log=TrialsLog(self.folder.trials_log, {a.name: a.space for a in arms}, recorder.state.history()),
            ideas=ideas,
            reserve=reserve,
            interrupted=flag,
        )
        try:
            for preload in sorted({cards()[name].preload for name in plan.families}):
                pool.warm(preload)
            return search.run()
        finally:
            ideas.close()

    def _ideas(self, plan: Plan, arms: list[Arm], llm: LLM | None) -> IdeaSource:
        if llm is None:
            return NoIdeas()

        def ask_ideas(context: Mapping[str, object], timeout_s: float) -> Ideas:
            return ask(llm, TEMPLATE, context, Ideas, timeout_s=timeout_s)

        def ask_code(context: Mapping[str, object], timeout_s: float) -> CodeIdea:
            return ask(llm, CODE_TEMPLATE, context, CodeIdea, timeout_s=timeout_s, max_tokens=3000)

        facts = idea_facts(self.folder, plan)
        ideas = ModelIdeas(ask_ideas, arms, facts, blocking=plan.deterministic)
        return WithCode(ideas, ask_code, arms, facts, blocking=plan.deterministic) if self.settings.code else ideas


def proposer_of(plan: Plan, arms: list[Arm]) -> Proposer:
    """Return the proposer of a plan; the search and `replay` share it."""
    build = cast("Callable[..., BaseSampler]", family("samplers")[plan.sampler].load())
    return Proposer(arms, seed=plan.seed, sampler=plan.sampler, build=build, repeats=plan.repeats)


def idea_facts(folder: RunFolder, plan: Plan) -> dict[str, object]:
    """Return what a language model is shown of the task: no rows, and names only as quoted data."""
    card = read_json(folder.card)
    columns = [{key: c[key] for key in ("name", "role", "n_missing", "n_unique")} for c in card["columns"][:60]]
    facts = {key: card[key] for key in ("name", "n_rows", "target", "task", "target_summary")}
    spec: dict[str, Any] = read_json(folder.spec)
    return {
        "request": spec["request"],
        "spec": {
            key: value for key, value in _stated(spec["spec"]).items() if key not in ("intent", "warnings", "clarify")
        },
        "data_card": {**facts, "columns": columns, "n_columns": len(card["columns"])},
        "metric": plan.metric,
        "task": plan.task,
    }


def _stated(value: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the request does not state, at every depth: a model reads each word."""
    found = {key: _stated(below) if isinstance(below, dict) else below for key, below in value.items()}
    return {key: below for key, below in found.items() if below not in (None, {}, [])}


def forget(folder: RunFolder) -> None:
    """Remove a run folder in which nothing has been spent yet."""
    shutil.rmtree(folder.root, ignore_errors=True)


def raise_for_failure(state: RunState) -> None:
    """Raise when a run ended without a model.

    Raises:
        TrialFailed: so.
    """
    if state.exported is None:
        raise TrialFailed("the run has no model", kind="error")
