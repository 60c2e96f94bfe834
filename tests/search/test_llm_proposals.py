"""A language model as a proposer: what it is shown, what is kept of its answer, and that nothing it does is a fault."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.search.scripted_proposers import mute, proposer, rows, useless

from autoagent.errors import LLMError
from autoagent.llm.scripted import ScriptedLLM
from autoagent.search.history import Observation
from autoagent.search.language.cards import TaskContext
from autoagent.search.language.known import KnownSpace
from autoagent.search.llm_proposals import LanguageProposals
from autoagent.space import Bool, Choice, Float, Int, Param, Space

SPACE = Space(
    {
        "booster": Param(Choice(["gbtree", "dart"]), "gbtree"),
        "rate": Param(Float(1e-4, 1.0, log=True), 0.1),
        "drop": Param(Float(0.0, 1.0), 0.1, when={"booster": ("dart",)}),
        "leaves": Param(Int(2, 256, log=True), 31),
        "shrink": Param(Bool(), True),
    }
)
KNOWN = KnownSpace.from_space(SPACE)
TASK = TaskContext(model="XGBoost", metric="accuracy", facts={"rows": 1797}, statistics={"skew": 2.5})


@dataclass(frozen=True)
class Told:
    number: int = 0
    seed: int = 0
    defaults: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    asked: int = 0


def tried(number: int, loss: float | None, state: Any = "done", **params: Any) -> Observation:
    config = {"booster": "gbtree", "rate": 0.1, "leaves": 31, "shrink": True, **params}
    domains = {name: KNOWN.distributions[name] for name in config}
    return Observation(number, config, loss, state, 0.0, domains)


HISTORY = [
    tried(0, -0.90),
    tried(1, -0.95, rate=0.0123456),
    tried(2, None, "failed", booster="dart", drop=0.5),
    tried(3, -0.2, "pruned", leaves=2),
    tried(4, None, "running", leaves=99),
]


def asked(llm: ScriptedLLM, history: Any = (), count: int = 3, **options: Any) -> tuple[list[Any], LanguageProposals]:
    proposals = LanguageProposals(llm, space=options.pop("space", SPACE), task=TASK, **options)
    return proposals(Told(number=len(history)), history, count), proposals


def test_before_any_value_it_is_a_warm_start_and_all_that_comes_back_is_legal() -> None:
    llm = useless()
    found, proposals = asked(llm)
    assert len(found) == 3
    assert all(SPACE.check(config) == config for config in found)
    assert "nothing has been tried yet" in llm.requests[0].messages[0].content
    assert proposals.events == {"requests": 1}


def test_later_it_sees_the_best_the_latest_and_the_failures_in_the_metrics_own_sign() -> None:
    llm = useless()
    asked(llm, HISTORY, maximize=True)
    text = llm.requests[0].messages[0].content
    assert "2 trials have a value, 1 still run" in text
    assert [row["value"] for row in rows(llm.requests[0]) if "value" in row] == [0.95, 0.9, "pruned", "failed"]
    assert '"rate": 0.0123456' in text
    assert "higher is better" in text
    asked(llm, HISTORY)
    assert [row["value"] for row in rows(llm.requests[1]) if "value" in row][:2] == [-0.95, -0.9]


@pytest.mark.parametrize(("level", "rows_said", "skew_said"), [("none", 0, 0), ("partial", 1, 0), ("full", 1, 1)])
def test_context_is_none_partial_or_full(level: Any, rows_said: bool, skew_said: bool) -> None:
    llm = useless()
    asked(llm, level=level)
    text = llm.requests[0].messages[0].content
    assert ("1797" in text, "2.5" in text) == (bool(rows_said), bool(skew_said))
    assert "XGBoost" in text


def test_facts_and_defaults_that_the_search_knows_are_shown_too() -> None:
    llm = useless()
    proposals = LanguageProposals(llm, space=KnownSpace(KNOWN.distributions))
    proposals(Told(defaults={"leaves": 77}, facts={"columns": 64}), [], 2)
    text = llm.requests[0].messages[0].content
    assert "default 77" in text
    assert '"columns": 64' in text


def test_repeats_after_rounding_are_left_out_and_mended_and_dropped_ones_are_counted() -> None:
    said = [
        {"booster": "gbtree", "rate": 0.100001, "drop": None, "leaves": 31, "shrink": True},  # trial 0
        {"booster": "gbtree", "rate": 0.1, "drop": None, "leaves": 99, "shrink": True},  # runs
        {"booster": "DART", "rate": "0.3", "drop": 7, "leaves": 8.0, "shrink": "false"},
        {"booster": "dart", "rate": 0.3000001, "drop": 1.0, "leaves": 8, "shrink": False},  # the one before
        {"depth": 3},
    ]
    found, proposals = asked(ScriptedLLM([{"configs": said}]), HISTORY, count=5)
    assert found == [{"booster": "dart", "rate": 0.3, "drop": 1.0, "leaves": 8, "shrink": False}]
    assert proposals.events == {"requests": 1, "duplicates": 3, "repaired": 1, "dropped": 1}


def test_the_reply_schema_comes_from_the_spaces_domains() -> None:
    llm = useless()
    asked(llm, count=4)
    items = (llm.requests[0].schema or {})["properties"]["configs"]
    assert items["maxItems"] == 4
    assert items["items"]["properties"]["rate"] == {"type": "number", "minimum": 1e-4, "maximum": 1.0}
    assert items["items"]["properties"]["booster"] == {"enum": ["gbtree", "dart"]}
    assert items["items"]["properties"]["drop"]["anyOf"][1] == {"type": "null"}


def test_nothing_that_a_model_does_is_an_exception() -> None:
    for llm, event in ((mute(), "unusable"), (ScriptedLLM([LLMError("down")]), "no_answer")):
        found, proposals = asked(llm)
        assert found == []
        assert proposals.why
        assert proposals.events[event] == 1
    odd = ScriptedLLM([{"configs": [{"rate": "much"}, {}]}, {"configs": []}])
    assert asked(odd)[0] == []


def test_requests_stop_at_ten_unless_told_otherwise() -> None:
    llm = useless()
    proposals = LanguageProposals(llm, space=SPACE)
    answers = [proposals(Told(number=n), [], 2) for n in range(13)]
    assert len(llm.requests) == 10
    assert [bool(answer) for answer in answers] == [True] * 10 + [False] * 3
    assert proposals.events["over_budget"] == 3


def test_what_other_sittings_asked_counts_against_the_limit() -> None:
    proposals = LanguageProposals(ScriptedLLM([{"configs": []}], loop=True), space=SPACE)
    assert proposals(Told(asked=10), HISTORY, 2) == []
    assert proposals.events["requests"] == 0
    proposals(Told(asked=9), HISTORY, 2)
    assert proposals.events["requests"] == 1


def test_a_model_that_gives_nothing_three_times_is_asked_at_every_tenth_trial_only() -> None:
    llm = mute()
    proposals = LanguageProposals(llm, space=SPACE, max_requests=99)
    for number in range(1, 22):
        assert proposals(Told(number=number), [], 2) == []
    assert len(llm.requests) == 2 * (3 + 2)  # three turns, then those of trials 10 and 20; each with a repair
    assert "in a row" in proposals.why


def test_a_space_that_nobody_stated_is_learned_with_its_conditions() -> None:
    llm = useless()
    assert LanguageProposals(llm)(Told(), [], 2) == []
    found = LanguageProposals(llm)(Told(number=5), HISTORY, 2)
    assert len(found) == 2
    assert all(("drop" in config) == (config["booster"] == "dart") for config in found)
    assert 'only if \\"booster\\" is \\"dart\\"' in llm.requests[0].messages[0].content


def test_the_same_situation_asks_the_same_question() -> None:
    first, second = proposer(lambda space, rng: {"rate": 0.5}), proposer(lambda space, rng: {"rate": 0.5})
    asked(first, HISTORY)
    asked(second, HISTORY)
    assert json.dumps(first.requests[0].to_json()) == json.dumps(second.requests[0].to_json())
