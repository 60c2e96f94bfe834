"""autoagent: a sentence and a table in, a measured, deployable model out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from autoagent import errors
from autoagent._version import __version__

if TYPE_CHECKING:
    from autoagent.agent.api import load, resume, run
    from autoagent.llm.scripted import ScriptedLLM
    from autoagent.optimize.optoprime import OptoPrime
    from autoagent.space import Bool, Choice, Code, Float, Int, Text
    from autoagent.trace import Module, bundle, model, node

# Public names and where they live; imported on first use so that `import autoagent` stays cheap.
_HOMES = {
    "Bool": "autoagent.space",
    "Choice": "autoagent.space",
    "Code": "autoagent.space",
    "Float": "autoagent.space",
    "Int": "autoagent.space",
    "Module": "autoagent.trace",
    "OptoPrime": "autoagent.optimize.optoprime",
    "ScriptedLLM": "autoagent.llm.scripted",
    "Text": "autoagent.space",
    "bundle": "autoagent.trace",
    "load": "autoagent.agent.api",
    "model": "autoagent.trace",
    "node": "autoagent.trace",
    "resume": "autoagent.agent.api",
    "run": "autoagent.agent.api",
}

__all__ = [
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
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'autoagent' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
