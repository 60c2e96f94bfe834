"""What a person sees at a terminal: questions, the panel, Ctrl+C; each test drives a real process on a pty."""

import os
import pty
import select
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

ANSWER_S = 120.0


def at_a_terminal(arguments: Sequence[str], at: Path, *keys: tuple[str, str]) -> tuple[int, str]:
    """Run the command line on a pty; each of ``keys`` is a text to wait for and what is typed then."""
    environment = {name: text for name, text in os.environ.items() if name not in ("NO_COLOR", "OPENAI_API_KEY")}
    environment |= {"TERM": "xterm-256color", "COLUMNS": "100", "LC_ALL": "C.UTF-8"}
    child, terminal = pty.fork()
    if child == 0:  # nothing but exec: the test's own threads do not exist here
        os.chdir(at)
        os.execve(sys.executable, [sys.executable, "-m", "autoagent", *arguments], environment)
    shown, seen, waiting = b"", 0, list(keys)
    until = time.monotonic() + ANSWER_S
    while time.monotonic() < until and (piece := _read(terminal)) is not None:
        shown += piece
        if waiting and waiting[0][0].encode() in shown[seen:]:
            seen = len(shown)
            os.write(terminal, waiting.pop(0)[1].encode())
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert waiting == [], f"never shown: {waiting[0][0]!r} in {shown.decode()}"
    return os.waitstatus_to_exitcode(status), shown.decode()


def _read(terminal: int) -> bytes | None:
    if not select.select([terminal], [], [], 0.1)[0]:
        return b""
    try:
        return os.read(terminal, 65536) or None
    except OSError:  # the other side has ended
        return None


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "t.csv").write_text("a,b,c\n" + "".join(f"{i},{i % 7},{i % 3}\n" for i in range(90)))
    return tmp_path


VAGUE = ("run", "t.csv", "make me a good model", "--max-trials", "2", "--workers", "1")
CLEAR = ("run", "t.csv", "predict c, accuracy, 5 minutes", "--workers", "1")


def test_an_unclear_request_is_asked_about_and_the_answer_is_taken(table: Path) -> None:
    code, shown = at_a_terminal(VAGUE, table, ("Please say it", "predict c\r"))
    assert code == 0, shown
    assert "sealed test rows" in shown
    assert len(list(table.glob("runs/*/model/model.json"))) == 1


@pytest.mark.parametrize(("key", "code"), [("\r", 2), ("\x03", 130), ("\x04", 130)])
def test_no_answer_ends_it_with_nothing_spent(table: Path, key: str, code: int) -> None:
    found, shown = at_a_terminal(VAGUE, table, ("Please say it", key))
    assert found == code, shown
    assert "Traceback" not in shown
    assert list(table.glob("runs/*")) == []


def test_with_yes_nothing_is_asked(table: Path) -> None:
    code, shown = at_a_terminal((*VAGUE, "--yes"), table)
    assert code == 2, shown
    assert "Please say it" not in shown
    assert "data.target" in shown


def test_ctrl_c_in_a_search_delivers_the_best_so_far(table: Path) -> None:
    code, shown = at_a_terminal(CLEAR, table, ("2 trials", "\x03"))
    assert code == 130, shown
    assert "sealed test rows" in shown
    assert "You stopped the search" in shown
    assert "Traceback" not in shown
    assert len(list(table.glob("runs/*/model/model.json"))) == 1
    assert len(list(table.glob("runs/*/report.html"))) == 1
    assert shown.rstrip().endswith("until then.")


def test_ctrl_c_before_there_is_a_model_says_how_to_go_on(table: Path) -> None:
    code, shown = at_a_terminal(CLEAR, table, ("searching", "\x03"))
    assert code == 130, shown
    assert "Traceback" not in shown
    stopped = "Stopped before there was a model; go on with: autoagent resume" in shown
    assert stopped or "You stopped the search" in shown  # a quick first trial is a model
