"""Every family of the table keeps the promises of ``train.learner``."""

import numpy as np
import onnx
import onnxruntime
import pytest

from autoagent.train.learner import FitContext
from autoagent.train.models import MODELS

TASKS = [("binary", 2, "log_loss"), ("multiclass", 4, "accuracy"), ("regression", 0, "rmse")]
TABULAR = [name for name, card in MODELS.items() if "regression" in card.tasks and card.inputs == "table"]
D = 6


def rows(n_classes: int, n: int, seed: int, *, gaps: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, D)).astype(np.float32)
    signal = X[:, 0] + 0.7 * X[:, 1] * X[:, 2] + 0.3 * rng.normal(size=n)
    if gaps:
        X[rng.random(X.shape) < 0.1] = np.nan
    if n_classes == 0:
        return X, 50 + 10 * signal
    return X, np.digitize(signal, np.quantile(signal, np.linspace(0, 1, n_classes + 1)[1:-1])).astype(float)


def with_texts(X: np.ndarray, features, *, one: bool = False) -> np.ndarray:
    """Add what a family for texts wants: terms and their weights, or tokens; of rows, or tokens of ``one`` text."""
    terms, tokens = getattr(features, "terms", 0), getattr(features, "tokens", 0)
    rng = np.random.default_rng(len(X))
    if tokens and one:
        return np.concatenate([X, np.tile(np.arange(tokens) % 40, (len(X), 1))], axis=1).astype(np.float32)
    if tokens:
        return np.concatenate([X, rng.integers(0, 40, size=(len(X), tokens))], axis=1).astype(np.float32)
    if not terms:
        return X
    numbers = rng.integers(0, 40 + len(X) // 10, size=(len(X), terms))
    weights = rng.random((len(X), terms)) * (numbers > 0)
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
    return np.concatenate([X, numbers, weights], axis=1).astype(np.float32)


def fitted(name: str, task: str, n_classes: int, metric: str, *, config=None, y_of=None, one=False, **options):
    card = MODELS[name]
    try:
        build = card.load()
    except ImportError:
        pytest.skip(f"{name} is not installed")
    learner = build(card.space.check(config or {}))
    gaps = not learner.features.impute
    X, y = rows(n_classes, 240, 0, gaps=gaps)
    X_valid, y_valid = rows(n_classes, 80, 1, gaps=gaps)
    if y_of is not None:
        y = y_of(y)
    context = FitContext(task, n_classes, metric, **options)
    X, X_valid = (with_texts(part, learner.features, one=one) for part in (X, X_valid))
    model = learner.fit(X, y, X_valid=X_valid, y_valid=y_valid, context=context)
    X_new, y_new = rows(n_classes, 300, 2, gaps=gaps)
    return model, (with_texts(X_new, learner.features, one=one), y_new)


def onnx_output(model, X: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.to_onnx(), options, providers=["CPUExecutionProvider"])
    assert [(i.name, i.type) for i in session.get_inputs()] == [("X", "tensor(float)")]
    assert [(o.name, o.type) for o in session.get_outputs()] == [("Y", "tensor(float)")]
    one = session.run(None, {"X": X[:1]})[0]
    many = session.run(None, {"X": X})[0]
    np.testing.assert_allclose(one, many[:1], atol=1e-5)
    return many


@pytest.mark.parametrize(("task", "k", "metric"), TASKS)
@pytest.mark.parametrize("name", TABULAR)
def test_the_onnx_model_predicts_what_the_model_predicts(name, task, k, metric):
    model, (X, _) = fitted(name, task, k, metric)
    prediction = model.predict(X)
    assert prediction.dtype == np.float64
    assert prediction.shape == ((len(X), k) if k else (len(X),))
    if k:
        np.testing.assert_allclose(prediction.sum(axis=1), 1, atol=1e-6)
    scale = max(1.0, float(np.abs(prediction).max()))  # float32 keeps seven digits of numbers around 50
    assert np.abs(onnx_output(model, X) - prediction).max() <= 1e-4 * scale


@pytest.mark.parametrize(("task", "k", "metric"), TASKS)
@pytest.mark.parametrize("name", [name for name in TABULAR if name != "baseline"])
def test_the_default_learns(name, task, k, metric):
    model, (X, y) = fitted(name, task, k, metric, one=True)  # a transformer learns 240 texts of noise by heart
    prediction = model.predict(X)
    if k:
        assert (prediction.argmax(axis=1) == y).mean() > 1.4 / k
    else:
        assert ((prediction - y) ** 2).mean() < 0.8 * y.var()


@pytest.mark.parametrize("name", TABULAR)
def test_the_same_seed_gives_the_same_predictions(name):
    (first, (X, _)), (second, _) = (fitted(name, "multiclass", 4, "log_loss", seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.predict(X), second.predict(X))


@pytest.mark.parametrize("name", TABULAR)
def test_a_class_without_training_rows_is_possible_but_unlikely(name):
    model, (X, _) = fitted(name, "multiclass", 4, "log_loss", y_of=lambda y: np.where(y == 2, 1, y))
    prediction = model.predict(X)
    assert prediction.shape == (len(X), 4)
    assert np.isfinite(prediction).all()
    assert prediction[:, 2].mean() < 0.05
    assert np.abs(onnx_output(model, X) - prediction).max() <= 1e-4


@pytest.mark.parametrize("name", TABULAR)
def test_a_passed_deadline_still_gives_a_model(name):
    model, (X, _) = fitted(name, "binary", 2, "roc_auc", deadline=0.0)
    assert np.isfinite(model.predict(X)).all()
    if len(model.curve) > 0:
        whole, _ = fitted(name, "binary", 2, "roc_auc")
        assert len(model.curve) <= 2 < len(whole.curve)


@pytest.mark.parametrize(("name", "entry"), [(n, i) for n, card in MODELS.items() for i in range(len(card.portfolio))])
def test_a_portfolio_entry_is_legal_and_whole(name, entry):
    card = MODELS[name]
    config = card.portfolio[entry]
    assert card.space.check(config).items() >= config.items()
    assert card.portfolio[0] == {}


@pytest.mark.parametrize("name", TABULAR)
def test_a_logarithmic_metric_is_learned_on_logarithms(name):
    model, (X, _) = fitted(name, "regression", 0, "rmsle", y_of=lambda y: np.exp(y / 10))
    prediction = model.predict(X)
    assert prediction.min() > 0
    assert np.abs(onnx_output(model, X) / prediction - 1).max() <= 1e-3


def test_the_models_pass_the_checker_of_onnx():
    for name in TABULAR:
        model, _ = fitted(name, "multiclass", 4, "log_loss")
        onnx.checker.check_model(onnx.load_model_from_string(model.to_onnx()))


@pytest.mark.parametrize("name", ["extra_trees", "random_forest"])
def test_leaves_that_hold_several_classes_are_exported_too(name: str) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 5)).astype(np.float32), rng.integers(0, 4, 300).astype(float)
    card = MODELS[name]
    learner = card.load()(card.space.check({"min_samples_leaf": 8, "trees": 50}))
    fitted = learner.fit(X, y, X_valid=X[:50], y_valid=y[:50], context=FitContext("multiclass", 4, "accuracy"))
    session = onnxruntime.InferenceSession(fitted.to_onnx(), providers=["CPUExecutionProvider"])
    assert session.run(["Y"], {"X": X})[0] == pytest.approx(fitted.predict(X), abs=1e-5)
