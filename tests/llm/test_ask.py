"""One question, one typed answer: at most one repair, with the exact fault."""

from __future__ import annotations

from typing import Any

import pytest
from tests.llm.server import Say, completion, serve

from autoagent.errors import LLMError, ReplyError
from autoagent.llm.ask import ask, converse
from autoagent.llm.client import LLM, OpenAIClient
from autoagent.llm.messages import Message
from autoagent.llm.scripted import ScriptedLLM
from autoagent.prompts.replies import Idea, Ideas

CONTEXT: dict[str, Any] = {"fault": "of no matter"}
IDEAS = Ideas(ideas=[Idea(family="knn", config={"k": 3}, reason="small")])


def put(llm: LLM, **options: Any) -> Ideas:
    return ask(llm, "repair", CONTEXT, Ideas, timeout_s=5, **options)


def test_a_good_reply_comes_back_typed() -> None:
    llm = ScriptedLLM([IDEAS])
    assert put(llm) == IDEAS
    (request,) = llm.requests
    assert request.schema == Ideas.model_json_schema()
    assert request.schema_name == "Ideas"
    assert "of no matter" in request.messages[0].content


def test_a_bad_reply_is_repaired_once_with_the_exact_fault() -> None:
    bad = '{"ideas": [{"family": "knn", "config": {}}]}'
    llm = ScriptedLLM([bad, IDEAS])
    assert put(llm) == IDEAS
    first, second = llm.requests
    assert second.messages[:1] == first.messages
    assert (second.messages[1].role, second.messages[1].content) == ("assistant", bad)
    assert "ideas.0.reason: Field required" in second.messages[2].content


def test_a_second_bad_reply_is_an_error_and_nothing_more_is_asked() -> None:
    llm = ScriptedLLM(["no", "still no", IDEAS])
    with pytest.raises(ReplyError, match="no JSON object") as caught:
        put(llm)
    assert caught.value.reply == "still no"
    assert len(llm.requests) == 2


def test_without_repairs_the_first_bad_reply_is_the_last() -> None:
    llm = ScriptedLLM(["no", IDEAS])
    with pytest.raises(ReplyError):
        put(llm, max_repairs=0)
    assert len(llm.requests) == 1


def test_a_failing_endpoint_is_not_asked_to_repair() -> None:
    llm = ScriptedLLM([LLMError("down"), IDEAS])
    with pytest.raises(LLMError, match="down"):
        put(llm)
    assert len(llm.requests) == 1


def test_a_cut_off_reply_is_said_to_be_cut_off() -> None:
    cut = completion()
    cut["choices"][0].update(finish_reason="length", message={"role": "assistant", "content": '{"ideas": [{"fam'})
    with serve(Say(cut), Say(completion(IDEAS.model_dump_json()))) as server, OpenAIClient("m", server.url) as client:
        assert put(client, max_tokens=77) == IDEAS
        assert "cut off after 77 tokens" in server.bodies[1]["messages"][-1]["content"]


@pytest.mark.parametrize("text", [None, "", "{}", '{"ideas": 3}', "not JSON", '{"ideas": [1]}'])
def test_an_endpoint_that_only_talks_nonsense_is_asked_twice(text: str | None) -> None:
    with serve(Say(completion(text))) as server, OpenAIClient("m", server.url) as client:
        with pytest.raises(ReplyError):
            put(client)
        assert len(server.bodies) == 2


def test_a_conversation_goes_out_turn_by_turn_with_its_seed() -> None:
    llm = ScriptedLLM([IDEAS])
    turns = (Message("user", "first"), Message("assistant", "{}"), Message("user", "better"))
    assert converse(llm, turns, Ideas, timeout_s=5, seed=7) == IDEAS
    (request,) = llm.requests
    assert (request.messages, request.seed) == (turns, 7)
