"""Texts as weighted terms: the recipe's numbers, the model on them, and what it gains over dense columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from autoagent.inference import apply_recipe, words_of
from autoagent.train.features import FeatureOptions, fit_recipe
from autoagent.train.learner import FitContext
from autoagent.train.models import MODELS

OPTIONS = FeatureOptions(numbers="standard", impute=True, terms=16, vocabulary=500)
GOOD, BAD = [f"good{i}" for i in range(150)], [f"bad{i}" for i in range(150)]


def reviews(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return texts in which each of 300 rare words says a little, more than 300 dense columns of pairs can hold."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    filler = [f"w{i}" for i in range(200)]
    texts = [" ".join([*rng.choice(GOOD if label else BAD, 2), *rng.choice(filler, 12)]) for label in y]
    return pd.DataFrame({"review": texts, "stars": rng.normal(size=n)}), y.astype(float)


def test_the_weights_are_those_of_scikit_learn() -> None:
    frame = pd.DataFrame({"t": ["red red blue", "blue green", "red green green", "blue", "", None]})
    recipe, X = fit_recipe(frame, {"t": "text"}, np.arange(6.0), "regression", OPTIONS)
    words = recipe["blocks"][-1]["words"][0]
    vectorizer = TfidfVectorizer(sublinear_tf=True, vocabulary=words, analyzer=words_of)
    wanted = vectorizer.fit_transform(frame["t"].fillna("")).toarray()
    found = np.zeros_like(wanted)
    for i, (terms, weights) in enumerate(zip(X[:, :16].astype(int), X[:, 16:], strict=True)):
        for term, weight in zip(terms, weights, strict=True):
            if term:
                found[i, term - 1] = weight
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    np.testing.assert_array_equal(X, apply_recipe(recipe, frame))


def test_a_long_text_keeps_its_weightiest_terms_and_two_columns_have_their_own() -> None:
    long = "one two three four five six seven eight nine ten"
    frame = pd.DataFrame({"a": [long] * 3 + ["none"] * 3, "b": ["one", "one two", "one", "", "", ""]})
    recipe, X = fit_recipe(frame, {"a": "text", "b": "text"}, np.arange(6.0), "regression", OPTIONS)
    assert X.shape == (6, 32)
    assert (X[:3, :16] > 0).all()
    np.testing.assert_allclose((X[:, 16:] ** 2).sum(axis=1), 1.0, atol=1e-5)
    first, second = recipe["blocks"][-1]["words"]
    assert ("one" in first, "one" in second, "ten" in second) == (True, True, False)


def test_pairs_may_be_left_out_of_the_terms() -> None:
    frame = pd.DataFrame({"t": ["red blue", "red blue", "green", "", ""]})
    for pairs, terms in ((True, ["blue", "red", "red blue"]), (False, ["blue", "red"])):
        options = FeatureOptions(numbers="standard", impute=True, terms=4, vocabulary=9, pairs=pairs)
        recipe, X = fit_recipe(frame, {"t": "text"}, np.arange(5.0), "regression", options)
        assert sorted(recipe["blocks"][-1]["words"][0]) == terms
        assert int((X[0, :4] > 0).sum()) == len(terms)


def test_words_that_training_did_not_see_change_nothing() -> None:
    frame, y = reviews(200, 0)
    recipe, X = fit_recipe(frame, {"review": "text", "stars": "numeric"}, y, "binary", OPTIONS)
    learner = MODELS["text_linear"].load()({"C": 3.0, "vocabulary": 500, "terms": 16, "pairs": True})
    model = learner.fit(X, y, X_valid=X[:0], y_valid=y[:0], context=FitContext("binary", 2, "roc_auc"))
    known = apply_recipe(recipe, frame.iloc[:3])
    strange = apply_recipe(recipe, frame.iloc[:3].assign(review=frame["review"].iloc[:3] + " qqq zzz"))
    np.testing.assert_allclose(model.predict(strange), model.predict(known), atol=1e-12)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_many_rare_words_are_learned_better_than_from_dense_columns(task: str) -> None:
    k = 2 if task == "binary" else 0
    train, test = reviews(1500, 1), reviews(500, 2)

    def error(family: str) -> float:
        card = MODELS[family]
        learner = card.load()(card.space.check({}))
        recipe, X = fit_recipe(train[0], {"review": "text", "stars": "numeric"}, train[1], task, learner.features)
        context = FitContext(task, k, "accuracy" if k else "rmse")
        model = learner.fit(X, train[1], X_valid=X[:0], y_valid=train[1][:0], context=context)
        said = model.predict(apply_recipe(recipe, test[0]))
        guess = said.argmax(axis=1) if k else said > 0.5
        return float((guess != test[1]).mean())

    ours, dense = error("text_linear"), error("linear")
    assert ours < 0.05
    assert ours < 0.5 * dense
