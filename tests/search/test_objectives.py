"""Several objectives: order, directions, what was not measured, and a reference point that stays with the study."""

import optuna
import pytest

from autoagent.errors import TrialFailed
from autoagent.search.objectives import Objective, create_study, indicator, reference_point, values

SCORE = Objective("score", "maximize", 0.5)
SIZE = Objective("size_bytes", "minimize", 1000.0)
ENERGY = Objective("energy_wh", "minimize", 2.0)


def test_a_study_gets_directions_names_and_the_reference_point_of_its_objectives() -> None:
    study = create_study([SCORE, SIZE], study_name="several")
    assert study.directions == [optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE]
    assert study.metric_names == ["score", "size_bytes"]
    assert reference_point(study) == (0.5, 1000.0)


def test_the_indicator_uses_the_studys_own_reference_point() -> None:
    study = create_study([SCORE, SIZE])
    study.add_trial(optuna.trial.create_trial(values=[0.75, 600.0]))
    study.add_trial(optuna.trial.create_trial(values=[0.4, 10.0]))  # beyond the reference: adds nothing
    assert indicator(study) == pytest.approx(0.25 * 400)


def test_values_come_in_the_order_of_the_objectives() -> None:
    assert values([SIZE, SCORE], {"score": 0.8, "size_bytes": 10, "else": 1.0}) == (10.0, 0.8)


@pytest.mark.parametrize("reading", [None, float("nan")])
def test_energy_that_was_not_measured_fails_the_trial(reading: float | None) -> None:
    with pytest.raises(TrialFailed, match="energy_wh"):
        values([SCORE, ENERGY], {"score": 0.8, "energy_wh": reading})


def test_a_foreign_study_has_no_reference_point() -> None:
    with pytest.raises(ValueError, match="no reference point"):
        indicator(optuna.create_study())


def test_objectives_without_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="different names"):
        create_study([SCORE, SCORE])
    with pytest.raises(ValueError, match="finite"):
        Objective("score", "maximize", float("inf"))
