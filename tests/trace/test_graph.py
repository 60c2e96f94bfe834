"""The traced graph: links through containers, stable names, JSON, isolation, errors, and feedback's way back."""

import asyncio
import json
import threading
from collections import OrderedDict
from typing import NamedTuple

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
    assert [n.name for n in _program().nodes()] == ["one", "two", "total", "subtract", "abs", "add"]


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
    assert len(backward(here, "good")) == 100_001


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


def test_an_operation_inside_an_operation_is_linked_when_its_result_is_returned() -> None:
    @bundle()
    def outer(value: float) -> Node:
        made: Node = add(value, 1.0)
        return made

    with Graph():
        made = outer(node(1.0, "p", trainable=True))
    assert (made.data, [n.name for n in made.parents]) == (2.0, ["p", "add"])


def test_feedback_on_an_inner_error_reaches_the_inputs_of_the_outer_operation() -> None:
    @bundle()
    def inner(value: float) -> float:
        return 1 / value

    @bundle()
    def outer(value: float) -> object:
        return inner(value)

    start = node(0.0, "p", trainable=True)
    with Graph(), pytest.raises(ExecutionError, match=r"^ZeroDivisionError.*of inner") as caught:
        outer(start)
    backward(caught.value.node, "mend it")
    assert start.feedback == [Feedback(text="mend it")]


def test_a_list_without_nodes_is_passed_as_it_is() -> None:
    @bundle()
    def push(rows: list[int]) -> None:
        rows.append(1)

    rows: list[int] = []
    push(rows)
    assert rows == [1]


def test_a_decorator_works_without_parentheses() -> None:
    @bundle
    def double(value: int) -> int:
        """Double it."""
        return 2 * value

    made = double(node(2))
    assert (made.data, made.name, made.description) == (4, "double", "Double it.")


@pytest.mark.parametrize(("value", "items"), [([1, 2], [1, 2]), ({"a": 1}, ["a"]), ("ab", ["a", "b"]), ({7}, [7])])
def test_iteration_gives_nodes_linked_to_the_whole(value: object, items: list[object]) -> None:
    whole = node(value)
    assert [n.data for n in whole] == items
    assert all(n.parents[0] is whole for n in whole)


def test_operators_give_what_python_gives() -> None:
    two, three = node(2), node(-3)
    made = [7 // two, 7 % two, 2**two, abs(three), round(node(1.26), 1), -two, two.eq(2), node("abc").len(), two < 3]
    assert [n.data for n in made] == [3, 1, 4, 3, 1.3, -2, True, 3, True]


@given(
    st.recursive(
        st.none() | st.integers() | st.floats() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)
def test_no_value_takes_more_than_two_kilobytes_of_json(value: object) -> None:
    text = json.dumps(node(value).to_json()["value"], ensure_ascii=False)
    assert len(text.encode("utf-8", "replace")) <= 2100


def test_values_of_any_size_are_cut() -> None:
    for value in ("€" * 100_000, 12**5000, {str(i): "€" * 390 for i in range(25)}):
        assert len(json.dumps(node(value).to_json()["value"], ensure_ascii=False).encode()) <= 2100


def test_tasks_do_not_see_each_others_graph() -> None:
    @bundle()
    async def step(value: float) -> float:
        await asyncio.sleep(0)
        return value + 1

    async def work(steps: int) -> list[str]:
        with Graph() as graph:
            here = node(0.0, "start")
            for _ in range(steps):
                here = await step(here)
        return [n.name for n in graph.nodes()]

    async def all_of_them() -> list[list[str]]:
        return list(await asyncio.gather(*(work(steps) for steps in range(1, 6))))

    names = asyncio.run(all_of_them())
    assert [len(each) for each in names] == [2, 3, 4, 5, 6]
    assert names[4] == ["start", "step", "step_2", "step_3", "step_4", "step_5"]


def test_stopping_inside_a_stop_does_not_start_again() -> None:
    with Graph() as graph, stop_tracing():
        with stop_tracing():
            pass
        _ = node(1.0) + 2
    assert graph.nodes() == []


def test_a_method_is_traced_and_its_parameter_is_per_instance() -> None:
    class Greeter:
        def __init__(self, word: str) -> None:
            self.word = node(word, "word", trainable=True)

        @bundle()
        def _join(self, word: str, name: str) -> str:
            return f"{word} {name}"

        def greet(self, name: str) -> Node:
            made: Node = self._join(self.word, name)
            return made

    one, two = Greeter("Hello"), Greeter("Hola")
    assert (one.greet("Ann").data, two.greet("Ann").data) == ("Hello Ann", "Hola Ann")
    backward(two.greet("Ann"), "good")
    assert (one.word.feedback, two.word.feedback) == ([], [Feedback(text="good")])


class Pair(NamedTuple):
    left: object
    right: object


def test_containers_keep_their_kind_when_nodes_are_taken_out() -> None:
    seen: list[object] = []

    @bundle()
    def look(*values: object) -> None:
        seen.extend(values)

    look(Pair(node(1), 2), OrderedDict(a=[node(3)]), (node(4),))
    assert seen == [Pair(1, 2), OrderedDict(a=[3]), (4,)]
    assert [type(value) for value in seen] == [Pair, OrderedDict, tuple]


def test_a_list_that_contains_itself_is_no_endless_loop() -> None:
    @bundle()
    def count(rows: list[object]) -> int:
        return len(rows)

    rows: list[object] = []
    rows.append(rows)
    assert count(rows).data == 1


def test_the_text_shows_what_each_operation_was_called_with() -> None:
    with Graph():
        start = node("a", "start", trainable=True)
        made = add(start + "b", right=node("c", "word"))
    lines = show(made).split("\n")
    assert lines == [
        "start: a [trainable]",
        "add = add(start, 'b'): ab",
        "word: c",
        "add_2 = add(left=add, right=word): abc",
    ]
