"""A model is asked while trials run; its answers are one question old, and its faults are not hidden."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
import pytest
from optuna.trial import Trial

from autoagent.errors import LLMError
from autoagent.search.agent_search.context import Context, Settings
from autoagent.search.history import Observation
from autoagent.search.prefetching import Prefetched
from autoagent.search.samplers.agent import ATTRIBUTE, AgentSampler

optuna.logging.set_verbosity(optuna.logging.CRITICAL)
LONG_S = 60.0  # never waited for


class Asked:
    """Answers with the number of the trial it was asked at, and waits where it is told to."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.begun = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()
        self.fault: BaseException | None = None

    def __call__(self, context: Context, observations: Sequence[Observation], count: int) -> list[Mapping[str, Any]]:
        self.numbers.append(context.number)
        self.begun.release()
        assert self.gate.wait(LONG_S)
        if self.fault is not None:
            raise self.fault
        return [{"x": float(context.number)}]


def at(number: int) -> Context:
    return Context(number, seed=0)


def test_the_first_call_waits_and_the_others_give_the_answer_to_the_question_before() -> None:
    asked = Asked()
    ahead = Prefetched(asked)
    answers = [next(iter(ahead(at(number), [], 1)))["x"] for number in (1, 4, 9)]
    assert answers == [1.0, 1.0, 4.0]
    for _ in range(4):
        assert asked.begun.acquire(timeout=LONG_S)
    assert asked.numbers == [1, 1, 4, 9]


def test_a_trial_runs_while_the_model_thinks() -> None:
    asked = Asked()
    thought: list[int] = []

    def objective(trial: Trial) -> float:
        x = trial.suggest_float("x", 0.0, 100.0)
        if trial.number == 1:  # its proposal took the first answer; the second question must begin meanwhile
            assert asked.begun.acquire(timeout=LONG_S)
            assert asked.begun.acquire(timeout=LONG_S)
            thought.append(trial.number)
        return x

    study = optuna.create_study(sampler=AgentSampler(seed=0, defaults={"x": 50.0}, llm=Prefetched(asked)))
    study.optimize(objective, n_trials=3)
    assert thought == [1]
    assert study.trials[1].system_attrs[ATTRIBUTE]["by"] == "llm"


def test_with_patience_a_turn_is_left_to_the_surrogate_and_the_answer_comes_later() -> None:
    asked = Asked()
    ahead = Prefetched(asked, patience_s=0.0)
    assert list(ahead(at(1), [], 1)) == [{"x": 1.0}]
    for _ in range(2):
        assert asked.begun.acquire(timeout=LONG_S)
    asked.gate.clear()
    while list(ahead(at(2), [], 1)):  # the answer that was under way may have come before the gate closed
        assert asked.begun.acquire(timeout=LONG_S)
    held = len(asked.numbers)
    assert list(ahead(at(3), [], 1)) == []
    assert len(asked.numbers) == held  # one question at a time
    asked.gate.set()
    found: list[Any] = []
    while not found:
        found = list(ahead(at(4), [], 1))
    assert found[0]["x"] in (1.0, 2.0)


def test_a_fault_is_raised_once_by_the_call_that_takes_the_answer_and_the_next_question_is_put() -> None:
    asked = Asked()
    ahead = Prefetched(asked)
    asked.fault = LLMError("no answer")
    with pytest.raises(LLMError, match="no answer"):
        ahead(at(1), [], 1)
    asked.fault = None
    assert list(ahead(at(2), [], 1)) == [{"x": 2.0}]
    asked.fault = TimeoutError("a proposer's own")
    list(ahead(at(3), [], 1))
    with pytest.raises(TimeoutError, match="own"):
        ahead(at(4), [], 1)


def test_a_fault_of_the_model_leaves_the_trial_to_the_surrogate() -> None:
    asked = Asked()
    asked.fault = LLMError("no answer")
    study = optuna.create_study(sampler=AgentSampler(seed=0, llm=Prefetched(asked)))
    study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0), n_trials=8)
    assert len(study.trials) == 8
    assert asked.numbers


def test_threads_take_turns_and_one_question_is_under_way_at_a_time() -> None:
    at_once, most = [0], [0]
    lock = threading.Lock()

    def asked(context: Context, observations: Sequence[Observation], count: int) -> list[Mapping[str, Any]]:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        answer = [{"x": float(context.number)}]
        with lock:
            at_once[0] -= 1
        return answer

    study = optuna.create_study(sampler=AgentSampler(seed=0, llm=Prefetched(asked)))
    study.optimize(lambda trial: trial.suggest_float("x", 0.0, 100.0), n_trials=24, n_jobs=4)
    assert len(study.trials) == 24
    assert most == [1]


def test_a_copy_asks_for_itself() -> None:
    ahead = Prefetched(_fixed)
    assert list(ahead(at(1), [], 1)) == [{"x": 1.0}]
    copy = pickle.loads(pickle.dumps(ahead))
    assert list(copy(at(5), [], 1)) == [{"x": 5.0}]


def _fixed(context: Context, observations: Sequence[Observation], count: int) -> list[Mapping[str, Any]]:
    return [{"x": float(context.number)}]


def test_a_model_that_has_a_price_must_rank_better_to_keep_its_turns() -> None:
    def as_good_as_the_others(context: Context, history: Sequence[Observation], count: int) -> list[dict[str, float]]:
        return [{"x": 0.01 * ((37 * context.number) % 100)}]

    def turns(price: float) -> int:
        settings = Settings(llm_price=price)
        study = optuna.create_study(sampler=AgentSampler(seed=0, llm=as_good_as_the_others, settings=settings))
        study.optimize(lambda t: (t.suggest_float("x", 0.0, 1.0) * 37 % 1.0 - 0.5) ** 2, n_trials=30)
        return sum(trial.system_attrs[ATTRIBUTE]["by"] == "llm" for trial in study.trials)

    assert turns(0.0) > turns(0.5)
    assert turns(0.5) <= 5  # those of the beginning, before it was judged
