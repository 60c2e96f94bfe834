"""Source text as a module, through Python's own import machinery; for code that the user trusts."""

from __future__ import annotations

import importlib.abc
import importlib.util
from collections.abc import Mapping
from types import CodeType, ModuleType
from typing import Any


class TextLoader(importlib.abc.InspectLoader):
    """Loads a module from its text, so that tracebacks can show its lines."""

    def __init__(self, source: str) -> None:
        self._source = source

    def get_source(self, fullname: str) -> str:
        """Return the text."""
        return self._source

    def get_code(self, fullname: str) -> CodeType:
        """Return the text compiled, under a file name by which tracebacks can be told apart."""
        return self.source_to_code(self._source, f"<{fullname}>")


def load_source(source: str, name: str, names: Mapping[str, Any]) -> ModuleType:
    """Run source as a module in which ``names`` are known beforehand; it is not entered in ``sys.modules``.

    Raises:
        Exception: whatever its top level raises.
    """
    spec = importlib.util.spec_from_loader(name, TextLoader(source), origin=f"<{name}>")
    if spec is None:
        raise ImportError(f"no module can be made of {name!r}")
    module = importlib.util.module_from_spec(spec)
    module.__dict__.update({key: value for key, value in names.items() if not key.startswith("__")})
    TextLoader(source).exec_module(module)
    return module
