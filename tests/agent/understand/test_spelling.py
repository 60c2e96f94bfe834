"""Typing errors are put right in the readers' words and nowhere else."""

import pytest

from autoagent.agent.understand.sentence import Sentence
from autoagent.agent.understand.spelling import mend_spelling


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("preidcts", "predicts"),
        ("acuracy", "accuracy"),
        ("miuntes", "minutes"),
        ("lgoloss", "logloss"),
        ("anyhting", "anything"),
        ("clasification", "classification"),
        ("rsme", "rmse"),
    ],
)
def test_a_slip_is_put_right(typed: str, meant: str) -> None:
    assert mend_spelling(Sentence.of(typed)).clean == meant


@pytest.mark.parametrize("text", ["weather", "costumer", "prevision", '"acuracy"', "acuracy_1", "data/acuracy.csv"])
def test_another_word_a_quote_and_a_name_stay(text: str) -> None:
    assert mend_spelling(Sentence.of(text)).clean == text


def test_a_column_of_the_table_is_never_corrected() -> None:
    assert (
        mend_spelling(Sentence.of("predict acuracy, acu"), protected={"acuracy", "acu"}).clean == "predict acuracy, acu"
    )
