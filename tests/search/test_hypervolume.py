"""The hypervolume against counted cells, Optuna's own, and what must hold of any volume."""

import itertools

import numpy as np
import optuna
import pytest
from optuna._hypervolume import compute_hypervolume

from autoagent.search.hypervolume import (
    hypervolume,
    hypervolume_curve,
    nondominated,
    study_hypervolume,
    study_losses,
)


def _counted(points: np.ndarray, reference: np.ndarray) -> int:
    """Count the unit cells between the points and the reference, all of them whole numbers."""
    cells = itertools.product(*(range(int(end)) for end in reference))
    return sum(bool((points <= np.array(cell)).all(axis=1).any()) for cell in cells)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [1, 3, 12])
def test_it_is_the_number_of_dominated_cells(objectives: int, count: int) -> None:
    rng = np.random.default_rng([objectives, count])
    for _ in range(5):
        points = rng.integers(0, 7, size=(count, objectives)).astype(float)
        reference = np.full(objectives, 6.0)
        assert hypervolume(points, reference) == _counted(points, reference)


@pytest.mark.parametrize("objectives", [2, 3, 4, 5])
def test_it_agrees_with_optunas(objectives: int) -> None:
    rng = np.random.default_rng(objectives)
    for _ in range(10):
        points, reference = rng.normal(size=(20, objectives)), np.full(objectives, 3.5)
        # Both sum products of a few hundred doubles.
        assert hypervolume(points, reference) == pytest.approx(compute_hypervolume(points, reference), rel=1e-9)


def test_no_point_no_volume() -> None:
    assert hypervolume([], [1.0, 1.0]) == 0.0


def test_points_beyond_the_reference_and_those_without_a_number_add_nothing() -> None:
    points = [[0.5, 0.5], [2.0, 0.0], [0.0, 1.0], [float("nan"), 0.0], [-1.0, float("inf")]]
    assert hypervolume(points, [1.0, 1.0]) == pytest.approx(0.25)


def test_doubles_and_dominated_points_add_nothing_and_order_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    points, reference = rng.random((15, 3)), np.ones(3)
    volume = hypervolume(points, reference)
    more = np.vstack([points, points, points + 0.1])
    assert hypervolume(rng.permutation(more), reference) == pytest.approx(volume, rel=1e-12)


def test_a_better_point_adds_volume() -> None:
    rng = np.random.default_rng(4)
    points, reference = rng.random((10, 3)), np.ones(3)
    assert hypervolume(np.vstack([points, np.full((1, 3), -0.01)]), reference) > hypervolume(points, reference)


@pytest.mark.parametrize("reference", [[float("inf"), 1.0], [], [[1.0, 1.0]]])
def test_a_reference_point_that_states_nothing_is_refused(reference: list[float]) -> None:
    with pytest.raises(ValueError, match="reference point"):
        hypervolume([[0.0, 0.0]], reference)


def test_nothing_in_the_front_is_dominated_and_nothing_outside_is_not() -> None:
    points = np.random.default_rng(5).random((40, 3))
    front = nondominated(points)
    for point in points:
        beaten = bool(((points <= point).all(axis=1) & (points < point).any(axis=1)).any())
        assert beaten == (not (front == point).all(axis=1).any())


def _study() -> optuna.Study:
    study = optuna.create_study(directions=["maximize", "minimize"])
    for values in [(0.7, 10.0), (0.9, 30.0), (0.6, 20.0), (0.8, 5.0)]:
        study.add_trial(optuna.trial.create_trial(values=list(values)))
    study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL))
    return study


def test_a_studys_reference_point_is_in_its_own_units_and_directions() -> None:
    study = _study()
    assert study_losses(study).tolist() == [[-0.7, 10.0], [-0.9, 30.0], [-0.6, 20.0], [-0.8, 5.0]]
    # The last trial's rectangle from (0.5, 40), and what the second adds above 0.8.
    assert study_hypervolume(study, [0.5, 40.0]) == pytest.approx(0.3 * 35 + 0.1 * 10)
    with pytest.raises(ValueError, match="2 objectives"):
        study_hypervolume(study, [0.5])


def test_the_curve_never_falls_and_ends_at_the_whole() -> None:
    study = _study()
    curve = hypervolume_curve(study, [0.5, 40.0])
    assert len(curve) == 4
    assert (np.diff(curve) >= 0).all()
    assert curve[2] == curve[1]  # the third trial is dominated by the first
    assert curve[-1] == pytest.approx(study_hypervolume(study, [0.5, 40.0]))
