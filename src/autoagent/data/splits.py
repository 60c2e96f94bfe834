"""Honest splits: a test part that the search never sees, and folds of the rest, by the right kind."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

from autoagent.data.table import Task
from autoagent.errors import DataError

Rows = NDArray[np.int64]
Kind = Literal["random", "stratified", "group", "time"]


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
        DataError: a regression target is not numeric.
    """
    if task == "regression":
        numbers = pd.to_numeric(values, errors="coerce")
        if numbers.isna().any():
            bad = values[numbers.isna()].iloc[0]
            raise DataError(f"the target {values.name!r} holds {bad!r}, which is not a number")
        return numbers.to_numpy(dtype=float), []
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    classes = sorted(values.unique().tolist()) if numeric else sorted(values.astype(str).unique().tolist())
    place = {name: code for code, name in enumerate(classes)}
    keys = values if numeric else values.astype(str)
    return keys.map(place).to_numpy(dtype=float), [_name(c) for c in classes]


def _name(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def make_split(
    y: NDArray[np.float64],
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
        y: ``(n,)`` class codes or numbers.
        task: classification is stratified unless told otherwise.
        seed: of the shuffles.
        kind: how to split.
        key: the group or the time of each row, for those kinds.
        test_fraction: share of the test part.
        n_folds: folds of the rest; ``1`` gives one hold-out of a fifth.

    Raises:
        DataError: the key is missing or too poor for the kind.
    """
    kind = kind or ("random" if task == "regression" else "stratified")
    if kind in ("group", "time") and (key is None or key.isna().any()):
        raise DataError(f"a {kind} split needs a column without missing values to split by")
    if kind == "time" and key is not None:
        train, test, folds = _by_time(key, test_fraction, max(n_folds, 2))
    else:
        groups = None if key is None or kind != "group" else pd.factorize(key)[0]
        parts = max(2, round(1 / test_fraction))
        train, test = _partition(y, groups, kind, parts=parts, seed=seed)[0]
        inner = None if groups is None else groups[train]
        folds = _partition(y[train], inner, kind, parts=max(n_folds, 2) if n_folds > 1 else 5, seed=seed + 1)
        folds = folds[:n_folds]
    digest = hashlib.sha256(train.tobytes() + test.tobytes())
    for fold in folds:
        digest.update(fold[0].tobytes() + fold[1].tobytes())
    return Split(train, test, tuple(folds), kind, digest.hexdigest())


def _partition(
    y: NDArray[np.float64], groups: NDArray[Any] | None, kind: Kind, *, parts: int, seed: int
) -> list[tuple[Rows, Rows]]:
    if kind == "group" and groups is not None:
        parts = min(parts, len(np.unique(groups)))
        if parts < 2:
            raise DataError("a group split needs at least two groups")
        return [(a, b) for a, b in GroupKFold(parts, shuffle=True, random_state=seed).split(y, y, groups)]
    if kind == "stratified":
        counts = np.bincount(y.astype(int))
        rare = np.flatnonzero((counts > 0) & (counts < parts))
        strata = np.where(np.isin(y, rare), -1, y)  # classes too rare for each part share one stratum
        if (strata == -1).sum() < parts:
            strata = np.where(strata == -1, np.argmax(counts), strata)
        return [(a, b) for a, b in StratifiedKFold(parts, shuffle=True, random_state=seed).split(y, strata)]
    return [(a, b) for a, b in KFold(min(parts, len(y)), shuffle=True, random_state=seed).split(y)]


def _by_time(key: pd.Series, test_fraction: float, n_folds: int) -> tuple[Rows, Rows, list[tuple[Rows, Rows]]]:
    times = key if pd.api.types.is_numeric_dtype(key) else pd.to_datetime(key, format="mixed")
    order = np.argsort(times.to_numpy(), kind="stable").astype(np.int64)
    cut = len(order) - max(1, round(test_fraction * len(order)))
    train, test = order[:cut], order[cut:]
    edges = np.linspace(cut // 2, cut, n_folds + 1).astype(int)
    places = np.arange(cut, dtype=np.int64)
    return train, test, [(places[:a], places[a:b]) for a, b in itertools.pairwise(edges) if b > a > 0]
