"""Words of a request to forecast: the series, the season, what is known ahead, what the next days are of."""

import pytest

from autoagent.agent.understand import understand
from autoagent.agent.understand.evidence import ColumnEvidence, DataEvidence

COLUMNS = {
    "date": "date",
    "store": "categorical",
    "item": "categorical",
    "revenue": "numeric",
    "promo": "numeric",
    "price": "numeric",
    "day": "numeric",
}
EVIDENCE = DataEvidence(tuple(ColumnEvidence(name, kind, 50) for name, kind in COLUMNS.items()), 1000)


def stated(text: str) -> dict[str, object]:
    return understand(text, evidence=EVIDENCE).spec.stated()


def test_the_sentence_of_the_manual_is_understood() -> None:
    spec = stated("the next 14 days of revenue for every store, MASE against the week before")
    assert spec == {
        "task_type": "forecasting",
        "data.target": "revenue",
        "data.series_keys": ["store"],
        "horizon.steps": 14,
        "horizon.freq": "day",
        "metric.name": "mase",
        "metric.params.season": "week",
    }


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ("for every store", ["store"]),
        ("per store and item", ["store", "item"]),
        ("for each store, item", ["store", "item"]),
        ("by item", ["item"]),
        ("per day", None),
        ("", None),
    ],
)
def test_what_names_a_series_is_read(words: str, keys: list[str] | None) -> None:
    assert stated(f"forecast revenue 14 days ahead {words}").get("data.series_keys") == keys


@pytest.mark.parametrize(
    ("words", "season"),
    [
        ("MASE against last week", "week"),
        ("MASE against the year before", "year"),
        ("mase relative to the previous month", "month"),
        ("with a weekly pattern", "week"),
        ("yearly seasonality", "year"),
        ("season of 12", 12.0),
        ("seasonality = 4", 4.0),
        ("MASE", None),
        ("weekly data", None),
    ],
)
def test_the_season_is_read(words: str, season: object) -> None:
    assert stated(f"forecast revenue 14 steps ahead, {words}").get("metric.params.season") == season


@pytest.mark.parametrize(
    ("words", "columns"),
    [
        ("promo is known in advance", ["promo"]),
        ("promo and price are known ahead", ["promo", "price"]),
        ("known future columns: price, promo", ["price", "promo"]),
        ("known in advance: promo", ["promo"]),
        ("we already know the price", ["price"]),
        ("use promo", None),
    ],
)
def test_what_is_known_ahead_is_read(words: str, columns: list[str] | None) -> None:
    assert stated(f"forecast revenue 14 days ahead, {words}").get("data.features_known_future") == columns


@pytest.mark.parametrize("text", ["the next 5 days of revenue", "the coming 3 weeks of revenue, promo is known ahead"])
def test_what_the_next_days_are_of_is_the_target(text: str) -> None:
    assert stated(text)["data.target"] == "revenue"


@pytest.mark.parametrize(
    ("words", "name"), [("sMAPE", "smape"), ("RMSSE", "rmsse"), ("MAPE", "mape"), ("mase", "mase")]
)
def test_the_metrics_of_forecasts_are_told_apart(words: str, name: str) -> None:
    assert stated(f"forecast revenue 3 steps ahead by {words}")["metric.name"] == name


def test_a_request_that_forecasts_nothing_has_no_series() -> None:
    spec = stated("predict revenue for every store, weekly seasonality, promo is known in advance, rmse")
    assert not {key for key in spec if "series" in key or "season" in key or "future" in key}
