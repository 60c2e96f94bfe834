"""Near-JSON with one meaning is read with that meaning; all else is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoagent.errors import ReplyError
from autoagent.llm.lenient import find_keyed_object

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def found(text: str) -> Any:
    return find_keyed_object(text, ("key",))


@given(JSON)
def test_json_is_json(value: Any) -> None:
    assert found(json.dumps({"key": value})) == ({"key": value}, True)


@given(JSON)
def test_what_python_prints_is_read_back(value: Any) -> None:
    read = found(repr({"key": value}))
    assert read is not None
    assert read[0] == {"key": value}


@given(JSON)
def test_trailing_commas_are_passed_over_outside_of_strings_alone(value: Any) -> None:
    text = json.dumps({"key": value, "note": ",} ,] "})
    assert found(f"{text[:-1]},\n}}") == ({"key": value, "note": ",} ,] "}, False)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{x} and {} and {"other": 1} then {"key": 2}', 2),
        ("{'key': \"it's\"}", "it's"),
        ("{'key': -1.5e3}", -1500.0),
        ("{'key': (1, 2)}", [1, 2]),
        ("{'key': true}", True),
        ('{"key": [1, 2,], }', [1, 2]),
        ('{"key": "a\nb"}', "a\nb"),
    ],
)
def test_slips_with_one_meaning_are_read(text: str, value: object) -> None:
    read = found(text)
    assert read is not None
    assert read[0] == {"key": value}


@pytest.mark.parametrize(
    "text",
    [
        '{"key": 1} {"key": 2}',
        '{"key": 1, "key": 2}',
        "{'key': 1, 'key': 2}",
        "{'key': 1e999}",
        "{'key': nan}",
        "{'key': f()}",
        "{'key': a.b}",
        "{'key': 1 + 1}",
        "{'key': f'{x}'}",
        "{'key': b'bytes'}",
        "{'key': {1, 2}}",
        "{'key': 1j}",
        "{1: 2, 'key': 3}".replace("{1", "{'a': 1, 1"),
        "{**{'a': 1}, 'key': 2}".replace("{**", "{'b': 0, **"),
        "{'key': '\\d'}",
        '{"key": 1,, "b": 2}',
        '{"key": 1 // a comment\n}',
        '{"key": "cut',
        '{"key": [1, 2}',
        "{'key': True" + ")" * 3,
    ],
)
def test_what_has_no_one_meaning_is_refused(text: str) -> None:
    with pytest.raises(ReplyError):
        found(text)


def test_a_text_without_the_key_is_none() -> None:
    assert found('nothing here, {"other": 1}') is None


@pytest.mark.parametrize("depth", [500, 5000])
def test_deep_nesting_is_refused_or_read_and_never_crashes(depth: int) -> None:
    for opening, closing in (("[", "]"), ("{'a': ", "}")):
        text = "{'key': " + opening * depth + "1" + closing * depth + "}"
        try:
            read = found(text)
        except ReplyError:
            continue
        assert read is not None
