"""Learned code: its signature is fixed, it is compiled once a version, and it runs in the sandbox unless trusted."""

import asyncio
import copy
import math
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from autoagent.errors import DomainError, SandboxError, SandboxTimeout
from autoagent.space import Code
from autoagent.trace import ExecutionError, ParameterNode, backward, bundle, node, override, problem


class ScriptedRunner:
    """A sandbox that records what it is asked and answers from a list."""

    def __init__(self, *answers: object) -> None:
        self.asked: list[tuple[str, str, tuple[Any, ...], dict[str, Any]]] = []
        self._answers = list(answers)

    def call(self, source: str, function: str, *args: Any, **kwargs: Any) -> Any:
        self.asked.append((source, function, args, kwargs))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def _root(runner: ScriptedRunner) -> Any:
    @bundle(trainable=True, sandbox=runner)
    def root(x: float, digits: int = 3) -> float:
        """Take the root."""
        return round(math.sqrt(x), digits)

    return root


BETTER = 'def root(x: float, digits: int = 3) -> float:\n    """Take the root."""\n    return 1.0\n'


def test_source_goes_to_the_sandbox_with_plain_arguments_and_its_imports() -> None:
    runner = ScriptedRunner(2.0)
    root, start = _root(runner), node(4.0, "start")
    made = root(start, digits=node(1))
    source, function, args, kwargs = runner.asked[0]
    assert (function, args, kwargs) == ("root", (4.0,), {"digits": 1})
    assert source.startswith("import math\n\n\ndef root(x: float")
    assert made.data == 2.0
    assert start in made.parents
    assert root.parameter in made.parents


def test_the_code_is_a_variable_under_its_own_name() -> None:
    root = _root(ScriptedRunner(2.0))
    backward(root(4.0), "too coarse")
    shown = problem(root.parameters())
    assert [(v.name, type(v.domain)) for v in shown.variables] == [("root", Code)]
    assert [(o.name, o.operator, o.arguments) for o in shown.operations] == [("root_1", "root", (("x", "4.0"),))]
    assert shown.documentation == {"root": "Take the root."}


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("def root(x):\n    return 1", r"signature must stay \(x: float, digits: int=3\)"),
        (BETTER.replace("root(x", "tree(x"), "must define the function 'root' once"),
        (BETTER.replace("Take", "Make"), "docstring must stay 'Take the root.'"),
        (BETTER.replace("return 1.0", "return ("), "does not parse"),
        (BETTER.replace("return 1.0", "import os\n    return os.getpid()"), "'os' may not be imported"),
        ("@cache\n" + BETTER, "no decorator"),
        (7, "must be text"),
    ],
)
def test_code_that_does_not_fit_is_refused_and_the_old_stays(source: object, fault: str) -> None:
    root = _root(ScriptedRunner())
    before = root.parameter.data
    with pytest.raises(DomainError, match=fault):
        root.parameter.set(source)
    assert root.parameter.data == before


def test_a_candidate_of_code_runs_under_its_override() -> None:
    runner = ScriptedRunner(1.0, 2.0)
    root = _root(runner)
    with override({root.parameter: BETTER}):
        root(4.0)
    root(4.0)
    assert [asked[0] == BETTER for asked in runner.asked] == [True, False]


def test_what_the_sandbox_reports_is_a_node_with_the_line_marked() -> None:
    root = _root(ScriptedRunner(SandboxError("it raised", kind="ValueError", detail="below zero", line=6)))
    with pytest.raises(ExecutionError, match=r"^ValueError: below zero \(line 6\)") as caught:
        root(-1.0)
    assert caught.value.exception_node.error.splitlines()[5].endswith("# <--- ValueError: below zero")
    assert root.parameter in caught.value.exception_node.parents


def test_a_sandbox_that_ran_out_of_time_is_a_node() -> None:
    root = _root(ScriptedRunner(SandboxTimeout("no end after 5 s")))
    with pytest.raises(ExecutionError, match="SandboxTimeout: no end after 5 s"):
        root(1.0)


OUTSIDE = 3


def test_a_sandboxed_function_must_bring_all_that_it_uses() -> None:
    with pytest.raises(DomainError, match=r"uses \['OUTSIDE'\] from outside.*trusted=True"):

        @bundle(trainable=True)
        def use() -> int:
            return OUTSIDE


def test_trusted_code_sees_its_module_and_its_closure_and_itself() -> None:
    local = 4

    @bundle(trainable=True, trusted=True)
    def count(n: int) -> int:
        """Count."""
        return local + OUTSIDE if n == 0 else count(n - 1) + 1

    assert count(node(2)).data == 9
    count.parameter.set('def count(n: int) -> int:\n    """Count."""\n    return OUTSIDE * local\n')
    assert count(0).data == 12


def test_trusted_code_is_compiled_once_a_version() -> None:
    runs: list[int] = []

    @bundle(trainable=True, trusted=True)
    def work(n: int) -> int:
        return n

    work.parameter.set("runs.append(1)\ndef work(n: int) -> int:\n    return len(runs)\n")
    work.function.__globals__["runs"] = runs
    try:
        assert [work(1).data for _ in range(5)] == [1] * 5
    finally:
        del work.function.__globals__["runs"]


def test_trusted_code_that_fails_marks_its_line() -> None:
    @bundle(trainable=True, trusted=True)
    def divide(x: float) -> float:
        y = x
        return 1 / y

    with pytest.raises(ExecutionError, match=r"ZeroDivisionError: .* \(line 3\)") as caught:
        divide(0.0)
    assert caught.value.exception_node.error.splitlines()[2].startswith("    return 1 / y  # <--- ZeroDivisionError")


