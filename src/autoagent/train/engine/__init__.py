"""A training engine for torch models that can be used by itself: ``fit(task, Settings(seconds=60))``."""

from autoagent.train.engine.loop import fit
from autoagent.train.engine.settings import Settings
from autoagent.train.engine.task import Batch, Counted, Grouped, Loading, Outcome, Point, Report, Task, Weighted
from autoagent.train.engine.tensor_file import read_tree, write_tree

__all__ = [
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
    "fit",
    "read_tree",
    "write_tree",
]
