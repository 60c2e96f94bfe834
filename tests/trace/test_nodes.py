"""Nodes: every operator gives what Python gives, and graphs are light and freed."""

import copy
import gc
import math
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autoagent.trace import ExceptionNode, ExecutionError, Graph, Node, ParameterNode, backward, bundle, node

BINARY: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / b,
    lambda a, b: a // b,
    lambda a, b: a % b,
    lambda a, b: divmod(a, b),
    lambda a, b: a**b,
    lambda a, b: a << b,
    lambda a, b: a >> b,
    lambda a, b: a & b,
    lambda a, b: a | b,
    lambda a, b: a ^ b,
    lambda a, b: a < b,
    lambda a, b: a <= b,
    lambda a, b: a > b,
    lambda a, b: a >= b,
]


@pytest.mark.parametrize("operator", BINARY)
def test_a_binary_operator_gives_what_python_gives_from_both_sides(operator: Callable[[Any, Any], Any]) -> None:
    left, right = node(13, "left"), node(3, "right")
    for made, parents in (
        (operator(left, right), {left, right}),
        (operator(left, 3), {left}),
        (operator(13, right), {right}),
    ):
        assert isinstance(made, Node)
        assert (made.data, set(made.parents)) == (operator(13, 3), parents)


@pytest.mark.parametrize("operator", [abs, round, math.floor, math.ceil, math.trunc, lambda x: -x, lambda x: +x])
def test_a_unary_operator_gives_what_python_gives(operator: Callable[[Any], Any]) -> None:
    start = node(-2.6, "x")
    made = operator(start)
    assert isinstance(made, Node)
    assert (made.data, made.parents) == (operator(-2.6), (start,))


def test_methods_of_texts_and_dictionaries_are_traced() -> None:
    text, table = node(" a,B "), node({"k": 1})
    made = [
        text.strip().upper(),
        text.lower().split(","),
        text.replace(",", node(";")),
        node("{}-{x}").format(1, x=node(2)),
        node(", ").join(["a", "b"]),
        text.title().swapcase(),
        table.items(),
        table.keys(),
        table.values(),
        table.get("z", 0),
        table["k"],
        node(3).eq(3),
        node(3).neq(3),
        node("abc").len(),
        text.call("count", "a"),
        node(3j).getattr("imag"),
        ~node(5),
        node(max)(1, node(2)),
    ]
    assert [m.data for m in made] == [
        "A,B", [" a", "b "], " a;B ", "1-2", "a, b", " a,b ", [("k", 1)], ["k"], [1], 0, 1, True, False,
        3, 1, 3.0, -6, 2,
    ]  # fmt: skip
    assert all(m.parents for m in made)


def test_what_is_not_traced_gives_plain_values() -> None:
    assert [node(3) == 3, node(3) != 3, 2 in node([1, 2]), bool(node(0)), len(node("ab"))] == [
        True,
        False,
        True,
        False,
        2,
    ]
    assert (node(0) or 5, node(2) and 5) == (5, 5)


def test_arrays_compare_as_a_whole_and_are_no_rival_operators() -> None:
    rows = node(np.arange(3))
    assert rows == np.arange(3)
    assert rows != np.arange(4)
    made = np.ones(3) + rows
    assert isinstance(made, Node)
    assert made.data.tolist() == [1, 2, 3]
    assert [item.data for item in rows] == [0, 1, 2]
    assert (rows @ rows).data == 5
    backward(made, "fine")
    assert len(rows.feedback) == 1


def test_a_failed_operator_is_a_node_too() -> None:
    bottom = ParameterNode(0, "bottom")
    with pytest.raises(ExecutionError, match="ZeroDivisionError") as caught:
        _ = 1 / bottom
    assert isinstance(caught.value.exception_node, ExceptionNode)
    assert caught.value.exception_node.parents == (bottom,)
    with pytest.raises(ExecutionError, match="KeyError"):
        _ = node({})["missing"]


def test_a_deep_copy_of_the_end_of_a_long_chain_is_no_recursion() -> None:
    here = node(0)
    for _ in range(5000):
        here = here + 1
    again = copy.deepcopy(here)
    assert (again.data, again.parents, here.detach().parents) == (5000, (), ())
    assert here.clone().parents == (here,)


def test_a_dropped_graph_is_freed_at_once() -> None:
    gc.collect()
    gc.disable()
    try:
        here = node(0.0)
        first = weakref.ref(here)
        for _ in range(1000):
            here = here + 1
        del here
        assert first() is None
    finally:
        gc.enable()


def test_a_judged_graph_is_freed_after_its_feedback() -> None:
    parameter = ParameterNode(0.0, "p")
    output = parameter + 1
    kept = weakref.ref(output)
    backward(output, 1.0)
    del output
    assert kept() is not None
    parameter.zero_feedback()
    gc.collect()
    assert kept() is None


def test_a_node_takes_less_than_four_hundred_bytes() -> None:
    one = node(1.0)
    here = one
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(2000):
        here = here + one
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert used / 2000 < 400


def test_a_function_that_calls_itself_runs_as_plain_python_inside() -> None:
    kinds = []

    @bundle()
    def factorial(n: int) -> int:
        kinds.append(type(n))
        return 1 if n < 2 else n * factorial(n - 1)

    start = node(5, "n")
    with Graph() as graph:
        made = factorial(start)
    assert (made.data, made.parents, kinds) == (120, (start,), [int] * 5)
    assert graph.nodes() == [made]
    assert factorial(3).data == 6


def test_a_generator_gives_a_node_for_each_item_and_its_error_is_a_node() -> None:
    @bundle()
    def count(start: int, end: int) -> Any:
        yield from range(start, end)
        raise ValueError("no more")

    start = node(1, "start")
    items = count(start, 3)
    seen = [next(items), next(items)]
    assert [(item.data, item.parents, item.operator) for item in seen] == [(n, (start,), "count") for n in (1, 2)]
    with pytest.raises(ExecutionError, match="no more") as caught:
        next(items)
    assert caught.value.exception_node.parents == (start,)


def test_an_asynchronous_generator_gives_nodes() -> None:
    import asyncio

    @bundle()
    async def count(end: int) -> Any:
        for place in range(end):
            await asyncio.sleep(0)
            yield place

    async def work() -> list[Any]:
        return [item.data async for item in count(node(3))]

    assert asyncio.run(work()) == [0, 1, 2]


def test_a_coroutine_that_fails_is_a_node() -> None:
    import asyncio

    @bundle()
    async def ask(text: str) -> str:
        raise TimeoutError(text)

    start = node("x")
    with pytest.raises(ExecutionError, match="TimeoutError: x") as caught:
        asyncio.run(ask(start))
    assert caught.value.exception_node.parents == (start,)


def test_a_description_can_name_the_operation_as_in_trace() -> None:
    @bundle("[my.op] Does it.")
    def anything(value: int) -> int:
        return value

    made = anything(1)
    assert (made.operator, made.description) == ("my_op", "Does it.")


def test_an_error_can_be_left_as_it_is() -> None:
    @bundle(catch_execution_error=False)
    def fail() -> None:
        raise KeyError("k")

    with Graph() as graph, pytest.raises(KeyError):
        fail()
    assert isinstance(graph.nodes()[-1], ExceptionNode)
