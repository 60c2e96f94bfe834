"""Code mode: a language model writes code for a place of the training, and a paired trial says whether it stays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from typing import Any

from autoagent.agent.ideas import IdeaSource, trial_row
from autoagent.agent.recorder import Recorder
from autoagent.agent.scoring import TrainData, read_predictions
from autoagent.data.images.structures import is_predicted
from autoagent.data.interval import paired_gain
from autoagent.errors import AutoAgentError, BudgetExceeded, DataError, DomainError
from autoagent.prompts.replies import CodeIdea
from autoagent.runs.folder import RunFolder
from autoagent.runs.state import RunState, TrialRecord
from autoagent.sandbox.hooks import HOOKS
from autoagent.search.proposer import Arm
from autoagent.space import Config

TEMPLATE = "search/code"
MAX_TURNS = 4
_LONGEST_S = 300.0  # that an answer may take
_SHARE = 0.4  # of the time left; the trial that tries it, and others that use it, need the rest
_SHORTEST_S = 5.0

AskCode = Callable[[Mapping[str, object], float], CodeIdea]


def judge_code(
    trial: TrialRecord, pair: TrialRecord, folder: RunFolder, data: TrainData, metric: str
) -> dict[str, Any]:
    """Return the journal's facts of a verdict: code stays where it is better than its pair beyond doubt.

    Both trials have the same configuration, seed and folds. The interval is that of the paired bootstrap over the
    validation rows that both predicted; its lower end, which nine of ten resamples pass, must be above 0.
    """
    hook = next(name for name in trial.code if pair.code.get(name) != trial.code[name])
    facts: dict[str, Any] = {"trial": trial.number, "hook": hook, "kept": False, "difference": None, "interval": None}
    errors = [str(told["code_error"]) for told in trial.training if told.get("code_error")]
    if errors or not trial.is_whole:
        failed = f"the code failed, and the training went on without it: {errors[0]}" if errors else ""
        return {**facts, "reason": failed or f"its trial ended as {trial.status}: {trial.error or 'no score'}"}
    try:
        before, after = (read_predictions(folder.trial(t.number), data) for t in (pair, trial))
        rows = is_predicted(before) & is_predicted(after)
        gain, low, high = paired_gain(metric, data.y[rows], before[rows], after[rows])
    except DataError as error:
        return {**facts, "reason": f"it cannot be compared: {error}"}
    kept = gain > 0 and low > 0
    said = f"{gain:+.4g} beside trial {pair.number}, 80 % interval {low:+.4g} to {high:+.4g}"
    return {**facts, "kept": kept, "difference": gain, "interval": [low, high], "reason": said}


@dataclass
class WithCode:
    """Ideas of another source, and code that a language model is asked for between them, one piece at a time.

    Attributes:
        ideas: the other source.
        ask: ``(template context, timeout_s) -> CodeIdea``.
        arms: the families and the places that they offer.
        facts: what the template shows beside the trials.
        blocking: proposals wait for an answer under way, so that they do not depend on its speed.
    """

    ideas: IdeaSource
    ask: AskCode
    arms: Sequence[Arm]
    facts: Mapping[str, object]
    blocking: bool
    _executor: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "code"))
    _future: Future[CodeIdea] | None = None
    _stopped: bool = False

    def step(self, recorder: Recorder, ended: Sequence[TrialRecord], *, left_s: float | None) -> None:
        """Take in what has arrived, and ask for ideas, or for code, when it is time; never for both at once."""
        if self._future is not None:
            if self._future.done():
                self._take(self._future, recorder)
                self._future = None
            return
        self.ideas.step(recorder, ended, left_s=left_s)
        timeout = _LONGEST_S if left_s is None else min(_LONGEST_S, _SHARE * left_s)
        if not self.ideas.is_waiting() and timeout >= _SHORTEST_S and self._is_due(recorder.state, ended):
            self._future = self._executor.submit(self.ask, self.context(recorder.state, ended), timeout)

    def context(self, state: RunState, ended: Sequence[TrialRecord]) -> dict[str, object]:
        """Return what the template shows."""
        offered = {hook for arm in self.arms for hook in arm.hooks}
        return {
            **self.facts,
            "hooks": [
                {"hook": name, "function": f"def {hook.function}{hook.signature}:", "task": hook.task}
                for name, hook in HOOKS.items()
                if name in offered
            ],
            "best": [trial_row(trial) for trial in self._able(state, ended)[:3]],
            "attempts": _attempts(state),
        }

    def legal(self, state: RunState) -> list[tuple[str, Config]]:
        """Return the other source's ideas."""
        return self.ideas.legal(state)

    def is_waiting(self) -> bool:
        """Say whether an answer is under way."""
        return self._future is not None or self.ideas.is_waiting()

    def holds_back(self, state: RunState) -> bool:
        """Say whether proposals must wait for it."""
        return (self.blocking and self._future is not None) or self.ideas.holds_back(state)

    def wait(self, seconds: float) -> None:
        """Wait for the answer at most so long."""
        if self._future is not None:
            wait_for([self._future], timeout=seconds)
        else:
            self.ideas.wait(seconds)

    def close(self) -> None:
        """Ask no more; an answer under way is not waited for."""
        self._stopped = True
        self._executor.shutdown(wait=False, cancel_futures=True)
        self.ideas.close()

    def _able(self, state: RunState, ended: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Return the whole trials of families that offer a place, best first."""
        families = {arm.name for arm in self.arms if arm.hooks}
        able = [t for t in ended if t.family in families and t.is_whole and t.repeats is None and state.is_settled(t)]
        return sorted(able, key=lambda trial: -(trial.score or 0.0))

    def _is_due(self, state: RunState, ended: Sequence[TrialRecord]) -> bool:
        """Say whether each family has been tried, and all code so far has its verdict or was refused."""
        if self._stopped or len(state.written) >= MAX_TURNS or not self._able(state, ended):
            return False
        if len(ended) < len(self.arms):
            return False
        judged = {n for n in state.verdicts if any(trial.number == n for trial in ended)}
        marks = {(one.source, hook) for one in state.refused for hook in one.config if hook in HOOKS}
        return len(judged) + len(marks) >= sum(not one.fault for one in state.written)

    def _take(self, future: Future[CodeIdea], recorder: Recorder) -> None:
        try:
            idea = future.result()
        except BudgetExceeded as error:
            self._stopped = True
            recorder.note(f"The language model is asked for no more code: {error}")
            return
        except AutoAgentError as error:  # a reply that cannot be used is a turn, counted and seen
            row = {"hook": "", "source": "", "reason": "", "fault": f"no usable reply: {str(error)[:300]}"}
            recorder.record("code_written", row)
            return
        finally:
            recorder.record("budget", {"used": recorder.budget.snapshot()})
        recorder.record("code_written", self._checked(idea, recorder.state))

    def _checked(self, idea: CodeIdea, state: RunState) -> dict[str, str]:
        row = {"hook": idea.hook, "source": idea.code, "reason": idea.reason[:200], "fault": ""}
        if idea.hook not in {hook for arm in self.arms for hook in arm.hooks}:
            return {**row, "fault": f"there is no place {idea.hook!r} in the trainings of this run"}
        if any((one.hook, one.source) == (idea.hook, idea.code) for one in state.written):
            return {**row, "fault": "the same code was written before"}
        try:
            HOOKS[idea.hook].check(idea.code)
        except DomainError as error:
            return {**row, "fault": str(error)[:500]}
        return row


def _attempts(state: RunState) -> list[dict[str, object]]:
    """Return the code so far with what came of it."""
    tried = {
        (verdict.hook, state.trials[number].code[verdict.hook]): verdict for number, verdict in state.verdicts.items()
    }
    rows: list[dict[str, object]] = []
    for one in state.written:
        verdict = tried.get((one.hook, one.source))
        outcome = one.fault or "it was not tried for lack of time or memory"
        if verdict is not None:
            outcome = f"{'kept' if verdict.kept else 'dropped'}: {verdict.reason}"
        rows.append({"hook": one.hook, "code": one.source, "outcome": outcome})
    return rows
