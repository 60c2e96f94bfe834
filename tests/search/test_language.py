"""What the language-model samplers share: words for a space, repair, evidence, cards, the ledger and the voice."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from autoagent.errors import BudgetExceeded, LLMError
from autoagent.llm.dialect import is_strict
from autoagent.llm.scripted import ScriptedLLM
from autoagent.prompts.search_replies import ConfigsReply
from autoagent.search.history import Observation
from autoagent.search.language.agreement import rank_agreement
from autoagent.search.language.cards import TaskContext, log_tail, speaks_of_test
from autoagent.search.language.evidence import gather, outcome_of, overused
from autoagent.search.language.known import KnownSpace, short
from autoagent.search.language.ledger import Entry
from autoagent.search.language.repair import middle, repair
from autoagent.search.language.replies import configs_reply
from autoagent.search.language.voice import Voice
from autoagent.space import Bool, Choice, Float, Int, Param, Space

SPACE = Space(
    {
        "kernel": Param(Choice(["rbf", "poly", None, 3]), "rbf"),
        "C": Param(Float(1, 1e3, log=True), 1.0),
        "degree": Param(Int(2, 5), 3, when={"kernel": ("poly",)}),
        "shrinking": Param(Bool(), True),
        "width": Param(Int(1, 512, log=True), 16),
    }
)
KNOWN = KnownSpace.from_space(SPACE)
GRID: dict[str, BaseDistribution] = {
    "x": FloatDistribution(0.0, 1.0, step=0.25),
    "n": IntDistribution(2, 20, step=3),
    "odd": CategoricalDistribution(["1", 1, 1.5]),
}


def seen(number: int, params: dict[str, Any], loss: float | None, state: Any = "done", **rest: Any) -> Observation:
    return Observation(number, params, loss, state, rest.get("violation", 0.0), dict(KNOWN.distributions))


@pytest.mark.parametrize(
    ("value", "shown"),
    [(537.4, 537.4), (0.3014, 0.3014), (1.2345678e-4, 0.000123457), (1e-4, 0.0001), (31, 31), (True, True)],
)
def test_a_number_keeps_its_digits_whatever_the_bounds(value: Any, shown: Any) -> None:
    assert short(value) == shown


def test_the_public_codes_example_of_lost_precision_is_not_lost() -> None:
    space = KnownSpace({"C": FloatDistribution(1, 1000, log=True), "gamma": FloatDistribution(1e-4, 1e-3, log=True)})
    texts = {json.dumps(space.shown({"C": c, "gamma": g})) for c in (537.4, 537.0) for g in (2.31e-4, 2.32e-4)}
    assert len(texts) == 4


def test_a_space_is_said_in_words_with_defaults_conditions_and_steps() -> None:
    words = KNOWN.words()
    assert words["C"] == "number from 1.0 to 1000.0, log scale; default 1.0"
    assert words["degree"] == 'whole number from 2 to 5; default 3; only if "kernel" is "poly", else null'
    assert words["kernel"] == 'one of "rbf", "poly", null, 3; default "rbf"'
    assert KnownSpace(GRID).words()["n"] == "whole number from 2 to 20, in steps of 3"


def test_a_reply_schema_holds_names_and_bounds_and_is_strict() -> None:
    schema = configs_reply(KNOWN, most=3).model_json_schema()
    good = {"kernel": "rbf", "C": 2.5, "degree": None, "shrinking": True, "width": 8}
    jsonschema.validate({"configs": [good]}, schema)
    assert is_strict(schema)
    for wrong in ({"C": 0.5}, {"kernel": "cubic"}, {"width": 1.5}, {"extra": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"configs": [{**good, **wrong}]}, schema)


def test_a_condition_is_inferred_from_trials_that_agree_with_it() -> None:
    kernel = CategoricalDistribution(["rbf", "poly"])
    rows = [
        ({"kernel": "rbf", "C": 1.0}, {"kernel": kernel, "C": FloatDistribution(0, 9)}),
        (
            {"kernel": "poly", "C": 1.0, "degree": 2},
            {"kernel": kernel, "C": FloatDistribution(0, 9), "degree": IntDistribution(2, 5)},
        ),
    ]
    assert KnownSpace({}).joined_by(rows).when == {"degree": {"kernel": ("poly",)}}
    against = [*rows, ({"kernel": "poly", "C": 2.0}, {"kernel": kernel, "C": FloatDistribution(0, 9)})]
    assert KnownSpace({}).joined_by(against).when == {}


@pytest.mark.parametrize(
    ("raw", "changed", "expected"),
    [
        ({"kernel": "rbf", "C": 2.0, "shrinking": True, "width": 4}, False, {"C": 2.0, "width": 4}),
        ({"kernel": "RBF", "C": "2.0", "shrinking": "true", "width": 4.0}, True, {"kernel": "rbf", "C": 2.0}),
        ({"kernel": "poly", "C": 5000, "degree": 9, "shrinking": True, "width": 0}, True, {"C": 1e3, "degree": 5}),
        ({"kernel": None, "C": 2.0, "degree": 4, "shrinking": True, "width": 4}, False, {"kernel": None}),
        ({"kernel": "3", "C": 2.0, "shrinking": False, "width": 4, "depth": 1}, True, {"kernel": 3}),
        ({"C": 2.0, "width": True}, True, {"kernel": "rbf", "C": 2.0, "width": 16}),
    ],
)
def test_a_configuration_is_mended_where_there_is_one_way_and_the_change_is_said(
    raw: dict[str, Any], changed: bool, expected: dict[str, Any]
) -> None:
    mended = repair(raw, KNOWN)
    assert mended.params is not None
    assert expected.items() <= mended.params.items()
    assert SPACE.check(mended.params) == mended.params
    assert bool(mended.changes) == changed


@pytest.mark.parametrize("raw", [{}, {"depth": 1}, {"C": "many"}, {"C": [1]}, {"C": float("nan")}])
def test_a_configuration_without_anything_usable_is_dropped(raw: dict[str, Any]) -> None:
    assert repair(raw, KNOWN).params is None


def test_what_is_missing_comes_from_the_best_trial_before_the_default() -> None:
    mended = repair({"C": 2.0}, KNOWN, fill={"width": 64, "kernel": "no such"})
    assert mended.params is not None
    assert (mended.params["width"], mended.params["kernel"]) == (64, "rbf")
    bare = repair({"x": 0.3}, KnownSpace(GRID))
    assert bare.params == {"x": 0.25, "n": middle(GRID["n"]), "odd": "1"}


@given(
    st.dictionaries(
        st.sampled_from(["kernel", "C", "degree", "shrinking", "width", "other"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers()),
    )
)
def test_whatever_a_model_writes_ends_up_legal_or_dropped(raw: dict[str, Any]) -> None:
    params = repair(raw, KNOWN).params
    assert params is None or SPACE.check(params) == params


def test_evidence_shows_the_best_the_latest_and_the_failures_in_the_metrics_own_sign() -> None:
    trials = [seen(n, {"C": 1.0 + n}, -0.1 * n) for n in range(8)]
    trials += [
        seen(8, {"C": 50.0}, None, "failed"),
        seen(9, {"C": 60.0}, None, "pruned"),
        seen(10, {}, None, "running"),
    ]
    evidence = gather(trials, KNOWN, maximize=True, top=2, last=3)
    assert [row["value"] for row in evidence.best] == [0.7, 0.6]
    assert [row["value"] for row in evidence.latest] == [0.4, 0.5, "pruned"]
    assert evidence.failed == ({"config": {"C": 50.0}, "value": "failed"},)
    assert (evidence.num_done, evidence.num_running) == (8, 1)


def test_a_trial_that_breaks_a_limit_comes_after_all_that_keep_it_and_says_so() -> None:
    trials = [seen(0, {"C": 1.0}, 0.1, violation=2.0), seen(1, {"C": 2.0}, 0.9)]
    best = gather(trials, KNOWN, maximize=False).best
    assert [row["value"] for row in best] == [0.9, 0.1]
    assert best[1]["breaks a limit by"] == 2.0


def test_a_value_that_is_no_number_counts_as_a_failure() -> None:
    assert outcome_of(seen(0, {"C": 1.0}, float("inf")), maximize=False) == "failed"


def test_a_value_in_half_of_the_proposals_is_overused_unless_it_is_a_choice() -> None:
    configs = [{"C": 1.0, "kernel": "rbf", "width": n} for n in range(1, 5)] + [{"C": 7.0, "kernel": "rbf", "width": 9}]
    assert overused(configs, KNOWN) == {"C": 1.0}
    assert overused(configs[:3], KNOWN) == {}


@pytest.mark.parametrize(
    "text", ["test accuracy 0.9", "testAcc=0.9", "TEST_LOSS", "held-out auc", "hold out", "x_test1"]
)
def test_a_word_for_test_data_is_recognised(text: str) -> None:
    assert speaks_of_test(text)


@pytest.mark.parametrize("text", ["latest loss", "testosterone", "contest", "validation accuracy 0.9", "attestation"])
def test_other_words_are_left_alone(text: str) -> None:
    assert not speaks_of_test(text)


def test_a_context_shows_more_at_each_level_and_never_a_test_figure() -> None:
    context = TaskContext(
        model="SVM",
        facts={"rows": 100, "test rows": 25},
        statistics={"skew": [0.1, "test skew 3"]},
        data_card={"name": "digits", "splits": {"train": 75, "test": 25}},
        model_card={"notes": "small\ntest accuracy 0.93"},
    )
    assert context.shown("none") == {"model": "SVM"}
    assert context.shown("partial")["task"] == {"rows": 100}
    full = context.shown("full")
    assert full["statistics"] == {"skew": [0.1]}
    assert full["data card"] == {"name": "digits", "splits": {"train": 75}}
    assert full["model card"] == {"notes": "small"}


def test_a_log_keeps_its_last_lines_without_those_on_test_data() -> None:
    assert log_tail("epoch 1 loss 3\n\ntest acc 0.9\nepoch 2 loss 2\nepoch 3 loss 1", lines=2) == (
        "epoch 2 loss 2\nepoch 3 loss 1"
    )


def asked(voice: Voice) -> ConfigsReply | None:
    context = {"metric": "m", "maximize": True, "task": {}, "parameters": KNOWN.words(), "names": ["C"], "count": 1}
    return voice.ask(
        "search/warm_start", context, configs_reply(KNOWN, most=1), seed=3, temperature=0.5, max_tokens=100
    )


def test_a_voice_counts_requests_repairs_and_what_is_given_up() -> None:
    entry = Entry()
    voice = Voice(ScriptedLLM(["no", {"configs": [{"C": 1.5}]}, "no", "no"]), entry, left=9, timeout_s=5)
    reply = asked(voice)
    assert reply is not None
    assert reply.configs == [{"C": 1.5}]
    assert asked(voice) is None
    assert entry.events == {"requests": 4, "unusable": 1}


def test_a_voice_falls_silent_after_an_endpoints_failure_and_raises_nothing() -> None:
    entry = Entry()
    llm = ScriptedLLM([LLMError("down"), {"configs": []}])
    voice = Voice(llm, entry, left=9, timeout_s=5)
    assert asked(voice) is None
    assert asked(voice) is None
    assert (len(llm.requests), entry.events["no_answer"]) == (1, 1)


@pytest.mark.parametrize("left", [0, 1])
def test_a_voice_sends_no_more_than_it_may(left: int) -> None:
    entry = Entry()
    llm = ScriptedLLM(["no", "no"])
    assert asked(Voice(llm, entry, left=left, timeout_s=5)) is None
    assert (len(llm.requests), entry.events["over_budget"]) == (left, 1)


def test_a_users_budget_ends_the_turn_and_not_the_study() -> None:
    entry = Entry()
    assert (
        asked(Voice(ScriptedLLM([BudgetExceeded("spent", resource="llm_calls")]), entry, left=9, timeout_s=5)) is None
    )
    assert entry.events["over_budget"] == 1


def test_rank_agreement_is_spearmans_with_an_interval() -> None:
    assert rank_agreement([1, 2, 3, 4, 5], [1, 4, 9, 16, 25]).spearman == pytest.approx(1.0)
    some = rank_agreement([1, 2, 3, 4, 5, 6, 7, 8], [2, 1, 4, 3, 6, 5, 8, 7])
    assert some.spearman == pytest.approx(0.9047619, abs=1e-6)  # 1 - 6 * 8 / (8 * 63)
    assert some.low < some.spearman < some.high < 1
    assert (rank_agreement([1, 2, 3], [3, 1, 2]).low, rank_agreement([1, 1], [1, 2]).high) == (-1.0, 1.0)
