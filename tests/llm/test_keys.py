"""The key comes from the environment or the keyring, and is hidden wherever it turns up."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from autoagent.errors import UserError
from autoagent.llm import redact as redacting
from autoagent.llm.connect import connect
from autoagent.llm.keys import api_key
from autoagent.llm.redact import redact

CANARY = "canary-of-the-keyring-5151"


class Keyring(ModuleType):
    """The part of the package `keyring` that we call."""

    def __init__(self, answer: str | Exception | None) -> None:
        super().__init__("keyring")
        self.answer = answer
        self.asked: list[tuple[str, str]] = []

    def get_password(self, service: str, name: str) -> str | None:
        self.asked.append((service, name))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class KeyringError(Exception):
    """As in the package."""


class NoKeyringError(KeyringError):
    """As in the package."""


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Keyring:
    errors = ModuleType("keyring.errors")
    errors.KeyringError, errors.NoKeyringError = KeyringError, NoKeyringError  # type: ignore[attr-defined]
    made = Keyring(CANARY)
    monkeypatch.setitem(sys.modules, "keyring", made)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    monkeypatch.setattr(redacting, "_HIDDEN", set())
    return made


def test_the_keyring_is_asked_when_the_environment_has_no_key_and_its_key_is_hidden(ring: Keyring) -> None:
    assert redact(f"x {CANARY}") == f"x {CANARY}"
    assert api_key() == CANARY
    assert ring.asked == [("autoagent", "OPENAI_API_KEY")]
    assert redact(f"x {CANARY} y") == "x [hidden] y"


def test_the_environment_comes_first(ring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
    assert api_key() == "from-the-environment"
    assert ring.asked == []


@pytest.mark.parametrize("answer", [None, "", NoKeyringError("no backend")])
def test_an_empty_keyring_is_no_key(ring: Keyring, answer: str | Exception | None) -> None:
    ring.answer = answer
    assert api_key() is None
    with pytest.raises(UserError, match="keyring set autoagent OPENAI_API_KEY"):
        connect("openai:some-model")


def test_a_locked_keyring_is_said(ring: Keyring) -> None:
    ring.answer = KeyringError("it is locked")
    with pytest.raises(UserError, match="it is locked; export OPENAI_API_KEY"):
        api_key()


def test_without_the_package_there_is_only_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert api_key() is None


def test_no_key_goes_to_a_far_server_without_encryption(ring: Keyring) -> None:
    client = connect("http://far.example/v1#some-model")
    assert client is not None
    client.close()
    assert ring.asked == []
