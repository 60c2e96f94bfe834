"""Metrics: each against scikit-learn, each with a property, and refusals instead of wrong numbers."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from autoagent.data.metrics import METRICS, Array, raw, score
from autoagent.errors import DataError, UnknownPluginError

Reference = Callable[[Array, Array], float]


def _label(function: Callable[..., float], **options: object) -> Reference:
    return lambda y, p: float(function(y, p.argmax(axis=1), **options))


def _mean(**options: object) -> dict[str, object]:
    return {"average": "macro", "zero_division": 0, **options}


SEVERAL: dict[str, Reference] = {
    "roc_auc": lambda y, p: float(sk.roc_auc_score(y, p, multi_class="ovr", average="macro")),
    "average_precision": lambda y, p: float(sk.average_precision_score(np.eye(p.shape[1])[y.astype(int)], p)),
    "log_loss": lambda y, p: float(sk.log_loss(y, p)),
    "brier": lambda y, p: float(((p - np.eye(p.shape[1])[y.astype(int)]) ** 2).sum(axis=1).mean()),
    "accuracy": _label(sk.accuracy_score),
    "balanced_accuracy": _label(sk.balanced_accuracy_score),
    "f1": _label(sk.f1_score, **_mean()),
    "macro_f1": _label(sk.f1_score, **_mean()),
    "micro_f1": _label(sk.f1_score, **_mean(average="micro")),
    "weighted_f1": _label(sk.f1_score, **_mean(average="weighted")),
    "precision": _label(sk.precision_score, **_mean()),
    "recall": _label(sk.recall_score, **_mean()),
    "mcc": _label(sk.matthews_corrcoef),
    "quadratic_weighted_kappa": _label(sk.cohen_kappa_score, weights="quadratic"),
}
TWO: dict[str, Reference] = {
    **SEVERAL,
    "roc_auc": lambda y, p: float(sk.roc_auc_score(y, p[:, 1])),
    "average_precision": lambda y, p: float(sk.average_precision_score(y, p[:, 1])),
    "brier": lambda y, p: 2 * float(sk.brier_score_loss(y, p[:, 1])),
    "f1": _label(sk.f1_score, zero_division=0),
    "precision": _label(sk.precision_score, zero_division=0),
    "recall": _label(sk.recall_score, zero_division=0),
}
REAL: dict[str, Reference] = {
    "rmse": lambda y, p: float(sk.root_mean_squared_error(y, p)),
    "mse": lambda y, p: float(sk.mean_squared_error(y, p)),
    "mae": lambda y, p: float(sk.mean_absolute_error(y, p)),
    "mape": lambda y, p: float(sk.mean_absolute_percentage_error(y, p)),
    "rmsle": lambda y, p: float(sk.root_mean_squared_log_error(y, p)),
    "mase": lambda y, p: float(sk.mean_absolute_error(y, p)),  # of values that were divided by their scale before
    "rmsse": lambda y, p: float(sk.root_mean_squared_error(y, p)),
    "smape": lambda y, p: float(np.mean([200 * abs(a - b) / (abs(a) + abs(b)) for a, b in zip(y, p, strict=True)])),
    "r2": lambda y, p: float(sk.r2_score(y, p)),
}


def _case(seed: int, k: int, n: int = 120) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    y = np.append(np.arange(k), rng.choice(k, n - k, p=rng.dirichlet(np.full(k, 2.0)))).astype(float)
    p = rng.dirichlet(np.ones(k), n).round(2) + 1e-3 + 0.5 * np.eye(k)[y.astype(int)] * rng.random((n, 1))
    return y, p / p.sum(axis=1, keepdims=True)


def test_every_metric_has_a_reference_here() -> None:
    structured = {name for name, card in METRICS.items() if card.needs == "structure"}  # they have files of their own
    assert set(METRICS) == set(SEVERAL) | set(REAL) | structured


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", sorted(TWO))
def test_two_classes_agree_with_scikit_learn(name: str, seed: int) -> None:
    y, p = _case(seed, 2)
    assert raw(name, y, p) == pytest.approx(TWO[name](y, p), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", sorted(SEVERAL))
def test_several_classes_agree_with_scikit_learn(name: str, seed: int) -> None:
    y, p = _case(seed, 3 + seed)
    assert raw(name, y, p) == pytest.approx(SEVERAL[name](y, p), abs=1e-12)


@pytest.mark.parametrize("name", sorted(REAL))
def test_numbers_agree_with_scikit_learn(name: str) -> None:
    rng = np.random.default_rng(1)
    y = rng.exponential(3.0, 200)
    p = np.abs(y + rng.normal(0, 1, 200))
    assert raw(name, y, p) == pytest.approx(REAL[name](y, p), rel=1e-12)


@pytest.mark.parametrize("name", sorted(SEVERAL))
def test_a_perfect_prediction_is_the_best_score(name: str) -> None:
    y, p = _case(3, 4)
    perfect = np.eye(4)[y.astype(int)]
    best = 0.0 if METRICS[name].direction == "min" else 1.0
    assert raw(name, y, perfect) == pytest.approx(best, abs=1e-12)
    assert score(name, y, perfect) >= score(name, y, p)


@pytest.mark.parametrize("name", sorted(REAL))
def test_a_perfect_number_is_the_best_score(name: str) -> None:
    y = np.arange(1.0, 30.0)
    assert score(name, y, y) == (1.0 if name == "r2" else 0.0)
    assert score(name, y, y + 1) < score(name, y, y)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(2, 5), name=st.sampled_from(sorted(SEVERAL)))
def test_the_order_of_rows_does_not_matter(seed: int, k: int, name: str) -> None:
    y, p = _case(seed, k)
    shuffled = np.random.default_rng(seed).permutation(len(y))
    assert raw(name, y, p) == pytest.approx(raw(name, y[shuffled], p[shuffled]), abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(3, 5))
def test_the_means_over_classes_do_not_depend_on_their_order(seed: int, k: int) -> None:
    y, p = _case(seed, k)
    rng = np.random.default_rng(seed)
    place, p = rng.permutation(k), p + 1e-6 * rng.random(p.shape)  # equal probabilities would be decided by order
    moved = np.empty_like(p)
    moved[:, place] = p
    for name in set(SEVERAL) - {"quadratic_weighted_kappa"}:
        assert raw(name, y, p) == pytest.approx(raw(name, place[y.astype(int)].astype(float), moved), abs=1e-12)


def test_a_monotone_change_of_the_scores_leaves_the_ranking_metrics_alone() -> None:
    y, p = _case(5, 2)
    bent = np.stack([1 - p[:, 1] ** 3, p[:, 1] ** 3], axis=1)
    assert raw("roc_auc", y, bent) == pytest.approx(raw("roc_auc", y, p))
    assert raw("average_precision", y, bent) == pytest.approx(raw("average_precision", y, p))


def test_three_class_f1_stays_the_mean_when_only_two_classes_are_drawn() -> None:
    y = np.array([0.0, 0, 1, 1])
    p = np.eye(3)[[0, 1, 1, 1]]
    assert raw("f1", y, p) == pytest.approx(sk.f1_score(y, [0, 1, 1, 1], average="macro"))


def test_losses_come_negated_from_score() -> None:
    y, p = _case(0, 2)
    assert score("log_loss", y, p) == -raw("log_loss", y, p)
    assert score("accuracy", y, p) == raw("accuracy", y, p)


@pytest.mark.parametrize(
    ("metric", "y", "prediction", "says"),
    [
        ("accuracy", np.zeros(3), np.zeros((2, 2)), "for 3 rows"),
        ("accuracy", np.zeros(3), np.zeros(3), r"\(n, classes\)"),
        ("rmse", np.zeros(3), np.zeros((3, 2)), r"\(n,\)"),
        ("accuracy", np.zeros(0), np.zeros((0, 2)), "for 0 rows"),
        ("log_loss", np.zeros(2), np.array([[0.5, np.nan], [1, 0]]), "1 predictions are not finite"),
        ("rmse", np.zeros(2), np.array([np.inf, 0]), "not finite"),
        ("rmse", np.array([np.nan, 0]), np.zeros(2), "1 targets are not finite"),
        ("accuracy", np.array([0.0, 2.0]), np.full((2, 2), 0.5), "the predictions know 0 to 1"),
        ("roc_auc", np.zeros(5), np.full((5, 2), 0.5), "not defined on these 5 rows"),
        ("r2", np.zeros(1), np.zeros(1), "not defined"),
    ],
)
def test_what_cannot_be_scored_is_refused(metric: str, y: Array, prediction: Array, says: str) -> None:
    with pytest.raises(DataError, match=says):
        raw(metric, y, prediction)


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(UnknownPluginError, match="roc_auc"):
        raw("roc_aucc", np.zeros(2), np.zeros((2, 2)))


def test_no_metric_warns_when_a_class_is_never_chosen() -> None:
    y = np.array([0.0, 1, 2, 2])
    p = np.full((4, 3), 0.1)
    p[:, 0] = 0.8
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in SEVERAL:
            assert np.isfinite(raw(name, y, p))
