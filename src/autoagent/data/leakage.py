"""Deterministic leak checks: columns that know the target too well, and rows that stand on both sides."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binom, rankdata

from autoagent.data.images.near import near_pairs
from autoagent.data.images.source import ImageSource
from autoagent.data.leak_screen import (
    Floats,
    RowHashes,
    Screen,
    Target,
    binned_share,
    encode,
    is_date,
    is_number,
    is_plain,
    is_prose,
    is_whole,
    make_target,
    screen,
    vote,
)
from autoagent.data.splits import Split
from autoagent.data.table import Task

Kind = Literal[
    "copy_of_target",
    "decides_target",
    "missing_decides",
    "duplicate_rows",
    "group_overlap",
    "time_order",
    "id_like",
    "not_checked",
    "future_column",
    "near_duplicates",
]
Severity = Literal["high", "low"]

MAX_CELLS = 20_000_000
_MAX_ROWS, _MIN_ROWS, _CHUNK_CELLS, _MAX_HASHED, _MAX_SUSPECTS = 20_000, 200, 1_000_000, 200_000_000, 500
_HIGH, _LOW = 0.985, 0.965  # of rows decided; the best honest column of 15 real tables has 0.94 (iris)
_ENTITY = re.compile(r"(^|[_\s.-])(id|uuid|key|patient|subject|user|customer|client|member|account|device|person)s?$")


@dataclass(frozen=True)
class LeakWarning:
    """One suspicion.

    Attributes:
        column: the column, or nothing where it is about rows or many columns.
        severity: ``high`` means that the score would very likely not hold on new data.
    """

    kind: Kind
    column: str
    severity: Severity
    message: str


def check_leaks(
    frame: pd.DataFrame,
    y: NDArray[np.float64],
    *,
    target: str,
    task: Task,
    split: Split | None = None,
    max_cells: int = MAX_CELLS,
) -> list[LeakWarning]:
    """Check every feature of a table against its target, and the rows against the split.

    Args:
        frame: the rows, the target among them.
        y: ``(n,)`` class codes or numbers.
        target: its column.
        task: what ``y`` is.
        split: which rows are tested on; without it, nothing is said of time and groups count as divided.
        max_cells: more are sampled: first rows, then columns, and the latter is told.
    """
    places = [place for place, name in enumerate(frame.columns) if name != target]
    if len(frame) < 20 or not places or len(np.unique(y)) < 2:
        return []
    n_rows = min(len(frame), _MAX_ROWS, max(_MIN_ROWS, max_cells // len(places)))
    checked = places[: max(1, max_cells // n_rows)]
    job = _Job(frame, y, task, split, np.random.default_rng(0).permutation(len(frame))[:n_rows])
    hash_rows = len(checked) == len(places) and len(places) * len(frame) <= _MAX_HASHED
    found = job.check(checked, RowHashes(len(frame)) if hash_rows else None)
    if len(checked) < len(places):
        text = f"{len(places) - len(checked)} of {len(places)} columns were not checked for leaks: the table is too big"
        found.append(LeakWarning("not_checked", "", "low", text))
    if not hash_rows:
        found.append(LeakWarning("not_checked", "", "low", "the table is too big to look for duplicate rows"))
    return found


def image_warnings(images: ImageSource, cells: Sequence[str], y: NDArray[Any], split: Split) -> list[LeakWarning]:
    """Warn of test images that are nearly the same as a training image, and of names that suggest divided groups.

    Args:
        images: what was seen of each.
        cells: ``(n,)`` their names, as the rows have them.
        y: ``(n,)`` class codes or numbers, or a row of masks, boxes or joints for each image.
        split: which rows are tested on.
    """
    test, train = split.test_rows.tolist(), split.train_rows.tolist()
    pairs = near_pairs([images.facts[cells[i]] for i in test], [images.facts[cells[j]] for j in train])
    found = []
    if pairs:
        other = sum(not np.array_equal(y[test[a]], y[train[b]]) for a, b, _ in pairs)
        a, b, bits = min(pairs, key=lambda pair: pair[2])
        text = f"{len(pairs)} of {len(test)} test images are nearly the same as a training image"
        text += (
            f" (such as {cells[test[a]][:100]!r} and {cells[train[b]][:100]!r}, {bits} of 64 bits of their hash apart)"
        )
        text += f"; {other} of them have another target" if other else ""
        share = len(pairs) / len(test)
        found.append(LeakWarning("near_duplicates", images.column, "high" if share > 0.05 else "low", text))
    if split.kind != "group" and images.arrays is None and (groups := _named_groups(cells, set(test))):
        text = (
            f"file names suggest groups, and {groups} of them are on both sides of the split, such as several images "
        )
        text += "of one subject; put the group into a column and split by it if that is so"
        found.append(LeakWarning("group_overlap", images.column, "low", text))
    return found


def _named_groups(cells: Sequence[str], test: set[int]) -> int:
    """Count the groups of ``p12_a.png, p12_b.png`` that are divided; 0 where names do not look like groups.

    A group is a stem before its last ``_`` or ``-``, with a digit in it; groups have two to a tenth of the images.
    """
    stems = [re.sub(r"[_-][^_-]*$", "", cell.rsplit("/", 1)[-1].rsplit(".", 1)[0]) for cell in cells]
    whole = [cell.rsplit("/", 1)[-1].rsplit(".", 1)[0] for cell in cells]
    members: dict[str, list[int]] = {}
    for place, (stem, name) in enumerate(zip(stems, whole, strict=True)):
        if stem != name and any(char.isdigit() for char in stem):
            members.setdefault(stem, []).append(place)
    groups = [rows for rows in members.values() if 2 <= len(rows) <= max(len(cells) // 10, 2)]
    if sum(map(len, groups)) < 0.8 * len(cells):
        return 0
    return sum(0 < sum(row in test for row in rows) < len(rows) for rows in groups)


@dataclass(frozen=True)
class _Job:
    frame: pd.DataFrame
    y: Floats
    task: Task
    split: Split | None
    rows: NDArray[np.int64]

    def check(self, places: list[int], hashes: RowHashes | None) -> list[LeakWarning]:
        target, found = make_target(self.y[self.rows], self.task), []
        suspects = 0
        for chunk in _chunks(places, max(1, _CHUNK_CELLS // len(self.frame))):
            x_CN = self._encode(chunk)
            sample_CN = np.ascontiguousarray(x_CN[:, self.rows])
            seen = screen(sample_CN, target)
            names = [str(self.frame.columns[place]) for place in chunk]
            ids = {j for j in np.flatnonzero(seen.distinct == len(self.rows)) if self._is_id(x_CN[j], chunk[j])}
            found += [w for j in ids if (w := self._id(x_CN[j], chunk[j])) is not None]
            found += missing_warnings(sample_CN, target, names)
            keys = {j for j in _entities(seen, names) if is_whole(x_CN[j])}
            found += [w for j in keys if (w := self._group(x_CN[j], seen, j, names[j])) is not None]
            cut = 0.9 if target.n_classes == 0 else 0.7
            hot = [j for j in np.flatnonzero((seen.alike > cut) & (seen.known >= 30)) if j not in ids | keys]
            suspects += len(hot)
            if suspects <= _MAX_SUSPECTS + len(hot):
                found += [w for j in hot if (w := _judge(sample_CN[j], target, names[j], seen.alike[j])) is not None]
            if hashes is not None:
                hashes.add(x_CN[[j for j in range(len(chunk)) if j not in ids]])
        if hashes is not None and hashes.n_columns:
            found += duplicate_warnings(hashes, self.y, self.split)
        if suspects > _MAX_SUSPECTS:
            text = (
                f"over {_MAX_SUSPECTS} columns know the target suspiciously well; the rest were not judged one by one"
            )
            found.append(LeakWarning("not_checked", "", "low", text))
        return found + self._time(places)

    def _encode(self, chunk: list[int]) -> Floats:
        part = self.frame.iloc[:, chunk]
        if all(isinstance(kind, np.dtype) and kind.kind in "iufb" for kind in part.dtypes):
            return np.ascontiguousarray(part.to_numpy(dtype=float).T)
        return np.stack([encode(part.iloc[:, j]) for j in range(len(chunk))])

    def _is_id(self, x_N: Floats, place: int) -> bool:
        if np.isnan(x_N).any() or not is_whole(x_N) or len(np.unique(x_N)) < len(x_N):
            return False
        if not is_number(self.frame.iloc[:, place]):
            return not is_date(self.frame.iloc[:, place]) and not is_prose(self.frame.iloc[:, place])
        steps = np.diff(x_N)
        dense = np.ptp(x_N) < 1.5 * len(x_N)
        named = bool(_ENTITY.search(str(self.frame.columns[place]).lower()))
        return bool(dense or named or (steps > 0).all() or (steps < 0).all())

    def _id(self, x_N: Floats, place: int) -> LeakWarning | None:
        values, name = self.frame.iloc[:, place], str(self.frame.columns[place])
        if not is_number(values):
            x_N = rankdata(np.asarray(values.astype(str), dtype=str))
        share = binned_share(x_N, make_target(self.y, self.task))
        if share < 0.1 or share * len(x_N) < 40:  # chi-square with 9 degrees of freedom: 40 is seven deviations
            return None
        text = f"{name!r} looks like an id, yet its order explains {share:.0%} of the target"
        return LeakWarning("id_like", name, "high" if share > 0.5 else "low", text)

    def _group(self, x_N: Floats, seen: Screen, j: int, name: str) -> LeakWarning | None:
        divided = ""
        if self.split is not None:
            train, test = x_N[self.split.train_rows], x_N[self.split.test_rows]
            share = float(np.isin(test[~np.isnan(test)], train).mean()) if (~np.isnan(test)).any() else 0.0
            if share < 0.05:
                return None
            divided = f"; {share:.0%} of the test rows have others of their {name!r} in train"
        named = bool(_ENTITY.search(name.lower()))
        strong = seen.within[j] > (0.6 if named else 0.85)
        text = f"rows of one {name!r} have alike targets ({seen.within[j]:.2f} of 1){divided}: split by group"
        return LeakWarning("group_overlap", name, "high" if strong else "low", text)

    def _time(self, places: list[int]) -> list[LeakWarning]:
        if self.split is None or self.split.kind == "time":
            return []
        kinds = self.frame.dtypes
        names = [
            str(self.frame.columns[p]) for p in places if not is_plain(kinds.iloc[p]) and is_date(self.frame.iloc[:, p])
        ]
        if not names:
            return []
        text = f"{names[0]!r} is a date, and the split is not by time: the test rows are not later than the others"
        return [LeakWarning("time_order", names[0], "low", text)]


def _judge(x_N: Floats, target: Target, name: str, alike: float) -> LeakWarning | None:
    known = ~np.isnan(x_N)
    x, t = x_N[known], target.take(known)
    distinct, outcomes = len(np.unique(x)), len(np.unique(t.values))
    if distinct < 2 or outcomes < 2:
        return None
    if target.n_classes == 0:
        rank = abs(float(np.corrcoef(rankdata(x), t.values)[0, 1]))
        if rank > 0.9999 and distinct >= min(10, outcomes):
            return LeakWarning("copy_of_target", name, "high", f"{name!r} is a monotone function of the target")
        sure = alike > _HIGH or rank > 0.995
        if not sure and alike < _LOW:
            return None
        text = f"{name!r} alone explains {max(alike, rank**2):.1%} of the target"
        return LeakWarning("decides_target", name, "high" if sure else "low", text)
    pairs = np.unique(np.stack([x, t.values]), axis=1).shape[1]
    if pairs == distinct and distinct <= max(2 * outcomes, 10):
        text = f"each value of {name!r} has one class: a copy of the target"
        return LeakWarning("copy_of_target", name, "high", text)
    share = vote(x, t)
    if share < _LOW:
        return None
    sure = share > _HIGH and np.bincount(t.values.astype(int)).min() >= 20
    text = f"{name!r} alone decides {share:.1%} of the classes"
    return LeakWarning("decides_target", name, "high" if sure else "low", text)


def missing_warnings(x_CN: Floats, target: Target, names: list[str]) -> list[LeakWarning]:
    """Warn of columns whose missing cells tell the target."""
    gone = np.isnan(x_CN)
    n_gone, found = gone.sum(axis=1), []
    for j in np.flatnonzero((n_gone >= 10) & (gone.shape[1] - n_gone >= 10)):
        tell = _tells(gone[j], target, len(x_CN))
        if tell:
            text = f"whether {names[j]!r} is missing tells the target"
            found.append(LeakWarning("missing_decides", names[j], tell, text))
    return found


def _gap(gone_N: NDArray[np.bool_], target: Target) -> Severity | None:
    """Judge by twice the distance of the AUC from a half."""
    t = target.values
    effect = abs(float(t[gone_N].mean() - t[~gone_N].mean())) / math.sqrt(3)
    return "high" if effect > 0.95 else "low" if effect > 0.85 else None


def _tells(gone_N: NDArray[np.bool_], target: Target, n_columns: int) -> Severity | None:
    """Judge sides of the target (a class, low or high numbers) that alone are missing, or alone are known."""
    if target.n_classes == 0 and (gap := _gap(gone_N, target)):
        return gap
    if target.n_classes and _divides(gone_N, target):
        return "high"
    t, found = target.values, []
    for part in (gone_N, ~gone_N):
        if target.n_classes:
            sides = [t == np.bincount(t[part].astype(int)).argmax()]
        else:
            low, high = np.quantile(t[part], [0.02, 0.98])
            sides = [t >= low, t <= high]
        found += [_one_sided(part, side, n_columns) for side in sides]
    return "high" if "high" in found else "low" if "low" in found else None


def _divides(gone_N: NDArray[np.bool_], target: Target) -> bool:
    codes = target.values.astype(int)
    share = np.bincount(codes, gone_N, target.n_classes) / np.maximum(np.bincount(codes, None, target.n_classes), 1)
    return bool(share.max() > 0.5 > share.min() and np.maximum(share, 1 - share).mean() > 0.95)


def _one_sided(part_N: NDArray[np.bool_], side_N: NDArray[np.bool_], n_columns: int) -> Severity | None:
    size, hits, prior = int(part_N.sum()), int(side_N[part_N].sum()), float(side_N.mean())
    if hits < 0.98 * size - 1 or prior > 0.8:
        return None
    if binom.logsf(hits - 1, size, prior) + math.log(n_columns) > -14:
        return None
    return "high" if hits > 0.6 * side_N.sum() else "low"


def duplicate_warnings(hashes: RowHashes, y: Floats, split: Split | None) -> list[LeakWarning]:
    """Warn of rows with equal features on both sides, beyond what independent columns would make."""

    def twins(keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        if split is None:
            return np.asarray(pd.Series(keys).duplicated())
        return np.isin(keys[split.test_rows], keys[split.train_rows])

    same = twins(hashes.real)
    share, chance = float(same.mean()), float(twins(hashes.shifted).mean())
    if same.sum() < 3 or share < 0.01 or share < 3 * chance:
        return []
    exact = int(twins(hashes.real + y.astype(float).view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)).sum())
    where = "rows" if split is None else "test rows"
    text = f"{int(same.sum())} of {len(same)} {where} have the features of another row"
    text += f"{'' if split is None else ' in train'}, {exact} of them its target too"
    return [LeakWarning("duplicate_rows", "", "high" if share > 0.05 and chance < 0.001 else "low", text)]


def _entities(seen: Screen, names: list[str]) -> Iterator[int]:
    """Find columns whose equal values have more alike targets than neighbouring values have."""
    strong = (seen.within_z > 5.5) & (seen.excess_z > 3.5) & (seen.within - np.maximum(seen.between, 0) > 0.15)
    for j in np.flatnonzero(strong & (seen.distinct >= 10) & (seen.known > 1.3 * seen.distinct)):
        if seen.distinct[j] >= max(20, math.sqrt(seen.known[j])) or _ENTITY.search(names[j].lower()):
            yield int(j)


def _chunks(places: list[int], size: int) -> Iterator[list[int]]:
    return (places[start : start + size] for start in range(0, len(places), size))
