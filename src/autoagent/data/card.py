"""The data card: what each column is, what is odd about the table, and how the target is distributed."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection
from typing import Any

import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from autoagent.data.images.source import ImageSource
from autoagent.data.images.structures import Targets
from autoagent.data.table import CLASSES, Role, Task
from autoagent.errors import DataError

MAX_CLASSES = 1000
FEATURES = ("numeric", "categorical", "text", "date", "image")  # roles of columns that a model may use
_UNEVEN = 5
_TEXT_WORDS = 4.0  # of a cell on average, from which a column of many values is text
_SHORT_WORDS = 1.5  # the same of a column whose values mostly occur once, such as titles
_WORD = re.compile(r"[^\W\d_]+(?:['’.&/-][^\W\d_]+)*[.,:;!?…\"')]*")  # letters; no digits as in codes
_SHORT_SHARE, _SHORT_ONCE, _SHORT_PLAIN = 0.1, 0.5, 0.6  # of rows with another value, values met once, plain words
_FEW_VALUES = 20
_MOST_SHOWN = 20  # classes
_SAMPLE = 2000
_DATE = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"


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
        target_summary: share of each class (at most twenty; of pixels where they are marked, of boxes), or min, mean,
            max and deviation, or the share of images in which a joint is marked.
        image_side: pixels of the squares that images are kept as; 0 where there are none.
        image_channels: 1 for grey images, else 3.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    n_rows: int
    n_duplicates: int
    columns: tuple[ColumnCard, ...]
    target: str
    task: Task
    target_summary: dict[str, float]
    image_side: int = 0
    image_channels: int = 0
    notes: tuple[str, ...] = ()

    def features(self) -> tuple[ColumnCard, ...]:
        """Return the columns that a model may use."""
        return tuple(c for c in self.columns if c.role in FEATURES)


def inspect(
    frame: pd.DataFrame,
    *,
    target: str,
    task: Task | None = None,
    name: str = "table",
    images: ImageSource | None = None,
    targets: Targets | None = None,
    texts: Collection[str] = (),
) -> DataCard:
    """Inspect a table, and what one of its columns names.

    Args:
        frame: the rows.
        target: the column to predict.
        task: what it is; guessed where left out.
        name: of the table.
        images: what one of its columns names.
        targets: masks, boxes or joints beside the images.
        texts: columns that were said to hold text; those of words are read so, whatever they look like.

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
    if targets is None and labelled[target].nunique() < 2:
        raise DataError(f"the target {target!r} has one value only; there is nothing to learn")
    task = task or guess_task(labelled[target])
    columns = tuple(_column(labelled.iloc[:, place], target=target) for place in range(labelled.shape[1]))
    columns = tuple(_as_text(column) if column.name in texts else column for column in columns)
    if images is not None:
        columns = tuple(_as_image(column) if column.name == images.column else column for column in columns)
        notes += [*images.notes(), *_imbalance(labelled[target], task)]
    if not any(c.role in FEATURES for c in columns):
        raise DataError("no column is left to learn from: all are constant, ids or the target")
    notes += [f"{c.name!r} looks like an id and is not used" for c in columns if c.role == "id"]
    return DataCard(
        name=name,
        n_rows=len(labelled),
        n_duplicates=_count_duplicates(labelled),
        columns=columns,
        target=target,
        task=task,
        target_summary=_summary(labelled[target], task) if targets is None else _shown(targets),
        image_side=0 if images is None else images.side,
        image_channels=0 if images is None else images.channels,
        notes=tuple(notes),
    )


def _count_duplicates(frame: pd.DataFrame) -> int:
    """Count rows that repeat an earlier one; rows that differ in the first columns are not compared in the others."""
    n_columns = 8
    while n_columns < frame.shape[1]:
        frame = frame[frame.iloc[:, :n_columns].duplicated(keep=False)]
        if frame.empty:
            return 0
        n_columns *= 8
    return int(frame.duplicated().sum())


def guess_task(values: pd.Series) -> Task:
    """Guess the task from the target's values: two values, few whole numbers or words are classes."""
    known = values.dropna()
    unique = known.nunique()
    if unique == 2:
        return "binary"
    if pd.api.types.is_datetime64_any_dtype(known):
        raise DataError(f"the target {known.name!r} is a date; give a column of classes or numbers")
    if not pd.api.types.is_numeric_dtype(known):
        if unique > MAX_CLASSES or unique > 0.5 * len(known):
            raise DataError(f"the target has {unique} different texts in {len(known)} rows; no classes, no numbers")
        return "multiclass"
    whole = bool((known == known.round()).all())
    few = unique <= 20 and len(known) >= unique * (5 if unique <= 10 else 10)
    return "multiclass" if whole and few else "regression"


