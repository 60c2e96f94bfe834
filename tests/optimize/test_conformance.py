"""One kit for every optimizer of the table: it improves, keeps budgets, resumes, repeats nothing, counts failures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.optimize.toys import TARGET, Toy, constant_llm, toy_llm

from autoagent.errors import BudgetExceeded
from autoagent.optimize import OPTIMIZERS, Candidate, Case, Limits, Optimizer, Outcome, Plan, Result, Split, optimize
from autoagent.registry import family
from autoagent.trace import Node, backward

NAMES = list(family("optimizers"))
ASKS_A_MODEL = [name for name in NAMES if name != "mixed"]  # on numbers alone it asks its sampler
PLAN = Plan(steps=12, validation=0, test=0)
SPLIT = Split(train=[0, 1, 2, 3, 4], validation=[5, 6, 7], test=[8, 9])


def made(name: str, toy: Toy, llm: Any = None, **options: Any) -> Optimizer:
    build: Any = OPTIMIZERS[name].load()
    optimizer = build(toy.parameters, llm if llm is not None else toy_llm(), target=0.0, **options)
    assert isinstance(optimizer, Optimizer)
    return optimizer


def solved(name: str, record: Path | None = None, plan: Plan = PLAN, **options: Any) -> tuple[Result, Toy, Optimizer]:
    toy = Toy()
    optimizer = made(name, toy, **options)
    result = optimize(toy.workflow, optimizer, SPLIT, judge=toy.judge, plan=plan, record=record)
    return result, toy, optimizer


def events(path: Path) -> list[Any]:
    def timeless(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: timeless(v) for k, v in value.items() if k not in ("seconds", "elapsed_s", "time")}
        return [timeless(entry) for entry in value] if isinstance(value, list) else value

    return [timeless(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", NAMES)
def test_it_improves_a_toy_and_leaves_the_best_in_the_parameters(name: str) -> None:
    result, toy, _ = solved(name)
    assert result.start_score == 3 - TARGET
    assert result.score is not None
    assert result.score > result.start_score
    assert toy.x.data == result.best.values["x"]
    assert result.test_score == -abs(TARGET - toy.x.data)
    assert result.test_difference is not None
    assert result.test_difference.low is not None
    assert result.test_difference.low > 0


@pytest.mark.parametrize("name", NAMES)
def test_no_candidate_runs_twice_on_an_instance(name: str) -> None:
    _, toy, _ = solved(name, plan=replace(PLAN, minibatch=2))
    assert len(toy.calls) == len(set(toy.calls))


@pytest.mark.parametrize("name", NAMES)
def test_the_budget_of_runs_is_never_passed(name: str) -> None:
    result, toy, _ = solved(name, plan=replace(PLAN, limits=Limits(trials=25)))
    assert len(toy.calls) <= 25
    assert result.test_score is not None, "the test runs are set aside at the beginning"


@pytest.mark.parametrize("name", ASKS_A_MODEL)
def test_the_budget_of_calls_is_never_passed(name: str) -> None:
    llm = toy_llm()
    result, _, _ = solved(name, plan=replace(PLAN, limits=Limits(llm_calls=2)), llm=llm)
    assert len(llm.requests) <= 2
    assert "llm_calls" in result.stopped


@pytest.mark.parametrize("name", NAMES)
def test_a_budget_that_allows_nothing_is_said_at_once(name: str) -> None:
    with pytest.raises(BudgetExceeded, match="trials"):
        solved(name, plan=replace(PLAN, limits=Limits(trials=3)))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_record(name: str, tmp_path: Path) -> None:
    plan = replace(PLAN, minibatch=2, candidates=2, workers=2)
    solved(name, tmp_path / "a.jsonl", plan)
    solved(name, tmp_path / "b.jsonl", plan)
    assert events(tmp_path / "a.jsonl") == events(tmp_path / "b.jsonl")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.4, 0.9])
def test_a_cut_run_resumes_to_an_identical_record(name: str, share: float, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    plan = replace(PLAN, steps=5, minibatch=3)
    solved(name, whole, plan)
    raw = whole.read_bytes()
    cut.write_bytes(raw[: int(len(raw) * share)])  # in the middle of a line
    kept = cut.read_bytes().count(b"\n")
    past = [row["kind"] for row in events(whole)][:kept]
    llm = toy_llm()
    _, toy, _ = solved(name, cut, plan, llm=llm)
    assert events(cut) == events(whole)
    later = [row["kind"] for row in events(whole)][kept:]
    assert len(llm.requests) == later.count("exchange"), f"nothing of {past} is asked again"
    assert len(toy.calls) == later.count("evaluated")


@pytest.mark.parametrize("name", ASKS_A_MODEL)
def test_replies_without_use_are_counted_and_recorded(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    result, toy, optimizer = solved(name, path, llm=constant_llm("I would TERMINATE here."))
    assert optimizer.failures == result.num_failed_replies >= 3
    assert toy.x.data == 3
    kinds = [row["kind"] for row in events(path)]
    assert kinds.count("failed_reply") == result.num_failed_replies
    assert "no new candidate in 3 rounds" in result.stopped


@pytest.mark.parametrize("name", NAMES)
def test_the_prompt_is_rendered_without_a_call(name: str) -> None:
    toy, llm = Toy(), toy_llm()
    optimizer = made(name, toy, llm)
    backward(toy.workflow(2), "add 14")
    prompt = optimizer.render()
    assert "x = 3" in prompt
    assert prompt == optimizer.render()
    assert llm.requests == []
    assert optimizer.tries == {}


@pytest.mark.parametrize("name", NAMES)
def test_step_without_feedback_asks_nobody_and_says_so(name: str) -> None:
    toy, llm = Toy(), toy_llm()
    optimizer = made(name, toy, llm)
    step = optimizer.step()
    assert step.status == "no_feedback"
    assert "nobody was asked" in step.message
    assert optimizer.num_skipped == 1
    assert llm.requests == []


@pytest.mark.parametrize("name", NAMES)
def test_step_after_everything_passed_asks_nobody_unless_told(name: str) -> None:
    toy, llm = Toy(), toy_llm()
    optimizer = made(name, toy, llm)
    toy.x.set(TARGET)
    output: Node = toy.workflow(1)
    backward(output, 0.0)
    assert optimizer.step().status == "passed"
    assert llm.requests == []
    assert optimizer.step(force=True).status == "updated"


@pytest.mark.parametrize("name", NAMES)
def test_zero_feedback_backward_and_step_are_sugar_over_ask_and_tell(name: str) -> None:
    toy = Toy()
    optimizer = made(name, toy)
    for _ in range(15):
        optimizer.zero_feedback()
        output = toy.workflow(0)
        score, text = toy.judge(0, output.data)
        backward(output, score)
        optimizer.backward(output, text)
        if optimizer.step().status == "passed":
            break
    assert optimizer.best is not None
    assert abs(optimizer.best.values["x"] - TARGET) < abs(3 - TARGET)


@pytest.mark.parametrize("name", NAMES)
def test_a_worse_candidate_is_not_built_upon(name: str) -> None:
    toy = Toy()
    optimizer = made(name, toy)
    good, bad = Candidate({"x": 16}), Candidate({"x": 0})
    optimizer.tell(good, Outcome((Case("a", -1.0), Case("b", -1.0))))
    optimizer.tell(bad, Outcome((Case("a", -17.0), Case("b", -17.0))))
    assert optimizer.best == good
    assert optimizer.focus(1) == [good]


@pytest.mark.parametrize("name", NAMES)
def test_an_error_is_no_score_and_never_beats_a_run_that_ended(name: str) -> None:
    toy = Toy()
    optimizer = made(name, toy)
    optimizer.tell(Candidate({"x": 1}), Outcome((Case("a", -100.0),)))
    optimizer.tell(Candidate({"x": 2}), Outcome((Case("a", None, error="ValueError: no"),)))
    assert optimizer.best == Candidate({"x": 1})
    assert Outcome((Case("a", None, error="ValueError: no"),)).score is None
