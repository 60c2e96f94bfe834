"""The problem of an optimizer: complete, minimal, named the same each time, and linear in the size of the graph."""

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoagent.trace import (
    ExecutionError,
    Feedback,
    Graph,
    Node,
    ParameterNode,
    Problem,
    backward,
    bundle,
    node,
    override,
    problem,
    record,
)


@bundle()
def call(prompt: str, answer: str, query: str) -> str:
    """Answer the query."""
    return f"{prompt}{answer}{query}"


@bundle()
def check(answer: str) -> str:
    """Check an answer."""
    return answer


@bundle()
def mix(*values: object) -> object:
    """Mix values."""
    return len(values)


@bundle()
def nested(values: dict[str, list[object]]) -> object:
    """Mix values in containers."""
    return len(values["all"])


def _stages(count: int) -> tuple[list[ParameterNode], Node]:
    query, answer = node("q", "query"), node("", "start")
    prompts = [ParameterNode(f"p{place}", "prompt") for place in range(count)]
    for prompt in prompts:
        answer = check(call(prompt, answer, query))
    return prompts, answer


@pytest.mark.parametrize("count", [2, 3, 5, 10, 30])
def test_no_operation_of_a_workflow_of_stages_is_lost(count: int) -> None:
    prompts, answer = _stages(count)
    backward(answer, "too long")
    shown = problem(prompts)
    assert [o.operator for o in shown.operations] == ["call", "check"] * count
    assert [i.name for i in shown.inputs] == ["start", "query"]
    assert (shown.outputs, shown.feedback) == ((f"check_{count}",), ((f"check_{count}", Feedback(text="too long")),))


Recipe = list[tuple[int, list[int]]]


def _build(recipe: Recipe, kinds: list[int]) -> list[Node]:
    nodes: list[Node] = [node(1.0, trainable=kind == 0) for kind in kinds]
    for kind, picks in recipe:
        chosen = [nodes[pick % len(nodes)] for pick in picks]
        if kind == 0:
            nodes.append(mix(*chosen, 7))
        elif kind == 1:
            nodes.append(nested({"all": [*chosen, 7]}))
        else:
            nodes.append(chosen[0] * 1 + chosen[-1])
    return nodes


def _forward(parents: dict[int, list[int]], starts: set[int], count: int) -> set[int]:
    """Reach by brute force, over the children: another algorithm than the one under test."""
    children = {n: [m for m in range(count) if n in parents[m]] for n in range(count)}
    reached, waiting = set(starts), list(starts)
    while waiting:
        for child in children[waiting.pop()]:
            if child not in reached:
                reached.add(child)
                waiting.append(child)
    return reached


@given(
    st.lists(st.integers(0, 1), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 2), st.lists(st.integers(0, 60), min_size=1, max_size=4)), max_size=20),
    st.lists(st.integers(0, 60), min_size=1, max_size=3),
)
def test_every_operation_from_a_parameter_to_a_judged_output_is_in_the_problem_and_nothing_else(
    kinds: list[int], recipe: Recipe, judged: list[int]
) -> None:
    made = _build(recipe, kinds)
    outputs = list(dict.fromkeys(made[pick % len(made)] for pick in judged))
    parameters = [n for n in made if isinstance(n, ParameterNode)]
    every: dict[Node, int] = {}
    waiting = list(made)
    while waiting:
        here = waiting.pop()
        if here not in every:
            every[here] = len(every)
            waiting += here.parents
    parents = {index: [every[p] for p in here.parents] for here, index in every.items()}
    down = _forward(parents, {every[p] for p in parameters}, len(every))
    flipped = {index: [m for m in parents if index in parents[m]] for index in parents}
    up = _forward(flipped, {every[o] for o in outputs}, len(every))
    expected = {index for here, index in every.items() if index in down & up and here.parents}

    for output in outputs:
        backward(output, 0.5)
    with record() as run:
        for output in outputs:
            backward(output, 0.5)
    shown = problem(parameters, run.verdicts)
    assert {o.name for o in shown.operations} == {o.name for o in problem(parameters).operations}

    names = {index: here.operator for here, index in every.items()}
    assert sorted(o.operator for o in shown.operations) == sorted(names[index] for index in expected)
    assert {v.parameter for v in shown.variables} == {p for p in parameters if every[p] in up}
    defined = {v.name for v in shown.variables} | {i.name for i in shown.inputs}
    for operation in shown.operations:  # parents first, and every name that is used is defined
        for _, text in operation.arguments:
            for word in text.replace("[", " ").replace("]", " ").replace(",", " ").replace("}", " ").split():
                assert word in defined or word in ("7", "1", "{'all':"), (word, defined)
        assert operation.name not in defined
        assert operation.name.isidentifier()
        defined.add(operation.name)
    assert set(shown.outputs) <= defined
    kinds_of = {o.name: o.kind for o in shown.operations}
    assert all(kinds_of.get(name, "output") == "output" for name in shown.outputs)


