"""Tests of the leak checks."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from autoagent.data.leakage import LeakWarning, check_leaks
from autoagent.data.splits import Split, make_split
from autoagent.data.table import Task

N = 600


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def table(rng: np.random.Generator, task: Task = "binary", n: int = N) -> tuple[pd.DataFrame, np.ndarray]:
    frame = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    frame["city"] = rng.choice(["Rome", "Oslo", "Bern"], n)
    signal = frame["a"] + 0.5 * frame["b"] + rng.normal(size=n)
    y = signal.to_numpy() if task == "regression" else (signal > 0.5).astype(float).to_numpy()
    return frame.assign(target=y), y


def check(frame: pd.DataFrame, y: np.ndarray, task: Task = "binary", split: Split | None = None) -> list[LeakWarning]:
    split = split or make_split(y, task=task, seed=0)
    return check_leaks(frame, y, target="target", task=task, split=split)


def kinds(found: list[LeakWarning]) -> set[tuple[str, str, str]]:
    return {(warning.kind, warning.column, warning.severity) for warning in found}


def test_texts_are_no_ids_though_each_is_different_and_their_first_word_tells_the_target(
    rng: np.random.Generator,
) -> None:
    frame, y = table(rng)
    frame["review"] = [f"{'good' if label else 'bad'} thing number {i} of many" for i, label in enumerate(y)]
    frame["code"] = [f"{'A' if label else 'B'}{i:04}" for i, label in enumerate(y)]
    assert [(kind, column) for kind, column, _ in kinds(check(frame, y)) if column in ("review", "code")] == [
        ("id_like", "code")
    ]


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_clean_table_raises_no_alarm(rng: np.random.Generator, task: Task) -> None:
    assert check(*table(rng, task), task) == []


def test_a_monotone_function_of_the_target_is_a_copy(rng: np.random.Generator) -> None:
    frame, y = table(rng, "regression")
    found = check(frame.assign(leak=-np.exp(y)), y, "regression")
    assert kinds(found) == {("copy_of_target", "leak", "high")}


def test_one_code_for_each_class_is_a_copy(rng: np.random.Generator) -> None:
    frame, y = table(rng)
    assert kinds(check(frame.assign(leak=np.where(y > 0, "yes", "no")), y)) == {("copy_of_target", "leak", "high")}


@pytest.mark.parametrize("shape", ["noisy", "folded"])
def test_a_column_that_nearly_decides_the_target_is_found(rng: np.random.Generator, shape: str) -> None:
    frame, y = table(rng)
    leak = y + 0.1 * rng.normal(size=N) if shape == "noisy" else np.where(y > 0, 0.0, rng.choice([-3, 3], N))
    leak = leak + 0.1 * rng.normal(size=N)
    assert kinds(check(frame.assign(leak=leak), y)) == {("decides_target", "leak", "high")}


def test_a_function_of_the_target_that_is_not_monotone_is_found(rng: np.random.Generator) -> None:
    frame, y = table(rng, "regression", 2000)
    turned = np.where(y > 0, y, 10 - y)
    found = check(frame.assign(leak=turned), y, "regression")
    assert kinds(found) == {("decides_target", "leak", "high")}


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_column_missing_by_the_target_is_found_and_one_missing_by_chance_is_not(
    rng: np.random.Generator, task: Task
) -> None:
    frame, y = table(rng, task)
    frame["by_chance"] = np.where(rng.random(N) < 0.4, np.nan, rng.normal(size=N))
    frame["by_target"] = np.where(y > np.quantile(y, 0.6), rng.normal(size=N), np.nan)
    assert kinds(check(frame, y, task)) == {("missing_decides", "by_target", "high")}


def test_gaps_by_chance_are_no_alarm_where_a_class_is_rare(rng: np.random.Generator) -> None:
    y = (np.arange(4000) % 100 == 0).astype(float)
    frame = pd.DataFrame({f"x{i}": np.where(rng.random(4000) < 0.5, np.nan, rng.normal(size=4000)) for i in range(9)})
    assert check(frame.assign(target=y), y) == []


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_gaps_on_one_side_of_the_target_only_are_told(rng: np.random.Generator, task: Task) -> None:
    frame, y = table(rng, task)
    frame["result"] = np.where((y > np.quantile(y, 0.6)) & (rng.random(N) < 0.4), np.nan, rng.normal(size=N))
    assert kinds(check(frame, y, task)) == {("missing_decides", "result", "low")}


def test_a_copy_written_as_text_is_a_copy_and_no_id(rng: np.random.Generator) -> None:
    frame, y = table(rng, "regression")
    found = check(frame.assign(leak=[repr(float(v)) for v in y]), y, "regression")
    assert kinds(found) == {("copy_of_target", "leak", "high")}


def test_rows_on_both_sides_are_counted_even_with_new_ids(rng: np.random.Generator) -> None:
    frame, y = table(rng)
    twice = pd.concat([frame, frame.iloc[:200]], ignore_index=True)
    twice["row_id"] = rng.permutation(len(twice))
    found = check(twice, np.concatenate([y, y[:200]]))
    assert kinds(found) == {("duplicate_rows", "", "high")}
    assert "test rows have the features of another row in train" in found[0].message


def test_equal_rows_of_a_table_of_few_values_are_no_alarm(rng: np.random.Generator) -> None:
    frame = pd.DataFrame({name: rng.integers(0, 3, N) for name in "abcd"})
    y = (frame["a"] + rng.random(N) > 1.5).astype(float).to_numpy()
    assert check(frame.assign(target=y), y) == []


def patients(rng: np.random.Generator, alike: bool) -> tuple[pd.DataFrame, np.ndarray]:
    frame, y = table(rng)
    patient = rng.integers(0, N // 6, N)
    ill = (rng.random(N // 6) < 0.4)[patient] ^ (rng.random(N) < 0.05)
    y = ill.astype(float) if alike else y
    return frame.assign(patient_id=[f"P{code:03}" for code in patient], target=y), y


def test_an_entity_on_both_sides_is_told_if_its_rows_are_alike(rng: np.random.Generator) -> None:
    assert kinds(check(*patients(rng, alike=True))) == {("group_overlap", "patient_id", "high")}
    assert check(*patients(rng, alike=False)) == []


def test_a_split_by_group_silences_the_group(rng: np.random.Generator) -> None:
    frame, y = patients(rng, alike=True)
    split = make_split(y, task="binary", seed=0, kind="group", key=frame["patient_id"])
    assert check(frame, y, split=split) == []


def test_a_date_is_told_once_unless_the_split_is_by_time(rng: np.random.Generator) -> None:
    frame, y = table(rng)
    frame["day"] = pd.date_range("2024-01-01", periods=N).astype(str)
    frame["sent"] = pd.date_range("2024-02-01", periods=N)
    assert kinds(check(frame, y)) == {("time_order", "day", "low")}
    split = make_split(y, task="binary", seed=0, kind="time", key=frame["sent"])
    assert check(frame, y, split=split) == []


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_an_id_is_told_if_its_order_knows_the_target(rng: np.random.Generator, task: Task) -> None:
    frame, y = table(rng, task)
    assert check(frame.assign(row=np.arange(N)), y, task) == []
    order = np.argsort(y, kind="stable")
    found = check(frame.iloc[order].assign(row=np.arange(N)), y[order], task)
    assert kinds(found) == {("id_like", "row", "high")}


def test_cells_of_lists_and_dicts_are_read_as_text(rng: np.random.Generator) -> None:
    frame, y = table(rng)
    frame["leak"] = [[int(code)] for code in y]
    frame["noise"] = [{"k": int(code)} for code in rng.integers(0, 5, N)]
    assert kinds(check(frame, y)) == {("copy_of_target", "leak", "high")}


def test_columns_that_were_skipped_are_told(rng: np.random.Generator) -> None:
    frame, y = table(rng)
    found = check_leaks(frame, y, target="target", task="binary", max_cells=600)
    assert ("not_checked", "", "low") in kinds(found)
    assert "2 of 5 columns" in found[0].message


def test_columns_shuffled_apart_from_the_target_raise_no_alarm(rng: np.random.Generator) -> None:
    for seed in range(10):
        frame, y = table(np.random.default_rng(seed), n=60)
        wide = pd.DataFrame(rng.integers(0, 30, (60, 500))).add_prefix("x")
        assert check(pd.concat([frame, wide], axis=1), y) == []


def test_tables_too_small_to_judge_are_left_alone() -> None:
    frame = pd.DataFrame({"a": range(10), "target": range(10)})
    assert check_leaks(frame, np.arange(10.0), target="target", task="regression") == []


def test_warnings_are_flat_and_fit_json() -> None:
    warning = LeakWarning("id_like", "row", "low", "why")
    assert json.loads(json.dumps(dataclasses.asdict(warning)))["kind"] == "id_like"


def test_odd_columns_neither_crash_nor_alarm(rng: np.random.Generator) -> None:
    frame, y = table(rng)
    odd = frame.assign(
        nothing=None,
        endless=np.where(rng.random(N) < 0.3, np.inf, rng.normal(size=N)),
        nullable=pd.array(rng.integers(0, 9, N), dtype="Int64"),
        spans=pd.to_timedelta(rng.integers(0, 99, N), unit="s"),
        periods=pd.period_range("2020-01", periods=N, freq="D"),
        bands=pd.cut(frame["a"], 4),
        mixed=[f"text {i % 5}" if i % 3 else i for i in range(N)],
        arrays=[np.array([i % 3]) for i in range(N)],
        huge=[10**30 + i % 7 for i in range(N)],
        gaps=[str(i % 11) if i % 7 else None for i in range(N)],
    )
    assert check(odd, y) == []
