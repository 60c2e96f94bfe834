"""A training engine for torch models that can be used by itself: ``fit(task, Settings(seconds=60))``."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoagent.train.engine.dimensions import DIMENSIONS, PORTFOLIO, at_fidelity
    from autoagent.train.engine.loop import fit
    from autoagent.train.engine.settings import Settings
    from autoagent.train.engine.task import Batch, Counted, Grouped, Loading, Outcome, Point, Report, Task, Weighted
    from autoagent.train.engine.tensor_file import read_tree, write_tree

# Imported on first use, so that tables of models can read the dimensions without torch.
_HOMES = {
    "Batch": "task",
    "Counted": "task",
    "DIMENSIONS": "dimensions",
    "Grouped": "task",
    "Loading": "task",
    "Outcome": "task",
    "PORTFOLIO": "dimensions",
    "Point": "task",
    "Report": "task",
    "Settings": "settings",
    "Task": "task",
    "Weighted": "task",
    "at_fidelity": "dimensions",
    "fit": "loop",
    "read_tree": "tensor_file",
    "write_tree": "tensor_file",
}

__all__ = [
    "DIMENSIONS",
    "PORTFOLIO",
    "Batch",
    "Counted",
    "Grouped",
    "Loading",
    "Outcome",
    "Point",
    "Report",
    "Settings",
    "Task",
    "Weighted",
    "at_fidelity",
    "fit",
    "read_tree",
    "write_tree",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
