"""Replies of every shape are applied as they were meant, or refused with all their faults; nothing is lost silently."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoagent.errors import ReplyError
from autoagent.optimize.candidate import Parameters
from autoagent.optimize.prompt import example
from autoagent.optimize.reading import Updates, read_updates
from autoagent.space import Bool, Choice, Code, Domain, Float, Int, Text
from autoagent.trace import node

SOURCE = "def double(x):\n    return x + 1\n"
DOMAINS: dict[str, tuple[Any, Domain]] = {
    "lr": (0.1, Float(1e-5, 1.0, log=True)),
    "layers": (2, Int(1, 8)),
    "kind": ("relu", Choice(["relu", "tanh"])),
    "is_deep": (False, Bool()),
    "prompt": ("Answer.", Text(2000)),
    "double": (SOURCE, Code.of(SOURCE)),
}
PARAMETERS = Parameters([node(v, name=k, trainable=True, domain=d) for k, (v, d) in DOMAINS.items()])
CURRENT = {name: value for name, (value, _) in DOMAINS.items()}
VALUES = {
    "lr": st.floats(1e-5, 1.0),
    "layers": st.integers(1, 8),
    "kind": st.sampled_from(["relu", "tanh"]),
    "is_deep": st.booleans(),
    "prompt": st.one_of(
        st.text(st.characters(codec="utf-8"), max_size=200),
        st.sampled_from(
            [
                "Reply TERMINATE when done.",
                '```json\n{"updates": {}}\n```',
                "a default to define: {'default':1}",
                '{"reasoning": "x", "updates": {"layers": 1}}',
                'it\'s "quoted", with a trailing comma,}',
                "~~~\n```python double\n~~~",
                "tab\tnull\x00nbsp\u00a0\u2028end",
            ]
        ),
    ),
}


def read(text: str, shown: tuple[str, ...] = tuple(DOMAINS)) -> Updates:
    return read_updates(text, PARAMETERS, shown, CURRENT)


def faults(text: str, shown: tuple[str, ...] = tuple(DOMAINS)) -> str:
    with pytest.raises(ReplyError) as caught:
        read(text, shown)
    return str(caught.value)


def attempt(text: str) -> Updates | str:
    """Return what was read, or the faults."""
    try:
        return read(text)
    except ReplyError as error:
        return str(error)


def reply(updates: Any, **more: Any) -> str:
    return json.dumps({"reasoning": "because", "updates": updates, **more})


def updates_of(some: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in some.items() if value != CURRENT[name]}


UPDATES = st.fixed_dictionaries({}, optional=VALUES).map(updates_of).filter(bool)


@given(UPDATES)
def test_json_is_applied_exactly(updates: dict[str, Any]) -> None:
    assert read(reply(updates)).values == updates
    assert not read(reply(updates)).was_mended


@given(UPDATES, st.sampled_from(["```json\n{}\n```", "Sure!\n\n{}\nI hope {{x}} helps.", "\n\n  {}  ", "~~~\n{}\n~~~"]))
def test_prose_and_fences_around_change_nothing(updates: dict[str, Any], around: str) -> None:
    text = around.replace("{}", reply(updates), 1)
    assert read(text).values == updates


@given(UPDATES)
def test_pythons_spelling_means_the_same(updates: dict[str, Any]) -> None:
    found = read(repr({"reasoning": "it's so", "updates": updates}))
    assert found.values == updates


@given(UPDATES)
def test_trailing_commas_mean_the_same(updates: dict[str, Any]) -> None:
    text = json.dumps({"updates": updates, "reasoning": "r"}, indent=1)
    assert text.endswith('"r"\n}')
    found = read(text.replace('"r"\n}', '"r",\n}'))
    assert found.values == updates
    assert found.was_mended


@given(UPDATES, st.integers(0, 400))
def test_a_reply_cut_off_anywhere_is_whole_or_refused(updates: dict[str, Any], place: int) -> None:
    text = reply(updates)
    found = attempt(text[:place])
    assert isinstance(found, str) or found.values == updates


@settings(max_examples=300)
@given(UPDATES, st.integers(0, 400), st.text(max_size=3))
def test_a_damaged_reply_never_gives_an_illegal_value(updates: dict[str, Any], place: int, junk: str) -> None:
    text = reply(updates)
    place = min(place, len(text))
    found = attempt(text[:place] + junk + text[place + len(junk) :])
    assert isinstance(found, str) or found.values or found.no_change
    legal = {} if isinstance(found, str) else found.values
    assert all(PARAMETERS.nodes[name].check(value) == value for name, value in legal.items())


@settings(max_examples=300)
@given(st.text(st.sampled_from("{}[]\"'`:,\n\\ aTrue1updates"), max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    found = attempt(text)
    assert found if isinstance(found, str) else found.values or found.no_change


@pytest.mark.parametrize(
    ("updates", "words"),
    [
        ({"is_deep": "false"}, "'false' is not true or false"),
        ({"is_deep": 0}, "0 is not true or false"),
        ({"layers": 3.7}, "3.7 is not a whole number"),
        ({"layers": "3"}, "'3' is not a whole number"),
        ({"layers": True}, "True is not a whole number"),
        ({"layers": "banana"}, "'banana' is not a whole number"),
        ({"layers": 9}, "9 is not in [1, 8]"),
        ({"lr": None}, "None is not a number"),
        ({"lr": [0.1]}, "[0.1] is not a number"),
        ({"lr": 0}, "0 is not in"),
        ({"kind": "gelu"}, "'gelu' is not one of"),
        ({"prompt": 7}, "7 is not text"),
        ({"prompt": None}, "None is not text"),
        ({"prompt": "\ud800"}, "surrogate"),
        ({"unknown": 1}, "'unknown' is not one of the variables"),
        (
            {"double": 5},
            "must be text, not int: leave it out of the JSON and give it after the object, in a block opened",
        ),
        ({"double": "def double(x) return"}, "does not parse"),
        ({"double": "def double(x, y):\n    return x"}, "signature must stay (x)"),
        ({"double": "def triple(x):\n    return x"}, "must define the function 'double' once"),
        ({"double": "this is prose about a default"}, "does not parse"),
    ],
)
def test_a_value_out_of_its_domain_is_refused(updates: dict[str, Any], words: str) -> None:
    assert words in faults(reply(updates))


def test_all_faults_are_told_at_once() -> None:
    said = faults(reply({"is_deep": "false", "layers": 3.7, "lr": None, "nobody": 1}))
    assert [name in said for name in ("is_deep", "layers", "lr", "nobody")] == [True] * 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("   \n", "empty"),
        ("TERMINATE", "no JSON object"),
        ("[]", "JSON array"),
        ("null", "no JSON object"),
        ('{"answer": "TERMINATE"}', "no JSON object"),
        ('{"updates": {"lr": NaN}}', "not valid JSON"),
        ('{"updates": {"lr": Infinity}}', "not valid JSON"),
        ('{"updates": {"lr": 1e999}}', "too large"),
        ('{"updates": {"lr": 0.2, "lr": 0.3}}', "twice"),
        ("{'updates': {'lr': 0.2, 'lr': 0.3}}", "not valid JSON"),
        ('{"updates": {"lr": 0.2}} {"updates": {"lr": 0.3}}', "more than one"),
        ('{"updates": [["lr", 0.2]]}', "updates"),
        ('{"updates": "lr=0.2"}', "updates"),
        ('{"updates": null}', "updates"),
        ('{"updates": {"lr": 0.2}, "answer": 3}', "answer"),
        ('{"reasoning": 5, "updates": {"lr": 0.2}}', "reasoning"),
        ('{"updates": {}}', "is empty"),
        ('{"reasoning": "r"}', "is empty"),
        ('{"updates": {"lr": 0.1}}', "repeats the present values"),
        ('{"updates": {"lr": 0.2}, "no_change": "all is well"}', "exclude each other"),
        ('{"updates": {"lr": 0.2', "not valid JSON"),
        ('{"updates": {"lr": 0.2}]', "not valid JSON"),
        ('{"updates": {"prompt": "a "quoted" word"}}', "not valid JSON"),
        ("{" * 3000, "no JSON object"),
        ('{"updates":' * 3000, "JSON"),
    ],
)
def test_a_reply_that_cannot_be_used_says_why(text: str, words: str) -> None:
    assert words in faults(text)


def test_no_change_with_a_reason_is_an_answer() -> None:
    found = read(reply({}, no_change="every test passes"))
    assert (found.values, found.no_change) == ({}, "every test passes")


def test_an_empty_no_change_is_none() -> None:
    assert read(reply({"layers": 3}, no_change="")).values == {"layers": 3}


def test_a_raw_line_break_in_a_string_is_read() -> None:
    assert read('{"reasoning": "r", "updates": {"prompt": "two\nlines"}}').values == {"prompt": "two\nlines"}


def test_a_variable_that_was_not_shown_cannot_be_set() -> None:
    assert "'layers' was not shown" in faults(reply({"layers": 3, "lr": 0.2}), shown=("lr",))


GOOD = "def double(x):\n    return 2 * x\n"


@pytest.mark.parametrize("label", ["python double", "double", "py double", "python", "", "double python"])
def test_code_is_taken_from_a_block_of_its_own(label: str) -> None:
    text = f"{reply({'layers': 3})}\n```{label}\n{GOOD}```\n"
    assert read(text).values == {"layers": 3, "double": GOOD}


def test_code_alone_is_enough() -> None:
    assert read(f"Multiply.\n\n```python double\n{GOOD}```").values == {"double": GOOD}


def test_code_before_the_object_and_with_braces_is_read() -> None:
    code = 'def double(x):\n    table = {"updates": {1: 2}}\n    return f"{x}" and 2 * x\n'
    assert read(f"```python double\n{code}```\n{reply({})}").values == {"double": code}


def test_a_longer_fence_holds_a_shorter_one() -> None:
    code = 'def double(x):\n    text = """\n```\n"""\n    return 2 * x\n'
    assert read(f"{reply({})}\n````python double\n{code}````").values == {"double": code}


@given(st.text(st.characters(codec="utf-8", exclude_characters="`~\r"), max_size=60))
def test_code_comes_out_as_it_went_in(words: str) -> None:
    code = f"def double(x):\n    note = {words!r}\n    return 2 * x\n"
    assert read(f"{reply({})}\n```python double\n{code}```").values == {"double": code}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"```python double\n{GOOD}", "not closed"),
        (f"```python double\n{GOOD}```\n```python double\n{GOOD}```", "two code blocks"),
        (f"{reply({'double': GOOD})}\n```python double\n{GOOD}```", "given twice"),
        ("```python\nprint(1)\n```", "belongs to no variable"),
        (f"{reply({'layers': 3})}\n```python other\n{GOOD.replace('double', 'other')}```", "belongs to no variable"),
        ("```python double\ndef double(x, y):\n    return x\n```", "signature must stay"),
        ('```python double\ndef double(x):\n    """A\n```\n"""\n    return x\n```', "does not parse"),
    ],
)
def test_a_code_block_that_cannot_be_used_says_why(text: str, words: str) -> None:
    assert words in faults(text)


