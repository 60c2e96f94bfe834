"""The public names, listed once; a name more or less is a decision, not an accident."""

import importlib
import json
import subprocess
import sys

import pytest

import autoagent

PUBLIC = {
    "autoagent": [
        "Bool",
        "Choice",
        "Code",
        "Float",
        "Int",
        "Module",
        "OptoPrime",
        "ScriptedLLM",
        "Text",
        "__version__",
        "bundle",
        "errors",
        "load",
        "model",
        "node",
        "resume",
        "run",
    ],
    "autoagent.trace": [
        "ExceptionNode",
        "ExecutionError",
        "Feedback",
        "Graph",
        "Input",
        "Module",
        "Node",
        "Operation",
        "ParameterNode",
        "Problem",
        "Run",
        "Variable",
        "backward",
        "bundle",
        "model",
        "node",
        "override",
        "problem",
        "propagate",
        "record",
        "show",
        "stop_tracing",
        "to_svg",
        "zero_feedback",
    ],
}


@pytest.mark.parametrize("module", PUBLIC)
def test_a_module_offers_exactly_its_public_names(module: str) -> None:
    assert sorted(importlib.import_module(module).__all__) == PUBLIC[module]


def test_dir_shows_the_public_names_and_nothing_else() -> None:
    assert dir(autoagent) == PUBLIC["autoagent"]


@pytest.mark.parametrize("name", PUBLIC["autoagent"])
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(autoagent, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'nothing_here'"):
        _ = autoagent.nothing_here


def test_importing_the_package_brings_in_its_errors_and_nothing_else_of_it() -> None:
    program = "import json, sys, autoagent; print(json.dumps(sorted(m for m in sys.modules if 'autoagent.' in m)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == ["autoagent._version", "autoagent.errors"]
