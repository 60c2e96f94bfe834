"""What the table itself says: names, kinds and counts of its columns, as far as they help to read a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from autoagent.agent.understand.injection import Suspicion, suspicions

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["numeric", "boolean", "categorical", "text", "date"]

_SCAN_CELLS = 20_000  # distinct cells looked at per column for hidden instructions
_TEXT_LENGTH = 30  # a column of strings longer than this on average, mostly distinct, is prose


@dataclass(frozen=True)
class ColumnEvidence:
    """What is known of one column.

    Attributes:
        name: as in the table.
        kind: what its values are.
        n_unique: distinct values that are not missing.
        n_missing: missing cells.
        integral: all its numbers are whole.
        values: a few of its distinct values, as text.
    """

    name: str
    kind: Kind
    n_unique: int
    n_missing: int = 0
    integral: bool = False
    values: tuple[str, ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether it holds prose."""
        return self.kind == "text"

    @property
    def is_date(self) -> bool:
        """Whether it holds points in time."""
        return self.kind == "date"


@dataclass(frozen=True)
class DataEvidence:
    """What the table says about a request.

    Attributes:
        columns: in the table's order.
        n_rows: rows of the table.
        name: how the user named the data, for messages only.
        default_target: the target of a built-in data set, or None.
        suspicious: texts in the data that look like instructions.
        structure: what the default target holds of each image: "segmentation", "detection" or "keypoints"; else empty.
        parts: the classes of its masks or boxes, or its joints.
    """

    columns: tuple[ColumnEvidence, ...] = ()
    n_rows: int = 0
    name: str = "data"
    default_target: str | None = None
    suspicious: tuple[Suspicion, ...] = ()
    structure: str = ""
    parts: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The column names in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> ColumnEvidence | None:
        """Return a column by its exact name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    @classmethod
    def of(cls, frame: pd.DataFrame, *, default_target: str | None = None, name: str = "data") -> DataEvidence:
        """Look at a data frame."""
        columns = tuple(_look(str(key), frame.iloc[:, i]) for i, key in enumerate(frame.columns))
        found = list(suspicions("a column name", (column.name for column in columns)))
        for i, column in enumerate(columns):
            if column.kind in ("text", "categorical"):
                cells = (str(cell) for cell in frame.iloc[:, i].dropna().unique()[:_SCAN_CELLS])
                found += suspicions(f"a cell of column {column.name!r}", cells)
        return cls(columns, len(frame), name, default_target, tuple(found))


def _look(name: str, series: pd.Series) -> ColumnEvidence:
    present = series.dropna()
    try:
        distinct = present.unique()
    except TypeError:  # lists or dictionaries in the cells
        present = present.astype(str)
        distinct = present.unique()
    numeric = series.dtype.kind in "iuf"
    return ColumnEvidence(
        name=name,
        kind=_kind(series, present, len(distinct)),
        n_unique=len(distinct),
        n_missing=int(series.isna().sum()),
        integral=bool(numeric and len(present) and (present % 1 == 0).all()),
        values=tuple(str(value) for value in list(distinct)[:20]),
    )


def _kind(series: pd.Series, present: pd.Series, n_unique: int) -> Kind:
    kind = series.dtype.kind
    if kind == "b":
        return "boolean"
    if kind in "iufc":
        return "numeric"
    if kind in "Mm":
        return "date"
    sample = [str(value) for value in list(present)[:200]]
    if sample and sum(map(_looks_like_date, sample)) >= 0.9 * len(sample):
        return "date"
    long = sum(map(len, sample)) / max(1, len(sample)) > _TEXT_LENGTH
    return "text" if long and n_unique > 0.5 * len(present) else "categorical"


def _looks_like_date(text: str) -> bool:
    head = text.strip()[:10]
    digits = sum(char.isdigit() for char in head)
    marks = head.count("-") + head.count("/")
    return len(head) >= 8 and digits >= 6 and marks == 2
