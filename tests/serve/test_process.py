"""`autoagent serve` as a user runs it: a process of its own, asked over HTTP, ended by a signal."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.train.export.small_run import make_run

from autoagent.train.export.package import assemble

ROW = {"size": 1.5, "weight": None, "colour": "red", "day": "2024-03-01"}


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = make_run(tmp_path_factory.mktemp("served") / "run")
    out = run.root / "model"
    assemble(run.root, [(run.trial(0), 1.0)], out, run.export_job())
    return out


@pytest.fixture
def server(delivered: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    log = tmp_path / "log.txt"
    with log.open("wb") as out:
        command = [sys.executable, "-m", "autoagent", "serve", str(delivered), "--port", "0"]
        process = subprocess.Popen(
            command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1"}
        )
        try:
            yield process, _address(log, process)
        finally:
            process.kill()
            process.wait()


def _address(log: Path, process: subprocess.Popen[bytes]) -> str:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:[1-9]\d*", log.read_text())
        if found:
            return found[0]
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def _ask(url: str, body: object = None) -> tuple[int, dict[str, object]]:
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_a_served_model_answers_and_refuses_and_ends_on_sigterm(
    server: tuple[subprocess.Popen[bytes], str],
) -> None:
    process, url = server
    assert _ask(f"{url}/health") == (200, {"status": "ok"})
    assert _ask(f"{url}/schema")[1]["target"] == "y"
    status, answer = _ask(f"{url}/predict", {"rows": [ROW, {**ROW, "colour": "mauve"}]})
    assert status == 200
    assert set(answer["predictions"]) <= {"no", "yes"}  # type: ignore[call-overload]  # a list
    assert answer["notes"] == ["1 row has a category in 'colour' that training hardly saw: 'mauve'"]
    status, answer = _ask(f"{url}/predict", {"rows": [{**ROW, "size": "big", "day": "soon"}]})
    assert status == 422
    assert str(answer["detail"]).splitlines() == [
        "row 1, column 'day': 'soon'; allowed: a date such as 2024-05-31, or nothing",
        "row 1, column 'size': 'big'; allowed: a number from -1e+30 to 1e+30, or nothing",
    ]
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) in (0, 143, -signal.SIGTERM)


def test_a_port_in_use_is_said_in_one_line(server: tuple[subprocess.Popen[bytes], str], delivered: Path) -> None:
    port = server[1].rsplit(":", 1)[1]
    command = [sys.executable, "-m", "autoagent", "serve", str(delivered), "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        f"error: 127.0.0.1:{port} cannot be listened on: Address already in use; choose another --port, 0 picks one"
    ]
