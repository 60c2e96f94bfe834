"""What a run knows, folded from its journal: ``state = fold(events)``, a pure function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from autoagent.errors import RunFolderError
from autoagent.runs.journal import Event
from autoagent.space import Config


@dataclass(frozen=True)
class TrialRecord:
    """One trial: what was proposed and, once it is over, what came of it.

    Attributes:
        number: its place among the proposals.
        family: of models.
        config: of the family.
        source: who proposed it: ``baseline``, ``default``, ``portfolio``, ``llm``, or a sampler's name.
        status: how it ended; None while it has not.
        score: the score of record, higher is better; None without one.
        fold_scores: the score of each fold that was done.
        seconds: wall time of the whole trial.
        predict_s: seconds to predict the held-out rows.
        model_bytes: size of the saved models.
        saved: its fitted models are on disk.
        error: why it failed.
        repeats: the trial of the same configuration that it cross-validates again, with other folds.
        training: what its folds' learners said of their training, equal ones once: optim, bytes and bits of its states.
        curve: validation losses of its first fold, evenly spread over the training; None where one is not finite.
        peak_bytes: resident memory of its process at its peak; 0 where unknown.
        code: what a language model wrote for its training, by the name of its place.
        pair: the trial of the same configuration without the newest of that code, with which it is compared.
        needed_s: seconds that its whole schedule would have taken, of one that was refused after its first batches.
    """

    number: int
    family: str
    config: Config
    source: str
    status: str | None = None
    score: float | None = None
    fold_scores: tuple[float, ...] = ()
    seconds: float = 0.0
    predict_s: float = 0.0
    model_bytes: int = 0
    saved: bool = False
    error: str | None = None
    repeats: int | None = None
    training: tuple[Mapping[str, Any], ...] = ()
    curve: tuple[float | None, ...] = ()
    peak_bytes: float = 0.0
    code: Mapping[str, str] = field(default_factory=dict)
    pair: int | None = None
    needed_s: float | None = None

    @property
    def is_whole(self) -> bool:
        """It ended with a score over every fold."""
        return self.status == "ok" and self.score is not None


@dataclass(frozen=True)
class Written:
    """Code that a language model wrote.

    Attributes:
        hook: the place in the training that it is for.
        reason: what it is meant to gain.
        fault: why it was not run; empty for code that may be.
    """

    hook: str
    source: str
    reason: str
    fault: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a paired trial said of a piece of code.

    Attributes:
        hook: the place in the training that it is for.
        kept: later trials use it.
        difference: of the score of record to that of the pair; None where the code gave no trial to compare.
        reason: a sentence.
    """

    hook: str
    kept: bool
    difference: float | None
    reason: str


@dataclass(frozen=True)
class Refused:
    """A configuration that was not started because it could not have finished or fitted.

    Attributes:
        before: number of the trial that came next.
    """

    before: int
    family: str
    config: Config
    source: str
    reason: str


