"""Configurations that a language model proposes: asked for a few times and checked against the spaces."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from typing import Any, Protocol

from autoagent.agent.recorder import Recorder
from autoagent.errors import AutoAgentError, BudgetExceeded, DomainError, LLMError
from autoagent.prompts.replies import Ideas
from autoagent.runs.state import Refused, RunState, TrialRecord
from autoagent.search.proposer import Arm, config_key, rounded
from autoagent.space import Config

TEMPLATE = "search/ideas"
MAX_TURNS = 6
_EVERY = 8  # ended trials between two turns
_PER_TURN = 4
_LONGEST_S = 300.0  # that an answer may take, however long the run
_SHARE = 0.8  # of the time left; an answer that comes later can hardly be tried
_SHORTEST_S = 5.0  # with less, it is not asked: the tokens would be spent for nothing
_SHOWN = (  # of what a training tells; none of it is a clock time, so that runs without a clock ask the same
    *("device", "precision", "optim", "state_bytes", "state_bits", "micro_batch", "halved", "steps", "asked_steps"),
    *("progress", "rollbacks", "estimate_bytes", "side", "parameters"),
)

AskIdeas = Callable[[Mapping[str, object], float], Ideas]


class IdeaSource(Protocol):
    """Where ideas come from."""

    def step(self, recorder: Recorder, ended: Sequence[TrialRecord], *, left_s: float | None) -> None:
        """Take in what has arrived, and ask again when it is time."""

    def legal(self, state: RunState) -> list[tuple[str, Config]]:
        """Return the ideas so far that lie in their spaces."""

    def is_waiting(self) -> bool:
        """Say whether an answer is under way."""

    def holds_back(self, state: RunState) -> bool:
        """Say whether proposals must wait for it."""

    def wait(self, seconds: float) -> None:
        """Wait for the answer at most so long."""

    def close(self) -> None:
        """Let go of what was started."""


class NoIdeas:
    """No language model."""

    def step(self, recorder: Recorder, ended: Sequence[TrialRecord], *, left_s: float | None) -> None:
        """Do nothing."""

    def legal(self, state: RunState) -> list[tuple[str, Config]]:
        """Return none."""
        return []

    def is_waiting(self) -> bool:
        """Return False."""
        return False

    def holds_back(self, state: RunState) -> bool:
        """Return False."""
        return False

    def wait(self, seconds: float) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


@dataclass
class ModelIdeas:
    """Asks a language model in a thread of its own, so that a slow one costs no training time.

    Attributes:
        ask: ``(template context, timeout_s) -> Ideas``.
        arms: the families and their spaces.
        facts: what the template shows beside the trials: request, spec, data card, metric.
        blocking: proposals wait for an answer under way, so that they do not depend on its speed.
    """

    ask: AskIdeas
    arms: Sequence[Arm]
    facts: Mapping[str, object]
    blocking: bool
    _executor: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "ideas"))
    _future: Future[Ideas] | None = None
    _asked_s: float = 0.0  # how long the answer under way may take
    _missed_s: float = 0.0  # the longest time in which no answer came
    _stopped: threading.Event = field(default_factory=threading.Event)

    def step(self, recorder: Recorder, ended: Sequence[TrialRecord], *, left_s: float | None) -> None:
        """Take in what has arrived, and ask again when it is time."""
        if self._future is not None:
            if self._future.done():
                self._take(self._future, recorder)
                self._future = None
            return
        turn = recorder.state.llm_turns
        if self._stopped.is_set() or turn >= MAX_TURNS or len(ended) < len(self.arms) + turn * _EVERY:
            return
        timeout = _LONGEST_S if left_s is None else min(_LONGEST_S, _SHARE * left_s)
        if timeout < max(_SHORTEST_S, self._missed_s):
            return
        self._asked_s = timeout
        self._future = self._executor.submit(self.ask, self.context(ended, recorder.state.refused), timeout)

    def context(self, ended: Sequence[TrialRecord], refused: Sequence[Refused] = ()) -> dict[str, object]:
        """Return what the template shows."""
        whole = sorted((t for t in ended if t.is_whole), key=lambda t: -(t.score or 0.0))
        lost = [t for t in ended if t.status not in ("ok", "pruned")]
        arms = [arm for arm in self.arms if arm.space.to_json()]  # without parameters there is nothing to propose
        spaces = {arm.name: {"space": arm.space.to_json(), "default": arm.space.default()} for arm in arms}
        best = whole[:5]
        shown = {trial.number for trial in (*best, *lost)}
        return {
            **self.facts,
            "families": spaces,
            "best": [trial_row(t) for t in best],
            "recent": [trial_row(t) for t in ended if t.number not in shown][-8:],
            "failures": [{**_told(t), "error": (t.error or "")[:200]} for t in lost[-5:]],
            "refused": [{"family": r.family, "config": r.config, "reason": r.reason} for r in refused[-5:]],
            "count": _PER_TURN,
        }

    def legal(self, state: RunState) -> list[tuple[str, Config]]:
        """Return the ideas so far that lie in their spaces, rounded as every configuration is."""
        found, seen = [], set()
        for family, config in state.suggestions:
            checked = self._check(family, config)
            if isinstance(checked, str):
                continue
            if (key := config_key(family, checked)) not in seen:
                seen.add(key)
                found.append((family, checked))
        return found

    def is_waiting(self) -> bool:
        """Say whether an answer is under way."""
        return self._future is not None

    def holds_back(self, state: RunState) -> bool:
        """Say whether proposals must wait for it."""
        return self.blocking and self._future is not None

    def wait(self, seconds: float) -> None:
        """Wait for the answer at most so long."""
        if self._future is not None:
            wait_for([self._future], timeout=seconds)

    def close(self) -> None:
        """Ask no more; an answer under way is not waited for."""
        self._stopped.set()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _take(self, future: Future[Ideas], recorder: Recorder) -> None:
        turn = recorder.state.llm_turns
        try:
            reply = future.result()
        except BudgetExceeded as error:
            self._stopped.set()
            recorder.note(f"The language model is not asked again: {error}")
            return
        except AutoAgentError as error:  # a reply that cannot be used is counted and seen; the search goes on
            if isinstance(error, LLMError) and error.unclear:
                self._missed_s = max(self._missed_s, self._asked_s)
            recorder.record("llm_failed", {"turn": turn, "message": str(error)[:500]})
            recorder.record("suggested", {"turn": turn, "configs": []})
            return
        finally:
            recorder.record("budget", {"used": recorder.budget.snapshot()})
        configs = [{"family": idea.family, "config": dict(idea.config), "reason": idea.reason} for idea in reply.ideas]
        for row in configs:
            problem = self._check(str(row["family"]), row["config"])
            if isinstance(problem, str):
                recorder.record("llm_failed", {"turn": turn, "message": f"idea left out: {problem}"})
        recorder.record("suggested", {"turn": turn, "configs": configs})

    def _check(self, family: str, config: object) -> Config | str:
        arm = next((arm for arm in self.arms if arm.name == family), None)
        if arm is None:
            return f"no family {family!r} in this run"
        if not isinstance(config, Mapping):
            return f"{family}: not an object of parameters"
        try:
            return rounded(arm.space.check(config), arm.space)
        except DomainError as error:
            return f"{family}: {error}"


def trial_row(trial: TrialRecord) -> dict[str, Any]:
    """Return what a language model is shown of a trial."""
    score = None if trial.score is None else float(f"{trial.score:.6g}")
    facts = {"family": trial.family, "config": trial.config, "score": score, "seconds": round(trial.seconds, 1)}
    if trial.status != "ok":
        facts = {**facts, "score": trial.status}
    facts |= _told(trial)
    return json.loads(json.dumps(facts))  # type: ignore[no-any-return]  # plain JSON, as the template prints it


def _told(trial: TrialRecord) -> dict[str, Any]:
    """Return the configuration and what its training told: validation losses on the way, and what it took."""
    facts: dict[str, Any] = {"family": trial.family, "config": trial.config}
    if trial.curve:
        facts["losses"] = list(trial.curve)
    if trial.training:  # the folds' trainings differ little
        facts["training"] = {name: value for name, value in trial.training[0].items() if name in _SHOWN}
    return facts
