"""A language model's ideas: asked in turns, checked, counted when they cannot be used, and bounded by the budget."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from autoagent.agent.ideas import MAX_TURNS, ModelIdeas
from autoagent.agent.recorder import NullView, Recorder
from autoagent.agent.scoring import failed
from autoagent.errors import BudgetExceeded, LLMError, ReplyError
from autoagent.prompts.render import render
from autoagent.prompts.replies import Idea, Ideas
from autoagent.runs.budget import Budget, Limits
from autoagent.runs.journal import Event, Journal
from autoagent.runs.state import TrialRecord, fold
from autoagent.search.proposer import Arm
from autoagent.space import Float, Param, Space

ARMS = [Arm("linear", Space({"C": Param(Float(0.001, 1000.0, log=True), 1.0)}), ({},))]
ENDED = [TrialRecord(n, "linear", {"C": 1.0 + n}, "tpe", "ok", 0.5, (0.5,)) for n in range(100)]

FACTS = {"request": "r", "spec": {}, "data_card": {}, "metric": "accuracy", "task": "multiclass"}


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    with Journal(tmp_path / "journal.jsonl") as journal:
        yield Recorder(journal, Budget(Limits(), lambda: 0.0), NullView())


def _turns(ideas: ModelIdeas, recorder: Recorder, count: int) -> None:
    for _ in range(count):
        ideas.step(recorder, ENDED, left_s=None)
        ideas.wait(5.0)


def test_good_ideas_are_kept_once_and_bad_ones_are_counted(recorder: Recorder) -> None:
    def answer(context: object, timeout_s: float) -> Ideas:
        rows = [("linear", {"C": 10.0}), ("linear", {"C": 10.0000001}), ("linear", {"C": -1.0}), ("magic", {})]
        return Ideas(ideas=[Idea(family=family, config=config, reason="r") for family, config in rows])

    ideas = ModelIdeas(answer, ARMS, {}, blocking=True)
    _turns(ideas, recorder, 2)
    assert ideas.legal(recorder.state) == [("linear", {"C": 10.0})]
    failures = [event.data["message"] for event in recorder.journal.events if event.kind == "llm_failed"]
    assert len(failures) == 2
    assert any("magic" in text for text in failures)


def test_a_reply_that_cannot_be_used_is_a_turn_that_is_seen(recorder: Recorder) -> None:
    def answer(context: object, timeout_s: float) -> Ideas:
        raise ReplyError("not JSON")

    _turns(ModelIdeas(answer, ARMS, {}, blocking=True), recorder, 2)
    assert recorder.state.llm_turns == 1
    assert "llm_failed" in [event.kind for event in recorder.journal.events]


def test_it_is_asked_no_more_once_the_budget_says_no(recorder: Recorder) -> None:
    calls = []

    def answer(context: object, timeout_s: float) -> Ideas:
        calls.append(1)
        raise BudgetExceeded("no dollars left", resource="llm_cost_usd")

    _turns(ModelIdeas(answer, ARMS, {}, blocking=True), recorder, 10)
    assert len(calls) == 1


def test_there_are_only_so_many_turns(recorder: Recorder) -> None:
    calls = []

    def answer(context: object, timeout_s: float) -> Ideas:
        calls.append(1)
        return Ideas(ideas=[])

    _turns(ModelIdeas(answer, ARMS, {}, blocking=True), recorder, 4 * MAX_TURNS)
    assert len(calls) == MAX_TURNS


def test_it_is_not_asked_before_every_family_was_tried_once(recorder: Recorder) -> None:
    ideas = ModelIdeas(lambda context, timeout_s: Ideas(ideas=[]), ARMS, {}, blocking=True)
    ideas.step(recorder, [], left_s=None)
    assert not ideas.is_waiting()


def test_an_answer_may_take_most_of_the_time_left_and_no_shorter_try_follows_a_missed_one(recorder: Recorder) -> None:
    given: list[float] = []

    def answer(context: object, timeout_s: float) -> Ideas:
        given.append(timeout_s)
        raise LLMError("no answer in time", unclear=1)

    ideas = ModelIdeas(answer, ARMS, {}, blocking=True)
    for left_s in (100.0, 100.0, 50.0, 50.0, 4.0, 4.0, 200.0, 200.0):
        ideas.step(recorder, ENDED, left_s=left_s)
        ideas.wait(5.0)
    assert given == [80.0, 160.0]


def test_a_model_is_not_asked_when_there_is_no_time_to_use_the_answer(recorder: Recorder) -> None:
    ideas = ModelIdeas(lambda context, timeout_s: Ideas(ideas=[]), ARMS, {}, blocking=True)
    ideas.step(recorder, ENDED, left_s=6.0)
    assert not ideas.is_waiting()


def test_a_trial_is_shown_once_and_what_has_no_parameters_not_at_all() -> None:
    arms = [*ARMS, Arm("baseline", Space({}), ({},))]
    pruned = TrialRecord(100, "linear", {"C": 0.5}, "tpe", "pruned", 0.1, (0.1,))
    failed = TrialRecord(101, "linear", {"C": 0.6}, "tpe", "error", None, (), error="boom")
    ideas = ModelIdeas(lambda context, timeout_s: Ideas(ideas=[]), arms, {}, blocking=True)
    shown = ideas.context([*ENDED[:7], pruned, failed])
    best, recent, lost = (shown[key] for key in ("best", "recent", "failures"))
    assert [len(rows) for rows in (best, recent, lost)] == [5, 3, 1]  # type: ignore[arg-type]  # lists
    assert recent[-1]["score"] == "pruned"  # type: ignore[index]  # a list of rows
    assert list(shown["families"]) == ["linear"]  # type: ignore[call-overload]  # a mapping


def test_a_network_shows_its_losses_and_what_it_took_and_nothing_of_the_test_or_the_clock() -> None:
    told = ({"optim": "nadamw", "steps": 120, "estimate_bytes": 5_000_000, "step_s": 0.1, "licence": "x"},)
    net = TrialRecord(0, "linear", {"C": 1.0}, "default", "ok", 0.9, (0.9,), training=told, curve=(0.7124, None))
    cut = TrialRecord(1, "linear", {"C": 2.0}, "tpe", "timeout", error="it cannot finish", curve=(0.9,))
    ideas = ModelIdeas(lambda context, timeout_s: Ideas(ideas=[]), ARMS, FACTS, blocking=True)
    shown = ideas.context([net, cut])
    row, lost = shown["best"][0], shown["failures"][0]  # type: ignore[index]  # lists of one row
    assert row["losses"] == [0.7124, None]
    assert row["training"] == {"optim": "nadamw", "steps": 120, "estimate_bytes": 5_000_000}
    assert lost["losses"] == [0.9]
    text = render("search/ideas", shown)
    assert "0.7124, null" in text
    assert "evenly spread over its training" in text


def test_the_journal_tells_a_trials_losses() -> None:
    proposed = {"trial": 0, "family": "linear", "config": {}, "source": "default"}
    facts = {**failed("timeout", "late"), "trial": 0, "curve": [0.9, None]}
    told = (("proposed", proposed), ("finished", facts))
    events = [Event(seq=i, time="", kind=kind, data=data) for i, (kind, data) in enumerate(told)]
    assert fold(events).trials[0].curve == (0.9, None)
