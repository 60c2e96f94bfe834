"""The shape of the source: names, sizes, docstrings, forbidden calls, and a row in the methods for every plug-in."""

import ast
import re
from pathlib import Path

import pytest

from autoagent.data.metrics import METRICS
from autoagent.registry import family

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "autoagent"
FILES = sorted(SOURCE.rglob("*.py"))
MOST_LINES = 400

# A file longer than that needs a reason here.
LONG_ON_PURPOSE = {
    "inference.py": "copied as one file into every delivered model, so it cannot import its parts",
    "windows.py": "copied as one file into every delivered forecaster",
}
# The one file that runs code of others: it is started behind the wall and nowhere else.
RUNS_FOREIGN_CODE = {"sandbox/zygote.py": {"calls exec", "calls compile"}}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "manager", "base_utils", "misc"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
FORBIDDEN_NAMES_OF_CODE = {"eval", "exec", "compile", "__import__"}  # also when they are only handed on
FORBIDDEN_CALLS = {"os.system", "os.popen", "torch.load", "pandas.read_pickle", "builtins.eval", "builtins.exec"}
FORBIDDEN_CALLS |= {"yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "numpy.lib.format.read_array"}


def _id(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(tree: ast.Module) -> set[str]:
    found = set()
    for here in ast.walk(tree):
        if isinstance(here, ast.Import):
            found |= {alias.name.split(".")[0] for alias in here.names}
        elif isinstance(here, ast.ImportFrom) and here.module and not here.level:
            found.add(here.module.split(".")[0])
    return found


def _origins(tree: ast.Module) -> dict[str, str]:
    """Return what each imported name stands for: ``{"np": "numpy", "load": "torch.load"}``."""
    found = {}
    for here in ast.walk(tree):
        if isinstance(here, ast.Import):
            found |= {alias.asname: alias.name for alias in here.names if alias.asname}
        elif isinstance(here, ast.ImportFrom) and here.module and not here.level:
            found |= {alias.asname or alias.name: f"{here.module}.{alias.name}" for alias in here.names}
    return found


def _faults(tree: ast.Module) -> list[str]:
    """Return what a file calls or imports though it must not, with the lines."""
    faults = [f"imports {name}" for name in sorted(_imports(tree) & FORBIDDEN_MODULES)]
    origins = _origins(tree)
    for here in ast.walk(tree):
        if isinstance(here, ast.Name) and here.id in FORBIDDEN_NAMES_OF_CODE:
            faults.append(f"line {here.lineno}: calls {here.id}")
        if not isinstance(here, ast.Call):
            continue
        first, _, rest = ast.unparse(here.func).partition(".")
        called = f"{origins.get(first, first)}{'.' if rest else ''}{rest}"
        if called in FORBIDDEN_CALLS:
            faults.append(f"line {here.lineno}: calls {called}")
        for word in here.keywords:
            unsafe = {"allow_pickle": True, "shell": True, "trust_remote_code": True}
            if word.arg in unsafe and not (isinstance(word.value, ast.Constant) and word.value.value is False):
                faults.append(f"line {here.lineno}: {word.arg} is not False")
    return faults


@pytest.mark.parametrize("path", FILES, ids=_id)
def test_a_file_is_named_after_its_subject(path: Path) -> None:
    parts = {part.removesuffix(".py").strip("_") for part in path.relative_to(SOURCE).parts}
    assert not parts & FORBIDDEN_NAMES


@pytest.mark.parametrize("path", FILES, ids=_id)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    said = ast.get_docstring(_tree(path))
    assert said, f"{_id(path)} has no docstring"
    assert said.split("\n")[0][-1] in ".:", f"the first line of {_id(path)} is no sentence"


@pytest.mark.parametrize("path", FILES, ids=_id)
def test_a_file_is_short_or_has_a_reason(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES or _id(path) in LONG_ON_PURPOSE, f"{_id(path)}: {lines} lines; split it, or say why"


def test_every_reason_is_still_needed() -> None:
    lines = {name: len((SOURCE / name).read_text(encoding="utf-8").splitlines()) for name in LONG_ON_PURPOSE}
    assert [name for name, count in lines.items() if count <= MOST_LINES] == []


@pytest.mark.parametrize("path", FILES, ids=_id)
def test_nothing_is_unpickled_or_executed(path: Path) -> None:
    faults = {fault.split(": ")[-1] for fault in _faults(_tree(path))}
    assert faults == RUNS_FOREIGN_CODE.get(_id(path), set())


@pytest.mark.parametrize(
    "program",
    [
        "import pickle",
        "from joblib import load",
        "eval('1')",
        "exec(text)",
        "run = eval",
        "map(exec, texts)",
        "import builtins\nbuiltins.exec(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "from torch import load as read\nread(path)",
        "import torch as t\nt.load(path)",
        "from os import system\nsystem(line)",
        "import pandas as pd\npd.read_pickle(path)",
        "from yaml import load\nload(text)",
        "yaml.load(text)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "subprocess.run(line, shell=True)",
    ],
)
def test_the_check_finds_what_is_forbidden(program: str) -> None:
    assert _faults(ast.parse(program)) != []


@pytest.mark.parametrize("program", ["np.load(path, allow_pickle=False)", "re.compile(text)", "model.eval()"])
def test_the_check_leaves_the_rest_alone(program: str) -> None:
    assert _faults(ast.parse(program)) == []


@pytest.mark.parametrize("name", ["models", "samplers", "pruners", "optims", "metrics", "optimizers"])
def test_every_plugin_has_a_row_in_the_methods(name: str) -> None:
    cards = METRICS if name == "metrics" else family(name)
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {name.capitalize()}\n")[1].split("\n## ")[0]
    rows = set(re.findall(r"^\| `([^`]+)` \|", section, flags=re.MULTILINE))
    assert sorted(set(cards) - rows) == []


def test_a_row_of_the_methods_has_all_its_columns() -> None:
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [row for row in rows if row.count(" | ") != 4 or "|  |" in row] == []


def test_no_file_of_the_repository_names_a_machine() -> None:
    files = [*FILES, *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "examples").glob("*.py")]
    machine = re.compile(r"/(?:work|home|root|Users)/\w+")
    assert [str(path) for path in files if machine.search(path.read_text(encoding="utf-8"))] == []
