"""The Gaussian process agrees with its mathematics."""

import math

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.integrate import quad
from scipy.optimize import check_grad

from autoagent.search.surrogate.features import Features
from autoagent.search.surrogate.improvement import log_expected_improvement
from autoagent.search.surrogate.outputs import targets_of
from autoagent.search.surrogate.process import Belief, condition, fit, objective, prior

SPACE: dict[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-5, 1e-1, log=True),
    "depth": IntDistribution(1, 5),
    "batch": CategoricalDistribution([16, 32, 64, 128]),
    "kernel": CategoricalDistribution(["rbf", "poly", None]),
}


def _rows(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    table = rng.random((count, 4))
    table[:, 3] = rng.integers(3, size=count)
    return Features(SPACE).snapped(table)


def test_a_list_of_rising_numbers_is_one_ordered_column() -> None:
    features = Features(SPACE)
    assert features.is_category.tolist() == [False, False, False, True]
    config = {"rate": 1e-3, "depth": 5, "batch": 64, "kernel": None}
    row = features.rows([config])[0]
    assert row.tolist() == pytest.approx([0.5, 0.9, 2 / 3, 2.0])
    assert features.config(row) == pytest.approx(config)


def test_snapped_rows_are_legal_and_stay_where_they_are() -> None:
    features, rows = Features(SPACE), _rows(30)
    assert np.array_equal(features.snapped(rows), rows)
    assert np.allclose(features.rows([features.config(row) for row in rows]), rows)


def test_weighted_distances_are_the_weighted_sum_of_the_columns() -> None:
    features, weights = Features(SPACE), np.array([0.3, 2.0, 1.0, 0.7])
    first, second = _rows(7), _rows(5, seed=1)
    whole = np.tensordot(weights, features.squared(first, second), axes=1)
    assert np.allclose(features.weighted(first, second, weights), whole)


def test_the_gradient_of_the_posterior_agrees_with_differences() -> None:
    features, rows = Features(SPACE), _rows(12)
    targets = np.random.default_rng(2).normal(size=12)
    middle, spread = prior(Belief(), 4)
    arguments = (features.squared(rows, rows), targets, middle, spread)
    for seed in range(3):
        theta = middle + np.random.default_rng(seed).normal(size=6)
        error = check_grad(lambda t: objective(t, *arguments)[0], lambda t: objective(t, *arguments)[1], theta)
        assert error < 1e-3


def test_predictions_agree_with_the_textbook_formula() -> None:
    features, rows, unseen = Features(SPACE), _rows(9), _rows(4, seed=3)
    targets = np.random.default_rng(0).normal(size=9)
    weights, scale, noise = np.array([1.0, 2.0, 0.5, 1.5]), 1.3, 0.05
    process = condition(features, rows, targets, weights=weights, scale=scale, noise=noise)

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        r = np.sqrt(5 * features.weighted(a, b, weights))
        return np.asarray(scale * (1 + r + r**2 / 3) * np.exp(-r))

    inverse = np.linalg.inv(kernel(rows, rows) + noise * np.eye(9))
    mean, deviation = process.predict(unseen)
    cross = kernel(unseen, rows)
    assert np.allclose(mean, cross @ inverse @ targets, atol=1e-5)
    assert np.allclose(deviation**2, scale - np.einsum("mn,nk,mk->m", cross, inverse, cross), atol=1e-5)


def test_a_smooth_function_is_learned_and_noise_is_told_from_signal() -> None:
    features = Features({"x": FloatDistribution(0.0, 1.0), "idle": FloatDistribution(0.0, 1.0)})
    rng = np.random.default_rng(0)
    rows = rng.random((40, 2))
    truth = np.sin(6 * rows[:, 0])
    process = fit(features, rows, truth + 0.3 * rng.normal(size=40))
    assert 0.02 < process.noise < 0.3
    assert process.weights[0] > 10 * process.weights[1]
    unseen = rng.random((50, 2))
    assert np.abs(process.predict(unseen)[0] - np.sin(6 * unseen[:, 0])).mean() < 0.2


def test_points_that_run_shrink_the_deviation_and_leave_the_mean() -> None:
    features, rows = Features(SPACE), _rows(10)
    process = fit(features, rows, np.random.default_rng(0).normal(size=10))
    running, unseen = _rows(3, seed=5), _rows(20, seed=6)
    joined = process.joined_by(running)
    assert np.allclose(joined.predict(unseen)[0], process.predict(unseen)[0], atol=1e-6)
    assert (joined.predict(running)[1] < process.predict(running)[1]).all()


@pytest.mark.parametrize(("mean", "deviation", "best"), [(0.3, 1.0, 0.0), (2.0, 0.5, 0.0), (-1.0, 0.1, 0.5)])
def test_expected_improvement_agrees_with_its_integral(mean: float, deviation: float, best: float) -> None:
    def density(f: float) -> float:
        z = (f - mean) / deviation
        return (best - f) * math.exp(-0.5 * z * z) / (deviation * math.sqrt(2 * math.pi))

    integral = quad(density, mean - 12 * deviation, best)[0]
    value = log_expected_improvement(np.array([mean]), np.array([deviation]), best)[0]
    assert value == pytest.approx(math.log(integral), rel=1e-6)


def test_expected_improvement_falls_without_end_and_without_a_jump() -> None:
    mean = np.linspace(-5.0, 300.0, 4000)
    value = log_expected_improvement(mean, np.ones_like(mean), 0.0)
    assert np.isfinite(value).all()
    assert (np.diff(value) < 0).all()
    assert np.abs(np.diff(value)).max() < 300 * (mean[1] - mean[0]) * 1.05


@pytest.mark.parametrize("transform", ["plain", "copula", "log", "mixed"])
def test_targets_keep_the_order_and_are_standardised(transform: str) -> None:
    losses = np.array([0.1, 0.2, 0.15, 50.0, 0.5, math.inf])
    targets = targets_of(losses, transform)  # type: ignore[arg-type]
    assert np.array_equal(np.argsort(targets[:5]), np.argsort(losses[:5]))
    assert targets[5] == pytest.approx(targets[3])
    assert targets.mean() == pytest.approx(0.0, abs=1e-9)
    assert targets.std() == pytest.approx(1.0)
    assert (targets_of(np.full(4, 0.3), transform) == 0).all()  # type: ignore[arg-type]
