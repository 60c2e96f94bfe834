"""A table as it was read, and the columns that it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pandas as pd

if TYPE_CHECKING:
    from autoagent.data.images.source import ImageSource
    from autoagent.data.images.structures import Targets

Task = Literal["binary", "multiclass", "regression", "segmentation", "detection", "keypoints"]
CLASSES: tuple[Task, ...] = ("binary", "multiclass")
Role = Literal["numeric", "categorical", "text", "date", "image", "id", "constant", "target", "shift", "unit", "beside"]


@dataclass(frozen=True)
class Table:
    """A table and how it came to be.

    Attributes:
        frame: the rows; column names are unique strings.
        name: a short name for the run folder.
        source: where it came from, as the user wrote it.
        repairs: what was mended while reading, one sentence each.
        default_target: the target of a built-in table or of folders of images, else None.
        images: what one of the columns names, else None.
        targets: masks, boxes or joints of the images, which the column of the target only names; else None.
    """

    frame: pd.DataFrame
    name: str
    source: str
    repairs: tuple[str, ...] = ()
    default_target: str | None = None
    images: ImageSource | None = None
    targets: Targets | None = None
