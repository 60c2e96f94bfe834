# ruff: noqa: E501
"""Which language a request is written in, by its small words and its script."""

from __future__ import annotations

import re

_SMALL_WORDS = {
    "en": ["the", "and", "is", "are", "of", "to", "in", "for", "with", "my", "our", "predict", "model", "at", "most", "under", "a", "which", "whether", "not", "please", "want", "need", "best", "using", "column", "data", "on", "from", "within", "it"],
    "de": ["der", "die", "das", "und", "ist", "nicht", "ein", "eine", "einen", "mit", "für", "ich", "möchte", "soll", "sagen", "vorhersagen", "höchstens", "unter", "auf", "von", "wir", "modell", "bitte", "den", "dem", "ob", "vorhersage"],
    "fr": ["le", "la", "les", "et", "est", "un", "une", "des", "avec", "pour", "je", "nous", "veux", "voudrais", "prédire", "modèle", "moins", "du", "au", "aux", "sur", "dans", "ne", "pas", "que", "qui", "prévoir", "sans", "si"],
    "es": ["el", "los", "las", "y", "es", "un", "una", "con", "para", "quiero", "queremos", "predecir", "modelo", "menos", "del", "en", "que", "no", "por", "sin", "más", "minutos", "si", "clientes", "clasificar"],
    "it": ["il", "lo", "gli", "e", "è", "un", "una", "con", "per", "voglio", "vorrei", "prevedere", "modello", "meno", "del", "nel", "di", "che", "non", "senza", "classificare", "minuti", "se", "della"],
    "pt": ["o", "os", "as", "e", "é", "um", "uma", "com", "para", "quero", "queremos", "prever", "modelo", "menos", "do", "da", "em", "que", "não", "sem", "mais", "minutos", "se", "classificar"],
    "nl": ["de", "het", "een", "en", "is", "niet", "met", "voor", "ik", "wij", "wil", "willen", "voorspel", "voorspellen", "hoogstens", "onder", "van", "op", "of", "klanten", "welke"],
    "pl": ["i", "jest", "nie", "z", "dla", "chcę", "model", "przewidzieć", "czy", "na", "do", "w", "się", "który", "minut"],
    "sv": ["och", "är", "inte", "ett", "en", "med", "för", "jag", "vill", "förutsäga", "modell", "under", "på", "av", "som", "att"],
}  # fmt: skip
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]{3}")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
)


def foreign_language(text: str) -> str | None:
    """Return the ISO code of the language, or None for English and for what cannot be told."""
    for code, script in _SCRIPTS:
        if len(script.findall(text)) >= 3:
            return code
    words = re.findall(r"[^\W\d_]+", text.lower())
    counts = {code: sum(word in small for word in words) for code, small in _SMALL_WORDS.items()}
    best = max(counts, key=lambda code: counts[code])
    return best if best != "en" and counts[best] >= 3 and counts[best] > 1.5 * counts["en"] else None
