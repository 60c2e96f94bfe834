"""Splits: kinds, folds and test parts."""

import pytest

from autoagent.agent.spec import SplitSpec
from autoagent.agent.understand import ColumnEvidence, DataEvidence, understand

TABLE = DataEvidence((ColumnEvidence("dx", "categorical", 3), ColumnEvidence("site", "categorical", 9)), 1000)


def split(words: str) -> SplitSpec:
    return understand(f"predict dx, {words}", evidence=TABLE).spec.split


@pytest.mark.parametrize(
    ("words", "kind", "k"),
    [
        ("stratified 5-fold", "stratified", 5),
        ("10-fold cross-validation with stratification", "stratified", 10),
        ("five-fold cross validation", "kfold", 5),
        ("startified 5-fold", "stratified", 5),
        ("grouped 4-fold by site", "group", 4),
        ("random split", "random", None),
        ("walk-forward", "rolling_origin", None),
        ("cv with 7 folds", "kfold", 7),
        ("--folds 4", "kfold", 4),
    ],
)
def test_a_kind_keeps_its_folds(words: str, kind: str, k: int | None) -> None:
    found = split(words)
    assert (found.kind, found.k) == (kind, k)


@pytest.mark.parametrize(
    ("words", "share"),
    [("hold out 20% for testing", 0.2), ("a 70/30 split", 0.3), ("hold back a quarter of the rows as test", 0.25)],
)
def test_a_test_part_is_read_as_a_share(words: str, share: float) -> None:
    assert split(words).test == share


def test_groups_without_a_column_are_asked_for() -> None:
    assert "data.group_key" in understand("keep groups apart, predict dx", evidence=TABLE).spec.clarify


@pytest.mark.parametrize("words", ["no cross-validation", "a random forest"])
def test_what_is_denied_or_part_of_a_name_is_no_split(words: str) -> None:
    assert split(words).kind is None


@pytest.mark.parametrize(
    "words",
    [
        "all rows of one site must be on the same side",
        "samples from a site must not straddle train and test",
        "rows from a site are not independent",
    ],
)
def test_what_belongs_together_is_found_in_many_words(words: str) -> None:
    understood = understand(f"predict dx. {words}", evidence=TABLE)
    assert understood.spec.split.kind == "group"
    assert understood.spec.data.group_key == "site"


def test_training_before_a_date_and_testing_after_it_is_a_split_by_time() -> None:
    assert split("train on rows before 2024 and test on what came after").kind == "time"
