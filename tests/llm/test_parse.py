"""From text to a typed reply: one object, exactly as written, or a refusal."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from autoagent.errors import ReplyError
from autoagent.llm.parse import find_object, parse_reply


class Sum(BaseModel):
    model_config = ConfigDict(extra="forbid")
    answer: int
    why: str
    kind: Literal["sure", "guess"] = "sure"


GOOD = '{"answer": 4, "why": "two and two"}'


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"\n  {GOOD}\n",
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n```",
        f"Sure! Here it is:\n\n```json\n{GOOD}\n```\nI hope that helps.",
        f"The answer is {GOOD} as you asked.",
        '{"answer":\n4,\n\t"why":\n"two and two"\n}',
    ],
)
def test_one_object_is_found_in_a_fence_or_prose(text: str) -> None:
    assert parse_reply(text, Sum).answer == 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON object"),
        ("four", "no JSON object"),
        ("[1]", "no JSON object"),
        (f"[{GOOD}]", "array"),
        (f"```json\n[{GOOD}]\n```", "array"),
        (f"{GOOD}\n{GOOD}", "more than one"),
        (f"```json\n{GOOD}\n```\nor rather {GOOD}", "more than one"),
        ('{"answer": 1e999, "why": "x"}', "too large"),
        (f"```json\n{GOOD}\n```\n```json\n{GOOD}\n```", "more than one|not valid"),
        (f"From the set {{1, 2}}: {GOOD}", "not valid JSON"),
        ('{"answer": 4, "why": "x",}', "not valid JSON"),
        ('{"answer": 4, "why": "x"', "not valid JSON"),
        ("{'answer': 4, 'why': 'x'}", "not valid JSON"),
        ('{"answer": 4, "answer": 5, "why": "x"}', "twice"),
        ('{"answer": NaN, "why": "x"}', "NaN"),
        ('{"answer": 4}', "why: Field required"),
        ('{"answer": "4", "why": "x"}', "answer: Input should be a valid integer"),
        ('{"answer": 4.0, "why": "x"}', "valid integer"),
        ('{"answer": true, "why": "x"}', "valid integer"),
        ('{"answer": 4, "why": "x", "more": 1}', "more: Extra inputs"),
        ('{"answer": 4, "why": "x", "kind": "maybe"}', "kind: Input should be"),
        ('{"answer": ' + "9" * 5000 + ', "why": "x"}', "JSON"),
        ('{"answer": ' + "[" * 100_000 + ', "why": "x"}', "JSON"),
        ('{"a": ' * 100_000, "JSON"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(ReplyError, match=says) as caught:
        parse_reply(text, Sum)
    assert caught.value.reply == text


_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
_OBJECTS = st.dictionaries(st.text(), st.recursive(_SCALARS, lambda s: st.lists(s) | st.dictionaries(st.text(), s)))
_PROSE = st.text(st.characters(exclude_characters="{}`[]"))


@settings(deadline=None, max_examples=50)
@given(value=_OBJECTS, before=_PROSE, after=_PROSE, fence=st.sampled_from(["", "```", "```json"]))
def test_an_object_survives_any_fence_and_prose(value: dict[str, Any], before: str, after: str, fence: str) -> None:
    text = json.dumps(value)
    wrapped = f"{before}\n{fence}\n{text}\n```\n{after}" if fence else f"{before}{text}{after}"
    assert find_object(wrapped) == value


_PIECES = [
    '{"a": 1}',
    '{"a": [1, {"b": null}]}',
    "```json\n",
    "```",
    "\n",
    "{",
    "}",
    "[",
    "]",
    ",",
    '"x"',
    ":",
    "so ",
    "NaN",
]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(_PIECES), max_size=7).map("".join) | st.text())
def test_any_text_is_refused_or_is_the_object_that_it_holds(text: str) -> None:
    try:
        value = find_object(text)
    except ReplyError:
        return
    start, end = text.index("{"), text.rindex("}") + 1
    assert json.loads(text[start:end]) == value


@settings(deadline=None)
@given(
    value=st.fixed_dictionaries({"answer": st.integers(-9, 9), "why": st.text(max_size=5)}),
    at=st.integers(0, 60),
    noise=st.sampled_from(["", ",", "}", "{", '"', "```", "0", " "]),
    cut=st.integers(0, 3),
)
def test_a_damaged_reply_never_gives_a_value_that_it_does_not_hold(
    value: dict[str, Any], at: int, noise: str, cut: int
) -> None:
    text = json.dumps(value)
    damaged = text[:at] + noise + text[at + cut :]
    try:
        got = parse_reply(damaged, Sum)
    except ReplyError:
        return
    inside = json.loads(damaged[damaged.index("{") : damaged.rindex("}") + 1])
    assert {"answer": got.answer, "why": got.why} == {"answer": inside["answer"], "why": inside["why"]}
    assert type(inside["answer"]) is int
