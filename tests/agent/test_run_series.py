"""A request to forecast, from the sentence to a served forecaster, on a small generated set."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

import autoagent
from autoagent.agent.predicting import predict_file
from autoagent.agent.replay import replay
from autoagent.cli import app
from autoagent.errors import DataError, RequestError
from autoagent.forecasting import Forecaster
from autoagent.inference import InputError
from autoagent.serve.app import build_app

REQUEST = (
    "the next 5 days of revenue for every store, MASE against the week before, promo is known in advance, "
    "only linear models"
)


def sales(n: int = 90, ahead: int = 0) -> pd.DataFrame:
    """Return three stores with a weekly rhythm, promotions that are known ahead, and customers that are not."""
    parts = []
    for number, store in enumerate(("north", "south", "east")):
        rng = np.random.default_rng(number)
        t = np.arange(n + ahead)
        promo = (rng.random(n + ahead) < 0.2).astype(int)
        revenue = (100 + 0.3 * t) * (1 + 0.3 * np.sin(2 * np.pi * t / 7)) * (1 + 0.5 * promo)
        revenue = revenue * (number + 1) + rng.normal(size=n + ahead)
        frame = pd.DataFrame(
            {"day": pd.date_range("2024-01-01", periods=n + ahead).strftime("%Y-%m-%d"), "store": store}
        )
        parts.append(frame.assign(promo=promo, revenue=revenue.round(2), customers=(revenue / 3).round()))
    table = pd.concat(parts, ignore_index=True)
    late = table["day"] > str(table["day"].unique()[n - 1])
    table.loc[late, ["revenue", "customers"]] = np.nan
    return table


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> autoagent.agent.api.Result:  # type: ignore[name-defined]
    out = tmp_path_factory.mktemp("series")
    return autoagent.run(sales(ahead=5), REQUEST, max_trials=3, workers=1, out=out)


def test_the_run_says_what_it_understood(made) -> None:
    spec = json.loads(made.folder.spec.read_text(encoding="utf-8"))["spec"]
    assert spec["task_type"] == "forecasting"
    assert spec["horizon"]["steps"] == 5
    assert spec["data"]["target"] == "revenue"
    assert spec["data"]["series_keys"] == ["store"]
    assert spec["data"]["features_known_future"] == ["promo"]
    assert spec["metric"]["params"] == {"season": "week"}
    plan = json.loads(made.folder.plan.read_text(encoding="utf-8"))
    assert plan["series"]["framing"]["seasons"] == [7]
    assert plan["families"] == ["seasonal_naive", "linear"]
    assert any("3 origins, 5 steps from each" in reason for reason in plan["reasons"])


def test_the_model_beats_the_week_before_on_the_sealed_windows(made) -> None:
    test = made.state.test
    assert test["score"] < 0.8 * test["baseline_score"]
    facts = json.loads((made.folder.root / "test.json").read_text(encoding="utf-8"))["forecasts"]
    assert facts["total"]["mase"] == pytest.approx(test["score"])
    assert facts["naive"]["mase"] == pytest.approx(test["baseline_score"])
    assert (facts["n_series"], facts["n_windows"], len(facts["steps"])) == (3, 9, 5)
    assert 0.4 < facts["coverage"] <= 1.0
    assert test["interval"][0] <= test["score"] <= test["interval"][1]


def test_mase_is_what_its_definition_gives_on_the_raw_values(made) -> None:
    table, total, count = sales(ahead=5).dropna(), 0.0, 0
    model = made.model
    for _, part in table.groupby("store"):
        values = part["revenue"].to_numpy()
        cut = len(values) - 15
        scale = np.abs(values[7:cut] - values[: cut - 7]).mean()
        for origin in range(cut, len(values), 5):
            history = part.copy()
            history.loc[history.index[origin:], ["revenue", "customers"]] = np.nan
            forecast = model.forecast(history.iloc[: origin + 5])["prediction"].to_numpy()
            total += (np.abs(forecast - values[origin : origin + 5]) / scale).sum()
            count += 5
    assert total / count == pytest.approx(made.score, rel=1e-5)  # the delivered model computes in float32


def test_the_forecast_goes_on_from_the_end_of_the_data(made) -> None:
    table, notes = predict_file(made.folder.root, None)
    assert list(table.columns) == ["store", "day", "step", "prediction", "q10", "q90"]
    assert len(table) == 15
    assert table[table["store"] == "south"]["day"].tolist() == [
        f"2024-03-{31}",
        *(f"2024-04-0{i}" for i in range(1, 5)),
    ]
    assert (table["q10"] <= table["q90"]).all()
    assert notes == []


def test_a_new_history_is_forecast_the_same_way(made, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    sales(ahead=5).to_csv(path, index=False)
    again, _ = predict_file(made.folder.root, path)
    kept, _ = predict_file(made.folder.root, None)
    pd.testing.assert_frame_equal(again, kept)
    sales().to_csv(path, index=False)
    with pytest.raises(DataError, match="'promo' must be given for the 5 steps"):
        predict_file(made.folder.root, path)


def test_a_new_series_gets_a_forecast_too(made) -> None:
    history = sales(ahead=5).query("store == 'north'").assign(store="west")
    table = made.model.forecast(history)
    assert table["store"].unique().tolist() == ["west"]
    assert np.isfinite(table["prediction"]).all()


def test_the_delivered_folder_forecasts_alone(made, tmp_path: Path) -> None:
    out = tmp_path / "forecast.csv"
    hide = "import sys; sys.modules['autoagent'] = None; sys.path.insert(0, sys.argv.pop(1)); import predict"
    command = [sys.executable, "-I", "-c", f"{hide}; sys.exit(predict.main(sys.argv[1:]))", str(made.folder.model)]
    done = subprocess.run([*command, "-o", str(out)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1000:]
    alone = pd.read_csv(out)
    inside, _ = predict_file(made.folder.root, None)
    np.testing.assert_allclose(alone["prediction"], inside["prediction"], rtol=1e-6)


def test_the_command_writes_a_file(made, tmp_path: Path) -> None:
    out = tmp_path / "forecast.csv"
    done = CliRunner().invoke(app, ["predict", str(made.folder.root), "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert len(pd.read_csv(out)) == 15


def test_the_server_forecasts_a_history_and_refuses_what_is_none(made) -> None:
    model = autoagent.load(made.folder.root)
    assert isinstance(model, Forecaster)
    client = TestClient(build_app(model))
    kept = client.post("/forecast", content=b"{}").json()
    rows = json.loads(sales(ahead=5).to_json(orient="records"))
    sent = client.post("/forecast", json={"history": rows}).json()
    assert len(kept["forecasts"]) == 15
    assert sent == kept
    assert client.get("/schema").json()["input"]["required"] == ["day", "store", "revenue", "promo"]
    for body, text in (({"rows": []}, "history"), ({"history": []}, "0 rows"), ({"history": [{"day": 1}]}, "missing")):
        refused = client.post("/forecast", json=body)
        assert refused.status_code == 422
        assert text in refused.json()["detail"]
    assert client.post("/predict", json={}).status_code == 404


def test_the_report_shows_forecasts_and_says_which_columns_are_not_known_ahead(made) -> None:
    page = made.report.read_text(encoding="utf-8")
    assert 'id="forecasts"' in page
    assert page.count('class="band"') == 9
    leaks = json.loads((made.folder.root / "leaks.json").read_text(encoding="utf-8"))
    assert [leak["column"] for leak in leaks if leak["kind"] == "future_column"] == ["customers"]


def test_the_run_replays(made) -> None:
    assert replay(made.folder.root)


def test_a_column_that_is_the_target_by_another_name_is_found_among_those_known_ahead(tmp_path: Path) -> None:
    table = sales(60).query("store == 'north'").drop(columns=["store", "customers"])
    table["booked"] = table["revenue"] * 1.1
    request = "forecast revenue for the next 3 days, booked is known in advance, only linear models"
    done = autoagent.run(table, request, max_trials=1, workers=1, out=tmp_path)
    leaks = json.loads((done.folder.root / "leaks.json").read_text(encoding="utf-8"))
    assert [(leak["kind"], leak["column"]) for leak in leaks if leak["severity"] == "high"] == [
        ("copy_of_target", "booked")
    ]


@pytest.mark.parametrize(
    ("table", "request_text", "error", "words"),
    [
        (sales(), "forecast revenue for every store", RequestError, "How many steps ahead"),
        (sales(), "forecast revenue for every store for the next 40 days", DataError, "ask for fewer steps"),
        (sales().drop(columns="store"), "forecast revenue for the next 5 days", RequestError, "tells them apart"),
        (sales(), "forecast revenue for every store 5 days ahead, accuracy", RequestError, "accuracy"),
        (sales().assign(revenue="much"), "forecast revenue for the next 5 days", RequestError, "does not hold numbers"),
    ],
)
def test_what_cannot_be_built_is_said_before_anything_is_spent(
    table: pd.DataFrame, request_text: str, error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        autoagent.run(table, request_text, max_trials=1, workers=1, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_history_that_does_not_fit_is_refused_by_name(made) -> None:
    with pytest.raises(InputError, match="missing columns: 'revenue'"):
        made.model.forecast(sales()[["day", "store", "promo"]])
