"""Deterministic leak checks: columns that know the target too well, and rows that stand on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from autoagent.data.table import Task

_MAX_ROWS = 20_000
_DECIDES = 0.995


@dataclass(frozen=True)
class LeakWarning:
    """One suspicion.

    Attributes:
        severity: ``high`` means that the score would very likely not hold on new data.
    """

    kind: Literal["copy_of_target", "decides_target", "duplicate_rows"]
    column: str
    severity: Literal["high", "low"]
    message: str


def check_leaks(frame: pd.DataFrame, y: NDArray[np.float64], *, target: str, task: Task) -> list[LeakWarning]:
    """Check every feature of a table against its target.

    Args:
        frame: the rows, the target among them.
        y: ``(n,)`` class codes or numbers.
        target: its column.
        task: what ``y`` is.
    """
    rows = np.random.default_rng(0).permutation(len(frame))[:_MAX_ROWS]
    found = []
    for name in frame.columns:
        if name != target and (warning := _check_column(frame[name].iloc[rows], y[rows], task)):
            found.append(warning)
    duplicates = int(frame.duplicated().sum())
    if duplicates > 0.01 * len(frame):
        text = f"{duplicates} rows are copies of others; some will stand in both train and test"
        found.append(LeakWarning("duplicate_rows", "", "low", text))
    return found


def _check_column(values: pd.Series, y: NDArray[np.float64], task: Task) -> LeakWarning | None:
    codes = _codes(values)
    name = str(values.name)
    known = codes >= 0 if not np.issubdtype(codes.dtype, np.floating) else np.isfinite(codes)
    if known.sum() < 20 or known.mean() < 0.5:
        return None
    x, t = codes[known].astype(float), y[known]
    distinct = len(np.unique(x))
    if distinct < 2 or len(np.unique(t)) < 2:
        return None
    if task == "regression":
        rank = abs(float(np.corrcoef(rankdata(x), rankdata(t))[0, 1]))
        if rank > 0.9999 and distinct > 10:
            return LeakWarning("copy_of_target", name, "high", f"{name!r} is a monotone function of the target")
        if rank > _DECIDES and distinct > 10:
            return LeakWarning("decides_target", name, "high", f"{name!r} orders the target almost alone ({rank:.4f})")
        return None
    pairs = len(np.unique(np.stack([x, t]), axis=1)[0])
    if pairs == distinct and distinct <= max(2 * len(np.unique(t)), 10):
        return LeakWarning(
            "copy_of_target", name, "high", f"each value of {name!r} has one class: a copy of the target"
        )
    share = _stump(x, t)
    if share > _DECIDES and len(x) >= 50:
        return LeakWarning("decides_target", name, "high", f"{name!r} alone decides {share:.1%} of the classes")
    return None


def _codes(values: pd.Series) -> NDArray[np.float64] | NDArray[np.int64]:
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(dtype=float, na_value=np.nan)
    return pd.factorize(values)[0].astype(np.int64)


def _stump(x: NDArray[np.float64], t: NDArray[np.float64]) -> float:
    """Share of rows right under a tree on one feature, cross-validated, so that ids do not count."""
    from sklearn.model_selection import cross_val_predict
    from sklearn.tree import DecisionTreeClassifier

    folds = int(min(3, np.bincount(t.astype(int))[np.unique(t).astype(int)].min()))
    if folds < 2:
        return 0.0
    tree = DecisionTreeClassifier(max_leaf_nodes=2 * len(np.unique(t)), random_state=0)
    guess = cross_val_predict(tree, x[:, None], t, cv=folds)
    return float(np.mean([(guess[t == k] == k).mean() for k in np.unique(t)]))
