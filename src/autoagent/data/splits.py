"""Honest splits: a test part that the search never sees, and folds of the rest, by the right kind."""

from __future__ import annotations

import hashlib
import itertools
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

from autoagent.data.table import CLASSES, Task
from autoagent.errors import DataError

Rows = NDArray[np.int64]
Kind = Literal["random", "stratified", "group", "time", "rolling_origin"]
_MIN_ROWS = 4


@dataclass(frozen=True)
class Split:
    """Rows of the table by their position.

    Attributes:
        train_rows: positions that the search may use.
        test_rows: positions that are opened once, at the end.
        folds: ``(train, valid)`` pairs of positions *into train_rows*.
        sha256: hash of all of it.
    """

    train_rows: Rows
    test_rows: Rows
    folds: tuple[tuple[Rows, Rows], ...]
    kind: Kind
    sha256: str


def encode_target(values: pd.Series, task: Task) -> tuple[NDArray[np.float64], list[str]]:
    """Return class codes and the sorted class names, or numbers and no names.

    Raises:
        DataError: a value is missing, or a regression target is not numeric and finite.
    """
    if missing := int(values.isna().sum()):
        raise DataError(f"the target {values.name!r} has {missing} missing values; leave those rows out")
    if task == "regression":
        return _numbers(values), []
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    classes = sorted(values.unique().tolist()) if numeric else sorted(values.astype(str).unique().tolist())
    place = {name: code for code, name in enumerate(classes)}
    keys = values if numeric else values.astype(str)
    return keys.map(place).to_numpy(dtype=float), [_name(c) for c in classes]


def _numbers(values: pd.Series) -> NDArray[np.float64]:
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float)
    wrong = ~np.isfinite(numbers)
    if wrong.any():
        bad = values[wrong].iloc[0]
        raise DataError(f"the target {values.name!r} holds {bad!r}, which is not a finite number")
    return numbers


