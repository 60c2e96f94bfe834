"""Redo the decisions of a finished run from its folder, with no language model and no training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autoagent.agent.finish import read_json, select
from autoagent.agent.ideas import ModelIdeas
from autoagent.agent.plan import Plan, arms_of
from autoagent.agent.request import read_request
from autoagent.agent.scoring import TrainData, judge, read_predictions
from autoagent.agent.search_loop import view_of
from autoagent.agent.settings import read_settings, source_of
from autoagent.agent.sitting import proposer_of
from autoagent.agent.spec import Understanding
from autoagent.errors import AutoAgentError, DataError, ReplyError, RunFolderError
from autoagent.llm.recorded import RecordingLLM
from autoagent.prompts.replies import Ideas
from autoagent.runs.folder import RunFolder, open_run
from autoagent.runs.journal import Event, read_events
from autoagent.runs.state import RunState, fold, step


@dataclass(frozen=True)
class ReplayOutcome:
    """What came of a replay.

    Attributes:
        equal: every decision came out as recorded.
        differences: one sentence for each that did not.
        n_decisions: how many were redone.
    """

    equal: bool
    differences: list[str]
    n_decisions: int


def replay(run: str | Path) -> ReplayOutcome:
    """Redo understanding, every proposal, every score and the choice of a run, and compare with its record.

    Raises:
        RunFolderError: there is no run, or it has not been planned.
    """
    folder = open_run(run)
    events = read_events(folder.journal)
    state = fold(events)
    if not state.planned:
        raise RunFolderError(f"{folder.root} has not been planned; resume it first")
    plan = Plan.model_validate(read_json(folder.plan))
    checks = [
        _understanding(folder),
        _proposals(events, plan),
        _scores(folder, state, plan),
        _choice(folder, state, plan),
    ]
    differences = [text for found, _ in checks for text in found]
    return ReplayOutcome(not differences, differences, sum(count for _, count in checks))


def _understanding(folder: RunFolder) -> tuple[list[str], int]:
    settings, request = read_settings(folder)
    recorded = Understanding.model_validate(read_json(folder.spec))
    llm = None if settings.llm == "none" else RecordingLLM(None, folder.llm)
    try:
        again, _, _ = read_request(request, source_of(folder, settings), llm=llm)
    except AutoAgentError as error:
        return [f"the request cannot be read again: {error}"], 1
    return ([] if again.spec == recorded.spec else ["the request is understood differently"]), 1


def _proposals(events: list[Event], plan: Plan) -> tuple[list[str], int]:
    arms = arms_of(plan)
    proposer = proposer_of(plan, arms)
    ideas = ModelIdeas(_no_model, arms, {}, blocking=False)
    state, differences, count = RunState(), [], 0
    for event in events:
        if event.kind == "proposed":
            view = view_of(state, plan, ideas.legal(state), left_s=event.data["left_s"])
            again = None if view is None else proposer.propose(view)
            made = None if again is None else (again.family, again.config, again.source, again.repeats)
            told = event.data
            if made != (told["family"], told["config"], told["source"], told.get("repeats")):
                differences.append(f"trial {event.data['trial']}: {made} instead of {event.data}")
            count += 1
        state = step(state, event)
    ideas.close()
    return differences, count


def _no_model(context: object, timeout_s: float) -> Ideas:
    raise ReplyError("a replay asks no model")


def _scores(folder: RunFolder, state: RunState, plan: Plan) -> tuple[list[str], int]:
    data = TrainData.read(folder.data)
    differences, whole = [], [trial for trial in state.trials.values() if trial.is_whole]
    for trial in whole:
        try:
            total, _ = judge(read_predictions(folder.trial(trial.number), data), data, plan.metric)
        except DataError as error:
            differences.append(f"trial {trial.number}: it cannot be scored again: {error}")
            continue
        if total != trial.score:
            differences.append(f"trial {trial.number}: score {total} instead of {trial.score}")
    return differences, len(whole)


def _choice(folder: RunFolder, state: RunState, plan: Plan) -> tuple[list[str], int]:
    if state.selection is None:
        return [], 0
    data, recorded = TrainData.read(folder.data), state.selection
    options = [select(state, folder, plan, data, max_members=members) for members in (8, 1)]
    return ([] if recorded in options else [f"the choice would be {options[0].members}"]), 1
