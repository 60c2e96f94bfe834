"""What a learner reads of the training rows: a matrix that a recipe makes of columns, or images."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoagent.data.table import Task
from autoagent.errors import DataError
from autoagent.inference import apply_recipe, image_column
from autoagent.train.features import Array, FeatureOptions, ImageOptions, Keep, fit_columns, fitted_anew
from autoagent.train.recipe_cache import Piece, RecipeCache, digest_of, file_digest, key_of
from autoagent.train.rows import TrainingRows
from autoagent.train.vision.pixels import image_recipe, pixel_rows

# Cells of a kind of column below which fitting them is quicker than asking whether they are known; texts never are.
_LEAST_CELLS = {"number": 200_000, "categorical": 5_000, "date": 5_000}


@dataclass(frozen=True)
class Inputs:
    """Makes the inputs of one job's learner.

    Attributes:
        data: folder of the rows.
        options: how the learner wants its columns or images.
        cache: folder of fitted columns that the trials of a run share; None fits them anew.
    """

    table: TrainingRows
    data: Path
    options: FeatureOptions | ImageOptions
    task: Task
    seed: int
    cache: Path | None = None

    def fitted(self, train: Any, other: NDArray[np.int64]) -> tuple[dict[str, Any], Any, Any]:  # noqa: ANN401 - whatever indexes rows
        """Return a recipe for some rows and what it makes of them and of others: matrices, or images not read yet.

        Raises:
            DataError: a network on images meets a table without any.
        """
        frame, rest, roles = self.table.frame.iloc[train], self.table.frame.iloc[other], self.table.schema.roles
        if not isinstance(self.options, ImageOptions):
            y = self.table.learned(train)
            keep = fitted_anew if self.cache is None else self._kept(self.cache, train, other, y)
            return fit_columns(frame, roles, y, self.task, self.options, self.seed, other=rest, keep=keep)
        column = image_column(roles)
        if column is None:
            raise DataError("a network on images was asked for, and the table has none")
        resolution = self.options.side(frame.attrs["side"])
        recipe = image_recipe(frame, column, resolution=resolution, channels=self.options.channels)
        return recipe, pixel_rows(recipe, frame), pixel_rows(recipe, rest)

    def applied(self, recipe: Mapping[str, Any], rows: NDArray[np.int64]) -> Any:  # noqa: ANN401 - a matrix or images
        """Return what a recipe makes of some rows."""
        frame = self.table.frame.iloc[rows]
        return pixel_rows(recipe, frame) if isinstance(self.options, ImageOptions) else apply_recipe(recipe, frame)

    def _kept(self, folder: Path, train: Any, other: NDArray[np.int64], y: Array) -> Keep:  # noqa: ANN401 - whatever indexes rows
        """Return what knows the columns that were fitted on the same rows and targets of the same table before."""

        @functools.cache  # a table of plain numbers never asks
        def known() -> dict[str, object]:
            rows = digest_of(np.arange(len(self.table.frame))[train], other, y)
            facts = {"table": file_digest(self.data / "train.parquet"), "schema": self.table.schema.model_dump_json()}
            return {**facts, "rows": rows, "task": self.task, "seed": self.seed}

        def keep(facts: Mapping[str, Any], fit: Callable[[], Piece]) -> Piece:
            if len(y) * len(facts["columns"]) < _LEAST_CELLS.get(facts["kind"], 0):
                return fit()
            return RecipeCache(folder).piece(key_of({**known(), **facts}), fit)

        return keep
