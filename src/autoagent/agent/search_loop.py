"""The search: ask the proposer, run jobs in the pool, tell the journal; nothing finished is lost or run twice."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from autoagent.agent.code_trials import judge_code
from autoagent.agent.ideas import IdeaSource
from autoagent.agent.plan import BASELINES, Plan, cards
from autoagent.agent.pool import Exit, Pool
from autoagent.agent.recorder import Recorder
from autoagent.agent.reserve import Reserve
from autoagent.agent.scoring import TrainData, failed, outcome_of, read_rungs
from autoagent.data.seal import OWN_FOLDS, Folds, write_folds
from autoagent.data.splits import other_folds
from autoagent.runs.folder import RunFolder
from autoagent.runs.state import RunState, TrialRecord
from autoagent.search.proposer import Proposal, Proposer, View, trial_seed
from autoagent.search.pruning import prune_below, rung_floors, save_above
from autoagent.search.trials_log import TrialsLog
from autoagent.space import Config

_LAST_START_S = 0.5  # nothing is started with less left than this
_FIRST_S = 5.0  # a baseline that is waited for gets at least so long
_POLL_S = 0.2
_UNCOMPARED = ("baseline", "default", "portfolio", "llm", "repeat", "code")
_NEVER_REFUSED = ("baseline", "default")  # what a family is known by, however short its schedule becomes
INTERRUPTED = "interrupted"  # the reason of a search that the user ended


def visible_trials(state: RunState, number: int, plan: Plan) -> list[TrialRecord] | None:
    """Return the trials that proposal ``number`` may learn from; None while one of them has not ended.

    With a clock it is whatever has ended. Without one it is every trial up to ``number - n_workers``, so that the
    proposals do not depend on which worker was faster, and an interrupted run goes on exactly as it would have.
    """
    if not plan.deterministic:
        return state.history()
    trials = [trial for place, trial in sorted(state.trials.items()) if place <= number - plan.n_workers]
    if any(trial.status is None for trial in trials):
        return None
    return [replace(trial, seconds=0.0, predict_s=0.0, peak_bytes=0.0) for trial in trials]  # these differ by run


def view_of(state: RunState, plan: Plan, ideas: Sequence[tuple[str, Config]], *, left_s: float | None) -> View | None:
    """Return what the next proposal may depend on; the search and `replay` share it."""
    number = len(state.trials)
    ended = visible_trials(state, number, plan)
    if ended is None:
        return None
    proposed = [trial for _, trial in sorted(state.trials.items())]
    return View(
        number,
        ended,
        proposed,
        ideas,
        left_s,
        plan.memory_bytes,
        refused=[(one.family, one.config) for one in state.refused],
        codes=[(one.hook, one.source) for one in state.written if not one.fault],
        kept=state.kept_code(ended),
        unsettled=frozenset(trial.number for trial in ended if not state.is_settled(trial)),
    )


@dataclass
class Search:
    """One sitting of a search.

    Attributes:
        reserve: says when trials must have ended.
        interrupted: says that the user asked to stop.
    """

    folder: RunFolder
    plan: Plan
    data: TrainData
    recorder: Recorder
    pool: Pool
    proposer: Proposer
    log: TrialsLog
    ideas: IdeaSource
    reserve: Reserve
    interrupted: Callable[[], bool]
    _rungs: dict[int, list[float]] = field(default_factory=dict)

    def run(self) -> str:
        """Search until a limit is reached and return why it ended."""
        self.reserve.began_s = self.recorder.budget.seconds_used()
        for trial in self.recorder.state.unfinished():
            self._start(trial)
        for trial in self.recorder.state.history():
            self._judge_code(trial)  # where a kill fell between its end and the verdict
        while (reason := self._reason_to_end()) is None:
            self._ask_for_ideas()
            started = self._propose()
            if not self.pool.running and not started:
                if self.ideas.is_waiting():
                    self.ideas.wait(_POLL_S)
                    continue
                timed = self.plan.limits.seconds is not None
                return "no other trial fits into the time" if timed else "nothing is left to try"
            for ended in self.pool.poll(0.0 if started else _POLL_S):
                self._finish(ended)
        self._drop_running()
        return reason

    def _left_s(self) -> float | None:
        """Return the seconds left for trials."""
        end = self.reserve.search_end(self.recorder.state)
        return None if end is None else end - self.recorder.budget.seconds_used()

    def _waits(self) -> bool:
        """Say whether only the baseline is still waited for."""
        return self.reserve.waits(self.recorder.state, self.recorder.budget.seconds_used())

    def _reason_to_end(self) -> str | None:
        left, state, limits = self._left_s(), self.recorder.state, self.plan.limits
        if self.interrupted():
            return INTERRUPTED
        if left is not None and left <= 0 and not self._waits():
            return "time is up"
        if limits.trials is not None and len(state.finished) >= limits.trials:
            return "all trials are done"
        if limits.patience is not None and _idle_trials(state) >= limits.patience:
            return f"no better in {limits.patience} trials"
        return None

    def _ask_for_ideas(self) -> None:
        state = self.recorder.state
        ended = visible_trials(state, len(state.trials), self.plan)
        if ended is not None:
            self.ideas.step(self.recorder, ended, left_s=self._left_s())

    def _propose(self) -> bool:
        """Start at most one trial; say whether one was started."""
        left, state = self._left_s(), self.recorder.state
        full = self.plan.limits.trials is not None and len(state.trials) >= self.plan.limits.trials
        if left is not None and not state.trials and self._waits():
            left = max(left, _FIRST_S)
        if full or len(self.pool.running) >= self.plan.n_workers or (left is not None and left < _LAST_START_S):
            return False
        view = view_of(state, self.plan, self.ideas.legal(state), left_s=None if left is None else round(left, 2))
        if view is None or self.ideas.holds_back(state):
            return False
        decision = self.proposer.decide(view)
        for one in decision.refused:
            self.recorder.record("refused", {"before": view.number, **asdict(one)})
        if (proposal := decision.proposal) is None:
            return False
        self._record(proposal, len(state.trials), left)
        self._start(self.recorder.state.trials[len(state.trials)])
        return True

    def _record(self, proposal: Proposal, number: int, left: float | None) -> None:
        facts: dict[str, Any] = {"trial": number, "family": proposal.family, "config": proposal.config}
        seen = visible_trials(self.recorder.state, number, self.plan) or []
        if proposal.repeats is not None:
            facts["repeats"] = proposal.repeats
        if proposal.code:
            facts["code"] = dict(proposal.code)
        if proposal.pair is not None:
            facts["pair"] = proposal.pair
        facts["rung_floors"] = self._rung_floors(proposal.family, proposal.source, seen)
        left_s = None if left is None else round(left, 2)
        self.recorder.record("proposed", {**facts, "source": proposal.source, "left_s": left_s})

    def _start(self, trial: TrialRecord) -> None:
        out = self.folder.trial(trial.number)
        shutil.rmtree(out, ignore_errors=True)  # what a killed attempt left is not a result
        out.mkdir(parents=True)
        if trial.repeats is not None:
            write_folds(out / OWN_FOLDS, self._other_folds(trial.number))
        self.pool.submit(self._job(trial), preload=cards()[trial.family].preload)

    def _job(self, trial: TrialRecord) -> dict[str, Any]:
        seen = visible_trials(self.recorder.state, trial.number, self.plan) or []
        seen = [other for other in seen if other.repeats is None and self.recorder.state.is_settled(other)]
        again = trial.repeats is not None or trial.pair is not None  # whole, so that it can be compared
        limits = self.plan.limits
        return {
            "kind": "fit",
            "trial": trial.number,
            "data": str(self.folder.data.resolve()),
            "out": str(self.folder.trial(trial.number).resolve()),
            "family": trial.family,
            "config": trial.config,
            "metric": self.plan.metric,
            "task": self.plan.task,
            "n_classes": self.data.n_classes,
            "seed": self.plan.seed,
            "threads": self.plan.threads,
            "rung_floors": self._rung_floors(trial.family, trial.source, seen),
            "prune_below": None if again else prune_below(seen, len(self.data.folds)),
            "save_above": None if again else save_above(seen, trial.family),
            "save": True,
            "refit": self.plan.refit,
            "max_bytes": None if limits.model_size_mb is None else int(limits.model_size_mb * 1e6),
            "max_ms": limits.latency_ms,
            "memory_bytes": self.plan.memory_bytes,
            "code": dict(trial.code),
            "cache": str(self.folder.scratch.resolve()),
            "least_share": 0.0 if trial.source in _NEVER_REFUSED else cards()[trial.family].growth.least,
            "slowness": self.reserve.slowness(),
            "deadline_s": self._deadline_s(trial.family),
            "submitted_s": None if trial.family in BASELINES else time.monotonic(),  # a baseline has its time anyway
            "timed": limits.seconds is not None,
        }

    def _deadline_s(self, family: str) -> float:
        """Return the seconds that a trial started now may take."""
        state = self.recorder.state
        end = self.reserve.search_end(state) if family in BASELINES else self.reserve.trial_end(state)
        least = _FIRST_S if family in BASELINES and self._waits() else 0.1
        return self.plan.trial_seconds() if end is None else max(end - self.recorder.budget.seconds_used(), least)

    def _other_folds(self, number: int) -> Folds:
        return other_folds(
            self.data.y,
            stratified=self.plan.split.kind == "stratified",
            parts=len(self.data.folds),
            seed=trial_seed(self.plan.seed, number),
        )

    def _rung_floors(self, family: str, source: str, seen: Sequence[TrialRecord]) -> list[float | None]:
        """Return what a trial's curve is compared with: the rungs of the family's trials that it may know.

        Only what a sampler drew is compared; a portfolio is few and known to be good.
        """
        if source in _UNCOMPARED:
            return []
        mine = [self._rungs_of(trial.number) for trial in seen if trial.family == family]
        return rung_floors([curve for curve in mine if curve])

    def _rungs_of(self, number: int) -> list[float]:
        if number not in self._rungs:
            path = self.folder.trial(number) / "result.json"
            self._rungs[number] = read_rungs(path)
        return self._rungs[number]

    def _finish(self, ended: Exit) -> None:
        if ended.ending == "exited":
            facts = outcome_of(self.folder.trial(ended.trial), self.data, self.plan.metric)
        else:
            facts = failed(ended.ending, ended.detail)
        self.reserve.saw(facts)
        self.recorder.record("finished", {"trial": ended.trial, **facts})
        trial = self.recorder.state.trials[ended.trial]
        self._judge_code(trial)
        self.log.add(trial)

    def _judge_code(self, trial: TrialRecord) -> None:
        """Record what a trial says of the code that it tried."""
        state = self.recorder.state
        if trial.pair is None or trial.status in (None, INTERRUPTED) or trial.number in state.verdicts:
            return
        facts = judge_code(trial, state.trials[trial.pair], self.folder, self.data, self.plan.metric)
        self.recorder.record("code_judged", facts)

    def _drop_running(self) -> None:
        for number in self.pool.cancel_all():
            self.recorder.record("finished", {"trial": number, **failed("interrupted", "the search ended")})
            self.log.add(self.recorder.state.trials[number])


def _idle_trials(state: RunState) -> int:
    """Return how many trials have ended since the best one did."""
    best = state.best()
    return 0 if best is None else len(state.finished) - 1 - state.finished.index(best.number)
