"""The data card: what each column is, what is odd about the table, and how the target is distributed."""

from __future__ import annotations

import warnings
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from autoagent.data.table import Role, Task
from autoagent.errors import DataError

MAX_CLASSES = 1000
_TEXT_WORDS = 4.0
_SAMPLE = 2000


class ColumnCard(BaseModel):
    """What is known of one column."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    role: Role
    dtype: str
    n_missing: int
    n_unique: int
    examples: tuple[str, ...] = ()


class DataCard(BaseModel):
    """What is known of a table.

    Attributes:
        target_summary: share of each class (classification, at most twenty), or min, mean, max and deviation.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    n_rows: int
    n_duplicates: int
    columns: tuple[ColumnCard, ...]
    target: str
    task: Literal["binary", "multiclass", "regression"]
    target_summary: dict[str, float]
    notes: tuple[str, ...] = ()

    def features(self) -> tuple[ColumnCard, ...]:
        """Return the columns that a model may use."""
        return tuple(c for c in self.columns if c.role in ("numeric", "categorical", "text", "date"))


def inspect(frame: pd.DataFrame, *, target: str, task: Task | None = None, name: str = "table") -> DataCard:
    """Inspect a table.

    Raises:
        DataError: the target is missing, empty or constant, or nothing can be learned from.
    """
    if target not in frame.columns:
        raise DataError(f"no column {target!r}; the columns are: {', '.join(map(repr, list(frame.columns)[:20]))}")
    labelled = frame[frame[target].notna()]
    notes = []
    if dropped := len(frame) - len(labelled):
        notes.append(f"{dropped} rows without a target were left out")
    if len(labelled) < 10:
        raise DataError(f"{len(labelled)} rows have a target; at least 10 are needed")
    if labelled[target].nunique() < 2:
        raise DataError(f"the target {target!r} has one value only; there is nothing to learn")
    task = task or guess_task(labelled[target])
    columns = tuple(_column(labelled[c], target=target) for c in labelled.columns)
    if not any(c.role in ("numeric", "categorical", "text", "date") for c in columns):
        raise DataError("no column is left to learn from: all are constant, ids or the target")
    notes += [f"{c.name!r} looks like an id and is not used" for c in columns if c.role == "id"]
    return DataCard(
        name=name,
        n_rows=len(labelled),
        n_duplicates=int(labelled.duplicated().sum()),
        columns=columns,
        target=target,
        task=task,
        target_summary=_summary(labelled[target], task),
        notes=tuple(notes),
    )


def guess_task(values: pd.Series) -> Task:
    """Guess the task from the target's values: two values, few whole numbers or words are classes."""
    known = values.dropna()
    unique = known.nunique()
    if unique == 2:
        return "binary"
    if not pd.api.types.is_numeric_dtype(known):
        if unique > MAX_CLASSES or unique > 0.5 * len(known):
            raise DataError(f"the target has {unique} different texts in {len(known)} rows; no classes, no numbers")
        return "multiclass"
    whole = bool((known == known.round()).all())
    return "multiclass" if whole and unique <= 20 and unique < 0.1 * len(known) else "regression"


def _summary(values: pd.Series, task: Task) -> dict[str, float]:
    if task == "regression":
        numbers = pd.to_numeric(values, errors="coerce").astype(float)
        return {"min": numbers.min(), "mean": numbers.mean(), "max": numbers.max(), "std": numbers.std()}
    shares = values.astype(str).value_counts(normalize=True).head(20)
    return {str(name): float(share) for name, share in shares.items()}


def _column(values: pd.Series, *, target: str) -> ColumnCard:
    known = values.dropna()
    text = known.astype(str)
    unique = int(text.nunique())
    name = str(values.name)
    role: Role = "target" if name == target else _role(known, text, unique)
    return ColumnCard(
        name=name,
        role=role,
        dtype=str(values.dtype),
        n_missing=int(values.isna().sum()),
        n_unique=unique,
        examples=tuple(value[:80] for value in text.drop_duplicates().head(3)),
    )


def _role(known: pd.Series, text: pd.Series, unique: int) -> Role:
    if unique < 2:
        return "constant"
    if pd.api.types.is_datetime64_any_dtype(known):
        return "date"
    if pd.api.types.is_bool_dtype(known):
        return "categorical"
    every = unique == len(known) and len(known) >= 20
    if pd.api.types.is_numeric_dtype(known):
        named_id = str(known.name).lower() in ("id", "index", "row", "uuid") or str(known.name).lower().endswith("_id")
        step = known.diff().dropna()
        counts_up = every and pd.api.types.is_integer_dtype(known) and bool((step == 1).all())
        return "id" if every and (named_id or counts_up) else "numeric"
    sample = text.head(_SAMPLE)
    if _is_date(sample):
        return "date"
    words = float(sample.map(lambda cell: len(str(cell).split())).mean())
    if words >= _TEXT_WORDS and unique > 20:
        return "text"
    return "id" if every else "categorical"


def _is_date(sample: pd.Series) -> bool:
    if not sample.str.contains(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}", regex=True).mean() > 0.9:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a mixed format is no fault: it is judged by the share that parses
        return bool(pd.to_datetime(sample, errors="coerce", format="mixed").notna().mean() > 0.9)
