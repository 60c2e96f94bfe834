"""The loop: the test instances stay sealed, what worsens is taken back, errors are no scores, a record is held to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.optimize.toys import TARGET, Toy, constant_llm, toy_llm

from autoagent.errors import DomainError, LLMError, RunFolderError, UserError
from autoagent.llm.scripted import ScriptedLLM
from autoagent.optimize import Limits, OptoPrime, Plan, Result, Split, optimize, split
from autoagent.optimize.instances import minibatches
from autoagent.optimize.interval import paired_difference
from autoagent.optimize.record import Record
from autoagent.space import Int
from autoagent.trace import Feedback, backward, bundle, node

PLAN = Plan(steps=4, validation=0, test=0)


def values(*numbers: int) -> ScriptedLLM:
    return ScriptedLLM([json.dumps({"reasoning": "r", "updates": {"x": number}}) for number in numbers])


def run(toy: Toy, llm: Any, instances: Any, **more: Any) -> Result:
    more = {"judge": toy.judge, "plan": PLAN, **more}
    return optimize(toy.workflow, OptoPrime(toy.parameters, llm), instances, **more)


def test_the_optimizer_never_learns_of_validation_or_test_instances() -> None:
    toy, llm = Toy(), toy_llm()
    parts = Split(train=[1, 2], validation=[7001, 7002, 7003], test=[9001, 9002])
    result = run(toy, llm, parts)
    assert result.num_calls == 4
    sent = json.dumps([request.to_json() for request in llm.requests])
    assert [word in sent for word in ("70", "7001", "900", "9001")] == [False] * 4


def test_the_test_instances_are_run_once_by_start_and_best_after_all_else() -> None:
    toy = Toy()
    parts = Split(train=[1, 2], test=[901, 902])
    result = run(toy, toy_llm(), parts)
    sealed = [(x, i) for x, i in toy.calls if i > 900]
    assert toy.calls[-4:] == sealed == [(3, 901), (3, 902), (toy.x.data, 901), (toy.x.data, 902)]
    assert result.test_difference is not None
    assert result.test_difference.num_pairs == 2


def test_a_worse_proposal_is_taken_back() -> None:
    toy = Toy()
    result = run(toy, values(10, 5, 30, 12), [1, 2])
    assert toy.x.data == result.best.values["x"] == 12
    assert result.score == -5


def test_the_history_has_every_proposal_in_order_though_the_best_is_run_again() -> None:
    result = run(Toy(), values(10, 5, 30, 12), [1, 2])
    assert [entry.candidate.values["x"] for entry in result.history] == [3, 10, 5, 30, 12]
    assert max(entry.outcome.score or 0.0 for entry in result.history) == result.score


def test_what_is_better_on_the_minibatch_alone_is_not_chosen() -> None:
    toy = Toy()

    def judge(instance: int, output: int) -> float:
        return float(output if instance < 100 else -output)

    parts = Split(train=[1, 2], validation=[101, 102])
    result = optimize(toy.workflow, OptoPrime(toy.parameters, values(10, 20, 30, 40)), parts, judge=judge, plan=PLAN)
    assert result.best == result.start
    assert toy.x.data == 3


def test_a_run_that_raises_is_no_score_and_its_error_reaches_the_prompt() -> None:
    x = node(3, name="x", trainable=True, domain=Int(0, 40))

    @bundle()
    def fragile(x: int) -> int:
        """Fail on small numbers."""
        if x < 5:
            raise ValueError("too small to work with")
        return x

    llm = values(10)
    result = optimize(
        lambda _: fragile(x), OptoPrime([x], llm), [0], judge=lambda _, v: float(v), plan=replace(PLAN, steps=1)
    )
    prompt = llm.requests[0].messages[0].content
    assert "ValueError: too small to work with" in prompt
    assert 'raise ValueError("too small to work with")  # <---' in prompt
    assert (result.start_score, result.score) == (None, 10.0)


def test_plain_workflows_without_a_trace_are_optimized_too() -> None:
    x = node(3, name="x", trainable=True, domain=Int(0, 40))
    llm = values(TARGET)
    result = optimize(
        lambda k: x.data + k, OptoPrime([x], llm), [5], judge=lambda k, v: (-abs(v - TARGET - k), "off"), plan=PLAN
    )
    assert result.score == 0
    assert '"feedback": "off"' in llm.requests[0].messages[0].content


def test_a_workflow_may_judge_itself() -> None:
    toy = Toy()

    def workflow(instance: int) -> Any:
        output = toy.workflow(instance)
        backward(output, Feedback(score=-abs(output.data - 30.0), text="it should be 30"))
        return output

    result = optimize(workflow, OptoPrime(toy.parameters, values(25, 28)), [2], plan=replace(PLAN, steps=2))
    assert (result.start_score, result.score) == (-25.0, 0.0)


def test_all_that_passed_is_not_asked_about() -> None:
    toy, llm = Toy(), toy_llm()
    toy.x.set(TARGET)
    optimizer = OptoPrime(toy.parameters, llm, target=0.0)
    result = optimize(toy.workflow, optimizer, [1, 2], judge=toy.judge, plan=PLAN)
    assert llm.requests == []
    assert "reached the target" in result.stopped


def test_an_endpoint_that_fails_is_recorded_and_ends_the_run_in_good_order(tmp_path: Path) -> None:
    toy = Toy()
    llm = ScriptedLLM([LLMError("no answer")], loop=True)
    path = tmp_path / "run.jsonl"
    result = run(toy, llm, [1], record=path)
    assert "no answer" in result.stopped
    assert len(llm.requests) == 3
    with Record(path) as notes:
        assert notes.finished() is not None


def test_no_change_ends_the_run_after_some_rounds() -> None:
    toy = Toy()
    llm = constant_llm('{"reasoning": "r", "updates": {}, "no_change": "it cannot be better"}')
    result = run(toy, llm, [1])
    assert "it cannot be better" in result.stopped
    assert result.num_failed_replies == 0


def test_a_bad_reply_is_mended_in_one_turn_that_quotes_every_fault() -> None:
    toy = Toy()
    llm = ScriptedLLM(['{"updates": {"x": 3.7, "y": 1}}', '{"updates": {"x": 9}}'])
    optimizer = OptoPrime(toy.parameters, llm)
    backward(toy.workflow(1), "more")
    assert optimizer.step().status == "updated"
    assert toy.x.data == 9
    repair = llm.requests[1].messages
    assert [message.role for message in repair] == ["user", "assistant", "user"]
    assert "3.7 is not a whole number" in repair[2].content
    assert "'y' is not one of the variables" in repair[2].content
    assert (optimizer.failures, optimizer.talk.num_repairs) == (0, 1)


def test_values_that_were_tried_are_asked_about_once_more_and_not_run_again() -> None:
    toy = Toy()
    llm = values(10, 10, 12)
    run(toy, llm, [1, 2], plan=replace(PLAN, steps=2))
    assert "repeats the present values" in llm.requests[2].messages[2].content
    toy = Toy()
    llm = values(10, 5, 5, 12)
    result = run(toy, llm, [1, 2], plan=replace(PLAN, steps=3))
    assert "tried already, with the score -12; choose others" in llm.requests[3].messages[2].content
    assert (result.score, result.num_failed_replies) == (-5.0, 0)
    assert len(toy.calls) == len(set(toy.calls))


def test_two_bad_replies_are_a_counted_failure_and_the_step_is_skipped() -> None:
    toy = Toy()
    optimizer = OptoPrime(toy.parameters, constant_llm('{"updates": {"x": "banana"}}'))
    backward(toy.workflow(1), "more")
    step = optimizer.step()
    assert (step.status, optimizer.failures, toy.x.data) == ("failed", 1, 3)
    assert "'banana' is not a whole number" in step.message
    assert optimizer.failed[0].reply == '{"updates": {"x": "banana"}}'


def test_a_finished_record_is_repeated_without_a_run_or_a_call(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    first, llm = Toy(), toy_llm()
    result = run(first, llm, [1, 2], record=path)
    again, silent = Toy(), toy_llm()
    same = run(again, silent, [1, 2], record=path)
    assert (same.best, same.score, again.x.data) == (result.best, result.score, first.x.data)
    assert (again.calls, silent.requests) == ([], [])


def test_a_record_of_other_settings_is_refused(tmp_path: Path) -> None:
    path, toy = tmp_path / "run.jsonl", Toy()
    run(toy, toy_llm(), [1], record=path)
    with pytest.raises(RunFolderError, match="other code, data or settings"):
        optimize(
            toy.workflow,
            OptoPrime(toy.parameters, toy_llm()),
            [1],
            judge=toy.judge,
            plan=replace(PLAN, seed=1),
            record=path,
        )


def test_a_finished_record_is_not_gone_on_with_after_the_test_was_opened(tmp_path: Path) -> None:
    path, llm = tmp_path / "run.jsonl", toy_llm()
    run(Toy(), toy_llm(), [1], record=path)
    with pytest.raises(RunFolderError, match="or is finished"):
        run(Toy(), llm, [1], plan=replace(PLAN, steps=9), record=path)
    assert llm.requests == []


def test_one_optimizer_serves_two_optimizations() -> None:
    toy = Toy()
    optimizer = OptoPrime(toy.parameters, toy_llm())
    plan = replace(PLAN, steps=2, limits=Limits(llm_calls=2))
    for _ in range(2):
        assert optimize(toy.workflow, optimizer, [1], judge=toy.judge, plan=plan).used["llm_calls"] == 2


def test_an_optimizer_needs_parameters() -> None:
    with pytest.raises(DomainError, match="needs trainable nodes"):
        OptoPrime([])
    with pytest.raises(DomainError, match="not \\['int'\\]"):
        OptoPrime([3])  # type: ignore[list-item]  # what a user may do


def test_a_split_shares_no_instance_and_keeps_all() -> None:
    parts = split(range(40), seed=3)
    everything = [*parts.train, *parts.validation, *parts.test]
    assert sorted(everything) == list(range(40))
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (20, 10, 10)
    assert parts == split(range(40), seed=3) != split(range(40), seed=4)
    assert split(range(7)).train == tuple(range(7))
    with pytest.raises(UserError, match="below 1"):
        split(range(40), validation=0.5, test=0.5)
    with pytest.raises(UserError, match="no instance"):
        Split([])


def test_minibatches_pass_over_all_before_any_comes_again() -> None:
    source = minibatches(7, 3, seed=0)
    drawn = [place for _ in range(7) for place in next(source)]
    assert [sorted(drawn[i : i + 7]) for i in (0, 7, 14)] == [list(range(7))] * 3


def test_the_paired_interval_covers_a_known_difference_and_leaves_out_lost_runs() -> None:
    before = [0.1 * i for i in range(20)] + [None]
    after = [0.1 * i + 1.0 + 0.1 * (-1) ** i for i in range(20)] + [5.0]
    found = paired_difference(before, after)
    assert found.num_pairs == 20
    assert found.mean == pytest.approx(1.0)
    assert found.low is not None
    assert found.high is not None
    assert 0.9 < found.low < 1.0 < found.high < 1.1
    assert paired_difference([None], [1.0]).mean is None
