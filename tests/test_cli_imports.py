"""Starting is cheap: neither the package nor its help brings in a heavy library."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "openai", "optuna", "sklearn", "pandas", "lightgbm", "matplotlib", "onnxruntime", "fastapi")

HELP = """
import contextlib, io, json, sys
sys.argv = ["autoagent", "--help"]
shown, code = io.StringIO(), 0
with contextlib.redirect_stdout(shown):
    from autoagent.cli import main
    try:
        main()
    except SystemExit as stop:
        code = stop.code
print(json.dumps({"code": code, "shown": len(shown.getvalue()), "modules": sorted(sys.modules)}))
"""
PACKAGE = 'import json, sys, autoagent; print(json.dumps({"modules": sorted(sys.modules)}))'


def _child(program: str) -> dict[str, object]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    facts: dict[str, object] = json.loads(done.stdout)
    return facts


def _heavy(facts: dict[str, object]) -> list[str]:
    modules = facts["modules"]
    assert isinstance(modules, list)
    return [name for name in HEAVY if name in modules]


def test_importing_the_package_brings_in_nothing_heavy() -> None:
    assert _heavy(_child(PACKAGE)) == []


def test_the_help_brings_in_nothing_heavy() -> None:
    facts = _child(HELP)
    assert _heavy(facts) == []
    assert facts["code"] in (0, None)
    assert facts["shown"] != 0


@pytest.mark.parametrize("family", ["models", "samplers"])
def test_a_table_of_plugins_is_read_without_their_libraries(family: str) -> None:
    program = (
        "import json, sys; from autoagent.registry import family; "
        f"list(family({family!r})); print(json.dumps({{'modules': sorted(sys.modules)}}))"
    )
    assert _heavy(_child(program)) == []
