"""The little language of the program search: what is dead or redundant goes, what stays computes the same numbers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoagent.errors import DomainError

FOLDER = Path(__file__).parents[2] / "examples" / "program_search"


@pytest.fixture(scope="module", autouse=True)
def _importable() -> Iterator[None]:
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))


def programs() -> ModuleType:
    import programs  # type: ignore[import-not-found]  # beside the example

    return programs  # type: ignore[no-any-return]


def outputs(source: str) -> list[np.ndarray[Any, Any]]:
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    rng = np.random.default_rng(1)
    w, g, m = rng.normal(size=(3, 5))
    with np.errstate(all="ignore"):
        return [
            np.asarray(part)
            for part in namespace["update"](w, g, m, rng.normal(size=5) ** 2, np.float64(7), np.float64(0.01))
        ]


def rule(*lines: str) -> str:
    return programs().HEAD + "\n" + "\n".join(f"    {line}" for line in lines) + "\n"


def test_cleaning_keeps_the_numbers_of_adamw_and_is_idempotent() -> None:
    clean = programs().cleaned(programs().ADAMW)
    for before, after in zip(outputs(programs().ADAMW), outputs(clean), strict=True):
        np.testing.assert_allclose(before, after, rtol=1e-12)  # products are reordered
    assert programs().cleaned(clean) == clean


def test_dead_and_redundant_statements_and_idle_states_go() -> None:
    clean = programs().cleaned(
        rule("a = m * 0.9", "b = 0.9 * m", "dead = w * 3", "v = v * 0.5 + g", "return a + b * 1, m + 0, v")
    )
    assert "dead" not in clean
    assert clean.count("0.9") == 1
    assert clean.rstrip().endswith("m, v)")


def test_a_sign_drops_what_is_positive_for_sure_and_nothing_else() -> None:
    positive = programs().cleaned(rule("return np.sign(m / (np.sqrt(v) + 1e-8)), m + g, v"))
    assert "np.sign(m)" in positive
    unknown = programs().cleaned(rule("return np.sign(m / (v + 1e-8)), m + g, v"))
    assert "np.sign(m / " in unknown


@pytest.mark.parametrize(
    "lines",
    [
        ["return lr, m, v"],
        ["return w @ g, m, v"],
        ["x = open(g)", "return g, m, v"],
        ["return unknown, m, v"],
        ["while 1:", "    pass"],
        ["return g, m"],
        ["return g * (1 / 0), m, v"],
    ],
)
def test_what_is_outside_of_the_language_is_refused(lines: list[str]) -> None:
    with pytest.raises(DomainError):
        programs().cleaned(rule(*lines))


def test_the_forms_have_their_names() -> None:
    form = programs().form
    assert form(rule("return -lr * np.sign(0.9 * m + 0.1 * g), 0.99 * m + 0.01 * g, v")).startswith("Lion")
    assert "Signum" in form(rule("m = 0.9 * m + 0.1 * g", "return -lr * np.sign(m), m, v"))
    assert "signSGD" in form(rule("return -lr * np.sign(g), m, v"))
    assert form(programs().ADAMW) == "no form with a name"


ATOMS = st.sampled_from(["w", "g", "m", "v", "lr", "step", "0.5", "2", "1", "0"])


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})")
    return pair | st.tuples(st.sampled_from(["sign", "abs", "tanh", "square"]), inner).map(
        lambda p: f"np.{p[0]}({p[1]})"
    )


@settings(max_examples=150, deadline=None)
@given(st.recursive(ATOMS, compound, max_leaves=8), st.recursive(ATOMS, compound, max_leaves=6))
def test_any_program_keeps_its_numbers(change: str, state: str) -> None:
    source = rule(f"a = {state}", f"return g * 0.5 + {change}, m + a * {change}, v")
    try:
        clean = programs().cleaned(source)
    except DomainError:
        return  # a constant without a value
    before, after = outputs(source), outputs(clean)
    for old, new in zip(before[:1], after[:1], strict=True):
        if np.all(np.isfinite(old)):
            np.testing.assert_allclose(new, old, rtol=1e-6, atol=1e-9)  # constants fold, sums are reordered
