"""Nothing that looks like a key, or is one, stays in a text."""

from __future__ import annotations

import pytest

from autoagent.llm.redact import HIDDEN, redact, redact_json


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Incorrect API key provided: sk-proj-abc_DEF-123456", f"Incorrect API key provided: {HIDDEN}"),
        ("sk-ab12****cd34 is wrong", f"{HIDDEN} is wrong"),
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {HIDDEN}"),
        ("http://me:secret@host/v1", f"http://{HIDDEN}@host/v1"),
        ("https://host/v1?api_key=abc&x=1", f"https://host/v1?api_key={HIDDEN}&x=1"),
        ("risk-score and ask-me-anything stay", "risk-score and ask-me-anything stay"),
        ("mine is given-one", f"mine is {HIDDEN}"),
        ("mine is horse-battery", f"mine is {HIDDEN}"),
        ("none of it", "none of it"),
    ],
)
def test_secrets_are_hidden_and_words_are_not(text: str, clean: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSE_API_KEY", "horse-battery")
    monkeypatch.setenv("OTHER_API_KEY", "none")
    assert redact(text, ["given-one", ""]) == clean


def test_every_text_of_a_json_value_is_redacted() -> None:
    value = {"a": ["given-one", 1, None, True], "given-one": {"b": "x given-one"}}
    assert redact_json(value, ["given-one"]) == {"a": [HIDDEN, 1, None, True], HIDDEN: {"b": f"x {HIDDEN}"}}
