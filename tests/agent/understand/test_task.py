"""The task: stated by a word for it, or inferred with a reason, and dropped where the table refutes it."""

import pytest

from autoagent.agent.spec import Understanding
from autoagent.agent.understand import ColumnEvidence, DataEvidence, understand


def of(sentence: str, *, n_unique: int = 0, kind: str = "numeric") -> Understanding:
    column = ColumnEvidence("outcome_1", kind, n_unique)  # type: ignore[arg-type]  # parametrised kinds
    return understand(sentence, evidence=DataEvidence((column,), 500) if n_unique else None)


@pytest.mark.parametrize(
    ("sentence", "task"),
    [
        ("will the customer leave? column y_1", "binary_classification"),
        ("tell apart healthy and sick plants", "binary_classification"),
        ("sort emails into five folders", "multiclass_classification"),
        ("reggression on bmi_1", "regression"),
        ("forecast sales for the next 14 days", "forecasting"),
        ("cluster the customers into 4 segments", "clustering"),
    ],
)
def test_a_word_for_the_task_states_it(sentence: str, task: str) -> None:
    understood = of(sentence)
    assert understood.spec.task_type == task
    assert "task_type" not in understood.inferred


@pytest.mark.parametrize(
    ("sentence", "task", "reason"),
    [
        ("how much will a car sell for", "regression", "'how much' usually is a number"),
        ("classify tumours as benign or malignant", "binary_classification", "2 classes are named"),
        ("predict outcome_1, RMSE", "regression", "rmse measures predicted numbers"),
        ("predict is_fraud", "binary_classification", "'is_fraud' usually has two classes"),
        ("predict the rent of flats", "regression", "usually is a number"),
    ],
)
def test_a_hint_infers_the_task_and_says_why(sentence: str, task: str, reason: str) -> None:
    understood = of(sentence)
    assert understood.spec.task_type == task
    assert reason in understood.inferred["task_type"]
    assert any(reason in text for text in understood.assumptions)


def test_the_number_of_classes_is_inferred_from_the_table() -> None:
    understood = of("classify outcome_1", n_unique=4, kind="categorical")
    assert understood.spec.task_type == "multiclass_classification"
    assert understood.inferred["task_type"] == "'outcome_1' has 4 classes"


def test_an_inferred_task_that_the_table_refutes_is_dropped() -> None:
    assert of("predict outcome_1, RMSE", n_unique=3, kind="categorical").spec.task_type is None
    assert of("predict churn with outcome_1 as the target", n_unique=5).spec.task_type is None


def test_a_stated_task_that_the_table_refutes_is_asked_about() -> None:
    assert "task_type" in of("binary classification of outcome_1", n_unique=5).spec.clarify


@pytest.mark.parametrize("sentence", ["fit logistic regression on y_1", "not regression please, target y_1"])
def test_a_word_that_is_part_of_a_name_or_denied_states_nothing(sentence: str) -> None:
    assert of(sentence).spec.task_type is None
