"""What is particular to one optimizer: comments on edges, halves of a mixed search, the front of a population."""

from __future__ import annotations

import json
from typing import Any

import pytest
from optuna.samplers import GridSampler
from tests.optimize.toys import Toy, toy_llm

from autoagent.errors import LLMError
from autoagent.llm.messages import Request
from autoagent.llm.scripted import ScriptedLLM
from autoagent.optimize import (
    OPRO,
    Candidate,
    Case,
    Limits,
    Mixed,
    OptoPrime,
    Outcome,
    Plan,
    Population,
    TextGrad,
    optimize,
)
from autoagent.space import Choice, Code, Float, Int
from autoagent.trace import backward, bundle, node

SOURCE = "def shape(x):\n    return x\n"


@bundle()
def joined(first: str, second: str) -> str:
    """Join two texts."""
    return first + second


def test_textgrad_comments_travel_from_the_output_to_each_parameter() -> None:
    a, b = node("a", name="a", trainable=True), node("b", name="b", trainable=True)
    llm = ScriptedLLM(
        [
            {"comments": {"joined_1": "join shorter", "b": "b must shout"}},
            {"comments": {"a": "a must whisper"}},
            {"reasoning": "r", "updates": {"a": "whisper"}},
            {"reasoning": "r", "updates": {"b": "SHOUT"}},
        ]
    )
    optimizer = TextGrad([a, b], llm)
    backward(joined(joined(a, node("x", name="x")), b), "too dull")
    assert optimizer.step().status == "updated"
    assert (a.data, b.data) == ("whisper", "SHOUT")
    prompts = [request.messages[0].content for request in llm.requests]
    assert "too dull" in prompts[0]
    assert "join shorter" in prompts[1]
    assert "a must whisper" in prompts[2]
    assert "a must whisper" not in prompts[3]
    assert "b must shout" in prompts[3]


def test_textgrad_passes_through_a_long_loop_with_few_questions() -> None:
    x = node(1.0, name="x", trainable=True)
    out: Any = x
    for _ in range(500):
        out = out + 1.0
    backward(out, "more")

    def answer(request: Request) -> str:
        prompt = request.messages[0].content
        if '"comments"' not in prompt:
            return json.dumps({"reasoning": "r", "updates": {"x": 2.0}})
        names = prompt.split("with a comment on each of ")[1].split(".")[0].split(", ")
        return json.dumps({"comments": dict.fromkeys(names, "raise it")})

    llm = ScriptedLLM([answer], loop=True)
    assert TextGrad([x], llm).step().status == "updated"
    assert x.data == 2.0
    assert len(llm.requests) < 10


def test_textgrad_goes_on_without_a_comment_that_could_not_be_had() -> None:
    a = node("a", name="a", trainable=True)
    llm = ScriptedLLM(["no", "no", {"reasoning": "r", "updates": {"a": "c"}}])
    optimizer = TextGrad([a], llm)
    backward(joined(a, "x"), "make it c")
    assert optimizer.step().status == "updated"
    assert optimizer.failures == 1
    assert "make it c" in llm.requests[-1].messages[0].content


def test_textgrad_uses_what_was_paid_for_when_a_later_question_gets_no_reply() -> None:
    a, b = node("a", name="a", trainable=True), node("b", name="b", trainable=True)
    comments = {"comments": {"a": "whisper", "b": "shout"}}
    llm = ScriptedLLM([comments, {"reasoning": "r", "updates": {"a": "hush"}}, LLMError("the line is dead")])
    optimizer = TextGrad([a, b], llm)
    backward(joined(a, b), "too dull")
    assert optimizer.step().status == "updated"
    assert (a.data, b.data) == ("hush", "b")
    dead = TextGrad([a, b], ScriptedLLM([comments, LLMError("the line is dead")]))
    dead.zero_feedback()
    backward(joined(a, b), "too dull")
    with pytest.raises(LLMError, match="the line is dead"):
        dead.step()


def test_opro_shows_the_best_last_and_no_graph() -> None:
    x = node(1, name="x", trainable=True)
    optimizer = OPRO([x], memory_size=3)
    for value in (5, 9, 1, 7):
        optimizer.tell(Candidate({"x": value}), Outcome((Case("", float(value)),)))
    text = optimizer.render()
    places = [text.index(f'"values": {{"x": {value}}}') for value in (5, 7, 9)]
    assert places == sorted(places)
    assert '"values": {"x": 1}' not in text
    assert "Operations" not in text


def test_mixed_gives_numbers_to_the_sampler_and_text_and_code_to_the_model() -> None:
    rate = node(0.9, name="rate", trainable=True, domain=Float(0.0, 1.0))
    kind = node("a", name="kind", trainable=True, domain=Choice(["a", "b"]))
    words = node("bad", name="words", trainable=True)
    shape = node(SOURCE, name="shape", trainable=True, domain=Code.of(SOURCE))
    code = "def shape(x):\n    return 2 * x\n"
    llm = ScriptedLLM([f'{{"reasoning": "r", "updates": {{"words": "good"}}}}\n```python shape\n{code}```'], loop=True)
    optimizer = Mixed([rate, kind, words, shape], llm)

    def score(_: Any, value: float) -> float:
        return value

    def workflow(_: Any) -> float:
        good = (words.data == "good") + (shape.data == code) + (kind.data == "b")
        return good - abs(rate.data - 0.2)

    result = optimize(workflow, optimizer, [0], judge=score, plan=Plan(steps=16, patience=16))
    assert result.best.values["words"] == "good"
    assert result.best.values["shape"] == code
    assert result.score is not None
    assert result.score > 2.5
    shown = json.loads(llm.requests[0].messages[0].content.split("JSON schema:\n")[1].split("\n")[0])
    assert list(shown["properties"]["updates"]["properties"]) == ["words"]
    sources = {entry.candidate.source for entry in optimizer.tries.values()}
    assert sources == {"start", "sampler", "mixed"}


