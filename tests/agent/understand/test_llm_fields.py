"""What only a language model reads is checked: the metric by the vocabulary, other languages without a question."""

from collections.abc import Mapping

import pytest

from autoagent.agent.understand import understand
from autoagent.agent.understand.llm import Reading


def read(sentence: str, key: str, value: object, words: str):  # type: ignore[no-untyped-def]
    def ask(_: str, __: Mapping[str, object], reply: type[Reading]) -> Reading:
        return reply.model_validate({"fields": [{"key": key, "value": value, "words": words}]})

    return understand(sentence, ask=ask)


def test_a_metric_that_nobody_knows_is_reported_and_not_stored() -> None:
    understood = read("predict y_1, judged by our house score", "metric.name", "house_score", "our house score")
    assert understood.spec.metric.name is None
    assert any("no metric of this name is known" in notice for notice in understood.notices)


@pytest.mark.parametrize(
    ("written", "name"), [("PR-AUC", "average_precision"), ("F1 macro", "macro_f1"), ("mcc", "mcc")]
)
def test_a_known_metric_is_stored_under_its_own_name(written: str, name: str) -> None:
    understood = read("predict y_1, you know how we judge", "metric.name", written, "how we judge")
    assert understood.spec.metric.name == name


def test_a_model_reads_other_languages_so_nothing_is_asked() -> None:
    understood = read("Bitte die Spalte umsatz mit dem Modell vorhersagen", "data.target", "umsatz", "umsatz")
    assert understood.spec.data.target == "umsatz"
    assert "language" not in understood.spec.clarify
