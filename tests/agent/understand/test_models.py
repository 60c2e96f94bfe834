"""Models: asked for, allowed, forbidden, or only mentioned."""

import pytest

from autoagent.agent.spec import ModelSpec
from autoagent.agent.understand import ColumnEvidence, DataEvidence, understand


def models(words: str) -> ModelSpec:
    return understand(f"predict y_1. {words}").spec.model


@pytest.mark.parametrize(
    ("words", "forbidden"),
    [
        ("no neural networks", ["neural_network"]),
        ("no nueral networks", ["neural_network"]),
        ("don't bother with deep learning or SVMs", ["neural_network", "svm"]),
        ("Neither random forests nor k-NN", ["random_forest", "knn"]),
        ("anything except gradient boosting", ["gradient_boosting"]),
        ("catboost is forbidden", ["catboost"]),
    ],
)
def test_forbidden_models_are_read_in_any_wording(words: str, forbidden: list[str]) -> None:
    assert models(words).forbid == forbidden


def test_only_and_must_are_told_apart() -> None:
    assert models("LightGBM or CatBoost only").allow == ["lightgbm", "catboost"]
    assert models("use xgboost").must == ["xgboost"]


@pytest.mark.parametrize(
    "words", ["tabpfn is fine, but not mandatory", "my colleague says neural networks are the future"]
)
def test_a_mere_mention_asks_for_nothing(words: str) -> None:
    assert models(words) == ModelSpec()


def test_a_model_that_is_allowed_and_forbidden_is_asked_about() -> None:
    assert "model.allow" in understand("only catboost, catboost is banned, predict y_1").spec.clarify


def test_monotone_trends_and_bits_are_read() -> None:
    assert models("monotone decreasing in mileage_1").monotone == {"mileage_1": "decreasing"}
    assert models("int8 weights").weight_bits == 8


@pytest.mark.parametrize(
    ("words", "trend"),
    [
        ("higher area must never lower the price", "increasing"),
        ("more area may only push it up", "increasing"),
        ("area may only reduce it", "decreasing"),
        ("less area should never increase it", "increasing"),
    ],
)
def test_a_trend_is_read_in_many_words(words: str, trend: str) -> None:
    table = DataEvidence((ColumnEvidence("area", "numeric", 90), ColumnEvidence("fee", "numeric", 90)), 100)
    assert understand(f"predict fee. {words}", evidence=table).spec.model.monotone == {"area": trend}