@dataclass(frozen=True)
class Selection:
    """What was chosen for delivery.

    Attributes:
        members: trial numbers and their weights, which sum to 1.
        score: out of fold, decision rule applied.
        best_single: out-of-fold score of the best single trial.
        rule: multipliers of the class probabilities; empty for none.
        reason: one sentence for the report.
    """

    members: tuple[tuple[int, float], ...]
    score: float
    best_single: float
    rule: tuple[float, ...] = ()
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value that ``from_json`` reads back."""
        return {
            "members": [[number, weight] for number, weight in self.members],
            "score": self.score,
            "best_single": self.best_single,
            "rule": list(self.rule),
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Selection:
        """Read what ``to_json`` wrote."""
        members = tuple((int(number), float(weight)) for number, weight in data["members"])
        return cls(members, data["score"], data["best_single"], tuple(data["rule"]), data["reason"])


@dataclass(frozen=True)
class RunState:
    """Everything that the events of a run say.

    Attributes:
        trials: every proposal, by number.
        finished: numbers of the ended trials, in the order in which they ended.
        suggestions: configurations that a language model proposed, as ``(family, config)``, in order.
        llm_turns: how often it was asked for them.
        seconds_used: wall time of all sittings.
        spent: other resources used, by name.
        selection: what was chosen.
        exported: measured facts of the delivered model.
        test: the outcome of the sealed test.
        ended: why the run ended; None while it has not.
        planned: the plan is on disk, so the search may start.
        lost: ended trials that can no longer be delivered, and why.
        refused: configurations that were not started, with who proposed them and why not, in order.
        written: code of a language model, in order.
        verdicts: what became of it, by the trial that tried it.
    """

    trials: Mapping[int, TrialRecord] = field(default_factory=dict)
    finished: tuple[int, ...] = ()
    suggestions: tuple[tuple[str, Config], ...] = ()
    llm_turns: int = 0
    seconds_used: float = 0.0
    spent: Mapping[str, float] = field(default_factory=dict)
    selection: Selection | None = None
    exported: Mapping[str, Any] | None = None
    test: Mapping[str, Any] | None = None
    ended: str | None = None
    planned: bool = False
    lost: Mapping[int, str] = field(default_factory=dict)
    refused: tuple[Refused, ...] = ()
    written: tuple[Written, ...] = ()
    verdicts: Mapping[int, Verdict] = field(default_factory=dict)

    def is_settled(self, trial: TrialRecord) -> bool:
        """Say whether a trial may be learned from and delivered: without code, or with code that was kept."""
        return trial.pair is None or (trial.number in self.verdicts and self.verdicts[trial.number].kept)

    def kept_code(self, trials: Iterable[TrialRecord]) -> dict[str, str]:
        """Return the code that these trials showed to be worth keeping, by its place; the later one of two."""
        found: dict[str, str] = {}
        for trial in sorted(trials, key=lambda trial: trial.number):
            if trial.pair is not None and self.is_settled(trial):
                hook = self.verdicts[trial.number].hook
                found[hook] = trial.code[hook]
        return found

    def history(self) -> list[TrialRecord]:
        """Return the ended trials in the order in which they ended."""
        return [self.trials[number] for number in self.finished]

    def unfinished(self) -> list[TrialRecord]:
        """Return the trials that were proposed and have not ended, by number."""
        return [trial for _, trial in sorted(self.trials.items()) if trial.status is None]

    def best(self) -> TrialRecord | None:
        """Return the whole trial of the highest score; the earliest proposal among equals."""
        whole = [trial for _, trial in sorted(self.trials.items()) if trial.is_whole]
        return max(whole, key=lambda trial: trial.score or 0.0, default=None)

    def record(self) -> dict[str, Any]:
        """Return what must be equal between a run and the same run interrupted and resumed: no times, no order."""
        trials = [
            [t.number, t.family, t.config, t.source, t.status, t.score, list(t.fold_scores)]
            for _, t in sorted(self.trials.items())
        ]
        return {
            "trials": trials,
            "selection": self.selection.to_json() if self.selection else None,
            "test_score": self.test.get("score") if self.test else None,
            "suggestions": [list(pair) for pair in self.suggestions],
        }


def fold(events: Iterable[Event]) -> RunState:
    """Return the state after ``events``; kinds that it does not know and a second ending of a trial change nothing.

    Raises:
        RunFolderError: an event does not say what its kind must, or ends a trial that was never proposed.
    """
    state = RunState()
    for event in events:
        state = step(state, event)
    return state


def step(state: RunState, event: Event) -> RunState:
    """Return the state after one more event.

    Raises:
        RunFolderError: as for ``fold``.
    """
    try:
        return _step(state, event)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunFolderError(
            f"event {event.seq} ({event.kind}) of the journal is damaged: {type(error).__name__}: {error}; "
            "restore the file from a copy"
        ) from error


def _step(state: RunState, event: Event) -> RunState:
    data = event.data
    state = replace(state, seconds_used=max(state.seconds_used, float(data.get("at_s", 0.0))))
    match event.kind:
        case "planned":
            return replace(state, planned=True)
        case "proposed":
            return _with_trial(state, _proposed(data))
        case "refused" | "code_written" | "code_judged":
            return _told(state, event.kind, data)
        case "finished":
            return _finish(state, data)
        case "suggested":
            more = tuple((str(row["family"]), dict(row["config"])) for row in data["configs"])
            return replace(state, suggestions=state.suggestions + more, llm_turns=state.llm_turns + 1)
        case "budget":
            return replace(state, spent={**data.get("used", {})})
        case "selected":
            return replace(state, selection=Selection.from_json(data))
        case "exported":
            return replace(state, exported=data)
        case "tested":
            return replace(state, test=data)
        case "lost":
            return replace(state, lost={**state.lost, int(data["trial"]): str(data["error"])})
        case "ended":
            return replace(state, ended=str(data["reason"]))
        case _:
            return state


def _told(state: RunState, kind: str, data: Mapping[str, Any]) -> RunState:
    """Return the state after what was not started, or what became of code."""
    if kind == "code_written":
        row = Written(str(data["hook"]), str(data["source"]), str(data["reason"]), str(data.get("fault", "")))
        return replace(state, written=(*state.written, row))
    if kind == "code_judged":
        verdict = Verdict(str(data["hook"]), bool(data["kept"]), data["difference"], str(data["reason"]))
        return replace(state, verdicts={**state.verdicts, int(data["trial"]): verdict})
    one = Refused(int(data["before"]), data["family"], dict(data["config"]), data["source"], str(data["reason"]))
    return replace(state, refused=(*state.refused, one))


def _proposed(data: Mapping[str, Any]) -> TrialRecord:
    return TrialRecord(
        number=int(data["trial"]),
        family=data["family"],
        config=dict(data["config"]),
        source=data["source"],
        repeats=data.get("repeats"),
        code=dict(data.get("code", {})),
        pair=data.get("pair"),
    )


def _with_trial(state: RunState, trial: TrialRecord) -> RunState:
    return replace(state, trials={**state.trials, trial.number: trial})


def _finish(state: RunState, data: Mapping[str, Any]) -> RunState:
    number = int(data["trial"])
    if state.trials[number].status is not None:
        return state
    ended = replace(
        state.trials[number],
        status=data["status"],
        score=data["score"],
        fold_scores=tuple(data["fold_scores"]),
        seconds=float(data["seconds"]),
        predict_s=float(data["predict_s"]),
        model_bytes=int(data["model_bytes"]),
        saved=bool(data["saved"]),
        error=data["error"],
        training=tuple(dict(facts) for facts in data.get("training", ())),
        curve=tuple(data.get("curve", ())),
        peak_bytes=float(data.get("peak_bytes", 0.0)),
        needed_s=data.get("needed_s"),
    )
    return replace(_with_trial(state, ended), finished=(*state.finished, number))


def same_record(one: Sequence[Event], other: Sequence[Event]) -> bool:
    """Say whether two journals tell the same run, whatever its times, interruptions and order of endings."""
    return fold(one).record() == fold(other).record()
