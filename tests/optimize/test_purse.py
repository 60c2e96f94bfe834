"""A workflow's own model calls come out of the optimization's budget, also after a resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.optimize.toys import Toy, toy_llm

from autoagent.errors import LLMError
from autoagent.llm.messages import Message, Request
from autoagent.llm.scripted import ScriptedLLM
from autoagent.optimize import Limits, OptoPrime, Plan, Result, Split, metered, optimize

PLAN = Plan(steps=3, validation=0, test=0)


class Talkative(Toy):
    """Asks a model of its own in each run."""

    def __init__(self, llm: ScriptedLLM) -> None:
        super().__init__()
        self.llm = metered(llm)

    def workflow(self, instance: int) -> Any:
        self.llm.complete(Request(self.llm.name, (Message("user", "help"),), max_tokens=8), timeout_s=1.0)
        return super().workflow(instance)


def run(toy: Toy, instances: Any, plan: Plan, **more: Any) -> Result:
    return optimize(toy.workflow, OptoPrime(toy.parameters, toy_llm()), instances, judge=toy.judge, plan=plan, **more)


def test_the_calls_of_both_are_counted() -> None:
    own = ScriptedLLM(["yes"], loop=True)
    result = run(Talkative(own), [1, 2], PLAN)
    assert len(own.requests) == result.num_runs == 8
    assert result.used["llm_calls"] == result.num_calls + len(own.requests)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_limit_ends_the_optimization_with_the_best_so_far(workers: int) -> None:
    own = ScriptedLLM(["yes"], loop=True)
    plan = replace(PLAN, steps=9, limits=Limits(llm_calls=8), workers=workers)
    result = run(Talkative(own), [1, 2], plan)
    assert "llm_calls" in result.stopped
    assert result.used["llm_calls"] <= 8
    assert result.score is not None
    assert result.start_score is not None
    assert result.score > result.start_score


def test_a_test_that_cannot_be_paid_is_said_and_the_best_is_kept() -> None:
    own = ScriptedLLM(["yes"], loop=True)
    plan = replace(PLAN, limits=Limits(llm_calls=7))
    result = run(Talkative(own), Split(train=[1, 2], test=[5, 6]), plan)
    assert "the test was not run to its end" in result.stopped
    assert result.test_score is None
    assert result.test_difference is None
    assert result.score is not None


def test_what_was_spent_before_a_crash_stays_spent(tmp_path: Path) -> None:
    class Cutting(Talkative):
        def workflow(self, instance: int) -> Any:
            if len(self.calls) == 5:
                raise KeyboardInterrupt
            return super().workflow(instance)

    path = tmp_path / "run.jsonl"
    first, second, whole = (ScriptedLLM(["yes"], loop=True) for _ in range(3))
    with pytest.raises(KeyboardInterrupt):
        run(Cutting(first), [1], replace(PLAN, steps=8), record=path)
    resumed = run(Talkative(second), [1], replace(PLAN, steps=8), record=path)
    straight = run(Talkative(whole), [1], replace(PLAN, steps=8))
    assert len(first.requests) + len(second.requests) == len(whole.requests)
    assert resumed.used["llm_calls"] == straight.used["llm_calls"]


def test_outside_an_optimization_a_metered_model_is_the_model() -> None:
    llm = metered(ScriptedLLM(["yes"]))
    request = Request(llm.name, (Message("user", "help"),))
    assert llm.complete(request, timeout_s=1.0).text == "yes"
    with pytest.raises(LLMError):
        llm.complete(request, timeout_s=1.0)
