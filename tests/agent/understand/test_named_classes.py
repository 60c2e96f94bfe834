"""Classes that a request names or counts, and the task that follows from them."""

import pytest

from autoagent.agent.spec import Understanding
from autoagent.agent.understand import ColumnEvidence, DataEvidence, understand


def of(sentence: str, *names: str) -> Understanding:
    columns = tuple(ColumnEvidence(name, "categorical", 4) for name in names)
    return understand(sentence, evidence=DataEvidence(columns, 500) if names else None)


@pytest.mark.parametrize(
    ("sentence", "classes"),
    [
        ("sort the mails into bills, adverts and letters", ["bills", "adverts", "letters"]),
        ("tell apart oak, ash and elm from their leaves", ["oak", "ash", "elm"]),
        ("distinguish bees from wasps", ["bees", "wasps"]),
        ("predict the mood as one of happy, sad, or bored", ["happy", "sad", "bored"]),
        ("classify text into three categories: Home & Garden, Toys and Books", ["Home & Garden", "Toys", "Books"]),
        ("triage tickets into refund / bug / how-to", ["refund", "bug", "how-to"]),
        ("sort houses into 'cheap' or 'dear'", ["cheap", "dear"]),
        ("want each routed to billing, tech or sales", ["billing", "tech", "sales"]),
        ("grade the fruit into A, B, C and D", ["A", "B", "C", "D"]),
        ("judge if the fish is fresh or old, pictures many", ["fresh", "old"]),
        ("diagnose whether the leaf is healthy or mouldy", ["healthy", "mouldy"]),
        ("guess the relation of a pair of denied (0), unclear (1) or entailed (2)", ["denied", "unclear", "entailed"]),
    ],
)
def test_a_list_of_classes_is_read_as_written(sentence: str, classes: list[str]) -> None:
    understood = of(sentence)
    assert understood.spec.data.classes == classes
    task = "binary_classification" if len(classes) == 2 else "multiclass_classification"
    assert understood.spec.task_type == task


@pytest.mark.parametrize(
    "sentence",
    [
        "predict yield_t fast and well",
        "tell me whether it will rain, yes or no",
        "predict price from area, rooms and age",
        "classify species by length and width",
        "predict win_1 on cpu or gpu",
    ],
)
def test_other_lists_are_no_classes(sentence: str) -> None:
    assert of(sentence).spec.data.classes is None


def test_a_list_of_columns_is_no_list_of_classes() -> None:
    assert of("classify rows as red, green and blue", "red", "green", "blue").spec.data.classes is None


def test_classes_are_counted_by_the_targets_own_plural() -> None:
    assert of("5 gaits, target gait", "gait").spec.data.n_classes == 5
    assert of("target gait, 5 trials", "gait").spec.data.n_classes is None
