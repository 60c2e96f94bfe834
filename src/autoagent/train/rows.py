"""The rows that a trial is trained on, and their targets as learners see them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autoagent.data.images.store import cached
from autoagent.data.images.structures import Structure, read_structure
from autoagent.data.seal import Schema, read_schema
from autoagent.data.table import Task
from autoagent.inference import restored


@dataclass(frozen=True)
class TrainingRows:
    """The training rows; a learner sees ``(y - shift) / unit`` where the schema has such columns (series)."""

    frame: pd.DataFrame
    y: NDArray[Any]
    schema: Schema
    structure: Structure | None = None

    @classmethod
    def read(cls, data: Path) -> TrainingRows:
        """Read what ``write_split`` wrote."""
        frame = cached(pd.read_parquet(data / "train.parquet", use_threads=False), data)
        y = np.load(data / "y.npy", allow_pickle=False)
        return cls(frame, y, read_schema(data), read_structure(data))

    def unpredicted(self, task: Task, n_classes: int) -> NDArray[Any]:
        """Return what stands where nothing was predicted yet, of every row."""
        if self.structure is not None:
            return self.structure.unpredicted(len(self.y))
        shape = (len(self.y),) if task == "regression" else (len(self.y), n_classes)
        return np.full(shape, np.nan, dtype=np.float64)

    def flip_pairs(self) -> tuple[tuple[int, int], ...]:
        """Return the places of left and right joints."""
        return () if self.structure is None else self.structure.flip_pairs

    def learned(self, rows: Any = slice(None)) -> NDArray[Any]:  # noqa: ANN401 - whatever indexes rows
        """Return the targets of some rows as a learner sees them."""
        if self.structure is not None:
            return np.asarray(self.y[rows])
        zero = restored(self.schema.roles, self.frame.iloc[rows], np.zeros(len(self.y[rows])))
        one = restored(self.schema.roles, self.frame.iloc[rows], np.ones(len(self.y[rows])))
        return np.asarray((self.y[rows] - zero) / (one - zero)) if zero.any() or not (one == 1).all() else self.y[rows]

    def metric(self, metric: str) -> str:
        """Return the metric that a learner should aim at: on scaled values MASE is a mean absolute error."""
        if "unit" not in self.schema.roles.values():
            return metric
        return "rmse" if metric in ("rmse", "mse", "rmsse", "r2") else "mae"
