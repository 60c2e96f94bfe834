"""What was spent is never forgotten: a call that a kill cut off counts at its most, and time at its last beat."""

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from autoagent.errors import BudgetExceeded, LLMError
from autoagent.llm.messages import Message, Reply, Request
from autoagent.llm.meter import MeteredLLM
from autoagent.llm.prices import Price
from autoagent.llm.recorded import RecordingLLM, spent_in
from autoagent.runs.budget import Budget, Limits
from autoagent.runs.heartbeat import beating, last_beat

ASK = Request("m", (Message("user", "two and two?"),), max_tokens=100)
PRICE = Price(prompt=1.0, cached=1.0, completion=2.0)


class Model:
    """Answers, or does what it is told to do in mid-call."""

    name = "m"
    price = PRICE

    def __init__(self, fault: str = "") -> None:
        self.fault = fault

    def complete(self, request: Request, *, timeout_s: float) -> Reply:
        if self.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "interrupt":
            raise KeyboardInterrupt
        if self.fault == "error":
            raise LLMError("no answer", unclear=1)
        return Reply("four", prompt_tokens=10, completion_tokens=5, model="m")


def metered(fault: str = "", limit: float | None = None) -> MeteredLLM:
    return MeteredLLM(Model(fault), Budget(Limits(llm_cost_usd=limit), lambda: 0.0))


def ask(folder: Path, fault: str = "") -> None:
    RecordingLLM(metered(fault), folder).complete(ASK, timeout_s=1)


def test_a_call_that_ended_is_booked_at_its_cost(tmp_path: Path) -> None:
    ask(tmp_path)
    assert spent_in(tmp_path)["llm_cost_usd"] == pytest.approx(PRICE.cost(prompt_tokens=10, completion_tokens=5))
    assert [path.name for path in tmp_path.iterdir()] == ["0001.json"]


def test_a_process_killed_in_mid_call_leaves_the_most_that_it_could_cost(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        try:
            ask(tmp_path, "kill")
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert spent_in(tmp_path) == metered().most(ASK)
    ask(tmp_path)
    assert spent_in(tmp_path)["llm_calls"] == 2


def test_an_interrupt_in_mid_call_leaves_it_too(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        ask(tmp_path, "interrupt")
    assert spent_in(tmp_path) == metered().most(ASK)


def test_a_failure_is_booked_once_for_each_attempt_that_may_have_been_billed(tmp_path: Path) -> None:
    with pytest.raises(LLMError):
        ask(tmp_path, "error")
    assert spent_in(tmp_path)["llm_cost_usd"] == pytest.approx(metered().bound(ASK).cost_usd)


def test_a_call_past_the_limit_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BudgetExceeded):
        RecordingLLM(metered(limit=1e-9), tmp_path).complete(ASK, timeout_s=1)
    assert spent_in(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_note_that_a_kill_tore_counts_as_a_call_that_had_not_begun(tmp_path: Path) -> None:
    (tmp_path / "call-1-1.pending").write_text('{"llm_co')
    assert spent_in(tmp_path) == {"llm_calls": 1.0}


def test_records_of_earlier_releases_are_booked_at_their_cost(tmp_path: Path) -> None:
    ask(tmp_path)
    path = tmp_path / "0001.json"
    record = json.loads(path.read_text())
    wanted = record.pop("booked")
    path.write_text(json.dumps(record))
    assert spent_in(tmp_path) == wanted


def test_the_seconds_of_a_killed_sitting_are_those_of_its_last_beat(tmp_path: Path) -> None:
    beats, seconds = threading.Event(), iter(range(1, 1000))

    def used() -> float:
        now = float(next(seconds))
        if now >= 3:
            beats.set()
        return now

    with beating(tmp_path / "clock", used, every_s=0.001):
        assert beats.wait(10)
    assert last_beat(tmp_path / "clock") >= 2.0


@pytest.mark.parametrize("text", [None, "", "torn", "-1", "nan", "inf"])
def test_a_beat_that_cannot_be_read_counts_for_nothing(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "clock"
    if text is not None:
        path.write_text(text)
    assert last_beat(path) == 0.0


def test_a_beat_that_the_disk_refuses_is_left_out(tmp_path: Path) -> None:
    called = threading.Event()

    def used() -> float:
        called.set()
        return 1.0

    with beating(tmp_path / "no such folder" / "clock", used, every_s=0.001):
        assert called.wait(10)
    assert last_beat(tmp_path / "no such folder" / "clock") == 0.0
