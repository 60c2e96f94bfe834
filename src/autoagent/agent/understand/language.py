# ruff: noqa: E501
"""Which language a request is written in, by its small words and its script, and the little that is read of a foreign one.

English is the promise. Of a request in another language only a file's name and a limit are read whose words for "at
most" are known and whose unit is written the same everywhere; nothing else, because a misread "kein" is worse than a
question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from autoagent.agent.understand.finding import Finding
from autoagent.agent.understand.numbers import tidy
from autoagent.agent.understand.sentence import Sentence

_SMALL_WORDS = {
    "en": ["the", "and", "is", "are", "of", "to", "in", "for", "with", "my", "our", "predict", "model", "at", "most", "under", "a", "which", "whether", "not", "please", "want", "need", "best", "using", "column", "data", "on", "from", "within", "it", "i", "you", "we", "be", "do", "as", "if", "so", "have", "has", "this", "that", "what", "will", "should", "must", "can", "than", "more", "less", "use", "target", "minutes", "by", "or", "me", "an", "no", "without", "only", "there", "how", "who", "when", "label"],
    "de": ["der", "die", "das", "und", "ist", "nicht", "ein", "eine", "einen", "mit", "für", "ich", "möchte", "soll", "sagen", "vorhersagen", "höchstens", "unter", "auf", "von", "wir", "modell", "bitte", "den", "dem", "ob", "vorhersage"],
    "fr": ["le", "la", "les", "et", "est", "un", "une", "des", "avec", "pour", "je", "nous", "veux", "voudrais", "prédire", "modèle", "moins", "du", "au", "aux", "sur", "dans", "ne", "pas", "que", "qui", "prévoir", "sans", "si"],
    "es": ["el", "los", "las", "y", "es", "un", "una", "con", "para", "quiero", "queremos", "predecir", "modelo", "menos", "del", "en", "que", "no", "por", "sin", "más", "minutos", "si", "clientes", "clasificar"],
    "it": ["il", "lo", "gli", "e", "è", "un", "una", "con", "per", "voglio", "vorrei", "prevedere", "modello", "meno", "del", "nel", "di", "che", "non", "senza", "classificare", "minuti", "se", "della"],
    "pt": ["o", "os", "as", "e", "é", "um", "uma", "com", "para", "quero", "queremos", "prever", "modelo", "menos", "do", "da", "em", "que", "não", "sem", "mais", "minutos", "se", "classificar"],
    "nl": ["de", "het", "een", "en", "is", "niet", "met", "voor", "ik", "wij", "wil", "willen", "voorspel", "voorspellen", "hoogstens", "onder", "van", "op", "of", "klanten", "welke"],
    "pl": ["i", "jest", "nie", "z", "dla", "chcę", "model", "przewidzieć", "czy", "na", "do", "w", "się", "który", "minut"],
    "sv": ["och", "är", "inte", "ett", "en", "med", "för", "jag", "vill", "förutsäga", "modell", "under", "på", "av", "som", "att"],
}  # fmt: skip
_AT_MOST = (
    r"(?:h\u00f6chstens|maximal|nicht (?:gr\u00f6\u00dfer|l\u00e4nger|mehr) als|weniger als|bis zu|kleiner als|unter"
    r"|moins de|au plus|pas plus de|au maximum|inf\u00e9rieur \u00e0|menos de|como m\u00e1ximo|como mucho|no m\u00e1s de|m\u00e1ximo(?: de)?"
    r"|no m\u00e1ximo|n\u00e3o mais de|at\u00e9|meno di|al massimo|non pi\u00f9 di|massimo|minder dan|hoogstens|niet (?:groter|langer|meer) dan"
    r"|maximaal|mindre \u00e4n|h\u00f6gst|mniej ni\u017c|maksymalnie)"
)
_FOREIGN_LIMIT = re.compile(rf"(?<!\w){_AT_MOST}\s+(?P<n>\d+(?:[.,]\d+)?)\s?(?P<u>mb|gb|kb|min|s|h)\b")
_FOREIGN_UNITS = {"mb": 1.0, "gb": 1000.0, "kb": 0.001, "min": 60.0, "s": 1.0, "h": 3600.0}
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
    words = set(re.findall(r"[^\W\d_]+", text.lower()))
    counts = {code: sum(word in small for word in words) for code, small in _SMALL_WORDS.items()}
    best = max(counts, key=lambda code: counts[code])
    return best if best != "en" and counts[best] >= 3 and counts[best] > 1.5 * counts["en"] else None


def read_foreign(sentence: Sentence) -> Iterator[Finding]:
    """Find the limits that are safe to read in another language."""
    for match in sentence.find(_FOREIGN_LIMIT):
        key = "constraints.model_size_mb" if match["u"].endswith("b") else "constraints.train_time_s"
        value = tidy(float(match["n"].replace(",", ".")) * _FOREIGN_UNITS[match["u"]])
        yield Finding(key, value, *match.span())
