"""The domain of learned code: one function whose name, signature and docstring are fixed."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from autoagent.errors import DomainError

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Code:
    """Python source that defines one function beside its imports and helpers.

    Attributes:
        function: its name.
        signature: as Python writes it, ``(rows: list[int], most: int = 3) -> int``; empty for any.
        docstring: of the function; empty for any.
        policy: called with the source; raises what it does not allow, for example an import. It is part of the domain
            but not of its equality.
    """

    function: str
    signature: str = ""
    docstring: str = ""
    policy: Callable[[str], None] | None = field(default=None, compare=False, repr=False)
    kind: ClassVar[str] = "code"

    def __post_init__(self) -> None:
        if not self.function.isidentifier():
            raise DomainError(f"{self.function!r} is not a name of a function")

    @classmethod
    def of(cls, source: str, function: str = "", *, policy: Callable[[str], None] | None = None) -> Code:
        """Return the domain of which ``source`` is a member: its name, signature and docstring are what is fixed.

        Args:
            source: Python source.
            function: the name; the last function of the source when empty.
            policy: see the class.

        Raises:
            DomainError: the source does not parse or has no such function.
        """
        found = [f for f in _functions(_parsed(source)) if function in ("", f.name)]
        if not found:
            raise DomainError(f"the source defines no function{f' {function!r}' if function else ''}")
        return cls(found[-1].name, _signature(found[-1]), ast.get_docstring(found[-1]) or "", policy)

    def check(self, value: object) -> str:
        """Return ``value`` if it is source that defines the function as it must be.

        Raises:
            DomainError: all faults in one message; or what the policy raised.
        """
        if not isinstance(value, str):
            raise DomainError(f"the code must be text, not {type(value).__name__}")
        tree = _parsed(value)
        if faults := self._faults(tree):
            raise DomainError("; ".join(faults))
        if self.policy is not None:
            self.policy(value)
        return str(value)

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of a legal value."""
        said = f"Python source that defines `def {self.function}{self.signature}:`"
        return {"type": "string", "description": f"{said}, with its docstring unchanged" if self.docstring else said}

    def sample(self, rng: random.Random) -> str:
        """Refuse.

        Raises:
            DomainError: always; there is no distribution over programs.
        """
        raise DomainError("code has no distribution to sample from")

    def _faults(self, tree: ast.Module) -> list[str]:
        found = [f for f in _functions(tree) if f.name == self.function]
        if len(found) != 1:
            return [f"it must define the function {self.function!r} once, at the top level, not {len(found)} times"]
        faults, docstring = [], ast.get_docstring(found[0]) or ""
        if found[0].decorator_list:
            faults.append(f"{self.function!r} must have no decorator")
        if self.signature and _signature(found[0]) != self.signature:
            faults.append(f"the signature must stay {self.signature}, not {_signature(found[0])}")
        if self.docstring and docstring != self.docstring:
            faults.append(f"the docstring must stay {self.docstring!r}, not {docstring!r}")
        return faults


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f" (line {error.lineno})" if isinstance(error, SyntaxError) and error.lineno else ""
        said = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
        raise DomainError(f"the code does not parse: {said}{where}") from error


def _functions(tree: ast.Module) -> list[_Function]:
    return [here for here in tree.body if isinstance(here, ast.FunctionDef | ast.AsyncFunctionDef)]


def _signature(function: _Function) -> str:
    returns = f" -> {ast.unparse(function.returns)}" if function.returns is not None else ""
    return f"{'async ' * isinstance(function, ast.AsyncFunctionDef)}({ast.unparse(function.args)}){returns}"
