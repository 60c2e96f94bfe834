"""The policy names every fault of a piece of code, and lets honest code pass."""

from __future__ import annotations

import pytest

from autoagent.errors import CodeRejected
from autoagent.sandbox.policy import Policy, check_code

HONEST = '''
"""Features."""
import math
import numpy as np
from collections import Counter

SCALE = 2.0

def helper(x):
    return math.sqrt(abs(x)) * SCALE

def f(x: np.ndarray, *, k: int = 3) -> list[float]:
    """Return the k largest."""
    counts = Counter(str(v) for v in x)
    return sorted((helper(v) for v in x), reverse=True)[:k] + [len(counts)]
'''


def faults(source: str, **kwargs: object) -> str:
    with pytest.raises(CodeRejected) as caught:
        check_code(source, function="f", **kwargs)  # type: ignore[arg-type]  # the tests' own arguments
    assert caught.value.faults
    return "; ".join(caught.value.faults)


def test_honest_code_passes() -> None:
    check_code(HONEST, function="f", signature="def f(x, *, k=3)", policy=Policy(need_docstring=True))
    check_code(r"def f(x): return x == '\d'", function="f")


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("import os\ndef f(): pass", "line 1: 'os' may not be imported"),
        ("from . import x\ndef f(): pass", "'.' may not be imported"),
        ("from numpy import load\ndef f(): pass", "'load' may not be imported"),
        ("from math import *\ndef f(): pass", "'*' may not be imported"),
        ("import numpy.ctypeslib\ndef f(): pass", "may not be imported"),
        ("def f():\n    import subprocess", "line 2: 'subprocess' may not be imported"),
        ("def f(): return eval('1')", "the name 'eval'"),
        ("def f(): return __import__('os')", "the name '__import__'"),
        ("def f(): return open('x')", "the name 'open'"),
        ("def f(): return globals()", "the name 'globals'"),
        ("def f(): return getattr(1, 'real')", "the name 'getattr'"),
        ("def f(): return ().__class__.__base__", "the attribute '__class__'"),
        ("def f(): return '{0.__class__}'.format(1)", "spells a double-underscore name"),
        ("def f(g): return g.gi_frame.f_globals", "the attribute 'gi_frame'"),
        ("import numpy as np\ndef f(): np.save('x', 1)", "the attribute 'save'"),
        ("import pandas as pd\ndef f(d): return d.eval('@x')", "the attribute 'eval'"),
        ("def f():\n    global x", "global is refused"),
        ("async def f(): pass", "is async"),
        ("def f():\n    async def g(): pass", "asyncfunctiondef is refused"),
        ("def f(): pass\nprint(1)", "line 2: a call or expression at the top level"),
        ("def f(): pass\nfor i in (): pass", "line 2: for at the top level"),
        ("def f(): pass\nf = 1", "line 2: assign at the top level"),
        ("class A: pass\ndef f(): pass", "a class at the top level"),
        ("def g(): pass", "defines 0 functions named 'f'"),
        ("def f(): pass\ndef f(): pass", "defines 2 functions named 'f'"),
        ("def f(:", "does not parse"),
        ("def f(): return '\0'", "does not parse"),
        ("x = " + "(" * 3000, "does not parse"),
        ("def f(x=" + "-" * 50000 + "1): pass", "line 0"),
        ("#" * 200_000, "too long"),
    ],
)
def test_a_fault_is_named(source: str, fault: str) -> None:
    assert fault in faults(source, signature=None)


def test_all_faults_are_listed_at_once() -> None:
    text = faults("import os\nimport sys\ndef g(): return eval('1')\n", signature="(x)")
    assert all(part in text for part in ("'os'", "'sys'", "'eval'", "defines 0 functions"))


@pytest.mark.parametrize("signature", ["(x, y=1)", "def f(x, y=1) -> int", "def f(x: int, y: int = 1) -> str:"])
def test_a_signature_is_compared_without_annotations(signature: str) -> None:
    check_code("def f(x: list, y=1): return x", function="f", signature=signature)
    assert "the arguments are (x, y=2), not (x, y=1)" in faults("def f(x, y=2): pass", signature=signature)
    assert "the arguments are (x, *, y=1)" in faults("def f(x, *, y=1): pass", signature=signature)


def test_a_policy_may_ask_for_more_and_allow_other_things() -> None:
    assert "no docstring" in faults("def f(): pass", policy=Policy(need_docstring=True))
    assert "functiondef at the top level" in faults("def g(): pass\ndef f(): pass", policy=Policy(allow_helpers=False))
    check_code(
        "class A: pass\nimport scipy\ndef f(): pass",
        function="f",
        policy=Policy(frozenset({"scipy"}), allow_classes=True),
    )
