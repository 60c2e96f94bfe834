"""Other languages: asked about, hardly read, never misread."""

import pytest

from autoagent.agent.understand import ColumnEvidence, DataEvidence, understand
from autoagent.agent.understand.language import foreign_language

TABLE = DataEvidence(tuple(ColumnEvidence(n, "numeric", 200) for n in ("umsatz", "prix", "precio", "tag")), 1000)


@pytest.mark.parametrize(
    ("sentence", "code", "stated"),
    [
        ("Bitte die Spalte umsatz vorhersagen, kein LightGBM und nicht AUC", "de", {}),
        ("Modell für den Umsatz bitte, nicht größer als 5 MB", "de", {"constraints.model_size_mb": 5}),
        ("Je voudrais prédire le prix avec un modèle de moins de 2 MB", "fr", {"constraints.model_size_mb": 2}),
        ("quiero un modelo para predecir la columna precio, no más de 3 minutos", "es", {}),
        ("Die Datei hat 40 MB und ist von gestern, bitte ein Modell für umsatz", "de", {}),
    ],
)
def test_only_what_is_safe_is_read_of_another_language(sentence: str, code: str, stated: dict[str, object]) -> None:
    understood = understand(sentence, evidence=TABLE)
    assert understood.spec.stated() == {"language": code, **stated}
    assert "language" in understood.spec.clarify


@pytest.mark.parametrize(
    "sentence",
    [
        "target y, no svm, no knn",
        "predict prix and precio, no more than 3 minutes",
        "AUC; umsatz; 5 min",
        "model do my data as fast as it can",
    ],
)
def test_english_with_foreign_looking_words_stays_english(sentence: str) -> None:
    assert foreign_language(sentence) is None
