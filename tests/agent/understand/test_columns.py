"""Columns: the target however it is led to, and the parts that other columns play."""

import pytest

from autoagent.agent.spec import DataSpec
from autoagent.agent.understand import ColumnEvidence, DataEvidence, understand

NAMES = ("churned", "age", "customer_id", "msg", "signup_date", "a")
TABLE = DataEvidence(tuple(ColumnEvidence(name, "numeric", 200) for name in NAMES), 1000)


def data(sentence: str, evidence: DataEvidence | None = TABLE) -> DataSpec:
    return understand(sentence, evidence=evidence).spec.data


@pytest.mark.parametrize(
    "sentence",
    [
        "do your best on churned",
        "squeeze the most out of churned, log loss",
        "work on churned, 90 seconds",
        "I care about churned only",
        "what we're after is churned",
        "the column of interest is churned",
        "gimme a churned model",
        "we'd like churned predicted",
        "preidct churned",
        "PREDICT CHURNED",
        "target=churned",
        "churned; 5 min",
        "- target: churned\n- 5 min",
        "predict churned from age",
    ],
)
def test_the_target_is_found_however_it_is_led_to(sentence: str) -> None:
    assert data(sentence).target == "churned"


def test_a_repeated_noun_ends_the_list_of_text_fields() -> None:
    found = data("tell spam from ham with the text field msg, column churned")
    assert (found.text_fields, found.target) == (["msg"], "churned")
    found = data("ignore column customer_id, column churned is the target")
    assert (found.features_exclude, found.target) == (["customer_id"], "churned")


@pytest.mark.parametrize(
    "words",
    [
        "ignore customer_id and age",
        "leave out customer_id, age",
        "without looking at customer_id or age",
        "never touch customer_id, age",
    ],
)
def test_columns_to_leave_out_are_read_as_a_list(words: str) -> None:
    assert data(f"predict churned, {words}").features_exclude == ["customer_id", "age"]


def test_the_little_word_a_is_no_column() -> None:
    assert data("predict churned without a GPU").features_exclude is None


def test_groups_and_time_are_read() -> None:
    assert (
        data("predict churned, rows of the same customer_id must not be in both train and test").group_key
        == "customer_id"
    )
    assert data("predict churned, split by time on signup_date").time_key == "signup_date"


def test_without_a_table_the_request_names_the_columns() -> None:
    found = data("In sensors.tsv the column named 'broken' is my target", None)
    assert (found.path, found.target) == ("sensors.tsv", "broken")
    assert data("make me something good", None).target is None


def test_the_only_column_that_is_named_is_inferred_to_be_the_target_and_said() -> None:
    understood = understand("churned matters to us a lot, five minutes", evidence=TABLE)
    assert understood.spec.data.target == "churned"
    assert understood.inferred["data.target"] == "'churned' is the only column that the request names"
    assert any("'churned' is the only column" in text for text in understood.assumptions)


@pytest.mark.parametrize(
    "sentence", ["we have age in the table", "something from msg, accuracy", "age or churned, who knows"]
)
def test_a_column_in_another_part_is_not_taken_for_the_target(sentence: str) -> None:
    assert data(sentence).target is None


def kinds(**columns: str) -> DataEvidence:
    return DataEvidence(tuple(ColumnEvidence(name, kind, 40) for name, kind in columns.items()), 500)  # type: ignore[arg-type]  # parametrised kinds


@pytest.mark.parametrize(
    ("sentence", "target"),
    [
        ("predict survival of the passengers", "Survived"),
        ("predict the final price of each home", "SalePrice"),
        ("determine if they are likely to have heart disease", "heart_disease"),
        ("Survived is the dependent variable", "Survived"),
        ("flag the homes where Survived will change", "Survived"),
    ],
)
def test_a_target_is_found_by_kindred_words(sentence: str, target: str) -> None:
    table = kinds(Survived="numeric", SalePrice="numeric", heart_disease="numeric", age="numeric")
    assert understand(sentence, evidence=table).spec.data.target == target


def test_prose_is_read_and_not_predicted() -> None:
    table = kinds(body="text", verdict="categorical")
    found = understand("classify body texts; use body and nothing else; verdict is the target", evidence=table).spec
    assert (found.data.target, found.data.text_fields) == ("verdict", ["body"])


@pytest.mark.parametrize(
    "words",
    [
        "zip shall be disregarded",
        "neither name nor zip may be used",
        "zip stays out",
        "under no circumstances may zip enter as a predictor",
        "exclude=['zip']",
        "don't peek at zip",
    ],
)
def test_a_column_is_left_out_in_many_words(words: str) -> None:
    assert understand(
        f"predict fee. {words}", evidence=kinds(zip="categorical", fee="numeric")
    ).spec.data.features_exclude == ["zip"]


@pytest.mark.parametrize(
    ("sentence", "target"),
    [
        ("a table with columns: age, zip and relapse_label; suggest a relapse prediction", "relapse_label"),
        ("inputs are age and zip. Output is relapse_label", "relapse_label"),
        ("forecast the shop sales", "sales"),
        ("relapse_label tells which patients fell ill", "relapse_label"),
        ("the 0.1 and 0.9 quantile of sales", "sales"),
    ],
)
def test_a_target_is_told_from_the_columns_beside_it(sentence: str, target: str) -> None:
    table = kinds(age="numeric", zip="categorical", shop="categorical", sales="numeric", relapse_label="categorical")
    assert understand(sentence, evidence=table).spec.data.target == target


def test_data_that_have_a_target_of_their_own_keep_it_where_a_word_is_only_kin_to_a_column() -> None:
    names = ("alcohol", "od280/od315_of_diluted_wines", "target")
    columns = tuple(ColumnEvidence(name, "numeric", 50) for name in names)
    for default, wanted in ((None, "od280/od315_of_diluted_wines"), ("target", None)):
        spec = understand("classify the wine, accuracy", evidence=DataEvidence(columns, 178, "wine", default)).spec
        assert spec.data.target == wanted
    spec = understand("predict alcohol, rmse", evidence=DataEvidence(columns, 178, "wine", "target")).spec
    assert spec.data.target == "alcohol"
