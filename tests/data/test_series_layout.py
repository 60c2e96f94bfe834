"""Finding the series in a table, their grid and their season; the essentials that are missing are asked for."""

import numpy as np
import pandas as pd
import pytest

from autoagent.data.series.grid import find_grid, periods, season_of, spoken, steps_of
from autoagent.data.series.layout import Asked, find_layout
from autoagent.errors import DataError, RequestError
from autoagent.windows import Grid

DAILY, MONTHLY = Grid("seconds", 86_400), Grid("months", 1)


def long(stores: int = 3, n: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    days = np.tile(pd.date_range("2024-01-01", periods=n).strftime("%Y-%m-%d"), stores)
    names = np.repeat([f"s{i}" for i in range(stores)], n)
    kind = np.where(names == "s0", "mall", "street")
    numbers = rng.random((2, stores * n))
    return pd.DataFrame({"day": days, "store": names, "kind": kind, "sales": numbers[0], "visits": numbers[1]})


def test_the_column_that_tells_rows_of_one_time_apart_names_the_series() -> None:
    found = find_layout(long(), Asked(target="sales"))
    assert (found.time, found.keys, found.static, found.past) == ("day", ("store",), ("kind",), ("visits",))
    assert any("'store'" in text for text in found.said)


def test_two_columns_may_name_a_series_together() -> None:
    frame = pd.concat([long().assign(item=item) for item in ("x", "y")])
    assert set(find_layout(frame, Asked(target="sales")).keys) == {"store", "item"}


def test_rows_of_one_time_without_a_column_to_tell_them_apart_are_asked_about() -> None:
    frame = long().drop(columns=["store", "kind"])
    with pytest.raises(RequestError, match="no column tells them apart") as caught:
        find_layout(frame, Asked(target="sales"))
    assert caught.value.missing == ("data.series_keys",)


def test_several_numeric_columns_without_a_named_one_are_a_series_each() -> None:
    frame = long(1).drop(columns=["store", "kind"])
    found = find_layout(frame, Asked())
    assert found.wide == ("sales", "visits")
    assert any("is taken as a series" in text for text in found.said)


def test_the_only_numbers_are_forecast() -> None:
    assert find_layout(long(1)[["day", "sales"]], Asked()).target == "sales"


def test_a_column_given_after_the_last_value_is_known_ahead() -> None:
    frame = long(1).drop(columns=["store", "kind"])
    frame.loc[25:, "sales"] = np.nan
    assert find_layout(frame, Asked(target="sales")).known == {"visits": "numeric"}
    frame.loc[25:, "visits"] = np.nan
    assert find_layout(frame, Asked(target="sales")).known == {}


@pytest.mark.parametrize(
    ("frame", "asked", "missing"),
    [
        (long()[["store", "sales"]], Asked(target="sales"), "data.time_key"),
        (long(1).assign(other=long(1)["day"]), Asked(target="sales"), None),
        (
            long().assign(again=long()["day"]).rename(columns={"day": "from", "again": "to"}),
            Asked("sales"),
            "data.time_key",
        ),
        (long(), Asked(target="kind"), "data.target"),
        (long(), Asked(target="sold"), "data.target"),
        (long(), Asked(target="sales", keys=("shop",)), "data.series_keys"),
    ],
)
def test_what_is_missing_is_asked(frame: pd.DataFrame, asked: Asked, missing: str | None) -> None:
    if missing is None:
        assert find_layout(frame, asked).time == "day"
        return
    with pytest.raises(RequestError) as caught:
        find_layout(frame, asked)
    assert caught.value.missing == (missing,)


@pytest.mark.parametrize(
    ("freq", "words", "season"),
    [
        ("D", "1 day", 7),
        ("h", "1 hour", 24),
        ("15min", "15 minutes", 96),
        ("W-SAT", "1 week", 1),
        ("MS", "1 month", 12),
        ("ME", "1 month", 12),
        ("QS", "1 quarter", 4),
        ("YS", "1 year", 1),
        ("B", "one weekday", 5),
    ],
)
def test_the_grid_and_its_season_are_found(freq: str, words: str, season: int) -> None:
    times = pd.Series(pd.date_range("2020-01-04", periods=120, freq=freq))
    grid = find_grid([times.drop(index=[7, 8, 50]), times.iloc[:60]], "t")
    assert spoken(grid) == words
    length = 400 if season == 96 else 120
    assert periods(grid, length)[0] == season


def test_whole_numbers_are_a_grid_and_others_are_not() -> None:
    assert find_grid([pd.Series([1700.0, 1701, 1703, 1704])], "year") == Grid("integer", 1, 0)
    assert find_grid([pd.Series([3.0, 13, 23, 33])], "t") == Grid("integer", 10, 3)
    with pytest.raises(DataError, match="not whole"):
        find_grid([pd.Series([0.5, 1.5, 2.25, 3.0])], "t")


def test_irregular_times_are_one_clear_error() -> None:
    rng = np.random.default_rng(0)
    times = pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 10**7, 200)), unit="s"))
    with pytest.raises(DataError, match="irregular"):
        find_grid([times], "t")
    nearly = pd.Series(pd.date_range("2024-01-01", periods=200))
    nearly[17] += pd.Timedelta(seconds=40)
    with pytest.raises(DataError, match=r"0.5% of them lie off it, for example 2024-01-18 00:00:40"):
        find_grid([nearly], "t")


@pytest.mark.parametrize(
    ("count", "unit", "grid", "steps"),
    [
        (14, "day", DAILY, 14),
        (2, "week", DAILY, 14),
        (3, "month", MONTHLY, 3),
        (1, "year", MONTHLY, 12),
        (2, "day", Grid("seconds", 3600), 48),
        (2, "week", Grid("business"), 10),
        (5, None, MONTHLY, 5),
        (5, "year", Grid("integer"), 5),
    ],
)
def test_a_horizon_becomes_steps_of_the_grid(count: int, unit: str | None, grid: Grid, steps: int) -> None:
    assert steps_of(count, unit, grid) == steps


def test_a_horizon_finer_than_the_grid_is_refused() -> None:
    with pytest.raises(DataError, match="14 days cannot be forecast from values 1 month apart"):
        steps_of(14, "day", MONTHLY)


def test_a_stated_season_becomes_steps() -> None:
    assert season_of("week", DAILY) == 7
    assert season_of("year", MONTHLY) == 12
    assert season_of("day", DAILY) is None
    assert periods(DAILY, 100, stated=10) == (10,)
    with pytest.raises(DataError, match="season of 500"):
        periods(DAILY, 100, stated=500)