def test_methods_have_code_of_their_own_in_each_instance() -> None:
    class Pair:
        @bundle(trainable=True, trusted=True)
        def mark(self, n: int) -> str:
            return "!" * n

    one, two = Pair(), Pair()
    Pair.mark.parameter_of(one).set("def mark(self, n: int) -> str:\n    return '?' * n\n")
    assert (one.mark(2).data, two.mark(2).data, Pair.mark(one, 1).data) == ("??", "!!", "?")
    shown = one.mark(3)
    backward(shown, 1.0)
    assert problem([Pair.mark.parameter_of(one)]).operations[0].arguments == (("n", "3"),)


def test_a_sandboxed_method_gets_no_instance() -> None:
    runner = ScriptedRunner("!")

    class Marker:
        @bundle(trainable=True, sandbox=runner)
        def mark(self, n: int) -> str:
            return "!" * n

    Marker().mark(2)
    assert runner.asked[0][2] == (None, 2)


def test_a_deep_copy_of_a_learned_function_has_code_of_its_own() -> None:
    root = _root(ScriptedRunner())
    other = copy.deepcopy(root)
    other.parameter.set(BETTER)
    assert (root.parameter.data == BETTER, other.parameter.data == BETTER) == (False, True)


def test_code_without_source_cannot_be_learned() -> None:
    with pytest.raises(DomainError, match="no source"):
        bundle(trainable=True, trusted=True)(max)


def test_a_coroutine_is_learned_and_awaited_here() -> None:
    @bundle(trainable=True, trusted=True)
    async def later(x: int) -> int:
        """Wait and add."""
        await asyncio.sleep(0)
        return x + 1

    start = node(1, "start")
    made = asyncio.run(later(start))
    assert (made.data, start in made.parents, later.parameter in made.parents) == (2, True, True)
    later.parameter.set(later.parameter.data.replace("x + 1", "[][x]"))
    with pytest.raises(ExecutionError, match=r"IndexError.*\(line 4\)"):
        asyncio.run(later(1))
    with pytest.raises(DomainError, match="signature must stay async"):
        later.parameter.set('def later(x: int) -> int:\n    """Wait and add."""\n    return x')


def test_a_generator_is_learned_and_gives_a_node_for_each_item() -> None:
    @bundle(trainable=True, trusted=True)
    def count(n: int) -> Iterator[int]:
        """Count."""
        for i in range(n):
            yield i + 0

    items = list(count(node(3)))
    assert [item.data for item in items] == [0, 1, 2]
    assert all(count.parameter in item.parents for item in items)
    count.parameter.set(count.parameter.data.replace("yield i + 0", "yield 1 // (1 - i)"))
    walk = count(3)
    assert next(walk).data == 1
    with pytest.raises(ExecutionError, match="ZeroDivisionError") as caught:
        next(walk)
    assert "yield 1 // (1 - i)  # <--- ZeroDivisionError" in caught.value.exception_node.error


def test_an_async_generator_is_learned_in_this_process_alone() -> None:
    async def ticks(n: int) -> AsyncIterator[int]:
        """Tick."""
        for i in range(n):
            yield i

    async def collect() -> list[Any]:
        return [item.data async for item in bundle(trainable=True, trusted=True)(ticks)(2)]

    assert asyncio.run(collect()) == [0, 1]
    with pytest.raises(DomainError, match="trusted=True alone"):
        bundle(trainable=True)(ticks)


def test_the_sandbox_waits_for_a_coroutine_and_collects_a_generator() -> None:
    from autoagent.sandbox import isolation

    if isolation().level == "none":
        pytest.skip("nothing contains foreign code on this machine")

    @bundle(trainable=True)
    async def double(x: int) -> int:
        """Double."""

        async def twice() -> int:
            return 2 * x

        return await twice()

    @bundle(trainable=True)
    def up_to(n: int) -> Iterator[int]:
        """Count."""
        yield from range(n)

    assert asyncio.run(double(node(4))).data == 8
    assert [item.data for item in up_to(3)] == [0, 1, 2]
    up_to.parameter.set('def up_to(n: int) -> Iterator[int]:\n    """Count."""\n    yield n\n    yield [][n]\n')
    with pytest.raises(ExecutionError, match="IndexError"):
        list(up_to(3))


def test_a_code_domain_fits_any_node() -> None:
    start = 'def f(x):\n    """Do."""\n    return x\n'
    parameter = ParameterNode(start, "f", domain=Code.of(start))
    assert parameter.domain == Code("f", "(x)", "Do.")
    parameter.set("import math\n\ndef aid(x):\n    return x\n\n" + start)
    with pytest.raises(DomainError):
        parameter.set(start + start)


def test_the_real_sandbox_runs_a_learned_function() -> None:
    from autoagent.sandbox import isolation

    if isolation().level == "none":
        pytest.skip("nothing contains foreign code on this machine")

    @bundle(trainable=True)
    def sort(rows: list[int]) -> list[int]:
        """Sort."""
        return sorted(rows)

    assert sort([node(3), 1, 2]).data == [1, 2, 3]
    sort.parameter.set('def sort(rows: list[int]) -> list[int]:\n    """Sort."""\n    return rows[9]\n')
    with pytest.raises(ExecutionError, match="IndexError") as caught:
        sort([1])
    assert "return rows[9]  # <--- IndexError" in caught.value.exception_node.error


def test_a_policy_of_ones_own_is_asked() -> None:
    def short(source: str) -> None:
        if len(source) > 80:
            raise DomainError("the code is too long")

    @bundle(trainable=True, trusted=True, policy=short)
    def work(n: int) -> int:
        return n

    with pytest.raises(DomainError, match="too long"):
        work.parameter.set("def work(n: int) -> int:\n    return n" + " + n" * 30)
    assert work(2).data == 2
