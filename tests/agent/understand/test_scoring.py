"""The scores: stated and inferred fields are counted apart, and strictly together."""

import pytest

from autoagent.agent.spec import TaskSpec, Understanding
from autoagent.agent.understand.scoring import Example, measure

RIGHT = {"data.target": "y", "metric.name": "rmse"}


def score(fields: dict[str, object], inferred: dict[str, str] | None = None, **labels: object):  # type: ignore[no-untyped-def]
    understood = Understanding(spec=TaskSpec.from_flat(fields), inferred=inferred or {})
    return measure(lambda _: understood, [Example("r", RIGHT, **labels)])  # type: ignore[arg-type]


def test_a_right_reading_scores_one() -> None:
    scores = score(RIGHT)
    assert (scores.field_f1, scores.exact, scores.invented_per_request, scores.mistakes) == (1, 1, 0, ())


def test_a_wrong_value_is_lost_and_invented() -> None:
    scores = score({**RIGHT, "metric.name": "mae"})
    assert scores.field_f1 == pytest.approx(2 / 4)
    assert scores.invented_per_request == 1


def test_an_inferred_field_is_invented_only_in_the_strict_figures() -> None:
    scores = score({**RIGHT, "task_type": "regression"}, {"task_type": "rmse"}, inferable={"task_type": "regression"})
    assert (scores.field_f1, scores.invented_per_request, scores.inferred_per_request) == (1, 0, 1)
    assert (scores.strict_invented_per_request, scores.inferred_wrong_per_request) == (1, 0)
    assert scores.strict_f1 == pytest.approx(4 / 5)


def test_a_wrong_inference_is_counted_and_shown() -> None:
    scores = score({**RIGHT, "task_type": "regression"}, {"task_type": "?"}, inferable={"task_type": "forecasting"})
    assert scores.inferred_wrong_per_request == 1
    assert scores.mistakes[0].wrongly_inferred == {"task_type": "regression"}


def test_an_inferred_value_against_a_stated_one_is_invented() -> None:
    scores = score({**RIGHT, "metric.name": "mae"}, {"metric.name": "a guess"})
    assert scores.invented_per_request == 1


def test_a_question_that_was_not_asked_is_missed() -> None:
    assert score(RIGHT, clarify=("horizon.steps",)).clarify_recall == 0
