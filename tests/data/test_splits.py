"""Splits are honest and total: no equal times on both sides, no crash on few rows, one clear error otherwise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from autoagent.data.splits import Split, encode_target, make_split
from autoagent.errors import DataError


def covers(split: Split, n_rows: int) -> bool:
    return sorted([*split.train_rows, *split.test_rows]) == list(range(n_rows))


@pytest.mark.parametrize("counts", [(3, 3), (2, 2), (5, 5), (11, 1), (50, 1), (3, 3, 3, 3), (1, 1, 1, 1), (4, 1, 1)])
@pytest.mark.parametrize("n_folds", [1, 2, 5, 100])
def test_few_rows_or_rare_classes_are_split(counts: tuple[int, ...], n_folds: int) -> None:
    y = np.repeat(np.arange(len(counts)), counts).astype(float)
    split = make_split(y, task="multiclass", seed=0, n_folds=n_folds)
    assert covers(split, len(y))
    assert 1 <= len(split.folds) <= n_folds
    assert all(len(train) and len(valid) and not set(train) & set(valid) for train, valid in split.folds)


def test_six_rows_of_two_classes_keep_both_in_each_part() -> None:
    y = np.array([0.0, 0, 0, 1, 1, 1])
    split = make_split(y, task="binary", seed=0)
    assert set(y[split.test_rows]) == {0.0, 1.0}
    assert all(set(y[split.train_rows][train]) == {0.0, 1.0} for train, _ in split.folds)


def test_more_folds_than_rows_are_clamped_for_numbers() -> None:
    split = make_split(np.linspace(0, 1, 10), task="regression", seed=0, n_folds=50)
    assert len(split.folds) == 4


def test_three_rows_are_refused() -> None:
    with pytest.raises(DataError, match="3 rows cannot be split"):
        make_split(np.array([0.0, 1, 0]), task="binary", seed=0)


def test_stratified_regression_is_split_at_random() -> None:
    split = make_split(np.linspace(-1, 1, 50), task="regression", seed=0, kind="stratified")
    assert split.kind == "random"
    assert covers(split, 50)


@pytest.mark.parametrize("seed", range(20))
def test_equal_times_stay_on_one_side(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = pd.Series(rng.integers(0, 12, 200), name="day")
    split = make_split(np.tile([0.0, 1.0], 100), task="binary", seed=0, kind="time", key=times)
    train = times.to_numpy()[split.train_rows]
    assert train.max() < times.to_numpy()[split.test_rows].min()
    assert all(train[a].max() < train[b].min() for a, b in split.folds)
    assert 0.1 < len(split.test_rows) / 200 < 0.35
    assert covers(split, 200)


def test_days_before_months_are_read_so_for_every_row() -> None:
    days = pd.Series(pd.date_range("2020-01-01", periods=100).strftime("%d/%m/%Y"))
    split = make_split(np.tile([0.0, 1.0], 50), task="binary", seed=0, kind="time", key=days)
    assert split.test_rows.tolist() == list(range(80, 100))


def test_times_of_several_zones_are_compared() -> None:
    times = pd.Series([f"2020-01-{day:02}T00:00:00+0{day % 3}:00" for day in range(1, 29)])
    split = make_split(np.tile([0.0, 1.0], 14), task="binary", seed=0, kind="time", key=times)
    assert split.test_rows.min() == 22


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (["x"] * 100, "holds 'x'"),
        ([1] * 100, "three different times"),
        ([1] * 50 + [2] * 50, "three different times"),
        ([1] * 2 + [2] * 2 + [3] * 96, "most rows share the last time"),
    ],
)
def test_a_poor_time_is_refused(key: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make_split(np.tile([0.0, 1.0], 50), task="binary", seed=0, kind="time", key=pd.Series(key, name="t"))


def test_a_time_split_whose_test_part_has_one_class_is_refused_with_advice() -> None:
    with pytest.raises(DataError, match=r"test part of the time split has one class only; ask for"):
        make_split(np.repeat([0.0, 1.0], 50), task="binary", seed=0, kind="time", key=pd.Series(range(100)))


def test_folds_of_time_that_know_one_class_are_left_out() -> None:
    y = np.array([0.0] * 45 + [0.0, 1.0] * 28)[:100]
    split = make_split(y, task="binary", seed=0, kind="time", key=pd.Series(range(100)))
    assert 1 <= len(split.folds) < 5
    assert all(len(set(y[split.train_rows][train])) == 2 for train, _ in split.folds)


def test_two_groups_are_too_few() -> None:
    with pytest.raises(DataError, match="three groups"):
        make_split(np.tile([0.0, 1.0], 10), task="binary", seed=0, kind="group", key=pd.Series([0, 1] * 10))


def test_groups_stay_whole() -> None:
    groups = pd.Series(np.repeat(np.arange(12), 5))
    split = make_split(np.tile([0.0, 1.0], 30), task="binary", seed=0, kind="group", key=groups, n_folds=40)
    assert not set(groups[split.train_rows]) & set(groups[split.test_rows])


def test_equal_seeds_give_equal_splits() -> None:
    y = np.tile([0.0, 1.0], 40)
    assert make_split(y, task="binary", seed=3).sha256 == make_split(y, task="binary", seed=3).sha256
    assert make_split(y, task="binary", seed=3).sha256 != make_split(y, task="binary", seed=4).sha256


@pytest.mark.parametrize("values", [["a", None, "b"], [1.0, np.nan, 2.0]])
def test_a_missing_target_is_refused(values: list[object]) -> None:
    for task in ("binary", "regression"):
        with pytest.raises(DataError, match="1 missing values"):
            encode_target(pd.Series(values, name="y"), task)  # type: ignore[arg-type]  # the loop widens the word


@pytest.mark.parametrize("bad", [np.inf, -np.inf, "many"])
def test_a_number_that_is_none_is_refused(bad: object) -> None:
    with pytest.raises(DataError, match="not a finite number"):
        encode_target(pd.Series([1.0, bad], name="y", dtype=object), "regression")


def test_classes_of_mixed_types_are_text() -> None:
    codes, names = encode_target(pd.Series([1, "x", "1", 2], dtype=object), "multiclass")
    assert names == ["1", "2", "x"]
    assert codes.tolist() == [0, 2, 0, 1]
