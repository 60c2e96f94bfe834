"""Parameters: nothing outside their domain is ever stored, and a candidate is a value of its thread or task."""

import asyncio
import contextlib
import copy
import math
import random
import threading
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoagent.errors import DomainError
from autoagent.space import Choice, Float, Int, Text
from autoagent.trace import Feedback, Node, ParameterNode, backward, node, override, record, zero_feedback
from autoagent.trace.inferred import infer


@pytest.mark.parametrize(
    ("first", "legal", "illegal"),
    [
        (0.5, [1, -2.5, 1e308], [math.nan, math.inf, "0.5", True, None, [1.0], 10**400]),
        (3, [4, 5.0, -1], [3.7, "4", True, None, math.nan]),
        (True, [False], ["false", "False", 0, 1, None]),
        ("abc", ["", "x" * 9999], [1, None, ["a"], "\ud800"]),
        ([1, 2], [[], [5, 6, 7]], ["abc", [1.5], [None], {"0": 1}, [[1]], "[1, 2]"]),
        ([1, "a"], [[2, "b"]], [[1], ["a", 1], [1, "a", 2]]),
        ({"a": 1, "b": [0.5]}, [{"b": [], "a": 2}], [{"a": 1}, {"a": "1", "b": []}, {"a": 1, "b": [], "c": 1}, []]),
        ((1, 2.0), [(3, 4.0), [3, 4.0]], [(1,), 5]),
        (None, [1, "x", None, {"a": [True]}], [math.nan, object(), {1: 2}]),
    ],
)
def test_an_inferred_domain_takes_values_of_its_kind_only(first: object, legal: list[Any], illegal: list[Any]) -> None:
    parameter = ParameterNode(first, "p")
    for value in legal:
        parameter.set(value)
        assert type(parameter.data) is type(first) or first is None
        jsonschema.validate(list(value) if isinstance(value, tuple) else value, parameter.domain.json_schema())
    kept = parameter.data
    for value in illegal:
        with pytest.raises(DomainError):
            parameter.set(value)
        assert parameter.data == kept


def test_an_array_keeps_shape_and_dtype_and_is_never_uninitialised_memory() -> None:
    parameter = ParameterNode(np.zeros((2, 3), dtype=np.float32), "weights")
    for value in ([5, 6], 7, [[1, 2, 3]], [[1, 2, 3], [4, 5]], [[1, 2, 3], [4, 5, "6"]], [[1, 2, 3], [4, 5, math.nan]]):
        with pytest.raises(DomainError):
            parameter.set(value)
    with pytest.raises(DomainError, match="float32"):
        parameter.set([[1e300] * 3] * 2)
    assert not parameter.data.any()
    parameter.set([[1, 2, 3], [4, 5, 6.5]])
    assert (parameter.data.shape, parameter.data.dtype) == ((2, 3), np.float32)
    assert parameter.data.tolist() == [[1, 2, 3], [4, 5, 6.5]]
    with pytest.raises(ValueError, match="read-only"):
        parameter.data[0, 0] = 9


def test_an_array_of_whole_numbers_takes_no_fractions_and_nothing_too_large() -> None:
    parameter = ParameterNode(np.array([1, 2], dtype=np.int8), "counts")
    for value in ([1.5, 2], [1, 300], [True, 1]):
        with pytest.raises(DomainError):
            parameter.set(value)
    assert parameter.data.tolist() == [1, 2]


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda s: st.lists(s, max_size=4))
)
def test_whatever_is_proposed_what_is_stored_is_legal(value: object) -> None:
    for first in (0.5, 3, True, "a", [1], {"a": 1}, np.ones(2)):
        parameter = ParameterNode(first, "p")
        with contextlib.suppress(DomainError):
            parameter.set(value)
        again = parameter.domain.check(parameter.data)
        assert type(again) is type(parameter.data)


@pytest.mark.parametrize("value", [0.5, 3, "a", [1], (1,), {"a": 1}, None, np.ones(2)])
def test_what_was_inferred_has_no_distribution(value: object) -> None:
    with pytest.raises(DomainError, match="no distribution"):
        infer(value).sample(random.Random(0))


def test_an_object_without_a_domain_is_refused() -> None:
    with pytest.raises(DomainError, match="give one with domain="):
        node(object(), trainable=True)


