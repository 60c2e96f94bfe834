"""AutoML-GPT: a predicted log is labelled as one, kept with its trial, and held to what then happened."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
from tests.search.scripted_proposers import at_random, mute, proposer

from autoagent.llm.client import LLM
from autoagent.search.language.cards import TaskContext
from autoagent.search.language.ledger import Ledger
from autoagent.search.samplers.automl_gpt import Archived, build, forecast_agreement, nearest

ARCHIVE = [
    Archived({"name": "house prices", "task": "regression"}, {"x": 0.9}),
    Archived({"name": "handwritten digits", "classes": 10}, {"x": 0.3}),
    Archived({"name": "handwritten letters", "classes": 26}, {"x": 0.35}),
]


def objective(trial: Any) -> float:
    return float(abs(trial.suggest_float("x", -1, 1) - 0.3) + (trial.suggest_categorical("k", ["a", "b"]) == "a"))


def truth(config: Any) -> float:
    return float(abs(config["x"] - 0.3) + (config["k"] == "a"))


def search(llm: LLM | None, *, trials: int = 13, objective: Any = objective, **options: Any) -> optuna.Study:
    study = optuna.create_study(sampler=build(seed=0, llm=llm, **options), study_name="forecast")
    study.optimize(objective, n_trials=trials, catch=(ArithmeticError,))
    return study


def test_every_proposed_trial_keeps_its_forecast_labelled_as_one() -> None:
    study = search(proposer(at_random, value=truth))
    assert "predicted" not in study.trials[0].user_attrs  # the space was unknown
    for trial in study.trials[1:]:
        forecast = trial.user_attrs["predicted"]
        assert forecast["label"] == "predicted"
        assert forecast["value"] == pytest.approx(truth(trial.params), abs=1e-4)
        assert len(forecast["log"]) == 2
        assert trial.value != forecast["value"] or truth(trial.params) == forecast["value"]


def test_the_best_predicted_of_a_reply_is_tried_first_and_a_request_serves_four_trials() -> None:
    llm = proposer(at_random, value=truth)
    study = search(llm)
    values = [trial.user_attrs["predicted"]["value"] for trial in study.trials[1:5]]
    assert values == sorted(values)
    assert len(llm.requests) == 3


def test_a_forecast_that_is_right_agrees_and_one_that_is_wrong_does_not() -> None:
    right = forecast_agreement(search(proposer(at_random, value=truth)))
    assert (right.count, right.low > 0.9) == (12, True)
    wrong = forecast_agreement(search(proposer(at_random, value=lambda config: -truth(config))))
    assert wrong.spearman < -0.9
    constant = forecast_agreement(search(proposer(at_random)))
    assert math.isnan(constant.spearman)
    assert (constant.low, constant.high) == (-1.0, 1.0)


def test_a_failure_that_was_not_foreseen_counts_against_the_forecast() -> None:
    def fails_where_it_should_be_best(trial: Any) -> float:
        value = objective(trial)
        if value < 0.6 and trial.number:
            raise ArithmeticError("diverged")
        return value

    study = search(proposer(at_random, value=truth), objective=fails_where_it_should_be_best)
    assert any(trial.state.name == "FAIL" for trial in study.trials)
    assert forecast_agreement(study).spearman < 0.6


def test_the_most_similar_cards_come_first_and_strangers_not_at_all() -> None:
    found = nearest({"name": "digits, handwritten", "classes": 10}, ARCHIVE)
    assert [row.config["x"] for row in found] == [0.3, 0.35, 0.9]
    assert nearest({"name": "digits, handwritten", "classes": 10}, ARCHIVE, count=1) == [ARCHIVE[1]]
    assert nearest({"zzz": "qqq"}, ARCHIVE) == []
    assert nearest({}, ARCHIVE) == []


def test_the_prompt_shows_what_worked_on_the_nearest_data_sets() -> None:
    llm = proposer(at_random, value=truth)
    search(llm, trials=2, archive=ARCHIVE, context=TaskContext(data_card={"name": "handwritten symbols"}))
    text = llm.requests[0].messages[0].content
    assert '{"data card": {"name": "handwritten digits", "classes": 10}, "config": {"x": 0.3}}' in text
    assert "It is compared with what then happens, and never reported as a result." in text


def test_without_a_usable_reply_it_is_the_classical_sampler_and_counted() -> None:
    for llm in (mute(), None):
        study = search(llm, trials=6)
        assert Ledger.of(study).total()["fallbacks"] == len(study.trials) == 6
        assert forecast_agreement(study).count == 0