def _as_text(column: ColumnCard) -> ColumnCard:
    """Return a column as text that was said to be; numbers, dates and categories of few values stay what they are."""
    words = column.role in ("categorical", "id") and column.n_unique > _FEW_VALUES
    numbers = any(kind in column.dtype.lower() for kind in ("int", "float"))
    return column.model_copy(update={"role": "text"}) if words and not numbers else column


def _as_image(column: ColumnCard) -> ColumnCard:
    return column.model_copy(update={"role": "image"})


def _imbalance(values: pd.Series, task: Task) -> list[str]:
    """Return a sentence where the largest class has at least five times the rows of the smallest."""
    if task not in CLASSES:
        return []
    counts = values.astype(str).value_counts()
    most, least = counts.index[0], counts.index[-1]
    if counts[most] < _UNEVEN * counts[least]:
        return []
    return [f"the classes are uneven: {counts[most]} of {most!r}, {counts[least]} of {least!r}"]


def _summary(values: pd.Series, task: Task) -> dict[str, float]:
    if task == "regression":
        numbers = pd.to_numeric(values, errors="coerce").astype(float)
        return {"min": numbers.min(), "mean": numbers.mean(), "max": numbers.max(), "std": numbers.std()}
    shares = values.astype(str).value_counts(normalize=True).head(_MOST_SHOWN)
    return {str(name): float(share) for name, share in shares.items()}


def _shown(targets: Targets) -> dict[str, float]:
    shares = targets.structure.shares(targets.truth)
    return dict(list(shares.items())[:_MOST_SHOWN])


def _column(values: pd.Series, *, target: str) -> ColumnCard:
    name = str(values.name)
    numeric = pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)
    if numeric:
        known = values.dropna().to_numpy() if pd.api.types.is_extension_array_dtype(values.dtype) else values.to_numpy()
        known = known[known == known]  # without NaN; per column this is ten times faster than pandas
        different = pd.unique(known)  # in order of appearance
        unique, examples = len(different), tuple(different[:3].astype(str).tolist())
        role = _number_role(name, known, unique)
    else:
        text = values.dropna().astype(str)
        known, unique = text.to_numpy(), int(text.nunique())
        examples = tuple(value[:80] for value in text.drop_duplicates().head(3))
        role = _text_role(values.dtype, text, unique)
    return ColumnCard(
        name=name,
        role="target" if name == target else role,
        dtype=str(values.dtype),
        n_missing=len(values) - len(known),
        n_unique=unique,
        examples=examples,
    )


def _number_role(name: str, known: NDArray[Any], unique: int) -> Role:
    if unique < 2:
        return "constant"
    if unique < len(known) or len(known) < 20:
        return "numeric"
    named_id = name.lower() in ("id", "index", "row", "uuid") or name.lower().endswith("_id")
    counts_up = known.dtype.kind in "iu" and bool((known[1:] == known[:-1] + 1).all())
    return "id" if named_id or counts_up else "numeric"


def _text_role(dtype: object, text: pd.Series, unique: int) -> Role:
    if unique < 2:
        return "constant"
    if str(dtype).startswith("datetime64"):
        return "date"
    if str(dtype) in ("bool", "boolean"):
        return "categorical"
    sample = text.head(_SAMPLE)
    if _is_date(sample):
        return "date"
    if unique > _FEW_VALUES and float(sample.map(lambda cell: len(str(cell).split())).mean()) >= _TEXT_WORDS:
        return "text"
    if unique > _FEW_VALUES and _is_short_text(text):
        return "text"
    return "id" if unique == len(text) and unique >= 20 else "categorical"


def _is_short_text(text: pd.Series) -> bool:
    """Say whether cells are titles or names: of more than one word, most values once, many words without digits.

    A category comes back: its values occur several times each. A key is one word, or the same words and a number.
    """
    counts = text.value_counts()
    if len(counts) < _SHORT_SHARE * len(text) or float((counts == 1).mean()) < _SHORT_ONCE:
        return False
    words = [str(value).split() for value in counts.index[:: max(1, len(counts) // _SAMPLE)]]
    plain = [word.lower() for row in words for word in row if _WORD.fullmatch(word.strip("\"'(*#@"))]
    total = sum(map(len, words))
    many = total >= _SHORT_WORDS * len(words) and len(plain) >= _SHORT_PLAIN * total
    return many and len(set(plain)) > _FEW_VALUES


def _is_date(sample: pd.Series) -> bool:
    if not any(re.search(_DATE, cell) for cell in sample.head(10)):  # spares most columns the rest
        return False
    if not sample.str.contains(_DATE, regex=True).mean() > 0.9:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a mixed format is no fault: it is judged by the share that parses
        return bool(pd.to_datetime(sample, errors="coerce", format="mixed").notna().mean() > 0.9)
