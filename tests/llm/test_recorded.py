"""Every exchange is on disk, is replayed from there once, and holds no secret."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.llm.server import Say, completion, error, serve

from autoagent.errors import BudgetExceeded, LLMError, RunFolderError
from autoagent.llm.client import OpenAIClient
from autoagent.llm.messages import Message, Request
from autoagent.llm.meter import MeteredLLM
from autoagent.llm.prices import FREE
from autoagent.llm.recorded import RecordingLLM
from autoagent.llm.scripted import ScriptedLLM
from autoagent.runs.budget import Budget, Limits

CANARY = "sk-canary-1234567890abcdef"


def request(text: str, **changes: Any) -> Request:
    return Request("scripted", (Message("user", text),), **changes)


def say(llm: RecordingLLM, text: str) -> str:
    return llm.complete(request(text), timeout_s=1).text


def test_an_exchange_is_written_whole(tmp_path: Path) -> None:
    say(RecordingLLM(ScriptedLLM(["four"]), tmp_path / "llm"), "two and two?")
    (path,) = (tmp_path / "llm").iterdir()
    record = json.loads(path.read_text())
    assert path.name == "0001.json"
    assert record["hash"] == request("two and two?").digest()
    assert record["request"]["messages"] == [{"role": "user", "content": "two and two?"}]
    assert record["reply"]["text"] == "four"
    assert record["error"] is None
    assert record["prompt_tokens"] == record["reply"]["prompt_tokens"] == 4
    assert record["seconds"] >= 0


def test_recorded_requests_are_answered_without_a_model(tmp_path: Path) -> None:
    recording = RecordingLLM(ScriptedLLM(["1", "2", "3"]), tmp_path)
    assert [say(recording, text) for text in ("a", "b", "a")] == ["1", "2", "3"]
    replay = RecordingLLM(None, tmp_path)
    assert [say(replay, text) for text in ("a", "a", "b")] == ["1", "3", "2"]
    assert (replay.name, replay.price, replay.num_replayed) == ("scripted", FREE, 3)
    with pytest.raises(LLMError, match="no recorded reply"):
        say(replay, "a")


def test_a_resumed_run_asks_only_what_is_new(tmp_path: Path) -> None:
    say(RecordingLLM(ScriptedLLM(["1"]), tmp_path), "a")
    script = ScriptedLLM(["1", "2"])
    resumed = RecordingLLM(MeteredLLM(script, Budget(Limits(), lambda: 0.0)), tmp_path)
    assert [say(resumed, text) for text in ("a", "b")] == ["1", "2"], "a script goes on where it was"
    assert len(script.requests) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0001.json", "0002.json"]


@pytest.mark.parametrize(
    "changes", [{"temperature": 0.9}, {"max_tokens": 3}, {"seed": 1}, {"schema": {"type": "object"}}]
)
def test_another_setting_is_another_request(changes: dict[str, Any], tmp_path: Path) -> None:
    say(RecordingLLM(ScriptedLLM(["1"]), tmp_path), "a")
    with pytest.raises(LLMError, match="no recorded reply"):
        RecordingLLM(None, tmp_path).complete(request("a", **changes), timeout_s=1)


def test_an_error_is_recorded_and_replayed(tmp_path: Path) -> None:
    for inner in (ScriptedLLM([LLMError("down")]), None):
        with pytest.raises(LLMError, match="down"):
            say(RecordingLLM(inner, tmp_path), "a")


def test_a_call_that_the_budget_refused_is_no_exchange(tmp_path: Path) -> None:
    metered = MeteredLLM(ScriptedLLM(["1"]), Budget(Limits(llm_calls=0), lambda: 0.0))
    with pytest.raises(BudgetExceeded):
        say(RecordingLLM(metered, tmp_path), "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "3", '{"hash": 1, "request": {}, "reply": 1, "error": 1}'])
def test_a_damaged_record_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "0001.json").write_text(text)
    with pytest.raises(RunFolderError, match=r"0001\.json is damaged"):
        RecordingLLM(None, tmp_path)


@pytest.mark.parametrize("say_", [Say(completion(f"your key is {CANARY}")), error(401, f"bad key {CANARY}")])
def test_no_secret_is_recorded(say_: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("HOUSE_TOKEN", "correct-horse-battery")
    with serve(say_) as server, OpenAIClient("m", server.url, CANARY) as client, suppress(LLMError):
        RecordingLLM(client, tmp_path).complete(request(f"{CANARY} and correct-horse-battery"), timeout_s=5)
    (path,) = tmp_path.iterdir()
    text = path.read_text()
    assert "[hidden]" in text
    assert CANARY not in text
    assert "correct-horse" not in text
