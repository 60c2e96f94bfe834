"""The real client against a server that misbehaves: what can be retried is, in time, and no secret gets out."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import pytest
from tests.llm.server import GOOD, Say, Server, completion, error, serve

from autoagent.errors import LLMError
from autoagent.llm.attempt import retry_after
from autoagent.llm.client import OpenAIClient
from autoagent.llm.messages import Message, Request

CANARY = "sk-canary-1234567890abcdef"
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}


def request(**changes: Any) -> Request:
    return Request("tiny", (Message("user", "two and two?"),), **{"schema": SCHEMA, **changes})


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def clients() -> Iterator[Any]:
    made: list[OpenAIClient] = []

    def make(server: Server, clock: Clock | None = None, **options: Any) -> OpenAIClient:
        times = {"clock": clock, "sleep": clock.sleep} if clock else {}
        made.append(OpenAIClient("tiny", server.url, CANARY, **times, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


def test_a_good_answer_comes_back_with_its_counts(clients: Any) -> None:
    with serve() as server:
        reply = clients(server).complete(request(), timeout_s=5)
        assert server.headers_seen[0]["authorization"] == f"Bearer {CANARY}"
    assert (reply.text, reply.model, reply.finish_reason) == (GOOD, "tiny-1", "stop")
    assert (reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens) == (11, 7, 3)
    assert reply.unclear == 0


def test_the_schema_and_all_settings_are_sent(clients: Any) -> None:
    with serve() as server:
        clients(server).complete(request(temperature=0.5, max_tokens=9, seed=3), timeout_s=5)
        body = server.bodies[0]
    assert (body["temperature"], body["max_tokens"], body["seed"], body["model"]) == (0.5, 9, 3, "tiny")
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert body["response_format"]["json_schema"]["strict"] is False


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
def test_a_passing_fault_is_retried(status: int, clients: Any, clock: Clock) -> None:
    with serve(error(status), Say()) as server:
        assert clients(server, clock).complete(request(), timeout_s=60).text == GOOD
        assert len(server.bodies) == 2
    assert len(clock.slept) == 1
    assert 0.2 <= clock.slept[0] <= 0.5


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413])
def test_a_lasting_fault_is_not_retried(status: int, clients: Any, clock: Clock) -> None:
    with serve(error(status)) as server:
        with pytest.raises(LLMError, match=f"HTTP {status}"):
            clients(server, clock).complete(request(), timeout_s=60)
        assert len(server.bodies) == 1
    assert clock.slept == []


def test_retry_after_is_honoured(clients: Any, clock: Clock) -> None:
    with serve(error(429, headers={"Retry-After": "7"}), Say()) as server:
        assert clients(server, clock).complete(request(), timeout_s=60).text == GOOD
    assert clock.slept == [7.0]


def test_a_wait_longer_than_the_time_left_ends_at_once(clients: Any, clock: Clock) -> None:
    with serve(error(429, headers={"Retry-After": "120"})) as server:
        with pytest.raises(LLMError, match="HTTP 429"):
            clients(server, clock).complete(request(), timeout_s=60)
        assert len(server.bodies) == 1
    assert clock.slept == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": formatdate(1030.0, usegmt=True)}, 30.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=1000.0) == seconds


def test_pauses_grow_and_end(clients: Any, clock: Clock) -> None:
    with serve(error(500)) as server:
        with pytest.raises(LLMError, match="after 6 attempts"):
            clients(server, clock).complete(request(), timeout_s=1000)
        assert len(server.bodies) == 6
    assert all(0.25 * 2**i <= pause <= 0.5 * 2**i for i, pause in enumerate(clock.slept))


def test_a_slow_server_is_left_in_time(clients: Any) -> None:
    with serve(Say(delay_s=30)) as server:
        started = time.monotonic()
        with pytest.raises(LLMError) as caught:
            clients(server).complete(request(), timeout_s=0.5)
        assert time.monotonic() - started < 2.0
    assert caught.value.unclear == 1


def test_a_server_that_sends_a_byte_now_and_then_is_left_in_time(clients: Any) -> None:
    with serve(Say(drip_s=0.1)) as server:
        started = time.monotonic()
        with pytest.raises(LLMError, match="no full answer"):
            clients(server).complete(request(), timeout_s=0.5)
        assert time.monotonic() - started < 2.0


@pytest.mark.parametrize("bad", [Say(cut=40), Say(hang_up=True), Say('{"choices": [{"mess'), Say("<html>")])
def test_an_answer_that_was_lost_is_asked_for_once_more_and_counted(bad: Say, clients: Any, clock: Clock) -> None:
    with serve(bad, Say()) as server:
        reply = clients(server, clock).complete(request(), timeout_s=60)
        assert len(server.bodies) == 2
    assert (reply.text, reply.unclear) == (GOOD, 1)


@pytest.mark.parametrize(
    "bad",
    [
        Say(cut=40),
        Say(hang_up=True),
        Say("<html>", headers={"Content-Type": "text/html"}),
        Say([]),
        Say(completion(choices=[])),
        Say({"error": {"message": "but with status 200"}}),
    ],
)
def test_an_endpoint_that_only_loses_answers_is_an_error(bad: Say, clients: Any, clock: Clock) -> None:
    with serve(bad) as server:
        with pytest.raises(LLMError) as caught:
            clients(server, clock).complete(request(), timeout_s=60)
        assert len(server.bodies) == 2, "each attempt may cost money"
    assert caught.value.unclear == 2


def test_an_error_that_comes_with_status_200_is_quoted(clients: Any, clock: Clock) -> None:
    with serve(Say({"error": {"message": "out of stock"}})) as server, pytest.raises(LLMError, match="out of stock"):
        clients(server, clock).complete(request(), timeout_s=60)


def test_no_server_is_an_error_that_says_what_to_do(clients: Any, clock: Clock) -> None:
    with serve() as server:
        pass
    with pytest.raises(LLMError, match="--llm none") as caught:
        clients(server, clock).complete(request(), timeout_s=60)
    assert caught.value.unclear == 0, "nothing was sent, so nothing was billed"


def test_missing_usage_is_unknown_not_zero(clients: Any) -> None:
    with serve(Say(completion(usage=None))) as server:
        reply = clients(server).complete(request(), timeout_s=5)
    assert reply.prompt_tokens is None
    assert reply.completion_tokens is None


def test_a_cut_off_reply_says_so(clients: Any) -> None:
    cut = completion()
    cut["choices"][0].update(finish_reason="length", message={"role": "assistant", "content": '{"answer":'})
    with serve(Say(cut)) as server:
        reply = clients(server).complete(request(), timeout_s=5)
    assert (reply.finish_reason, reply.text) == ("length", '{"answer":')


def test_a_reply_without_content_is_empty_text(clients: Any) -> None:
    with serve(Say(completion(text=None))) as server:
        assert clients(server).complete(request(), timeout_s=5).text == ""


def _refuses(*formats: str) -> Say:
    def has(body: dict[str, Any]) -> bool:
        return body.get("response_format", {}).get("type") in formats

    refusal = error(400, "'response_format' of this type is not supported")
    return Say(refusal.body, 400, only_if=has)


@pytest.mark.parametrize(
    ("refused", "formats"),
    [
        (("json_schema",), ["json_schema", "json_object"]),
        (("json_schema", "json_object"), ["json_schema", "json_object", None]),
    ],
)
def test_a_refused_reply_format_falls_back_and_is_remembered(
    refused: tuple[str, ...], formats: list[str | None], clients: Any
) -> None:
    with serve(_refuses(*refused)) as server:
        client = clients(server)
        assert client.complete(request(), timeout_s=5).text == GOOD
        assert client.complete(request(), timeout_s=5).text == GOOD
        sent = [body.get("response_format", {}).get("type") for body in server.bodies]
        last = server.bodies[-1]["messages"][-1]["content"]
    assert sent == [*formats, formats[-1]]
    assert json.dumps(SCHEMA) in last, "a model that gets no schema must read it"


def test_settings_that_a_model_refuses_are_left_out(clients: Any) -> None:
    wrong = [
        error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        error(400, "Unsupported value: 'temperature' does not support 0.2 with this model."),
    ]
    with serve(*wrong, Say()) as server:
        assert clients(server).complete(request(), timeout_s=5).text == GOOD
        body = server.bodies[-1]
    assert body["max_completion_tokens"] == 1500
    assert "max_tokens" not in body
    assert "temperature" not in body


def test_a_prompt_that_is_too_long_is_sent_once(clients: Any) -> None:
    with serve(error(400, "the request exceeds the available context size")) as server:
        with pytest.raises(LLMError, match="context size"):
            clients(server).complete(request(), timeout_s=5)
        assert len(server.bodies) == 1


@pytest.mark.parametrize(
    "say",
    [
        error(401, f"Incorrect API key provided: {CANARY}"),
        error(500, f"key {CANARY} in a stack trace"),
        Say(f"<html>{CANARY}"),
        error(400, f"Authorization: Bearer {CANARY}"),
    ],
)
def test_the_key_is_in_no_error_and_no_log(
    say: Say, clients: Any, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with serve(say) as server, pytest.raises(LLMError) as caught:
        clients(server, clock).complete(request(), timeout_s=60)
    error_: BaseException | None = caught.value
    assert CANARY not in str(error_)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None, "the openai error behind it holds the request's headers"
    assert CANARY not in caplog.text


def test_the_models_of_an_endpoint_cost_nothing(clients: Any) -> None:
    with serve() as server:
        server.models = ["a", "b"]
        assert clients(server).models() == ["a", "b"]
        assert server.bodies == []


def test_a_client_in_a_test_reaches_nothing_but_this_machine(clock: Clock) -> None:
    with (
        OpenAIClient("gpt-4o-mini", None, CANARY, clock=clock, sleep=clock.sleep) as client,
        pytest.raises(LLMError, match="connection failed"),
    ):
        client.complete(request(), timeout_s=60)
