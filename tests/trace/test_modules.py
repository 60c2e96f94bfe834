"""Modules: parameters per instance, copies that share or do not, JSON files, and export to plain Python."""

import copy
import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoagent import Module, bundle, model, node
from autoagent.errors import DomainError
from autoagent.trace import ParameterNode, backward, problem

LIMIT = 100


def shout(text: str) -> str:
    return text.upper()[:LIMIT]


@bundle
def join(left: str, right: str) -> str:
    """Join two words."""
    return f"{left} {shout(right)}"


@model
class Greeter:
    """Greets."""

    def __init__(self, word: str) -> None:
        self.word = node(word, "word", trainable=True)
        self.many = [node(1, trainable=True), {"a": node(0.5, trainable=True)}]
        self.weights = node(np.array([1.0, 2.0]), trainable=True)

    @bundle(trainable=True, trusted=True)
    def mark(self, count: int) -> str:
        """Return marks."""
        return "!" * count

    @bundle()
    def roots(self, n: int) -> int:
        return Counter([math.floor(math.sqrt(n))])[1]

    def greet(self, name: str) -> Any:
        return join(self.word, name) + self.mark(self.many[0])


class Pair(Module):
    def __init__(self) -> None:
        self.left, self.right = Greeter("a"), Greeter("b")
        self.again = self.left.word

    def forward(self, name: str) -> Any:
        return self.left.greet(name) + self.right.greet(name)


MARK = '''def mark(self, count: int) -> str:
    """Return marks."""
    import string

    return string.punctuation[0] * count * 2
'''


def _module(value: object) -> Module:
    assert isinstance(value, Module)
    return value


def test_parameters_are_found_by_path_each_once() -> None:
    names = list(_module(Greeter("a")).parameters_dict())
    assert names == ["word", "many[0]", "many[1]['a']", "weights", "mark"]
    pair = Pair()
    assert len(pair.parameters()) == 10
    assert list(pair.parameters_dict())[:2] == ["left.word", "left.many[0]"]


def test_a_module_is_called_through_forward() -> None:
    assert Pair()("sam").data == "a SAM!b SAM!"
    with pytest.raises(NotImplementedError, match="no forward"):
        Module()()


def test_a_model_is_still_its_class() -> None:
    assert (Greeter.__name__, Greeter.__doc__, Greeter.__module__) == ("Greeter", "Greets.", __name__)


def test_a_copy_shares_parameters_and_a_deep_copy_has_its_own() -> None:
    start: Any = Greeter("Hi")
    shared, own = start.copy(), copy.deepcopy(start)
    start.parameters_dict()["mark"].set(MARK)
    start.word.set("Hola")
    assert (shared.greet("x").data, own.greet("x").data) == ("Hola X!!", "Hi X!")
    assert [a is b for a, b in zip(shared.parameters(), start.parameters(), strict=True)] == [True] * 5
    assert [a is b for a, b in zip(own.parameters(), start.parameters(), strict=True)] == [False] * 5


def test_feedback_reaches_the_parameters_of_one_instance() -> None:
    one: Any = Greeter("Hi")
    two: Any = Greeter("Hi")
    backward(one.greet("x"), "good")
    assert [v.name for v in problem(one.parameters()).variables] == ["word", "int", "mark"]
    assert [p.feedback for p in two.parameters()] == [[]] * 5


def test_what_was_saved_is_loaded_and_is_json(tmp_path: Path) -> None:
    one: Any = Greeter("Hi")
    two: Any = Greeter("Ho")
    one.parameters_dict()["mark"].set(MARK)
    one.weights.set([3, 4])
    one.save(tmp_path / "deep" / "one.json")
    two.load(tmp_path / "deep" / "one.json")
    assert two.greet("x").data == "Hi X!!"
    assert (two.weights.data.tolist(), two.weights.data.dtype) == ([3.0, 4.0], np.float64)
    assert list(json.loads((tmp_path / "deep" / "one.json").read_text())) == ["version", "parameters"]


def test_a_file_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    one: Any = Greeter("Hi")
    one.save(tmp_path / "one.json")
    rows = json.loads((tmp_path / "one.json").read_text())
    rows["parameters"]["word"]["value"] = "Changed"
    rows["parameters"]["many[0]"]["value"] = "3"
    rows["parameters"]["other"] = rows["parameters"].pop("weights")
    (tmp_path / "one.json").write_text(json.dumps(rows))
    with pytest.raises(DomainError, match=r"'other' is not a parameter; 'weights' is missing; many\[0\]: '3'"):
        one.load(tmp_path / "one.json")
    assert one.word.data == "Hi"


def test_an_exported_class_runs_without_autoagent(tmp_path: Path) -> None:
    start: Any = Greeter("Hi")
    start.parameters_dict()["mark"].set(MARK)
    start.word.set("Hola")
    start.export(tmp_path / "exported.py")
    text = (tmp_path / "exported.py").read_text()
    assert "autoagent" not in text
    program = (
        "import sys; sys.modules['autoagent'] = None; sys.path.insert(0, sys.argv[1]); import exported;"
        "g = exported.Greeter('unused'); print(g.greet('sam'), g.roots(1), g.weights)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "Hola SAM!! 1 [1.0, 2.0]\n"


def test_an_exported_class_does_not_hold_what_cannot_be_written(tmp_path: Path) -> None:
    start: Any = Greeter("Hi")
    start.word = node(object())
    with pytest.raises(DomainError, match="cannot be written as source"):
        start.export(tmp_path / "exported.py")


def test_a_list_of_parameters_may_be_shared() -> None:
    shared = ParameterNode(1, "n")

    class Two(Module):
        def __init__(self) -> None:
            self.rows = [shared, shared]

    assert Two().parameters() == [shared]