def test_an_array_keeps_its_shape_and_type() -> None:
    parameters = Parameters([node(np.zeros((2, 2)), name="w", trainable=True)])
    current = {"w": np.zeros((2, 2))}
    found = read_updates(reply({"w": [[1, 2], [3, 4.5]]}), parameters, ["w"], current)
    assert np.array_equal(found.values["w"], [[1, 2], [3, 4.5]])
    with pytest.raises(ReplyError, match="expected 2 items"):
        read_updates(reply({"w": [5, 6, 7]}), parameters, ["w"], current)
    with pytest.raises(ReplyError, match="repeats the present values"):
        read_updates(reply({"w": [[0, 0], [0, 0]]}), parameters, ["w"], current)


def test_the_worked_example_of_code_alone_changes_code_alone_and_is_right() -> None:
    source = "def area(w, h):\n    return w + h\n"
    parameters = Parameters([node(source, name="area", trainable=True, domain=Code.of(source))])
    found = read_updates(example("code_alone")["reply"], parameters, ["area"], {"area": source})
    assert not found.was_mended
    assert found.values == {"area": "def area(w, h):\n    return w * h\n"}


@pytest.mark.parametrize("name", ["numbers", "code"])
def test_the_worked_example_can_be_read_and_is_right(name: str) -> None:
    parameters = Parameters(
        [
            node(5, name="a", trainable=True, domain=Int(0, 100)),
            node(SOURCE, name="double", trainable=True, domain=Code.of(SOURCE)),
        ]
    )
    found = read_updates(example(name)["reply"], parameters, ["a", "double"], {"a": 5, "double": SOURCE})
    assert not found.was_mended
    if name == "numbers":
        assert found.values == {"a": 10}
        assert found.values["a"] + 4 == 14
    else:
        assert found.values == {"a": 10, "double": "def double(x):\n    return x * 2\n"}
        assert math.prod((found.values["a"], 2)) == 20
