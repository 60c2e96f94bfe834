"""Texts as sequences of tokens: the numbers of the recipe, ONNX that says the same, and that word order counts."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from autoagent.inference import apply_recipe
from autoagent.train.features import FeatureOptions, fit_recipe
from autoagent.train.learner import FitContext
from autoagent.train.models import MODELS

OPTIONS = FeatureOptions(numbers="standard", impute=True, tokens=6, vocabulary=3)
SMALL = {"width": 32, "heads": 2, "tokens": 32, "batch": 32, "epochs": 12, "lr": 5e-3, "dropout": 0.0}


def orders(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return texts of the same words whose order alone says the class, and a number that says nothing."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    pairs = [("up", "down") if label else ("down", "up") for label in y]
    texts = [f"w{a} {first} w{b} {second}" for (first, second), a, b in zip(pairs, *rng.integers(0, 9, (2, n)))]  # noqa: B905
    return pd.DataFrame({"title": "say", "review": texts, "age": rng.normal(size=n)}), y.astype(float)


def test_columns_are_joined_in_order_and_a_short_one_leaves_its_room() -> None:
    frame = pd.DataFrame({"a": ["red", "red blue red blue", None], "b": ["blue x1 red blue red", "red x1", "blue"]})
    recipe, X = fit_recipe(frame, {"a": "text", "b": "text"}, np.arange(3.0), "regression", OPTIONS)
    words = recipe["blocks"][-1]["words"]
    red, blue, odd = (3 + words.index(word) for word in ("red", "blue", "x1"))
    np.testing.assert_array_equal(X[0], [1, red, 2, blue, odd, red])
    np.testing.assert_array_equal(X[1], [1, red, blue, 2, red, odd])
    np.testing.assert_array_equal(X[2], [1, 2, blue, 0, 0, 0])
    np.testing.assert_array_equal(X, apply_recipe(recipe, frame))


def test_unknown_words_share_tokens_by_their_beginnings() -> None:
    frame = pd.DataFrame({"a": ["red blue", "red blue"]})
    recipe, _ = fit_recipe(frame, {"a": "text"}, np.arange(2.0), "regression", OPTIONS)
    strange = apply_recipe(recipe, pd.DataFrame({"a": ["wonderful wonderfully awful"]}))[0]
    assert strange[1] == strange[2] != strange[3]
    assert 4 <= strange[1:4].min() <= strange[1:4].max() < 4 + 1000


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_the_order_of_words_is_learned_and_onnx_says_the_same(task: str) -> None:
    card, (frame, y), (other, truth) = MODELS["text_transformer"], orders(400, 0), orders(100, 1)
    learner = card.load()(card.space.check(SMALL))
    roles = {"title": "text", "review": "text", "age": "numeric"}
    recipe, X = fit_recipe(frame, roles, y, task, learner.features)
    k = 2 if task == "binary" else 0
    context = FitContext(task, k, "accuracy" if k else "rmse")
    model = learner.fit(X[:300], y[:300], X_valid=X[300:], y_valid=y[300:], context=context)
    rows = apply_recipe(recipe, other.assign(review=[*other["review"][:-1], None]))
    said = model.predict(rows)
    guess = said.argmax(axis=1) if k else said > 0.5
    assert (guess[:-1] == truth[:-1]).mean() > 0.95
    session = onnxruntime.InferenceSession(model.to_onnx())
    np.testing.assert_allclose(session.run(None, {"X": rows})[0], said, atol=1e-4)