def _name(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def make_split(
    y: NDArray[Any],
    *,
    task: Task,
    seed: int,
    kind: Kind | None = None,
    key: pd.Series | None = None,
    test_fraction: float = 0.2,
    n_folds: int = 5,
) -> Split:
    """Split rows into a sealed test part and folds.

    Args:
        y: ``(n,)`` class codes or numbers; of masks, boxes or joints only how many there are counts.
        task: classification is stratified unless told otherwise.
        seed: of the shuffles.
        kind: how to split; numbers have no strata, so "stratified" regression is split at random.
        key: the group or the time of each row, for those kinds.
        test_fraction: share of the test part.
        n_folds: folds of the rest; ``1`` gives one hold-out of a fifth.

    Raises:
        DataError: there are too few rows, or the key is missing or too poor for the kind.
    """
    if len(y) < _MIN_ROWS:
        raise DataError(f"{len(y)} rows cannot be split into train, validation and test; at least {_MIN_ROWS} can")
    if kind is None or (kind == "stratified" and task not in CLASSES):
        kind = "stratified" if task in CLASSES else "random"
    if kind in ("group", "time") and (key is None or key.isna().any()):
        raise DataError(f"a {kind} split needs a column without missing values to split by")
    if kind == "time" and key is not None:
        train, test, folds = _by_time(key, test_fraction, max(n_folds, 2))
        folds = folds[-n_folds:]
    else:
        groups = None if key is None or kind != "group" else pd.factorize(key)[0]
        parts = max(2, round(1 / test_fraction))
        train, test = _partition(y, groups, kind, parts=parts, seed=seed)[0]
        inner = None if groups is None else groups[train]
        folds = _partition(y[train], inner, kind, parts=max(n_folds, 2) if n_folds > 1 else 5, seed=seed + 1)
        folds = folds[:n_folds]
    if task in CLASSES and kind in ("group", "time"):
        folds = _with_classes(y, train, test, folds, kind)
    digest = hashlib.sha256(train.tobytes() + test.tobytes())
    for fold in folds:
        digest.update(fold[0].tobytes() + fold[1].tobytes())
    return Split(train, test, tuple(folds), kind, digest.hexdigest())


def other_folds(y: NDArray[np.float64], *, stratified: bool, parts: int, seed: int) -> list[tuple[Rows, Rows]]:
    """Divide the training rows ``y`` once more, as ``make_split`` does without groups or time, by another seed."""
    return _partition(y, None, "stratified" if stratified else "random", parts=parts, seed=seed)


def _partition(
    y: NDArray[np.float64], groups: NDArray[Any] | None, kind: Kind, *, parts: int, seed: int
) -> list[tuple[Rows, Rows]]:
    if kind == "group" and groups is not None:
        parts = min(parts, len(np.unique(groups)))
        if parts < 2:
            raise DataError("a group split needs at least three groups: to train, to validate and to test")
        return [(a, b) for a, b in GroupKFold(parts, shuffle=True, random_state=seed).split(y, y, groups)]
    parts = max(2, min(parts, len(y) // 2))  # a part of one row cannot be scored
    if kind == "stratified":
        return _stratified(y, parts, seed)
    return [(a, b) for a, b in KFold(parts, shuffle=True, random_state=seed).split(y)]


def _stratified(y: NDArray[np.float64], parts: int, seed: int) -> list[tuple[Rows, Rows]]:
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    rare = np.flatnonzero(counts < parts)  # such classes share one stratum
    strata = np.where(np.isin(codes, rare), -1, codes)
    if (strata == -1).sum() < parts:
        strata = np.where(strata == -1, np.argmax(counts), strata)
    return [(a, b) for a, b in StratifiedKFold(parts, shuffle=True, random_state=seed).split(y, strata)]


def _with_classes(
    y: NDArray[np.float64], train: Rows, test: Rows, folds: list[tuple[Rows, Rows]], kind: Kind
) -> list[tuple[Rows, Rows]]:
    """Return the folds that a classifier can be fitted on; complain where a part has one class only."""
    usable = [fold for fold in folds if len(np.unique(y[train][fold[0]])) > 1]
    for part, rows, fine in (("test", test, True), ("training", train, bool(usable))):
        if len(np.unique(y[rows])) < 2 or not fine:
            raise DataError(
                f"the {part} part of the {kind} split has one class only; "
                "ask for a larger test part, another column to split by, or a random split"
            )
    return usable


def _by_time(key: pd.Series, test_fraction: float, n_folds: int) -> tuple[Rows, Rows, list[tuple[Rows, Rows]]]:
    times = _times(key)
    order = np.argsort(times, kind="stable").astype(np.int64)
    ordered = times[order]
    borders = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1  # places where a later time begins
    if len(borders) < 2:
        raise DataError(f"a time split needs at least three different times; {key.name!r} has {len(borders) + 1}")
    cut = int(_nearest(borders[1:], [len(order) - max(1, round(test_fraction * len(order)))])[0])
    if cut < len(order) / 2:
        raise DataError(f"most rows share the last time of {key.name!r}; split by a finer one, or at random")
    wanted = np.linspace(cut // 2, cut, n_folds + 1)[:-1].tolist()
    edges = [*np.unique(_nearest(borders[borders < cut], wanted)).tolist(), cut]
    places = np.arange(cut, dtype=np.int64)
    return order[:cut], order[cut:], [(places[:a], places[a:b]) for a, b in itertools.pairwise(edges)]


def _nearest(borders: Rows, wanted: list[float]) -> Rows:
    closest: Rows = borders[np.abs(borders[None, :] - np.array(wanted)[:, None]).argmin(axis=1)]
    return closest


def _times(key: pd.Series) -> NDArray[Any]:
    if pd.api.types.is_numeric_dtype(key) or pd.api.types.is_datetime64_any_dtype(key):
        return np.asarray(key.to_numpy())
    text = key.astype(str)
    first = pd.to_numeric(text.str.extract(r"^\s*(\d{1,2})[-/.]\d{1,2}[-/.]\d{4}", expand=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the order of day and month, which is settled here
        days_first = bool((first > 12).any())
        times = pd.to_datetime(text, errors="coerce", format="mixed", dayfirst=days_first, utc=True)
    if times.isna().any():
        bad = key[times.isna()].iloc[0]
        raise DataError(f"a time split needs times; {key.name!r} holds {bad!r}, which is not one")
    return np.asarray(times.to_numpy())
