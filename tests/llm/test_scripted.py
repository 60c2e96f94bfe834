"""A scripted model gives what it was given, in order."""

from __future__ import annotations

import pytest

from autoagent.errors import LLMError
from autoagent.llm.messages import Message, Request
from autoagent.llm.scripted import ScriptedLLM
from autoagent.prompts.replies import Ideas

REQUEST = Request("scripted", (Message("user", "hello"),))


def say(llm: ScriptedLLM) -> str:
    return llm.complete(REQUEST, timeout_s=1).text


def test_every_kind_of_line_is_said() -> None:
    llm = ScriptedLLM(["a", {"b": 1}, Ideas(ideas=[]), lambda request: request.messages[0].content.upper()])
    assert [say(llm) for _ in range(4)] == ["a", '{"b": 1}', '{"ideas":[]}', "HELLO"]
    assert llm.requests == [REQUEST] * 4


def test_a_script_that_ran_out_is_an_error() -> None:
    llm = ScriptedLLM(["a"])
    say(llm)
    with pytest.raises(LLMError, match="only 1 replies"):
        say(llm)


def test_a_looping_script_begins_again() -> None:
    llm = ScriptedLLM(["a", "b"], loop=True)
    assert [say(llm) for _ in range(5)] == ["a", "b", "a", "b", "a"]


def test_an_empty_looping_script_is_an_error() -> None:
    with pytest.raises(LLMError):
        say(ScriptedLLM([], loop=True))


def test_a_scripted_error_is_raised() -> None:
    llm = ScriptedLLM([LLMError("down"), "up"])
    with pytest.raises(LLMError, match="down"):
        say(llm)
    assert say(llm) == "up"


def test_a_skipped_line_is_not_said() -> None:
    llm = ScriptedLLM(["a", "b"])
    llm.skip()
    assert say(llm) == "b"


def test_one_function_answers_every_conversation() -> None:
    llm = ScriptedLLM(lambda messages: f"{len(messages)} {messages[-1]['role']} {messages[-1]['content']}")
    request = Request(model="scripted", messages=(Message("user", "a"), Message("assistant", "b")))
    assert [llm.complete(request, timeout_s=1).text for _ in range(2)] == ["2 assistant b"] * 2