def test_mixed_needs_no_model_for_numbers_alone() -> None:
    x = node(30, name="x", trainable=True, domain=Int(0, 40))
    optimizer = Mixed([x])
    result = optimize(lambda _: x.data, optimizer, [0], judge=lambda _, v: -abs(v - 7.0), plan=Plan(steps=25))
    assert result.num_calls == 0
    assert result.score is not None
    assert result.score >= -2


def test_mixed_takes_a_grid_and_ends_when_it_is_searched() -> None:
    x = node(1, name="x", trainable=True, domain=Choice((1, 2, 3)))
    y = node("a", name="y", trainable=True, domain=Choice(("a", "b")))
    optimizer = Mixed([x, y], sampler=GridSampler({"x": [1, 2, 3], "y": ["a", "b"]}, seed=0))
    result = optimize(lambda _: x.data, optimizer, [0], judge=lambda _, v: float(v), plan=Plan(steps=12, candidates=2))
    assert len(result.history) == 6
    assert result.score == 3
    assert "tried already" in result.stopped


@pytest.mark.parametrize("kind", [OptoPrime, Population])
def test_proposals_that_were_paid_for_are_run_though_the_next_call_is_refused(kind: type[OptoPrime]) -> None:
    toy, llm = Toy(), toy_llm()
    plan = Plan(steps=2, candidates=3, limits=Limits(llm_calls=2), validation=0, test=0)
    result = optimize(toy.workflow, kind(toy.parameters, llm), [0], judge=toy.judge, plan=plan)
    assert len(llm.requests) == 2
    assert len(result.history) == 3
    assert "llm_calls" in result.stopped or "calls" in result.stopped


def told(optimizer: Population, name: str, scores: dict[str, float], parents: tuple[str, ...] = ()) -> Candidate:
    first, second = name.split("-")
    candidate = Candidate({"a": first, "b": second}, parents=parents)
    optimizer.tell(candidate, Outcome(tuple(Case(i, s) for i, s in scores.items())))
    return candidate


def population() -> Population:
    return Population([node("0", name="a", trainable=True), node("0", name="b", trainable=True)], ScriptedLLM([]))


def test_the_front_holds_who_is_best_somewhere_and_none_that_is_dominated() -> None:
    optimizer = population()
    start = told(optimizer, "0-0", {"i": 0.0, "j": 0.0, "k": 1.0})
    left = told(optimizer, "1-0", {"i": 5.0, "j": 0.0, "k": 1.0}, (start.key,))
    right = told(optimizer, "0-1", {"i": 0.0, "j": 4.0, "k": 1.0}, (start.key,))
    told(optimizer, "2-2", {"i": -1.0, "j": 0.0, "k": 0.0}, (start.key,))
    assert set(optimizer.front()) == {left.key, right.key}
    assert optimizer.front()[left.key] == 2


def test_the_front_is_over_objectives_where_there_are_several() -> None:
    optimizer = population()

    def two(name: str, cost: float, speed: float, *parents: str) -> Candidate:
        candidate = Candidate(dict(zip("ab", name.split("-"), strict=True)), parents=parents)
        case = Case("i", (cost + speed) / 2, objectives={"cost": cost, "speed": speed})
        optimizer.tell(candidate, Outcome((case,)))
        return candidate

    start = two("0-0", 0.0, 0.0)
    cheap, fast, middle = two("1-0", 9.0, 1.0, start.key), two("0-1", 1.0, 9.0, start.key), two("1-1", 4.0, 4.0)
    assert set(optimizer.front()) == {cheap.key, fast.key}
    assert middle.key in optimizer.pool
    row = Case("i", 1.0, objectives={"cost": 1.0})
    assert Case.from_json(row.to_json()) == row


def test_a_child_that_does_not_beat_its_parent_stays_out_of_the_pool() -> None:
    optimizer = population()
    start = told(optimizer, "0-0", {"i": 1.0})
    same = told(optimizer, "1-0", {"i": 1.0}, (start.key,))
    better = told(optimizer, "2-0", {"i": 2.0}, (start.key,))
    assert set(optimizer.pool) == {start.key, better.key}
    assert same.key in optimizer.tries


def test_a_merge_takes_each_parameter_from_the_parent_that_changed_it() -> None:
    optimizer = population()
    start = told(optimizer, "0-0", {"i": 0.0, "j": 0.0})
    left = told(optimizer, "1-0", {"i": 5.0, "j": 0.0}, (start.key,))
    right = told(optimizer, "0-1", {"i": 0.0, "j": 4.0}, (start.key,))
    merged = optimizer._merge()
    assert merged is not None
    assert dict(merged.values) == {"a": "1", "b": "1"}
    assert set(merged.parents) == {left.key, right.key}


def test_scores_on_validation_decide_the_front_once_there_are_some() -> None:
    optimizer = population()
    start = told(optimizer, "0-0", {"i": 0.0})
    child = told(optimizer, "1-0", {"i": 9.0}, (start.key,))
    optimizer.hear_scores(start, {"v": 3.0})
    optimizer.hear_scores(child, {"v": 1.0})
    assert set(optimizer.front()) == {start.key}
