"""The parent scores what a worker predicted; what a worker claims of its score is not read."""

import json
from pathlib import Path

import numpy as np
import pytest

from autoagent.agent.scoring import TrainData, judge, outcome_of, read_predictions
from autoagent.errors import DataError

FOLDS = [(np.array([2, 3]), np.array([0, 1])), (np.array([0, 1]), np.array([2, 3]))]
DATA = TrainData(np.array([0.0, 1.0, 0.0, 1.0]), FOLDS, 2)
RIGHT = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.1, 0.9]])


def _trial(folder: Path, predictions: np.ndarray, **changes: object) -> Path:
    facts = {"status": "ok", "seconds": 1.0, "predict_s": 0.1, "model_bytes": 10, "saved": True, "error": None}
    (folder / "result.json").write_text(json.dumps({**facts, "score": 0.99, "fold_scores": [0.99], **changes}))
    np.save(folder / "oof.npy", predictions)
    return folder


def test_a_score_that_a_worker_claims_is_not_the_score(tmp_path: Path) -> None:
    wrong = RIGHT[:, ::-1].copy()
    outcome = outcome_of(_trial(tmp_path, wrong, score=1.0), DATA, "accuracy")
    assert outcome["score"] == 0.0
    assert outcome["fold_scores"] == [0.0, 0.0]


def test_predictions_that_are_not_finite_make_an_error_and_no_score(tmp_path: Path) -> None:
    bad = RIGHT.copy()
    bad[0, 0] = np.inf
    outcome = outcome_of(_trial(tmp_path, bad), DATA, "accuracy")
    assert (outcome["status"], outcome["score"]) == ("error", None)


@pytest.mark.parametrize("shape", [(4,), (3, 2), (4, 3)])
def test_predictions_of_another_shape_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="expected"):
        read_predictions(_trial(tmp_path, np.zeros(shape)), DATA)


def test_a_pickle_in_place_of_predictions_is_not_opened(tmp_path: Path) -> None:
    _trial(tmp_path, RIGHT)
    np.save(tmp_path / "oof.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read"):
        read_predictions(tmp_path, DATA)


def test_a_pruned_trial_has_the_scores_of_its_folds_and_none_of_its_own(tmp_path: Path) -> None:
    half = RIGHT.copy()
    half[2:] = np.nan
    outcome = outcome_of(_trial(tmp_path, half, status="pruned"), DATA, "accuracy")
    assert (outcome["score"], outcome["fold_scores"]) == (None, [1.0])


def test_what_the_folds_said_of_their_training_is_a_fact_once_and_none_where_none_did(tmp_path: Path) -> None:
    told = {"optim": "adamw", "state_bytes": 90}
    trial = _trial(tmp_path, RIGHT, training=[told, told, {**told, "state_bytes": 91}])
    assert outcome_of(trial, DATA, "accuracy")["training"] == [told, {**told, "state_bytes": 91}]
    assert "training" not in outcome_of(_trial(tmp_path, RIGHT, training=[]), DATA, "accuracy")


def test_a_missing_result_is_an_error(tmp_path: Path) -> None:
    assert outcome_of(tmp_path, DATA, "accuracy")["status"] == "error"


def test_the_score_of_record_is_that_of_every_predicted_row() -> None:
    total, folds = judge(RIGHT, DATA, "log_loss")
    assert total == pytest.approx(np.mean(np.log([0.9, 0.8, 0.7, 0.9])))
    assert len(folds) == 2


def test_a_trial_that_its_curve_ended_has_no_score_and_is_no_error(tmp_path: Path) -> None:
    outcome = outcome_of(_trial(tmp_path, np.full((4, 2), np.nan), status="pruned", fold_scores=[]), DATA, "accuracy")
    assert (outcome["status"], outcome["score"], outcome["fold_scores"]) == ("pruned", None, [])


def test_the_journal_keeps_a_few_points_of_the_first_folds_curve(tmp_path: Path) -> None:
    first = [1.0 - i / 100 for i in range(50)]
    first[-1] = float("inf")
    curve = outcome_of(_trial(tmp_path, RIGHT, curve=[first, [9.0]]), DATA, "accuracy")["curve"]
    assert (len(curve), curve[0], curve[-1]) == (8, 1.0, None)
    assert "curve" not in outcome_of(_trial(tmp_path, RIGHT, curve=[]), DATA, "accuracy")
