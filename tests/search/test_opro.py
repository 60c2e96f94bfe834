"""OPRO on hyperparameters: history only, several proposals a request, and a study that no model can break."""

from __future__ import annotations

from typing import Any

import optuna
from tests.search.scripted_proposers import at_random, mute, near, proposer, rows

from autoagent.llm.client import LLM
from autoagent.search.language.ledger import Ledger
from autoagent.search.samplers.opro import build


def objective(trial: Any) -> float:
    return float(abs(trial.suggest_float("x", -1, 1) - 0.3) + (trial.suggest_categorical("k", ["a", "b"]) == "a"))


def search(llm: LLM | None, *, trials: int, **options: Any) -> optuna.Study:
    study = optuna.create_study(sampler=build(seed=0, llm=llm, **options), study_name="opro")
    study.optimize(objective, n_trials=trials)
    return study


def test_sixteen_trials_after_the_first_five_cost_two_requests() -> None:
    llm = proposer(near({"x": 0.3, "k": "b"}, spread=0.5))
    study = search(llm, trials=21)
    assert len(llm.requests) == 2
    assert Ledger.of(study).sources() == {"classical": 5, "opro": 16}
    assert Ledger.of(study).total() == {"requests": 2}
    assert study.best_value < 0.05


def test_the_worst_of_the_best_come_first_and_nothing_but_history_is_shown() -> None:
    llm = proposer(at_random)
    search(llm, trials=40)
    shown = [row["value"] for row in rows(llm.requests[-1])]
    assert len(shown) == 20
    assert shown == sorted(shown, reverse=True)
    assert "data card" not in llm.requests[-1].messages[0].content


def test_configurations_of_one_reply_are_each_tried_once_with_foreign_trials_between_them() -> None:
    llm = proposer(near({"x": 0.3, "k": "b"}))
    study = optuna.create_study(sampler=build(seed=0, llm=llm), study_name="opro")
    for number in range(14):
        if number in (6, 9):
            study.enqueue_trial({"x": -0.5 + number / 100, "k": "a"})
        study.optimize(objective, n_trials=1)
    ours = [trial.params["x"] for trial in study.trials if abs(trial.params["x"] - 0.3) < 0.02]
    assert len(set(ours)) == len(ours) == 7
    assert len(llm.requests) == 1


def test_trials_that_run_at_once_take_different_configurations() -> None:
    study = optuna.create_study(sampler=build(seed=0, llm=proposer(near({"x": 0.3, "k": "b"}))), study_name="opro")
    study.optimize(objective, n_trials=6)
    running = [study.ask() for _ in range(7)]
    values = [trial.suggest_float("x", -1, 1) for trial in running]
    assert len(set(values)) == 7


def test_without_a_usable_reply_it_is_the_classical_sampler_and_counted() -> None:
    for llm, fallbacks in ((mute(), 3), (None, 8)):
        study = search(llm, trials=8)
        assert len(study.trials) == 8
        assert Ledger.of(study).total()["fallbacks"] == fallbacks
