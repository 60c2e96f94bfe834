"""The table of threats in docs/sandbox.md names tests and attacks that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from tests.sandbox.attacks import ATTACKS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")
ROWS = re.findall(
    r"^\| (.+?) \| (.+) \|$", PAGE.split("## What was attacked")[1].split("\n## ")[0], flags=re.MULTILINE
)[1:]


def functions(path: Path) -> set[str]:
    return {
        here.name for here in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(here, ast.FunctionDef)
    }


@pytest.mark.parametrize(("threat", "tests"), ROWS, ids=[threat for threat, _ in ROWS])
def test_a_threat_names_tests_that_are_there(threat: str, tests: str) -> None:
    attacks, names = re.findall(r'"([^"]+)"', tests), re.findall(r"tests/[\w/]+\.py::\w+", tests)
    assert attacks or names, threat
    assert set(attacks) <= {attack.name for attack in ATTACKS}
    for name in names:
        file, _, function = name.partition("::")
        assert function in functions(ROOT / file), name


def test_every_threat_has_a_row() -> None:
    assert len(ROWS) >= 29
