"""Metrics: names as people write them, the value to reach, and words that only look like metrics."""

import pytest

from autoagent.agent.understand import understand
from autoagent.agent.understand.metric import METRIC_WORDS, known_metric


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("area under the ROC curve", "roc_auc"),
        ("PR AUC", "average_precision"),
        ("macro-averaged F1", "macro_f1"),
        ("rsme", "rmse"),
        ("mean absolut eror", "mae"),
        ("balaced acuracy", "balanced_accuracy"),
        ("R squared", "r2"),
        ("ndcg@10", "ndcg@10"),
        ("not by accuracy but by F1", "f1"),
        ("accuracy is not important to me, balanced accuracy is", "balanced_accuracy"),
        ("accuracy is misleading here; take average precision", "average_precision"),
        ("optimise for F1, also report accuracy", "f1"),
    ],
)
def test_a_metric_is_read_by_its_many_names(words: str, name: str) -> None:
    assert understand(f"predict y_flag, {words}").spec.metric.name == name


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("AUC at least 0.75", 0.75),
        ("accuracy of 85 % minimum", 0.85),
        ("accuracy 92 percent", 0.92),
        ("the error (RMSE) be lower than 0.5", 0.5),
        ("MAE under 15 dollars", 15),
        ("recall over 99%", 0.99),
    ],
)
def test_the_value_to_reach_is_read(words: str, value: float) -> None:
    assert understand(f"predict y_flag, {words}").spec.metric.threshold == value


@pytest.mark.parametrize("words", ["AUC in 5 minutes", "last year we reached 0.81 AUC", "accuracy, 12 MB"])
def test_a_number_beside_a_metric_is_not_always_its_goal(words: str) -> None:
    assert understand(f"predict y_flag, {words}").spec.metric.threshold is None


@pytest.mark.parametrize("name", METRIC_WORDS)
def test_every_name_of_the_vocabulary_is_known_to_itself(name: str) -> None:
    assert known_metric(name) == name


@pytest.mark.parametrize(
    ("name", "known"), [("PR AUC", "average_precision"), ("NDCG@5", "ndcg@5"), ("best_area", None)]
)
def test_a_metric_of_another_reader_is_checked_against_the_vocabulary(name: str, known: str | None) -> None:
    assert known_metric(name) == known


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("evaluate its accuracy by RMSLE", "rmsle"),
        ("kappa with quadratic weights", "quadratic_weighted_kappa"),
        ("AP at 0.5 to 0.95", "map@0.5:0.95"),
        ("percentage of correct keypoints", "pck"),
        ("RMSE of the logarithm", "rmsle"),
        ("the average error in euros", "mae"),
    ],
)
def test_a_metric_is_known_by_other_words(words: str, name: str) -> None:
    assert understand(f"predict y_1, {words}").spec.metric.name == name


def test_an_error_that_must_be_rare_infers_the_metric_and_says_why() -> None:
    understood = understand("predict y_1 and avoid false positives")
    assert understood.spec.metric.name == "precision"
    assert "metric.name" in understood.inferred
