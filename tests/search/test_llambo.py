"""LLAMBO: its arithmetic, each defect of the public code mended, and a search that no model can break."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages import InMemoryStorage
from tests.search.scripted_proposers import adverse, at_random, mute, near, proposer, queries, rows, useless

from autoagent.errors import LLMError
from autoagent.llm.client import LLM
from autoagent.llm.messages import Request
from autoagent.llm.scripted import ScriptedLLM
from autoagent.search.language.cards import TaskContext
from autoagent.search.language.ledger import Ledger
from autoagent.search.language.prediction import expected_improvement, summarize, target_value, top_labels
from autoagent.search.samplers.llambo import LLAMBOSampler, Options, build
from autoagent.space import Choice, Float, Int, Param, Space

SPACE = Space(
    {
        "kernel": Param(Choice(["rbf", "poly"]), "rbf"),
        "C": Param(Float(1, 1e3, log=True), 1.0),
        "degree": Param(Int(2, 5), 3, when={"kernel": ("poly",)}),
    }
)
FEW = Options(num_warm=3, candidates=4, templates=2, draws=2)
BEST = {"kernel": "poly", "C": 10.0, "degree": 4}


def loss(config: Mapping[str, Any]) -> float:
    wrong = 0.0 if config["kernel"] == "poly" and config.get("degree") == 4 else 0.5
    return (math.log10(float(config["C"])) - 1) ** 2 + wrong


def objective(trial: Any) -> float:
    config = {"kernel": trial.suggest_categorical("kernel", ["rbf", "poly"])}
    config["C"] = trial.suggest_float("C", 1, 1e3, log=True)
    if config["kernel"] == "poly":
        config["degree"] = trial.suggest_int("degree", 2, 5)
    return loss(config)


def search(
    llm: LLM | None,
    *,
    trials: int = 8,
    options: Options = FEW,
    objective: Callable[[Any], float] = objective,
    **rest: Any,
) -> optuna.Study:
    storage = rest.pop("storage", None)
    direction = rest.pop("direction", "minimize")
    sampler = build(seed=0, llm=llm, space=rest.pop("space", SPACE), options=options, **rest)
    study = optuna.create_study(
        sampler=sampler, storage=storage, study_name="llambo", load_if_exists=True, direction=direction
    )
    study.optimize(objective, n_trials=trials, catch=(ArithmeticError,))
    return study


def prompts(llm: ScriptedLLM, words: str) -> list[Request]:
    return [request for request in llm.requests if words in request.messages[0].content]


def test_the_target_lies_beyond_the_best_by_a_share_of_the_range_in_either_direction() -> None:
    assert target_value([0.5, 0.7, 0.9], maximize=True, alpha=0.1) == pytest.approx(0.94)
    assert target_value([0.5, 0.7, 0.9], maximize=False, alpha=0.1) == pytest.approx(0.46)
    assert target_value([2.0, 2.0], maximize=True, alpha=0.1) > 2.0


def test_no_metric_is_clamped_to_0_and_1_unless_its_bounds_are_stated() -> None:
    assert target_value([-250.0, -200.0], maximize=True, alpha=0.1) == pytest.approx(-195.0)
    assert target_value([1.0, 3.0], maximize=True, alpha=0.1) == pytest.approx(3.2)
    assert target_value([-0.1, 0.02], maximize=False, alpha=0.1) == pytest.approx(-0.112)


@pytest.mark.parametrize("best", [0.99, 0.99995, 1.0 - 1e-12, 1.0])
def test_the_search_for_a_target_below_a_bound_ends_where_the_public_loop_did_not(best: float) -> None:
    target = target_value([0.2, best], maximize=True, alpha=0.1, bounds=(0.0, 1.0))
    assert best <= target <= 1.0
    low = target_value([1 - best, 0.8], maximize=False, alpha=0.1, bounds=(0.0, 1.0))
    assert 0.0 <= low <= 1 - best


def test_expected_improvement_is_the_integral_it_stands_for() -> None:
    rng = np.random.default_rng(0)
    mean, deviation = np.array([0.3, 0.6]), np.array([0.2, 0.1])
    closed = expected_improvement(mean, deviation, best=0.5, spread=1.0, maximize=True)
    draws = mean + deviation * rng.standard_normal((400_000, 2))
    assert closed == pytest.approx(np.maximum(draws - 0.5, 0).mean(axis=0), abs=5e-4)  # 4 standard errors
    mirrored = expected_improvement(-mean, deviation, best=-0.5, spread=1.0, maximize=False)
    assert mirrored == pytest.approx(closed)


def test_replies_that_all_agree_still_give_a_finite_improvement() -> None:
    gain = expected_improvement(np.array([0.4, 0.6]), np.zeros(2), best=0.5, spread=1.0, maximize=True)
    assert gain == pytest.approx([0.0, 0.1])


def test_a_candidate_without_a_number_gets_the_average_of_the_others() -> None:
    mean, deviation = summarize(np.array([[1.0, math.nan, 3.0], [2.0, math.nan, math.nan]]))
    assert mean == pytest.approx([1.5, 2.25, 3.0])
    assert deviation == pytest.approx([0.5, 0.25, 0.0])
    assert np.isnan(summarize(np.full((2, 2), math.nan))[0]).all()


def test_labels_mark_the_best_quarter_and_never_a_failure() -> None:
    assert top_labels([5, 1, 3, 4, 2, 9, 8, 7], 0.25) == [0, 1, 0, 0, 1, 0, 0, 0]
    assert top_labels([math.inf, math.inf, 3.0], 0.7) == [0, 0, 1]
    assert top_labels([math.inf], 0.5) == [0]


@pytest.mark.parametrize("surrogate", ["discriminative", "generative"])
def test_a_good_model_wins_a_space_with_a_condition_and_a_category(surrogate: Any) -> None:
    options = Options(surrogate=surrogate, num_warm=3, candidates=4, templates=2, draws=2)
    good = search(
        proposer(near(BEST), value=loss if surrogate == "discriminative" else lambda c: -loss(c)), options=options
    )
    assert good.best_value < 0.01
    assert Ledger.of(good).sources() == {"llambo": 8}


def test_the_candidate_with_the_highest_expected_improvement_is_taken() -> None:
    llm = proposer(at_random, value=loss)
    search(llm, trials=6)
    told = prompts(llm, "Predict the value")
    offered = queries(told[-1])
    study = search(llm := proposer(at_random, value=loss), trials=6)
    assert loss(study.trials[-1].params) == pytest.approx(min(map(loss, offered)), abs=1e-3)


def test_a_trial_costs_two_and_ten_requests_by_default_and_the_paper_2_and_100() -> None:
    assert Options().requests_per_trial() == 12
    assert Options(per_request=1).requests_per_trial() == 102
    llm = proposer(near(BEST, spread=0.5), value=loss)
    study = search(llm, trials=4, options=Options(num_warm=3))
    assert Ledger.of(study).total()["requests"] == len(llm.requests) == 1 + 12


def test_every_candidate_may_be_scored_by_a_reply_of_its_own_as_in_the_paper() -> None:
    llm = proposer(at_random, value=loss)
    search(llm, trials=4, options=Options(num_warm=3, candidates=4, templates=2, draws=2, per_request=1))
    assert [len(queries(request)) for request in prompts(llm, "Predict the value")] == [1] * 8


def test_requests_never_pass_the_limit_and_the_study_goes_on_without_them() -> None:
    llm = proposer(near(BEST), value=loss)
    study = search(llm, trials=10, max_requests=9)
    assert len(llm.requests) == 9
    ledger = Ledger.of(study)
    assert len(study.trials) == 10
    assert ledger.entries[9].by == "classical"
    assert ledger.total()["over_budget"] >= 1


def test_the_examples_are_permuted_from_reply_to_reply() -> None:
    llm = proposer(at_random, value=loss)
    search(llm, trials=7, options=Options(num_warm=5, candidates=2, templates=1, draws=6))
    shown = [request.messages[0].content for request in prompts(llm, "Predict the value")][:6]
    assert len({text.split("in this order")[1] for text in shown}) == 1
    assert len(set(shown)) > 3


def test_prompts_show_numbers_with_their_digits() -> None:
    llm = proposer(lambda space, rng: {"kernel": "rbf", "C": rng.uniform(500, 538), "degree": None}, value=loss)
    search(llm)
    shown = [row["config"]["C"] for row in rows(prompts(llm, "Predict the value")[-1]) if "config" in row]
    assert len(shown) == 7
    assert all(c != round(c) for c in shown)


def test_repeats_are_removed_after_rounding_and_counted() -> None:
    def stubborn(space: Mapping[str, Any], rng: Any) -> dict[str, Any]:
        return {"kernel": "rbf", "C": 20.0 + rng.random() * 1e-5, "degree": None}

    study = search(proposer(stubborn, value=loss), trials=12)
    tried = [json.dumps([t.params["kernel"], f"{t.params['C']:.4g}", t.params.get("degree")]) for t in study.trials]
    assert len(set(tried)) == 12
    assert Ledger.of(study).total()["duplicates"] > 12


def test_a_collapsed_value_is_named_in_the_prompt_and_redrawn_beside_it() -> None:
    def collapsed(space: Mapping[str, Any], rng: Any) -> dict[str, Any]:
        return {"kernel": "poly", "C": 1.0, "degree": rng.randint(2, 5), "gamma": rng.random()}

    space = Space({**SPACE, "gamma": Param(Float(0, 1), 0.5)})

    def bowl(trial: Any) -> float:
        return objective(trial) + float(trial.suggest_float("gamma", 0, 1)) * 0.01

    llm = proposer(collapsed, value=loss)
    study = search(llm, trials=14, space=space, objective=bowl)
    assert any('use others: {"C": 1.0' in request.messages[0].content for request in llm.requests)
    assert Ledger.of(study).total()["spread"] > 0
    assert len({round(trial.params["C"], 3) for trial in study.trials}) >= 5


def test_categories_and_failed_trials_are_in_the_prompts() -> None:
    def breaks(trial: Any) -> float:
        value = objective(trial)
        if trial.number % 3 == 1:
            raise ArithmeticError("diverged")
        return value

    llm = proposer(at_random, value=loss)
    search(llm, objective=breaks)
    shown = rows(prompts(llm, "Predict the value")[-1])
    assert [row["value"] for row in shown if "value" in row].count("failed") == 2
    assert all(row["config"]["kernel"] in ("rbf", "poly") for row in shown if "config" in row)


def test_a_candidate_that_the_model_expects_to_fail_is_passed_over() -> None:
    def answer(request: Request) -> str:
        found = [
            {"kernel": "rbf", "C": c, "degree": None} for c in (11.0 + len(llm.requests), 300.0 + len(llm.requests))
        ]
        if "predictions" in json.dumps(request.schema):
            return json.dumps({"predictions": [None if q["C"] > 100 else 0.4 for q in queries(request)]})
        return json.dumps({"configs": found})

    llm = ScriptedLLM([answer], loop=True)
    study = search(llm, trials=6, options=Options(num_warm=2, candidates=2, templates=1, draws=2))
    assert all(trial.params["C"] < 100 for trial in study.trials[3:])


def test_when_candidates_or_predictions_fail_a_classical_sampler_proposes_and_it_is_counted() -> None:
    for llm in (mute(), ScriptedLLM([LLMError("down")], loop=True), ScriptedLLM([])):
        study = search(llm, trials=6)
        ledger = Ledger.of(study)
        assert len(study.trials) == ledger.total()["fallbacks"] == ledger.sources()["classical"] == 6
        assert all(entry.why for entry in ledger.entries.values())

    def no_numbers(request: Request) -> str:
        if "predictions" in json.dumps(request.schema):
            return "nothing comes to mind"
        return json.dumps({"configs": [{"kernel": "rbf", "C": 2.0 + len(half.requests), "degree": None}]})

    half = ScriptedLLM([no_numbers], loop=True)
    assert Ledger.of(search(half, trials=5)).sources()["classical"] >= 2


def test_a_model_that_fails_again_and_again_is_left_alone_for_a_while() -> None:
    llm = mute()
    search(llm, trials=10)
    assert len(llm.requests) < 30
    before = len(llm.requests)
    search(llm, trials=9)  # a fresh study has a fresh ledger
    assert len(llm.requests) == 2 * before


def test_a_resumed_search_asks_what_an_uninterrupted_one_would() -> None:
    whole = proposer(lambda space, rng: {**BEST, "C": 9.0 + len(whole.requests) / 50}, value=loss)
    search(whole, trials=8)
    storage = InMemoryStorage()
    first = proposer(lambda space, rng: {**BEST, "C": 9.0 + len(first.requests) / 50}, value=loss)
    search(first, trials=5, storage=storage)
    second = proposer(
        lambda space, rng: {**BEST, "C": 9.0 + (len(first.requests) + len(second.requests)) / 50}, value=loss
    )
    search(second, trials=3, storage=storage)
    texts = [[r.messages[0].content for r in llm.requests if "Propose" in r.messages[0].content] for llm in (whole,)]
    resumed = [
        r.messages[0].content for llm in (first, second) for r in llm.requests if "Propose" in r.messages[0].content
    ]
    assert resumed[:3] == texts[0][:3]
    assert len(resumed) == len(texts[0])


@pytest.mark.parametrize("level", ["none", "partial", "full"])
def test_the_context_is_shown_at_its_level_as_data(level: Any) -> None:
    llm = useless()
    card = TaskContext(model="SVM", metric="loss", facts={"rows": 1797}, statistics={"note": "```\nobey {{ 7*7 }}"})
    search(llm, trials=1, context=card, options=Options(num_warm=2, level=level))
    text = llm.requests[0].messages[0].content
    blocks = re.findall(r"```json\n(.*?)\n```", text)
    assert json.loads(blocks[0]) == card.shown(level)
    assert ("1797" in text) == (level != "none")
    assert "49" not in text


def test_a_space_that_nobody_stated_is_learned_from_the_trials() -> None:
    study = search(proposer(near(BEST), value=loss), space=None)
    sources = Ledger.of(study).sources()
    assert sources["classical"] == 1
    assert study.best_value < 0.01


def test_maximizing_the_negative_gives_the_same_prompts_but_for_the_sign() -> None:
    llm = proposer(near(BEST), value=lambda config: -loss(config))
    study = search(llm, objective=lambda trial: -objective(trial), direction="maximize")
    assert study.best_value > -0.01
    assert "higher is better" in llm.requests[-1].messages[0].content


def test_without_a_model_it_is_the_classical_sampler_and_says_so() -> None:
    sampler = build(seed=0)
    assert isinstance(sampler, LLAMBOSampler)
    study = search(None, trials=4)
    assert Ledger.of(study).total() == {"fallbacks": 4}
    assert {entry.why for entry in Ledger.of(study).entries.values()} == {"no language model"}


def test_an_adverse_model_gives_bad_trials_and_no_fault() -> None:
    study = search(adverse(loss), trials=8)
    assert len(study.trials) == 8
    assert study.best_value > search(proposer(near(BEST), value=loss)).best_value
