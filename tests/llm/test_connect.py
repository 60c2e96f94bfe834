"""From the word behind --llm to a model, and what doctor says of it."""

from __future__ import annotations

import pytest
from tests.llm.server import error, serve

from autoagent.errors import LLMError, UserError
from autoagent.llm.client import OPENAI_URL
from autoagent.llm.connect import connect, describe
from autoagent.llm.messages import Message, Request
from autoagent.llm.prices import FREE

CANARY = "sk-canary-1234567890abcdef"


def test_none_is_no_model() -> None:
    assert connect("none") is None
    assert describe("none").reachable


def test_openai_takes_the_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="OPENAI_API_KEY is not set"):
        connect("openai:gpt-4o-mini")
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    client = connect("openai:gpt-4o-mini")
    assert client is not None
    with client:
        assert (client.name, client.base_url) == ("gpt-4o-mini", OPENAI_URL)
        assert client.price is None  # nobody has stated it


def test_a_url_gives_its_first_model_or_the_one_named() -> None:
    with serve() as server:
        server.models = ["first", "second"]
        for spec, name in ((server.url, "first"), (f"{server.url}/", "first"), (f"{server.url}#second", "second")):
            client = connect(spec)
            assert client is not None
            with client:
                assert client.name == name
                assert client.complete(Request(name, (Message("user", "hi"),)), timeout_s=5).text


def test_a_server_without_models_is_an_error() -> None:
    with serve() as server:
        server.models = []
        with pytest.raises(LLMError, match="offers no model"):
            connect(server.url)


@pytest.mark.parametrize("spec", ["", "gpt-4o", "openai:", "openai", "ftp://x/v1", "http://", "file:///etc/passwd"])
def test_other_words_are_refused(spec: str) -> None:
    with pytest.raises(UserError, match="names no language model"):
        connect(spec)


def test_a_key_does_not_leave_in_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    for url, key in (("http://example.org/v1", "none"), ("https://example.org/v1", CANARY)):
        client = connect(f"{url}#m")
        assert client is not None
        with client:
            assert client._connection.api_key == key


def test_doctor_spends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    with serve(error(500)) as server:
        endpoint = describe(server.url)
        other = describe(f"{server.url}#other")
        assert server.bodies == []
    assert (endpoint.reachable, endpoint.model, endpoint.price) == (True, "tiny-1", FREE)
    assert "does not list 'other'" in other.message


def test_doctor_says_what_is_wrong_and_keeps_the_secret() -> None:
    with serve() as server:
        port = server.server_port
    endpoint = describe(f"http://me:{CANARY}@127.0.0.1:{port}/v1")
    assert not endpoint.reachable
    assert "connection failed" in endpoint.message
    assert CANARY not in repr(endpoint)
    assert "me:" not in repr(endpoint)
    assert not describe("nonsense").reachable
