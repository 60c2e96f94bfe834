"""Configurations survive the way to a vector and back."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from autoagent.search.encoding import Encoding

SPACE: dict[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-5, 1e-1, log=True),
    "share": FloatDistribution(-1.0, 3.0),
    "step": FloatDistribution(0.0, 1.0, step=0.1),
    "depth": IntDistribution(1, 12),
    "units": IntDistribution(1, 512, log=True),
    "even": IntDistribution(2, 20, step=2),
    "kernel": CategoricalDistribution(["rbf", None, True, 1, 2.5]),
    "one": IntDistribution(4, 4),
}


@given(seed=st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_any_vector_decodes_to_a_legal_configuration_that_encodes_back(seed: int) -> None:
    encoding = Encoding(SPACE)
    point = np.random.default_rng(seed).uniform(-0.2, 1.2, encoding.width)
    params = encoding.decode(point)
    for name, value in params.items():
        assert SPACE[name]._contains(SPACE[name].to_internal_repr(value)), (name, value)
    again = encoding.decode(encoding.encode(params))
    assert encoding.key(again) == encoding.key(params)
    assert again["share"] == pytest.approx(params["share"])


def test_each_whole_number_owns_an_equal_part_of_its_column() -> None:
    encoding = Encoding({"n": IntDistribution(0, 3)})
    values = [encoding.decode(np.array([u]))["n"] for u in (0.0, 0.2, 0.3, 0.49, 0.51, 0.74, 0.76, 1.0)]
    assert values == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [float(encoding.encode({"n": n})[0]) for n in range(4)] == [0.125, 0.375, 0.625, 0.875]


def test_the_middle_of_a_log_range_is_its_geometric_mean() -> None:
    encoding = Encoding({"rate": SPACE["rate"]})
    assert encoding.decode(np.array([0.5]))["rate"] == pytest.approx(math.sqrt(1e-5 * 1e-1))


def test_a_choice_is_found_by_its_type_as_well() -> None:
    encoding = Encoding({"kernel": SPACE["kernel"]})
    assert encoding.encode({"kernel": True}).argmax() == 2
    assert encoding.encode({"kernel": 1}).argmax() == 3
    assert encoding.decode(encoding.encode({"kernel": None})) == {"kernel": None}


@pytest.mark.parametrize(("params", "row"), [({}, [0.5, 0, 0]), ({"x": 99.0, "c": "new"}, [1.0, 0, 0])])
def test_missing_and_foreign_values_have_a_place(params: dict[str, Any], row: list[float]) -> None:
    encoding = Encoding({"x": FloatDistribution(0.0, 1.0), "c": CategoricalDistribution(["a", "b"])})
    assert encoding.encode(params).tolist() == row


def test_floats_that_agree_to_four_digits_are_one_configuration() -> None:
    encoding = Encoding(SPACE)
    params = encoding.decode(np.full(encoding.width, 0.4))
    assert encoding.key(params | {"share": 0.123401}) == encoding.key(params | {"share": 0.1234})
    assert encoding.key(params | {"share": 0.1235}) != encoding.key(params | {"share": 0.1234})
    del params["depth"]
    assert encoding.key(params) != encoding.key(params | {"depth": 3})


def test_random_draws_cover_a_category_and_follow_the_generator() -> None:
    encoding = Encoding({"c": CategoricalDistribution(list("abc")), "n": IntDistribution(1, 3)})
    draws = [encoding.random(np.random.default_rng(seed)) for seed in range(60)]
    assert {draw["c"] for draw in draws} == {"a", "b", "c"}
    assert {draw["n"] for draw in draws} == {1, 2, 3}
    assert draws[7] == encoding.random(np.random.default_rng(7))