def _text(shown: Problem) -> str:
    variables = [replace(v, parameter=None) for v in shown.variables]  # type: ignore[arg-type]  # its repr has no address, but is long
    return repr((variables, shown.inputs, shown.operations, shown.outputs, shown.feedback, dict(shown.documentation)))


def test_identical_states_give_identical_problems_whatever_ran_before() -> None:
    texts = set()
    for _ in range(3):
        prompts, answer = _stages(3)
        _stages(2)
        backward(answer, 0.0)
        texts.add(_text(problem(prompts)))
    with Graph():
        for _ in range(3):
            prompts, answer = _stages(3)
            backward(answer, 0.0)
            texts.add(_text(problem(prompts)))
    assert len(texts) == 1


def test_the_order_in_which_tasks_finish_does_not_change_the_problem() -> None:
    @bundle()
    async def ask(prompt: str, place: int, turns: int) -> str:
        for _ in range(turns):
            await asyncio.sleep(0)
        return prompt * place

    async def work(seed: int) -> str:
        prompt = ParameterNode("x", "prompt")
        turns = random.Random(seed).sample(range(9), 3)
        answers = await asyncio.gather(*(ask(prompt, place, t) for place, t in enumerate(turns)))
        backward(mix(*answers), 1.0)
        shown = problem([prompt])
        return repr([(o.name, o.operator, o.arguments[0], o.value) for o in shown.operations])

    assert len({asyncio.run(work(seed)) for seed in range(6)}) == 1


class _Counted(tuple[Node, ...]):
    steps = 0

    def __iter__(self) -> Iterator[Node]:
        for item in super().__iter__():
            _Counted.steps += 1
            yield item

    def __reversed__(self) -> Iterator[Node]:
        for item in self[::-1]:
            _Counted.steps += 1
            yield item


