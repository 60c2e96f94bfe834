"""A hostile endpoint cannot fill the memory, nor have a prompt or a key sent to another host."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from tests.llm.server import GOOD, Say, completion, serve
from tests.llm.test_client import CANARY, Clock, request

from autoagent.errors import LLMError
from autoagent.llm import connection
from autoagent.llm.client import OpenAIClient
from autoagent.llm.connection import UnfitAnswerError, up_to


def asked(say: Say, limit: int | None = None, monkeypatch: pytest.MonkeyPatch | None = None) -> tuple[str, int]:
    """Ask a server that says this; the text or the error, and how many requests it took."""
    if monkeypatch is not None and limit is not None:
        monkeypatch.setattr(connection, "MAX_ANSWER_BYTES", limit)
    clock = Clock()
    with serve(say) as server, OpenAIClient("tiny", server.url, CANARY, clock=clock, sleep=clock.sleep) as client:
        try:
            return client.complete(request(), timeout_s=20).text, len(server.bodies)
        except LLMError as error:
            return str(error), len(server.bodies)


LONG = json.dumps(completion("x" * 100_000)).encode()


@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_answer_without_end_is_left_whatever_its_status(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text, count = asked(Say(LONG, status), 50_000, monkeypatch)
    assert "the answer is longer than 50,000 bytes" in text
    assert count == 2  # it may have been billed: once more, and no more


def test_an_answer_that_unpacks_without_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(LONG)
    assert len(packed) < 1000
    text, _ = asked(Say(packed, headers={"Content-Encoding": "gzip"}), 50_000, monkeypatch)
    assert "the answer is longer than 50,000 bytes" in text


def test_an_answer_that_was_packed_all_the_same_is_read() -> None:
    packed = gzip.compress(json.dumps(completion()).encode())
    assert asked(Say(packed, headers={"Content-Encoding": "gzip"})) == (GOOD, 1)


@pytest.mark.parametrize("packing", ["br", "zstd", "gzip, gzip", "\x1b[2J"])
def test_packings_that_unpack_to_millions_of_their_size_are_not_read(packing: str) -> None:
    text, _ = asked(Say(b"x", headers={"Content-Encoding": packing}))
    assert "packed by" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_is_told_and_nothing_follows_it(status: int) -> None:
    with serve() as other:
        text, count = asked(Say({}, status, {"Location": f"{other.url}/chat/completions"}))
        assert (other.bodies, other.headers_seen) == ([], [])
    assert f"HTTP {status}" in text
    assert "has moved" in text
    assert count == 1


def test_no_packing_is_asked_for() -> None:
    with serve() as server, OpenAIClient("tiny", server.url, CANARY) as client:
        client.complete(request(), timeout_s=20)
        assert server.headers_seen[0]["accept-encoding"] == "identity"


@pytest.mark.parametrize(("pieces", "whole"), [([b"ab", b"c"], True), ([b"ab", b"cd"], False), ([], True)])
def test_pieces_pass_up_to_the_limit(pieces: list[bytes], whole: bool) -> None:
    passed: list[Any] = []
    if whole:
        assert list(up_to(3, pieces)) == pieces
        return
    with pytest.raises(UnfitAnswerError, match="longer than 3 bytes"):
        passed.extend(up_to(3, pieces))
