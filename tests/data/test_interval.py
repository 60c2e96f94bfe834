"""Bootstrap intervals: cover, shrink, repeat, and refuse."""

import time

import numpy as np
import pytest

from autoagent.data.interval import bootstrap_interval, paired_gain
from autoagent.data.metrics import raw
from autoagent.errors import DataError


def _binary(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(float)
    p = 1 / (1 + np.exp(-(2 * y - 1 + rng.normal(0, 1, n))))
    return y, np.stack([1 - p, p], axis=1)


@pytest.mark.parametrize("metric", ["roc_auc", "accuracy", "log_loss", "f1", "mcc"])
def test_the_interval_holds_the_score_itself(metric: str) -> None:
    y, p = _binary(300)
    low, high = bootstrap_interval(metric, y, p, n=300)
    assert low < raw(metric, y, p) < high


def test_more_rows_give_a_narrower_interval() -> None:
    few, many = bootstrap_interval("accuracy", *_binary(100)), bootstrap_interval("accuracy", *_binary(4000))
    assert many[1] - many[0] < 0.3 * (few[1] - few[0])


def test_the_same_seed_gives_the_same_interval_and_another_does_not() -> None:
    y, p = _binary(100)
    assert bootstrap_interval("roc_auc", y, p, seed=1) == bootstrap_interval("roc_auc", y, p, seed=1)
    assert bootstrap_interval("roc_auc", y, p, seed=1) != bootstrap_interval("roc_auc", y, p, seed=2)


def test_about_nineteen_in_twenty_intervals_hold_the_truth() -> None:
    # 0.95 coverage: of 100 draws, under 85 has probability below 1e-4 even with the bootstrap's small bias
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(100):
        y = rng.normal(0, 1, 80)
        low, high = bootstrap_interval("mae", y, np.zeros(80), n=200, seed=seed)
        held += low <= np.sqrt(2 / np.pi) <= high
    assert held >= 85


def test_resamples_of_one_class_are_drawn_again() -> None:
    y, p = np.array([0.0, 0, 0, 0, 1, 1]), np.full((6, 2), 0.5)
    assert bootstrap_interval("roc_auc", y, p) == (0.5, 0.5)


def test_rows_without_a_score_have_no_interval() -> None:
    with pytest.raises(DataError, match="roc_auc is not defined on these 4 rows"):
        bootstrap_interval("roc_auc", np.zeros(4), np.full((4, 2), 0.5))


def test_a_large_test_part_is_bounded_in_time() -> None:
    y, p = _binary(100_000)
    start = time.process_time()
    low, high = bootstrap_interval("accuracy", y, p)
    assert low < high
    assert time.process_time() - start < 5


@pytest.mark.parametrize("metric", ["accuracy", "mae"])
def test_a_paired_gain_is_above_zero_for_the_better_prediction_whatever_the_direction(metric: str) -> None:
    y, p = _binary(300)
    before = p if metric == "accuracy" else y + 0.5
    after = np.eye(2)[y.astype(int)] if metric == "accuracy" else y + 0.1
    gain, low, high = paired_gain(metric, y, before, after)
    assert gain == pytest.approx(abs(raw(metric, y, after) - raw(metric, y, before)))
    assert 0 < low <= gain <= high
    assert paired_gain(metric, y, after, before)[0] == -gain
    assert paired_gain(metric, y, before, before) == (0.0, 0.0, 0.0)


def test_a_tenth_of_pairs_without_a_difference_pass_the_lower_end() -> None:
    # 100 pairs: the number above 0 is binomial around 10; 0 or more than 22 has a probability below 1e-3
    rng = np.random.default_rng(0)
    passed = 0
    for seed in range(100):
        y = rng.normal(size=80)
        before, after = rng.normal(size=(2, 80))
        passed += paired_gain("mae", y, before, after, n=200, seed=seed)[1] > 0
    assert 1 <= passed <= 22