def _shape(shape: str, count: int) -> tuple[list[ParameterNode], Node]:
    first, one = ParameterNode(1.0, "p"), node(1.0, "c")
    if shape == "fan-in":
        many = [ParameterNode(1.0, "p") for _ in range(count)]
        return many, mix(*many)
    here: Node = first
    many = [first]
    if shape == "tree":
        layer = [first + node(1.0) for _ in range(count // 2)]
        while len(layer) > 1:
            pairs = zip(layer[::2], layer[1::2], strict=False)
            layer = [left + right for left, right in pairs] + layer[len(layer) // 2 * 2 :]
        return many, layer[0]
    for place in range(count):
        if shape == "parameters" and place % 10 == 0:
            many.append(ParameterNode(1.0, "p"))
            here = here + many[-1]
        else:
            here = here + one
    return many, here


@pytest.mark.parametrize("shape", ["chain", "parameters", "fan-in", "tree"])
def test_the_work_grows_linearly_with_the_graph(shape: str) -> None:
    steps = []
    for count in (400, 800, 1600):
        parameters, output = _shape(shape, count)
        waiting, seen = [output], set[Node]()
        while waiting:
            here = waiting.pop()
            if here not in seen:
                seen.add(here)
                waiting += here.parents
        for here in seen:
            here.parents = _Counted(here.parents)
        _Counted.steps = 0
        backward(output, "feedback")
        shown = problem(parameters)
        steps.append(_Counted.steps)
        assert len(shown.operations) == sum(1 for here in seen if here.parents)
    assert steps[2] - steps[1] <= 2.1 * (steps[1] - steps[0])
    assert steps[2] <= 40 * 1600


def test_a_failed_operation_shows_its_own_source_with_the_line_marked() -> None:
    @bundle()
    def divide(left: float, right: float) -> float:
        """Divide."""
        kept = left
        return kept / right

    bottom = ParameterNode(0.0, "bottom")
    with pytest.raises(ExecutionError) as caught:
        divide(1.0, right=bottom)
    backward(caught.value.exception_node, Feedback(error="it failed"))
    (operation,) = problem([bottom]).operations
    assert (operation.kind, operation.arguments) == ("exception", (("left", "1.0"), ("right", "bottom")))
    assert (
        operation.error.splitlines()[-1] == "    return kept / right  # <--- ZeroDivisionError: float division by zero"
    )
    assert problem([bottom]).documentation == {"divide": "Divide."}


def test_values_of_a_candidate_are_shown_under_its_override() -> None:
    word = ParameterNode("a", "word")
    with override({word: "b"}), record() as run:
        backward(word + "!", 1.0)
        shown = problem([word], run.verdicts)
    assert (shown.variables[0].value, shown.operations[0].value) == ("b", "b!")
    assert (word.data, word.feedback) == ("a", [])


def test_a_minibatch_merges_and_keeps_each_verdict_with_its_output() -> None:
    prompt = ParameterNode("p", "prompt")
    for query, score in (("q1", 0.0), ("q2", 1.0)):
        backward(call(prompt, "", query), score)
    shown = problem([prompt])
    assert shown.feedback == (("call_1", Feedback(score=0.0)), ("call_2", Feedback(score=1.0)))
    assert [o.arguments[2] for o in shown.operations] == [("query", "'q1'"), ("query", "'q2'")]


def test_names_are_identifiers_and_parameters_keep_theirs() -> None:
    one, two, odd = ParameterNode(1, "a b"), ParameterNode(2, "a b"), ParameterNode(3, "class")
    backward(mix(one, two, odd), 1.0)
    assert [v.name for v in problem([one, two, odd]).variables] == ["a_b", "a_b_2", "class_"]


def test_two_functions_of_one_name_are_told_apart() -> None:
    def make(said: str) -> object:
        @bundle(said)
        def step(value: int) -> int:
            return value

        return step

    start = ParameterNode(1, "start")
    backward(make("Second.")(make("First.")(start)), 1.0)  # type: ignore[operator]  # bundled functions
    shown = problem([start])
    assert shown.documentation == {"step": "First.", "step_2": "Second."}
    assert [o.operator for o in shown.operations] == ["step", "step_2"]


def test_a_node_that_is_only_read_inside_is_in_the_problem() -> None:
    secret = ParameterNode("s", "secret")
    middle = secret + "!"

    @bundle()
    def peek(value: int) -> str:
        return "yes" if middle == "s!" else "no"

    backward(peek(1), 1.0)
    assert problem([secret]).operations[-1].arguments == (("value", "1"), ("uses", "add_1"))


def test_a_worker_returns_its_part_of_the_graph() -> None:
    def run() -> tuple[ParameterNode, Graph]:
        with Graph() as graph:
            prompt = ParameterNode("p" * 3000, "prompt")
            check(answer=call(prompt, ["x", node("long " * 1000, "row")], {"k": prompt}))
        return prompt, graph

    prompt, graph = run()
    backward(graph.nodes()[-1], 0.5)
    local = problem([prompt])
    sent = json.loads(json.dumps(graph.to_json(whole=True)))
    prompt.zero_feedback()
    received = Graph.from_json(sent, known={"prompt": prompt})
    output = received.nodes()[-1]
    backward(output, 0.5)
    assert problem([prompt]) == local
    assert output.data == graph.nodes()[-1].data
    assert received.to_json(whole=True)["nodes"][1:] == sent["nodes"][1:]


def test_without_verdicts_all_parameters_are_shown() -> None:
    one = ParameterNode(1, "one")
    shown = problem([one])
    assert ([v.name for v in shown.variables], shown.operations) == (["one"], ())
