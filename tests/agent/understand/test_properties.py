"""Properties of the rules: a distractor loses no field, the same text reads the same, no text breaks them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoagent.agent.understand import ColumnEvidence, DataEvidence, understand

TABLE = DataEvidence((ColumnEvidence("churned", "boolean", 2), ColumnEvidence("age", "numeric", 60)), 1000)
STATED = {
    "predict churned": {"data.target": "churned"},
    "AUROC": {"metric.name": "roc_auc"},
    "a quarter of an hour": {"constraints.train_time_s": 900},
    "model below 3 MB": {"constraints.model_size_mb": 3},
    "20 ms per prediction": {"constraints.latency_ms": 20},
    "no neural networks": {"model.forbid": ["neural_network"]},
    "ignore age": {"data.features_exclude": ["age"]},
    "at most 50 trials": {"constraints.max_trials": 50},
    "LLM budget $2": {"constraints.llm_cost_usd": 2},
    "stratified 5-fold": {"split.kind": "stratified", "split.k": 5},
    "must be interpretable": {"constraints.interpretable": True},
}
DISTRACTORS = (
    "Our team has 12 people.",
    "Each lost client costs us 200 dollars.",
    "The old tool took 3 hours.",
    "My laptop has 16 GB of RAM.",
    "We moved 3 years ago.",
    "The meeting lasts 90 minutes.",
    "My colleague says neural networks are the future.",
    "Last year we reached 0.81 AUC.",
)
PARTS = st.lists(st.sampled_from(sorted(STATED)), min_size=1, max_size=6, unique=True)


def stated(sentence: str) -> dict[str, object]:
    spec = understand(sentence, evidence=TABLE).spec.stated()
    return {key: value for key, value in spec.items() if key != "task_type"}


@settings(deadline=None, max_examples=150)
@given(PARTS, st.sampled_from([", ", "; ", ". ", " and ", "\n- "]), st.sampled_from(DISTRACTORS))
def test_a_stated_field_is_never_lost_or_joined_by_another_beside_a_distractor(
    parts: list[str], joint: str, distractor: str
) -> None:
    sentence = joint.join(parts)
    expected = {key: value for part in parts for key, value in STATED[part].items()}
    before = stated(f"{sentence}.")
    assert before == expected
    after = stated(f"{sentence}. {distractor}")
    assert {key: after.get(key) for key in expected} == expected
    assert set(after) == set(expected) or "AUROC" not in parts


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=300))
def test_reading_is_deterministic_and_never_raises(text: str) -> None:
    assert understand(text) == understand(text)
    assert understand(text, evidence=TABLE).request == text


WORDS = sorted(
    {word for part in (*STATED, *DISTRACTORS) for word in part.split()}
    | {"not", "-", "1.", "\n", "$", "½", "/", "1e400", "0.5", "folds", "rows", "9" * 400}
)


@settings(deadline=None, max_examples=250)
@given(st.lists(st.sampled_from(WORDS), max_size=40))
def test_any_order_of_the_readers_words_gives_a_valid_spec_with_words_for_each_field(words: list[str]) -> None:
    text = " ".join(words)
    understood = understand(text, evidence=TABLE)
    assert all(source in text for source in understood.evidence.values() if " … " not in source)
    assert set(understood.spec.stated()) <= set(understood.evidence)
    assert set(understood.inferred) <= set(understood.evidence)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\n",
        "0" * 5000,
        "predict " * 2000,
        "((((" * 500,
        "$1 " * 400,
        f"in {'9' * 400} minutes",
        "0.81 trials",
    ],
)
def test_odd_texts_are_read_without_an_error(text: str) -> None:
    assert understand(text).request == text
