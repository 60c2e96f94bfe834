"""The families that only series have: they find their columns by name and export what they predict."""

import numpy as np
import onnx
import onnxruntime
import pytest

from autoagent.data.table import Role
from autoagent.inference import apply_recipe
from autoagent.train.features import fit_recipe, number_places
from autoagent.train.learner import FitContext
from autoagent.train.models import MODELS
from autoagent.train.models.dlinear import moving_average
from autoagent.windows import NAIVE, SHIFT, UNIT, Framing, Grid, Series, frame_rows

FRAMING = Framing("day", "sales", Grid("seconds", 86_400), 6, (7,), 14)
ONLY_SERIES = [name for name, card in MODELS.items() if card.tasks == ("forecasting",)]
FORECASTING = [name for name, card in MODELS.items() if "forecasting" in card.tasks]


def windows(first: int, last: int):
    t = np.arange(260)
    values = 0.05 * t + 5 * np.sin(2 * np.pi * t / 7) + np.random.default_rng(0).normal(size=260)
    rows = frame_rows(Series((), 0, values), FRAMING, np.arange(first, last))
    target = (rows["@origin"] + rows["@step"]).to_numpy()
    return rows, ((values[target] - rows[SHIFT]) / rows[UNIT]).to_numpy()


def fitted(name: str, **options):
    card = MODELS[name]
    learner = card.load()(card.space.check({}))
    rows, y = windows(20, 190)
    later, y_later = windows(196, 250)
    roles: dict[str, Role] = FRAMING.roles()  # type: ignore[assignment]
    recipe, X = fit_recipe(rows, roles, y, "regression", learner.features)
    X_later = apply_recipe(recipe, later)
    context = FitContext("regression", 0, "mae", numbers=number_places(recipe), **options)
    model = learner.fit(X, y, X_valid=X_later, y_valid=y_later, context=context)
    return model, X_later, y_later, later


@pytest.mark.parametrize("name", FORECASTING)
def test_the_onnx_model_predicts_what_the_model_predicts(name: str) -> None:
    model, X, y, _ = fitted(name)
    said = model.predict(X)
    assert said.shape == y.shape
    onnx.checker.check_model(onnx.load_model_from_string(model.to_onnx()))
    session = onnxruntime.InferenceSession(model.to_onnx(), providers=["CPUExecutionProvider"])
    assert [output.shape for output in session.get_outputs()] == [["n"]]
    for rows in (X, X[:1]):
        np.testing.assert_allclose(session.run(["Y"], {"X": rows})[0], said[: len(rows)], atol=1e-4)


@pytest.mark.parametrize("name", [name for name in FORECASTING if name != "seasonal_naive"])
def test_the_default_beats_the_week_before(name: str) -> None:
    model, X, y, _ = fitted(name)
    naive, _, _, _ = fitted("seasonal_naive")
    naive_X = fitted("seasonal_naive")[1]
    assert np.abs(model.predict(X) - y).mean() < 0.95 * np.abs(naive.predict(naive_X) - y).mean()


def test_the_naive_forecast_is_its_column() -> None:
    model, X, _, rows = fitted("seasonal_naive")
    np.testing.assert_allclose(model.predict(X), rows[NAIVE], atol=1e-5)


@pytest.mark.parametrize("name", ONLY_SERIES)
def test_rows_that_are_not_of_series_are_refused(name: str) -> None:
    card = MODELS[name]
    X, y = np.zeros((9, 3), np.float32), np.zeros(9)
    with pytest.raises(ValueError, match=r"series|season_1"):
        card.load()(card.space.check({})).fit(X, y, X_valid=X, y_valid=y, context=FitContext("regression", 0, "mae"))


def test_the_same_seed_gives_the_same_weights_and_a_passed_deadline_still_a_model() -> None:
    first, second, other = fitted("dlinear", seed=3)[0], fitted("dlinear", seed=3)[0], fitted("dlinear", seed=4)[0]
    np.testing.assert_array_equal(first.weight, second.weight)
    assert not np.array_equal(first.weight, other.weight)
    late = fitted("dlinear", deadline=0.0)[0]
    assert len(late.curve) <= 2 < len(first.curve)
    assert np.isfinite(late.weight).all()


def test_a_model_of_all_rows_stops_where_it_is_told() -> None:
    card = MODELS["dlinear"]
    learner = card.load()(card.space.check({}))
    rows, y = windows(20, 190)
    roles: dict[str, Role] = FRAMING.roles()  # type: ignore[assignment]
    recipe, X = fit_recipe(rows, roles, y, "regression", learner.features)
    made = [
        learner.fit(
            X,
            y,
            X_valid=X[:0],
            y_valid=y[:0],
            context=FitContext("regression", 0, "mae", numbers=number_places(recipe), stop_at=share),
        )
        for share in (0.1, 1.0)
    ]
    losses = [np.abs(model.predict(X) - y).mean() for model in made]
    assert losses[1] < losses[0]
    assert made[0].curve == []


def test_the_moving_average_repeats_the_edges() -> None:
    window = np.array([1.0, 2.0, 6.0, 3.0])
    assert (moving_average(4, 3) @ window).tolist() == pytest.approx([4 / 3, 3, 11 / 3, 4])
    np.testing.assert_allclose(moving_average(9, 5).sum(axis=1), 1, atol=1e-6)


def test_a_linear_net_is_trained_by_the_engine_and_says_so() -> None:
    model = fitted("dlinear")[0]
    assert model.facts["steps"] == model.facts["asked_steps"] >= 200
    assert model.facts["values_by_bits"] == {"32": 2 * model.weight.size + len(model.bias)}
    assert model.facts["estimate_bytes"] > 0
    assert len(model.curve) == 40
    stopped = fitted("dlinear", stop_at=0.25)[0]
    assert stopped.facts["asked_steps"] == round(0.25 * model.facts["asked_steps"])
