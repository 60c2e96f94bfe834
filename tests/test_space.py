"""Domains and spaces: nothing illegal comes out, everything survives JSON."""

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoagent.errors import DomainError
from autoagent.space import Bool, Choice, Code, Float, Int, Param, Space, Text

SPACE = Space(
    {
        "kernel": Param(Choice(["rbf", "poly"]), "rbf"),
        "C": Param(Float(1e-3, 1e3, log=True), 1.0),
        "degree": Param(Int(2, 5), 3, when={"kernel": ("poly",)}),
        "shrinking": Param(Bool(), True),
    }
)


@pytest.mark.parametrize("value", ["1", True, None, math.nan, math.inf, -1.0, 2e3, [1.0]])
def test_a_float_refuses_what_is_not_a_number_inside_its_bounds(value: object) -> None:
    with pytest.raises(DomainError):
        Float(0.0, 1e3).check(value)


@pytest.mark.parametrize("value", [3.7, "3", True, 6, 1, math.nan, None])
def test_an_int_refuses_fractions_strings_bools_and_values_outside(value: object) -> None:
    with pytest.raises(DomainError):
        Int(2, 5).check(value)


def test_a_whole_float_is_an_int() -> None:
    value = Int(2, 5).check(3.0)
    assert value == 3
    assert type(value) is int


@pytest.mark.parametrize("value", ["false", 0, 1, "True", None])
def test_a_bool_is_only_true_or_false(value: object) -> None:
    with pytest.raises(DomainError):
        Bool().check(value)


def test_a_choice_matches_value_and_type() -> None:
    assert Choice([1, "1", None]).check("1") == "1"
    with pytest.raises(DomainError):
        Choice([1, 2]).check(True)


def test_check_fills_defaults_and_drops_what_is_inactive() -> None:
    assert SPACE.check({"degree": 4}) == {"kernel": "rbf", "C": 1.0, "shrinking": True}
    assert SPACE.check({"kernel": "poly"})["degree"] == 3


def test_check_names_every_fault_at_once() -> None:
    with pytest.raises(DomainError, match=r"(?s)'gamma' is not a parameter.*C: 0 is not in.*shrinking: 'no'"):
        SPACE.check({"gamma": 1, "C": 0, "shrinking": "no"})


def test_a_condition_on_a_later_parameter_is_refused() -> None:
    with pytest.raises(DomainError, match="must come before"):
        Space({"a": Param(Bool(), True, when={"b": (True,)}), "b": Param(Bool(), True)})


@given(st.integers(0, 2**32))
def test_every_sample_is_legal_and_complete(seed: int) -> None:
    config = SPACE.sample(random.Random(seed))
    assert SPACE.check(config) == config


def test_a_space_survives_json() -> None:
    again = Space.from_json(json.loads(json.dumps(SPACE.to_json())))
    assert dict(again) == dict(SPACE)


@given(st.integers(1, 50), st.integers(0, 50), st.integers(0, 2**32))
def test_a_log_int_stays_inside_its_bounds(low: int, width: int, seed: int) -> None:
    domain = Int(low, low + width, log=True)
    assert domain.check(domain.sample(random.Random(seed))) >= low


@pytest.mark.parametrize("value", [7, None, b"ab", "abcd", "\ud800", ["a"]])
def test_a_text_refuses_what_is_no_text_or_too_long(value: object) -> None:
    with pytest.raises(DomainError):
        Text(3).check(value)


def test_a_text_is_taken_as_it_is() -> None:
    assert (Text(3).check("äöü"), Text().check(" TERMINATE ```\n")) == ("äöü", " TERMINATE ```\n")
    assert Text(3).json_schema() == {"type": "string", "maxLength": 3}


@pytest.mark.parametrize("domain", [Text(), Code("f")])
def test_words_and_programs_have_no_distribution(domain: Text | Code) -> None:
    with pytest.raises(DomainError, match="no distribution"):
        domain.sample(random.Random(0))


SOURCE = 'import math\n\n\ndef area(r: float) -> float:\n    """Return the area."""\n    return math.pi * r * r\n'


def test_code_keeps_its_name_signature_and_docstring() -> None:
    domain = Code.of(SOURCE)
    assert domain == Code("area", "(r: float) -> float", "Return the area.")
    assert domain.check(SOURCE) == SOURCE
    assert "def area(r: float) -> float:" in domain.json_schema()["description"]
    for change in (("area(r", "size(r"), ("r: float", "r"), ("Return", "Give"), ("math.pi", "(")):
        with pytest.raises(DomainError):
            domain.check(SOURCE.replace(*change))


def test_code_names_every_fault_at_once() -> None:
    with pytest.raises(DomainError, match=r"decorator; the signature .*; the docstring"):
        Code.of(SOURCE).check("@cache\ndef area():\n    pass")


def test_code_asks_its_policy() -> None:
    def refuse(source: str) -> None:
        raise DomainError(f"{len(source)} characters of code are too many")

    with pytest.raises(DomainError, match="too many"):
        Code("area", policy=refuse).check(SOURCE)


@pytest.mark.parametrize("source", ["(" * 5000, "\0", "def f(:", "x = '\ud800'"])
def test_hostile_code_is_refused_and_does_no_harm(source: str) -> None:
    with pytest.raises(DomainError):
        Code("f").check(source)
