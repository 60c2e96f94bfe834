"""Feedback's way back: propagators, the chain rule, and scopes that keep runs apart."""

import runpy
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from autoagent.trace import (
    ExecutionError,
    Feedback,
    Graph,
    Node,
    ParameterNode,
    backward,
    bundle,
    node,
    propagate,
    record,
    stop_tracing,
)

EXAMPLE = Path(__file__).parents[2] / "examples" / "gradient_through_graph.py"


def test_gradient_descent_through_the_graph_gives_the_losses_of_torch_to_the_last_bit() -> None:
    names = runpy.run_path(str(EXAMPLE))
    ours, theirs = names["through_the_graph"](), names["with_torch"]()
    assert ours == theirs
    assert (ours[0], ours[1], len(ours)) == (7.5, 4.87734375, 10)


def test_a_message_passes_on_unchanged_where_there_is_no_propagator() -> None:
    start = node(1.0)
    output = (start + 1) * start
    heard = propagate(output, "m", {})
    assert heard[start] == ["m"]
    assert next(iter(heard)) is output


def test_a_propagator_can_keep_a_message_from_a_parent() -> None:
    left, right = ParameterNode(1.0, "left"), ParameterNode(2.0, "right")

    def first_only(made: Node, messages: Sequence[Feedback]) -> list[Feedback | None]:
        return [Feedback(text=f"for {made.operator}: {messages[0].text}"), None]

    backward(left + right, "too low", propagators={"add": first_only})
    assert (left.feedback, right.feedback) == ([Feedback(text="for add: too low")], [])


def test_an_operation_hears_all_of_its_users_before_it_speaks() -> None:
    start = node(1.0)
    middle = start + 0
    output = (middle * 2) + (middle * 3)
    counts = []

    def count(made: Node, messages: Sequence[int]) -> list[int]:
        counts.append((made.operator, len(messages)))
        return [sum(messages)] * len(made.parents)

    heard = propagate(output, 1, {"add": count, "multiply": count})
    assert counts == [("add", 1), ("multiply", 1), ("multiply", 1), ("add", 2)]
    assert heard[start] == [2]


def test_a_propagator_that_forgets_a_parent_is_told_so() -> None:
    with pytest.raises(ValueError, match="'add' sent 1 messages to 2 parents"):
        propagate(node(1) + node(2), 1.0, {"add": lambda made, messages: [1.0]})


def test_feedback_in_a_record_stays_there() -> None:
    start = ParameterNode(1.0, "start")
    with record() as outer:
        backward(start + 1, 0.0)
        with record() as inner:
            backward(start + 2, "inner")
    assert [said.score for _, said in outer.verdicts] == [0.0]
    assert [said.text for _, said in inner.verdicts] == ["inner"]
    assert start.feedback == []


def test_two_backward_calls_of_different_text_merge() -> None:
    start = ParameterNode(1.0, "start")
    one, two = start + 1, start + 2
    for output, said in ((one, "too low"), (two, "too high"), (one, "too low")):
        backward(output, said)
    assert start.verdicts == {one: [Feedback(text="too low")], two: [Feedback(text="too high")]}
    assert [said.text for said in start.feedback] == ["too low", "too high"]


def test_a_bundle_shared_by_threads_links_each_call_to_its_own_inputs() -> None:
    secret = [ParameterNode(place, "secret") for place in range(8)]

    @bundle()
    def look(place: int) -> int:
        return int(secret[place].data)

    wrong = []

    def work(place: int) -> None:
        with Graph() as graph:
            for _ in range(100):
                made = look(node(place))
                if made.parents[1:] != (secret[place],):
                    wrong.append(made)
            if len({here.name for here in graph.nodes()}) != 200:
                wrong.append(made)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_one_graph_filled_by_threads_has_no_name_twice() -> None:
    import contextvars

    with Graph() as graph:
        contexts = [contextvars.copy_context() for _ in range(4)]
        threads = [
            threading.Thread(target=here.run, args=(lambda: [node(1) + 1 for _ in range(300)],)) for here in contexts
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    names = [here.name for here in graph.nodes()]
    assert (len(names), len(set(names))) == (2400, 2400)


def test_stopping_holds_for_one_thread() -> None:
    linked = []
    with stop_tracing():
        thread = threading.Thread(target=lambda: linked.append((node(1) + 1).parents))
        thread.start()
        thread.join()
        assert (node(1) + 1).parents == ()
    assert len(linked[0]) == 1


def test_an_operation_runs_the_same_while_tracing_is_stopped() -> None:
    @bundle()
    def fail(value: int) -> float:
        return value / 0

    with stop_tracing(), pytest.raises(ExecutionError) as caught:
        fail(node(1))
    assert caught.value.exception_node.parents == ()


def test_backward_is_a_method_too() -> None:
    start = ParameterNode(1.0, "start")
    output = start + 1
    assert output.backward("good") == backward(output, "good")
    assert start.feedback == [Feedback(text="good")]