def test_a_domain_is_for_trainable_nodes() -> None:
    with pytest.raises(DomainError, match="trainable=True"):
        node(1.0, domain=Float(0, 1))


def test_a_value_outside_its_domain_is_refused_from_the_start() -> None:
    with pytest.raises(DomainError):
        node(2.0, trainable=True, domain=Float(0, 1))


def test_a_list_cannot_be_changed_behind_its_domain() -> None:
    parameter = ParameterNode([1, 2], "rows")
    parameter.data.append("three")
    assert parameter.data == [1, 2]


def test_assigning_data_is_checked() -> None:
    parameter = ParameterNode(1, "n", domain=Int(0, 3))
    with pytest.raises(DomainError):
        parameter.data = 9
    parameter.data = 2.0
    assert (parameter.data, type(parameter.data)) == (2, int)


def test_projections_run_before_the_check_and_their_failure_is_a_domain_error() -> None:
    parameter = ParameterNode(" a ", "word", domain=Text(3), projections=[str.strip])
    parameter.set("  bcd  ")
    assert parameter.data == "bcd"
    with pytest.raises(DomainError, match="strip failed"):
        parameter.set(7)


def test_an_override_holds_inside_its_block_and_may_be_nested() -> None:
    one, two = ParameterNode(1, "one"), ParameterNode(2, "two")
    with override({one: 10}):
        with override({two: 20}):
            assert (one.data, two.data, (one + two).data) == (10, 20, 30)
        assert (one.data, two.data) == (10, 2)
    assert (one.data, two.data) == (1, 2)


def test_an_illegal_override_names_every_fault_and_changes_nothing() -> None:
    one, two = ParameterNode(1, "one"), ParameterNode("a", "two", domain=Choice(["a", "b"]))
    with pytest.raises(DomainError, match=r"one: .*; two: "), override({one: "x", two: "c"}):
        pass
    assert one.data == 1


def test_threads_evaluate_candidates_of_one_parameter_at_once() -> None:
    parameter, seen = ParameterNode(0, "n"), {}
    gate = threading.Barrier(8)

    def work(value: int) -> None:
        with override({parameter: value}), record() as run:
            gate.wait()
            output = parameter + 0
            gate.wait()
            backward(output, float(value))
            seen[value] = (output.data, [said.score for _, said in run.verdicts])

    threads = [threading.Thread(target=work, args=(value,)) for value in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {value: (value, [float(value)]) for value in range(8)}
    assert (parameter.data, parameter.feedback) == (0, [])


def test_tasks_evaluate_candidates_of_one_parameter_at_once() -> None:
    parameter = ParameterNode(0, "n")

    async def work(value: int) -> int:
        with override({parameter: value}):
            await asyncio.sleep(0)
            made: Node = parameter + 0
        return int(made.data)

    async def all_of_them() -> list[int]:
        return list(await asyncio.gather(*(work(value) for value in range(5))))

    assert asyncio.run(all_of_them()) == [0, 1, 2, 3, 4]


def test_a_deep_copy_has_its_own_value_and_no_feedback() -> None:
    parameter = ParameterNode(1, "n", domain=Int(0, 3), description="how many")
    backward(parameter + 1, "good")
    other = copy.deepcopy(parameter)
    other.set(3)
    assert (parameter.data, other.data, other.domain, other.description, other.name) == (
        1,
        3,
        Int(0, 3),
        "how many",
        "n",
    )
    assert (other.feedback, parameter.feedback) == ([], [Feedback(text="good")])
    zero_feedback([parameter])
    assert (parameter.feedback, parameter.verdicts) == ([], {})


def test_a_node_can_become_trainable_and_is_otherwise_itself() -> None:
    fixed = node(1.0)
    assert node(fixed) is fixed
    trainable = node(fixed, trainable=True)
    assert isinstance(trainable, ParameterNode)
    assert node(trainable, trainable=True) is trainable


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_refused(score: float) -> None:
    with pytest.raises(DomainError, match="finite"):
        backward(node(1.0), score)


def test_scores_of_several_objectives_are_feedback() -> None:
    parameter = ParameterNode(1.0, "p")
    backward(parameter * 2, {"speed": 0.5, "quality": 1.0})
    assert parameter.feedback == [Feedback(scores={"speed": 0.5, "quality": 1.0})]
    assert parameter.feedback[0].to_json() == {"scores": {"speed": 0.5, "quality": 1.0}}
