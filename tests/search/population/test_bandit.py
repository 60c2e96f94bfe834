"""The time-varying process of PB2."""

import numpy as np
from tests.search.population.trainables import WIDE

from autoagent.search.population.bandit import Rows, TimeVaryingProcess, encode, joined, similarity


def _rows(count: int, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    return Rows(rng.random((count, 2)), rng.integers(0, 3, (count, 1)).astype(float), np.arange(count) // 4 * 1.0)


def test_the_kernel_is_the_one_of_the_paper() -> None:
    one = Rows(np.array([[0.0]]), np.zeros((1, 0)), np.array([1.0]))
    other = Rows(np.array([[0.5]]), np.zeros((1, 0)), np.array([5.0]))
    assert similarity(one, other, 2.0, 0.1)[0, 0] == np.exp(-0.25 / 2.0) * 0.9**2
    assert similarity(one, one, 2.0, 0.1)[0, 0] == 1.0


def test_the_kernel_is_a_covariance_with_choices_too() -> None:
    rows = _rows(40)
    for forgetting in (0.0, 0.5):
        kernel = similarity(rows, rows, 0.3, forgetting)
        assert np.linalg.eigvalsh(kernel).min() > -1e-9
        assert np.allclose(np.diag(kernel), 1.0)


def test_equal_labels_are_nearer() -> None:
    numbers, times = np.array([[0.5], [0.5], [0.5]]), np.zeros(3)
    kernel = similarity(*[Rows(numbers, np.array([[0.0], [0.0], [1.0]]), times)] * 2, 1.0, 0.0)
    assert kernel[0, 1] == 1.0
    assert kernel[0, 2] == 0.25


def test_it_learns_and_pending_points_lower_the_deviation_and_not_the_mean() -> None:
    rows = _rows(60)
    gains = 3 * rows.numbers[:, 0] + (rows.labels[:, 0] == 1)
    process = TimeVaryingProcess(rows, gains)
    new = _rows(30, seed=1)
    new = Rows(new.numbers, new.labels, np.full(30, 14.0))
    mean, deviation = process.predict(new)
    assert np.corrcoef(mean, 3 * new.numbers[:, 0] + (new.labels[:, 0] == 1))[0, 1] > 0.9
    process.expect(new)
    after = process.predict(new)
    assert np.allclose(after[0], mean)
    assert np.all(after[1] < deviation)
    assert len(joined(rows, new)) == 90


def test_forgetting_is_learned_from_a_world_that_turns() -> None:
    rng = np.random.default_rng(0)
    numbers = rng.random((80, 1))
    times = np.repeat(np.arange(20.0), 4)
    none = np.zeros((80, 0))
    still = TimeVaryingProcess(Rows(numbers, none, times), np.sin(5 * numbers[:, 0]))
    turning = TimeVaryingProcess(Rows(numbers, none, times), np.sin(5 * numbers[:, 0] + times))
    assert still.forgetting == 0.0
    assert turning.forgetting > 0.0


def test_absent_parameters_are_encoded_in_the_middle() -> None:
    numbers, labels = encode(WIDE, {"rate": 10.0, "width": 9, "shift": 0.0, "on": True, "kind": "c"})
    assert numbers[0] == 1.0
    assert numbers[2:] == [0.5, 0.5]
    assert labels == [1.0, 2.0]
