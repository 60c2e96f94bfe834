"""Recipes: what is learned in training is applied alike to any rows, however odd."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoagent.data.table import Role, Task
from autoagent.inference import apply_recipe
from autoagent.train.features import FeatureOptions, date_form, fit_recipe, natural_order
from autoagent.train.target_encoding import encode_levels

ROLES: dict[str, Role] = {
    "age": "numeric",
    "count": "numeric",
    "empty": "numeric",
    "flag": "categorical",
    "colour": "categorical",
    "grade": "categorical",
    "code": "categorical",
    "town": "categorical",
    "born": "date",
    "seen": "date",
    "note": "text",
}
OPTIONS = [
    FeatureOptions(numbers=numbers, impute=impute, categories=categories, text_svd=svd, missing_flags=flags)
    for numbers, impute, (categories, svd, flags) in itertools.product(
        ("raw", "standard", "quantile"),
        (False, True),
        (("onehot", 0, False), ("ordinal", 5, True), ("target", 0, True)),
    )
]


def table(n: int = 300, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age = rng.normal(40, 10, n)
    age[::7] = np.nan
    days = rng.integers(0, 900, n)
    return pd.DataFrame(
        {
            "age": age,
            "count": pd.array([None if i % 11 == 0 else int(i) for i in rng.integers(0, 9, n)], dtype="Int64"),
            "empty": np.full(n, np.nan),
            "flag": rng.random(n) > 0.5,
            "colour": pd.Series(rng.choice(["red", "green", "blue", None], n), dtype="str"),
            "grade": pd.Categorical(rng.choice(["grade 1", "grade 2", "grade 10"], n)),
            "code": np.where(rng.random(n) < 0.1, np.nan, rng.integers(0, 4, n)),
            "town": [f"town {i}" for i in rng.integers(0, 90, n)],
            "born": pd.Timestamp("2020-01-01") + pd.to_timedelta(days, unit="D"),
            "seen": [f"{d % 28 + 1:02d}/{d % 12 + 1:02d}/2021" for d in days],
            "note": [" ".join(row) for row in rng.choice([f"word{i}" for i in range(40)], (n, 6))],
        }
    )


def targets(n: int, task: Task) -> np.ndarray:
    rng = np.random.default_rng(1)
    return (
        rng.normal(size=n) if task == "regression" else rng.integers(0, 2 if task == "binary" else 3, n).astype(float)
    )


def crossed_columns(recipe: dict[str, Any]) -> np.ndarray:
    """Return which columns of the matrix are target encoded."""
    marks: list[np.ndarray] = []
    for block in recipe["blocks"]:
        one = {**recipe, "blocks": [block]}
        width = apply_recipe(one, table(5)).shape[1]
        marks.append(np.full(width, block["kind"] == "target"))
    return np.concatenate(marks)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_training_matrix_is_what_the_recipe_makes_of_the_training_rows(options: FeatureOptions) -> None:
    frame = table()
    recipe, matrix = fit_recipe(frame, ROLES, targets(300, "multiclass"), "multiclass", options, 0)
    again = apply_recipe(json.loads(json.dumps(recipe)), frame)
    plain = ~crossed_columns(recipe)
    assert matrix.dtype == again.dtype == np.float32
    assert matrix.shape == again.shape == (300, recipe["width"])
    np.testing.assert_array_equal(matrix[:, plain], again[:, plain])
    assert np.isfinite(matrix).all() or not options.impute
    assert not np.isinf(matrix).any()


@pytest.mark.parametrize("options", OPTIONS[::4], ids=str)
def test_the_order_of_columns_and_other_columns_do_not_matter(options: FeatureOptions) -> None:
    frame = table()
    recipe, _ = fit_recipe(frame, ROLES, targets(300, "binary"), "binary", options, 0)
    turned = frame[frame.columns[::-1]].assign(other=1)
    np.testing.assert_array_equal(apply_recipe(recipe, frame), apply_recipe(recipe, turned))


@pytest.mark.parametrize("options", OPTIONS[::4], ids=str)
def test_rows_do_not_see_each_other(options: FeatureOptions) -> None:
    frame = table()
    recipe, _ = fit_recipe(frame, ROLES, targets(300, "regression"), "regression", options, 0)
    whole = apply_recipe(recipe, frame)
    for i in (0, 7, 299):
        np.testing.assert_allclose(apply_recipe(recipe, frame.iloc[[i]])[0], whole[i], rtol=1e-5, atol=1e-6)
    assert apply_recipe(recipe, frame.iloc[:0]).shape == (0, recipe["width"])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_cells_as_text_give_the_same_matrix(options: FeatureOptions) -> None:
    frame = table()
    recipe, _ = fit_recipe(frame, ROLES, targets(300, "binary"), "binary", options, 0)
    texts = frame.astype(object).map(lambda cell: None if pd.isna(cell) else str(cell))
    texts["code"] = [None if pd.isna(c) else str(int(c)) for c in frame["code"]]
    np.testing.assert_array_equal(apply_recipe(recipe, frame), apply_recipe(recipe, texts))


ODD = [
    *(None, np.nan, np.inf, -np.inf, 1e308, -1e308, 10**400, "", "  ", "x", "12", True, pd.NaT, pd.NA, [1], {"a": 1}),
    *(b"raw", 1 + 2j, pd.Timestamp("2024-02-29"), "2024-13-45", "31/12/9999", "0001-01-01", "名前", "\ud800"),
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_no_cell_can_make_it_fail(options: FeatureOptions) -> None:
    recipe, _ = fit_recipe(table(), ROLES, targets(300, "binary"), "binary", options, 0)
    odd = pd.DataFrame({name: pd.Series(ODD, dtype=object) for name in ROLES})
    matrix = apply_recipe(recipe, odd)
    assert matrix.shape == (len(ODD), recipe["width"])
    assert not np.isinf(matrix).any()
    assert np.isfinite(matrix).all() or not options.impute
    for i in range(len(ODD) - 1):  # pandas itself cannot infer the dtype of half a character
        assert apply_recipe(recipe, odd.iloc[[i]].infer_objects()).shape == (1, recipe["width"])


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1, 2], dtype="int8"),
        pd.Series([True, False]),
        pd.Series([1 + 1j, 2]),
        pd.Series(["a", None], dtype="category"),
        pd.Series(pd.to_timedelta([1, 2], unit="D")),
        pd.Series(pd.to_datetime(["2024-01-01", None], utc=True)),
        pd.Series(pd.period_range("2024", periods=2, freq="D")),
        pd.Series([pd.NA, pd.NA], dtype="Float64"),
        pd.Series([pd.NA, True], dtype="boolean"),
        pd.Series([b"a", b"b"]),
    ],
    ids=lambda column: str(column.dtype),
)
def test_any_dtype_in_any_column_is_read_or_missing(column: pd.Series) -> None:
    for options in (FeatureOptions(), FeatureOptions(numbers="quantile", impute=True, categories="target")):
        recipe, _ = fit_recipe(table(), ROLES, targets(300, "binary"), "binary", options, 0)
        assert apply_recipe(recipe, pd.DataFrame(dict.fromkeys(ROLES, column))).shape == (2, recipe["width"])


def test_missing_columns_count_as_missing_cells() -> None:
    recipe, _ = fit_recipe(table(), ROLES, targets(300, "binary"), "binary", FeatureOptions(), 0)
    none = pd.DataFrame({name: pd.Series([None, None], dtype=object) for name in ROLES})
    np.testing.assert_array_equal(apply_recipe(recipe, pd.DataFrame(index=range(2))), apply_recipe(recipe, none))


def one_column(values: object, role: Role, options: FeatureOptions, y: np.ndarray | None = None) -> Any:
    frame = pd.DataFrame({"x": values})
    y = np.arange(len(frame)) % 2.0 if y is None else y
    return fit_recipe(frame, {"x": role}, y, "binary", options, 0)


def test_raw_numbers_stay_as_they_are_and_missing_is_nan() -> None:
    _, matrix = one_column([1.5, np.nan, np.inf, -3.0], "numeric", FeatureOptions())
    np.testing.assert_array_equal(matrix[:, 0], np.array([1.5, np.nan, np.nan, -3.0], dtype=np.float32))


def test_imputed_numbers_are_the_median_and_flags_say_so() -> None:
    options = FeatureOptions(impute=True, missing_flags=True)
    _, matrix = one_column([1.0, np.nan, 2.0, 9.0], "numeric", options)
    np.testing.assert_array_equal(matrix, np.array([[1, 0], [2, 1], [2, 0], [9, 0]], dtype=np.float32))


def test_standard_numbers_have_mean_0_and_deviation_1_and_odd_cells_are_bounded() -> None:
    values = np.random.default_rng(0).normal(5e6, 3.0, 500)
    recipe, matrix = one_column(values, "numeric", FeatureOptions(numbers="standard"))
    assert abs(matrix.mean()) < 1e-5
    assert abs(matrix.std() - 1) < 1e-5
    assert apply_recipe(recipe, pd.DataFrame({"x": [1e308, -1e308]})).tolist() == [[100.0], [-100.0]]


def test_quantiles_make_any_shape_normal_and_keep_the_order() -> None:
    values = np.exp(np.random.default_rng(0).normal(0, 5, 2000))
    recipe, matrix = one_column(values, "numeric", FeatureOptions(numbers="quantile"))
    assert (np.diff(matrix[np.argsort(values), 0]) >= 0).all()
    assert abs(matrix.mean()) < 0.02
    assert 0.9 < matrix.std() < 1.1
    assert np.abs(apply_recipe(recipe, pd.DataFrame({"x": [1e30, -1e30]}))).max() == np.abs(matrix).max()


def test_quantiles_of_few_values_use_the_mean_rank() -> None:
    _, matrix = one_column([0.0] * 50 + [1.0] * 50, "numeric", FeatureOptions(numbers="quantile"))
    assert np.unique(matrix).size == 2
    assert matrix.min() == pytest.approx(-matrix.max(), abs=1e-3)


def test_time_stamps_keep_differences_that_a_float32_would_lose() -> None:
    _, matrix = one_column(1_700_000_000 + np.arange(100), "numeric", FeatureOptions())
    assert np.unique(matrix).size == 100


def test_a_constant_column_becomes_zero_when_scaled() -> None:
    for numbers in ("standard", "quantile"):
        _, matrix = one_column(np.full(20, 0.1), "numeric", FeatureOptions(numbers=numbers))  # type: ignore[arg-type]  # a literal
        np.testing.assert_allclose(matrix, 0.0, atol=1e-6)


def test_a_table_that_says_nothing_gives_one_column_of_zeros() -> None:
    recipe, matrix = one_column([np.nan] * 4, "numeric", FeatureOptions())
    assert matrix.tolist() == [[0.0]] * 4
    assert recipe["width"] == 1


def test_two_levels_are_one_column_and_an_unseen_one_lies_between() -> None:
    recipe, matrix = one_column([True, False, True, True], "categorical", FeatureOptions(impute=True))
    assert matrix[:, 0].tolist() == [1, 0, 1, 1]
    assert apply_recipe(recipe, pd.DataFrame({"x": ["True", "maybe"]}))[:, 0].tolist() == [1, 0.5]


def test_a_missing_category_is_a_level_and_an_unseen_one_is_none() -> None:
    recipe, matrix = one_column(["a", "b", None, "a"], "categorical", FeatureOptions())
    assert matrix.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert apply_recipe(recipe, pd.DataFrame({"x": ["z", " a "]})).tolist() == [[0, 0, 0], [1, 0, 0]]


def test_whole_numbers_are_the_same_category_as_floats_as_integers_and_as_text() -> None:
    recipe, matrix = one_column([1.0, 2.0, np.nan, 3.0], "categorical", FeatureOptions())
    for values in ([1, 2, None, 3], ["1", "2", None, "3"], pd.array([1, 2, None, 3], dtype="Int64")):
        np.testing.assert_array_equal(apply_recipe(recipe, pd.DataFrame({"x": values})), matrix)


def test_ordinal_levels_are_in_natural_order() -> None:
    _, matrix = one_column(["g 10", "g 9", "g 1", None], "categorical", FeatureOptions(categories="ordinal"))
    np.testing.assert_array_equal(matrix[:, 0], np.array([2, 1, 0, np.nan], dtype=np.float32))
    assert sorted(["b", "10", "2", "a"], key=natural_order) == ["2", "10", "a", "b"]


def test_many_levels_are_pooled_and_target_encoded() -> None:
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 200, 4000)
    y = (levels < 100).astype(float)
    recipe, matrix = one_column(levels.astype(str), "categorical", FeatureOptions(max_onehot=5), y)
    assert matrix.shape == (4000, 5 + 1 + 2)
    assert np.corrcoef(matrix[:, 6], y)[0, 1] > 0.95
    unseen, rare = apply_recipe(recipe, pd.DataFrame({"x": ["never seen", "also not"]}))
    np.testing.assert_array_equal(unseen, rare)
    assert unseen[5] == 1.0


def test_target_encoding_of_noise_does_not_know_its_own_row() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 2000).astype(float)
    levels = rng.integers(0, 700, 2000).astype(str)
    _, matrix = one_column(levels, "categorical", FeatureOptions(categories="target"), y)
    assert abs(np.corrcoef(matrix[:, 0], y)[0, 1]) < 0.08  # three standard errors of no correlation


@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_target_encoding_equals_its_definition(n: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes, fold, y = rng.integers(0, size, n), rng.permutation(n) % 5, rng.normal(size=(n, 1))
    table_, crossed = encode_levels(codes, size, y, fold)
    for level in range(size):
        own = y[codes == level, 0]
        assert table_[level, 0] == pytest.approx((own.sum() + 10 * y.mean()) / (len(own) + 10))
        assert table_[level, 1] == pytest.approx(np.log1p(len(own)))
    for i in range(n):
        away = fold != fold[i]
        own = y[away & (codes == codes[i]), 0]
        prior = y[away].mean() if away.any() else 0.0
        assert crossed[i, 0] == pytest.approx((own.sum() + 10 * prior) / (len(own) + 10), abs=1e-9)


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["2024-01-31", "2023-12-01"], "ISO8601"),
        (["31/01/2024", "05/12/2023"], "%d/%m/%Y"),
        (["01/31/2024", "12/05/2023"], "%m/%d/%Y"),
        (["31.01.2024 10:30", "05.12.2023 11:00"], "%d.%m.%Y %H:%M"),
        (["Jan 31, 2024", "Dec 5, 2023"], "mixed"),
    ],
)
def test_the_format_of_dates_is_learned(texts: list[str], form: str) -> None:
    assert date_form(pd.Series(texts)) == form


def test_one_day_is_the_same_as_text_as_time_stamp_and_with_a_zone() -> None:
    stamps = pd.Series(pd.to_datetime(["2024-03-01 13:00", "2023-12-31", "2022-05-06"], format="ISO8601"))
    recipe, matrix = one_column(stamps, "date", FeatureOptions())
    assert matrix[0].tolist()[:5] == [2024, 3, 1, 4, 13]
    for other in (stamps.astype("datetime64[ns]"), stamps.dt.tz_localize("UTC"), stamps.astype(str)):
        np.testing.assert_array_equal(apply_recipe(recipe, pd.DataFrame({"x": other})), matrix)


def test_words_that_tell_are_counted() -> None:
    texts = ["good film", "bad film", "good book", "bad book"] * 5
    recipe, matrix = one_column(texts, "text", FeatureOptions())
    words = recipe["blocks"][0]["words"]
    assert {"good", "bad", "film", "book", "good film"} <= set(words)
    np.testing.assert_allclose((matrix[:, :-1] ** 2).sum(axis=1), 1.0, rtol=1e-5)
    assert (matrix[:, words.index("good")] > 0).tolist() == [text.startswith("good") for text in texts]


def test_the_same_rows_give_the_same_recipe() -> None:
    made = [fit_recipe(table(), ROLES, targets(300, "binary"), "binary", OPTIONS[4], 3) for _ in range(2)]
    assert json.dumps(made[0][0]) == json.dumps(made[1][0])
    np.testing.assert_array_equal(made[0][1], made[1][1])
