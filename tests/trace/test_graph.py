"""The traced graph: links through containers, stable names, JSON, isolation, errors, and feedback's way back."""

import asyncio
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoagent.errors import DataError
from autoagent.trace import (
    ExceptionNode,
    ExecutionError,
    Feedback,
    Graph,
    Node,
    backward,
    bundle,
    node,
    show,
    stop_tracing,
    to_svg,
    zero_feedback,
)


@bundle()
def add(left: float, right: float) -> float:
    """Add two numbers."""
    return left + right


@bundle()
def total(rows: list[float]) -> float:
    """Add many numbers."""
    return sum(rows)


def _program() -> Graph:
    with Graph() as graph:
        one, two = node(1.0, "one", trainable=True), node(2.0, "two")
        add(total([one, two]), abs(one - 3))
    return graph


def test_names_are_the_function_and_its_call_index() -> None:
    assert [n.name for n in _program().nodes()] == ["one", "two", "total", "constant", "subtract", "abs", "add"]


def test_the_same_program_gives_the_same_json_but_for_its_seconds() -> None:
    one, two = (_program().to_json() for _ in range(2))
    for row in (*one["nodes"], *two["nodes"]):
        row.pop("seconds", None)
    assert json.dumps(one) == json.dumps(two)


def test_a_graph_read_from_json_writes_the_same_json_and_can_grow() -> None:
    first = _program()
    again = Graph.from_json(json.loads(json.dumps(first.to_json())))
    assert again.to_json() == first.to_json()
    with again:
        made = add(1.0, 2.0)
    assert made.name == "add_2"


def test_nodes_inside_containers_keep_their_link() -> None:
    with Graph():
        inner = node(1.0, "inner")

        @bundle()
        def pick(config: dict[str, list[float]]) -> float:
            return config["a"][0]

        assert pick({"a": [inner, 2.0]}).parents == (inner,)


def test_an_error_is_a_node_and_says_the_failing_line() -> None:
    @bundle()
    def fail(value: float) -> float:
        return value / 0

    with Graph() as graph, pytest.raises(ExecutionError, match=r"ZeroDivisionError.*line \d+ of fail") as caught:
        fail(node(1.0, "x"))
    assert isinstance(graph.nodes()[-1], ExceptionNode)
    assert [n.name for n in backward(caught.value.node, "mend it")] == ["fail", "x"]


def test_our_own_errors_pass_as_they_are_and_are_recorded() -> None:
    @bundle()
    def refuse() -> None:
        raise DataError("no rows")

    with Graph() as graph, pytest.raises(DataError, match="no rows"):
        refuse()
    assert isinstance(graph.nodes()[-1], ExceptionNode)


def test_a_coroutine_is_traced() -> None:
    @bundle()
    async def later(value: float) -> float:
        return value + 1

    async def work() -> Node:
        with Graph():
            made: Node = await later(node(1.0))
            return made

    made = asyncio.run(work())
    assert (made.data, len(made.parents)) == (2.0, 1)


def test_threads_do_not_see_each_others_graph() -> None:
    counts = {}

    def work(key: int) -> None:
        with Graph() as graph:
            for _ in range(50):
                add(node(1.0), 2.0)
            counts[key] = len(graph.nodes())

    threads = [threading.Thread(target=work, args=(key,)) for key in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(counts.values()) == {100}


def test_comparison_is_by_data_and_plain() -> None:
    assert (node(3) == 3, node(3) != node(3), 2 in node([1, 2]), len(node([1, 2])), bool(node(0))) == (
        True,
        False,
        True,
        2,
        False,
    )


def test_nothing_is_recorded_while_tracing_is_stopped() -> None:
    with Graph() as graph, stop_tracing():
        made = node(1.0) + 2
    assert (graph.nodes(), made.parents) == ([], ())


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=30))
def test_feedback_reaches_what_led_to_the_output_and_nothing_else(pairs: list[tuple[int, int]]) -> None:
    nodes: list[Node] = [node(1.0)]
    for left, right in pairs:
        nodes.append(add(nodes[left % len(nodes)], nodes[right % len(nodes)]))
    output = nodes[len(nodes) // 2]

    def leads(start: Node) -> bool:
        ahead, seen = [output], set()
        while ahead:
            here = ahead.pop()
            if here is start:
                return True
            ahead += [p for p in here.parents if id(p) not in seen]
            seen |= {id(p) for p in here.parents}
        return False

    backward(output, 0.5)
    assert [bool(n.feedback) for n in nodes] == [leads(n) for n in nodes]


def test_a_chain_of_a_hundred_thousand_steps_is_no_recursion() -> None:
    here = node(0)
    for _ in range(100_000):
        here = here + 1
    assert len(backward(here, "good")) == 200_001


def test_different_feedback_merges_and_can_be_forgotten() -> None:
    start = node(1.0, trainable=True)
    output = start + 1
    for said in (1.0, "too low", 1.0, Feedback(metrics={"auc": 0.5})):
        reached = backward(output, said)
    assert [entry.to_json() for entry in start.feedback] == [
        {"score": 1.0},
        {"text": "too low"},
        {"metrics": {"auc": 0.5}},
    ]
    zero_feedback(reached)
    assert start.feedback == []


def test_hostile_text_is_inert_in_the_picture_and_large_values_are_cut() -> None:
    with Graph() as graph:
        start = node("<script>alert(1)</script>", "<b>", trainable=True)
        add(start, "x" * 100_000)
    svg = to_svg(graph)
    assert "<script" not in svg
    assert "&lt;script" in svg
    assert len(json.dumps(graph.to_json())) < 6000
    assert "[trainable]" in show(graph)
