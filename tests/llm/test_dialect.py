"""What an endpoint refuses is learned once, and only what was refused."""

from __future__ import annotations

from typing import Any

import pytest

from autoagent.agent.understand.llm import Reading
from autoagent.llm.dialect import Dialect, is_strict
from autoagent.llm.messages import Message, Request
from autoagent.prompts.replies import Ideas

REQUEST = Request("m", (Message("user", "hi"),), schema={"type": "object"})
CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CLOSED, True),
        ({**CLOSED, "required": []}, False),
        ({**CLOSED, "additionalProperties": True}, False),
        ({"type": "object"}, False),
        ({"anyOf": [CLOSED, {"type": "object"}]}, False),
        (Reading.model_json_schema(), True),
        (Ideas.model_json_schema(), False),
    ],
)
def test_strict_mode_is_asked_for_only_where_it_is_possible(schema: dict[str, Any], strict: bool) -> None:
    assert is_strict(schema) is strict


def test_formats_end_with_none() -> None:
    dialect = Dialect()
    said = [dialect.adapt("response_format is not supported") for _ in range(3)]
    assert said == [True, True, False]
    assert "response_format" not in dialect.arguments(REQUEST)


def test_a_refusal_about_something_else_teaches_nothing() -> None:
    dialect = Dialect()
    before = dialect.arguments(REQUEST)
    assert not dialect.adapt("this model's maximum context length is 4096 tokens")
    assert dialect.arguments(REQUEST) == before


def test_a_setting_is_left_out_once() -> None:
    dialect = Dialect()
    assert dialect.adapt("seed is not supported")
    assert not dialect.adapt("seed is not supported")
    assert "seed" not in dialect.arguments(REQUEST)
    assert dialect.arguments(REQUEST)["temperature"] == REQUEST.temperature


def test_free_text_has_no_format() -> None:
    request = Request("m", (Message("user", "hi"),))
    assert "response_format" not in Dialect().arguments(request)
    assert Dialect().arguments(request)["messages"] == [{"role": "user", "content": "hi"}]
