"""What no model can keep, what contradicts itself, and what is missing."""

import pytest

from autoagent.agent.understand import understand


@pytest.mark.parametrize(
    "words",
    [
        "it has to be right every single time",
        "never wrong",
        "no mistakes are allowed",
        "no mistkaes are allowed",
        "not a single wrong prediction is allowed",
        "we can't afford even one mistake",
        "get every case right",
        "it can't be wrong",
        "must always be correct",
        "every prediction must be correct",
        "correct 100 percent of the time",
        "zero errors",
        "I want a guarantee",
        "accuracy 100%",
    ],
)
def test_a_promise_that_nobody_can_keep_is_said(words: str) -> None:
    understood = understand(f"predict y_1, {words}")
    assert "no_guarantee_possible" in understood.spec.warnings
    assert "metric.threshold" in understood.spec.clarify


@pytest.mark.parametrize(
    "words",
    [
        "the model may be wrong sometimes",
        "it does not need to be perfect",
        "no error bars needed",
        "with the right metric every time",
        "no guarantee needed",
    ],
)
def test_a_modest_wish_is_no_promise(words: str) -> None:
    assert "no_guarantee_possible" not in understand(f"predict y_1, {words}").spec.warnings


@pytest.mark.parametrize(
    ("sentence", "key"),
    [
        ("predict y_1, 50-layer network in 200 kB", "constraints.model_size_mb"),
        ("a ResNet50 in 1 MB for y_1", "constraints.model_size_mb"),
        ("predict y_1 in 0 minutes", "constraints.train_time_s"),
        ("minimise accuracy on y_1", "metric.direction"),
        ("regression for y_1, optimise AUROC", "metric.name"),
        ("forecast sales_1", "horizon.steps"),
        ("hello", "data.target"),
        ("5 minutes, 2 MB", "data.target"),
    ],
)
def test_what_cannot_be_or_is_missing_is_asked(sentence: str, key: str) -> None:
    assert key in understand(sentence).spec.clarify


def test_parameters_that_do_not_fit_the_size_are_said() -> None:
    assert "constraints.model_size_mb" in understand("predict y_1, 300 million parameters, in 2 MB").spec.clarify
    assert "constraints.model_size_mb" not in understand("predict y_1, up to 3 million parameters, 2 MB").spec.clarify


def test_more_than_all_is_said_to_be_impossible() -> None:
    understood = understand("predict y_1, accuracy of 120 percent")
    assert understood.spec.clarify == ["metric.threshold"]
    assert "infeasible:metric.threshold" in understood.spec.warnings
