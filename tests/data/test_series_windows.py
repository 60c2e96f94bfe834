"""Windows over series: nothing after an origin is seen, and training and prediction frame the same rows."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoagent.windows import (
    NAIVE,
    SHIFT,
    STEP,
    UNIT,
    Framing,
    Grid,
    Series,
    WindowError,
    frame_rows,
    last_rows,
    read_series,
)

DAILY = Grid("seconds", 86_400)


def framing(**changes) -> Framing:
    usual = {"time": "day", "target": "sales", "grid": DAILY, "horizon": 5, "seasons": (7,), "lags": 10}
    return Framing(**{**usual, **changes})


def table(n: int = 60, *, seed: int = 0, start: str = "2024-01-01") -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    values = 50 + 10 * np.sin(2 * np.pi * np.arange(n) / 7) + rng.normal(size=n)
    days = pd.date_range(start, periods=n).strftime("%Y-%m-%d")
    return pd.DataFrame({"day": days, "sales": values, "price": rng.random(n), "visits": rng.random(n)})


def one(values: np.ndarray, **columns) -> Series:
    return Series((), 19_000, np.asarray(values, dtype=float), **columns)


@settings(max_examples=25, deadline=None)
@given(origin=st.integers(10, 40), seed=st.integers(0, 50), season=st.sampled_from([1, 4, 7]))
def test_no_value_after_the_origin_changes_a_row(origin: int, seed: int, season: int) -> None:
    rng = np.random.default_rng(seed)
    values, visits = rng.normal(size=60), rng.normal(size=60)
    values[rng.random(60) < 0.1] = np.nan
    later, other = values.copy(), visits.copy()
    later[origin + 1 :] = 1e6
    other[origin + 1 :] = -1e6
    ours = framing(seasons=(season,), past=("visits",))
    rows = [
        frame_rows(one(v, past={"visits": p}), ours, np.array([origin])) for v, p in ((values, visits), (later, other))
    ]
    pd.testing.assert_frame_equal(rows[0], rows[1])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 50), seasons=st.sampled_from([(1,), (7,), (4, 30), (12,)]), horizon=st.integers(1, 20))
def test_the_end_of_a_history_gives_the_rows_of_the_whole(seed: int, seasons: tuple[int, ...], horizon: int) -> None:
    values = np.random.default_rng(seed).normal(size=200)
    ours = framing(seasons=seasons, horizon=horizon, past=("visits",))
    whole = last_rows([one(values, past={"visits": values**2})], ours)
    tail = values[-ours.context :]
    cut = Series((), 19_000 + 200 - len(tail), tail, past={"visits": tail**2})
    pd.testing.assert_frame_equal(whole.drop(columns="@origin"), last_rows([cut], ours).drop(columns="@origin"))


def test_the_naive_column_is_the_value_one_season_before_on_the_scale_of_the_target() -> None:
    values = np.arange(40.0) ** 1.5
    rows = frame_rows(one(values), framing(horizon=10), np.array([29]))
    naive = rows[SHIFT] + rows[UNIT] * rows[NAIVE]
    assert naive.tolist() == pytest.approx([*values[23:30], *values[23:26]])


def test_a_known_column_is_read_at_the_target_and_a_past_one_at_the_origin() -> None:
    known, past = np.arange(60.0), np.arange(60.0) * 10
    ours = framing(known={"price": "numeric"}, past=("visits",))
    rows = frame_rows(one(np.ones(60), known={"price": known}, past={"visits": past}), ours, np.array([30]))
    assert rows["known:price"].tolist() == [31, 32, 33, 34, 35]
    assert rows["past:visits"].tolist() == [300] * 5


@pytest.mark.parametrize("values", [np.zeros(50), np.full(50, 7.0), -np.arange(50.0), np.arange(50) % 7 * 1.0])
def test_constant_zero_negative_and_periodic_series_give_finite_rows(values: np.ndarray) -> None:
    rows = frame_rows(one(values), framing(), np.arange(20, 40))
    numbers = rows[[SHIFT, UNIT, NAIVE, "slope", "size", "mean_7"]].to_numpy(dtype=float)
    assert np.isfinite(numbers).all()
    assert (rows[UNIT] > 0).all()


def test_a_framing_survives_json() -> None:
    ours = framing(keys=("store",), known={"price": "numeric"}, past=("visits",), static=("kind",), named=True)
    assert Framing.from_json(json.loads(json.dumps(ours.to_json()))) == ours
    with pytest.raises(WindowError, match="format 99"):
        Framing.from_json({**ours.to_json(), "format": 99})


def test_rows_may_come_in_any_order_and_twice() -> None:
    frame = table()
    mixed = pd.concat([frame.sample(frac=1, random_state=0), frame.iloc[[3, 9]]])
    (plain,), _ = read_series(frame, framing())
    (again,), notes = read_series(mixed, framing())
    np.testing.assert_array_equal(plain.values, again.values)
    assert notes == ["the series: 2 rows repeat another and count once"]


def test_two_different_rows_of_one_time_are_an_error() -> None:
    frame = table()
    frame = pd.concat([frame, frame.iloc[[3]].assign(sales=1.0)])
    with pytest.raises(WindowError, match="several different rows at '2024-01-04'"):
        read_series(frame, framing())


def test_a_point_without_a_row_is_a_gap_and_said() -> None:
    frame = table().drop(index=[5, 6, 20])
    (series,), notes = read_series(frame, framing())
    assert np.flatnonzero(np.isnan(series.values)).tolist() == [5, 6, 20]
    assert notes == ["the series: 3 of 60 points have no value"]


def test_a_time_off_the_grid_is_named() -> None:
    frame = table()
    frame.loc[7, "day"] = "2024-01-08 05:00"
    with pytest.raises(WindowError, match=r"row 8: '2024-01-08 05:00' does not lie on the grid"):
        read_series(frame, framing())


def test_a_cell_that_is_no_number_is_named() -> None:
    frame = table().astype({"sales": object})
    frame.loc[7, "sales"] = "many"
    with pytest.raises(WindowError, match="'many' in 'sales' is no finite number"):
        read_series(frame, framing())


def test_columns_known_ahead_must_be_given_ahead() -> None:
    frame = table()
    (series,), _ = read_series(frame, framing(known={"price": "numeric"}))
    with pytest.raises(WindowError, match="'price' must be given for the 5 steps after the last value"):
        last_rows([series], framing(known={"price": "numeric"}))
    ahead = table(65)
    ahead.loc[60:, "sales"] = np.nan
    (series,), _ = read_series(ahead, framing(known={"price": "numeric"}))
    rows = last_rows([series], framing(known={"price": "numeric"}))
    assert rows["known:price"].tolist() == pytest.approx(ahead["price"].iloc[60:].tolist())
    assert rows[STEP].tolist() == [1, 2, 3, 4, 5]


def test_every_column_of_a_wide_table_is_a_series() -> None:
    frame = table().rename(columns={"sales": "a", "price": "b"})
    found, _ = read_series(frame, framing(target="value", wide=("a", "b")))
    assert [series.name for series in found] == ["a", "b"]
    assert found[1].values.tolist() == frame["b"].tolist()


@pytest.mark.parametrize(
    ("grid", "start", "freq"),
    [
        (DAILY, "2023-12-25", "D"),
        (Grid("seconds", 3600), "2024-01-01", "h"),
        (Grid("seconds", 604_800, 4 * 86_400), "2024-01-01", "W-MON"),
        (Grid("months", 1, 0, 1), "2023-11-01", "MS"),
        (Grid("months", 1, 0, 31), "2023-11-30", "ME"),
        (Grid("months", 3, 0, 1), "2024-01-01", "QS"),
        (Grid("business"), "2024-01-01", "B"),
    ],
)
def test_a_grid_numbers_times_without_gaps_and_gives_them_back(grid: Grid, start: str, freq: str) -> None:
    times = pd.Series(pd.date_range(start, periods=50, freq=freq))
    numbers, fits = grid.place(times)
    assert fits.all()
    assert (np.diff(numbers) == 1).all()
    assert pd.Series(grid.times(numbers)).tolist() == times.tolist()
