"""`autoagent serve` as a user runs it: a process of its own, asked over HTTP, ended by a signal."""

import json
import os
import re
import signal
import socket
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


def _ask(url: str | urllib.request.Request, body: object = None) -> tuple[int, dict[str, object]]:
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(url, data, timeout=20) as answer:
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
    assert _ask(urllib.request.Request(f"{url}/schema", headers={"host": "evil.example"}))[0] == 421
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


def test_the_token_comes_from_the_environment_and_is_never_shown(delivered: Path, tmp_path: Path) -> None:
    log, token = tmp_path / "log.txt", "tell-nobody-51c9"
    environment = {**os.environ, "NO_COLOR": "1", "AUTOAGENT_TOKEN": token}
    command = [sys.executable, "-m", "autoagent", "serve", str(delivered), "--port", "0"]
    with (
        log.open("wb") as out,
        subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=environment) as process,
    ):
        try:
            url = _address(log, process)
            assert _ask(f"{url}/schema")[0] == 401
            headers = {"authorization": f"Bearer {token}"}
            with urllib.request.urlopen(urllib.request.Request(f"{url}/schema", headers=headers), timeout=20) as answer:
                assert answer.status == 200
            shown = Path(f"/proc/{process.pid}/cmdline")
            assert not shown.exists() or token.encode() not in shown.read_bytes()
        finally:
            process.terminate()
            process.wait(20)
    assert token not in log.read_text()
    assert "warning" not in log.read_text()


def test_an_address_that_others_reach_without_a_token_is_warned_of(delivered: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    command = [sys.executable, "-m", "autoagent", "serve", str(delivered), "--host", "0.0.0.0", "--port", "0"]
    with (
        log.open("wb") as out,
        subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL) as process,
    ):
        try:
            until = time.monotonic() + 60
            while time.monotonic() < until and process.poll() is None and "warning" not in log.read_text():
                time.sleep(0.05)
        finally:
            process.terminate()
            process.wait(20)
    assert "warning: whoever reaches 0.0.0.0 can use this model; set AUTOAGENT_TOKEN" in log.read_text()


def test_clients_that_hang_up_leave_no_trace_in_the_log(
    server: tuple[subprocess.Popen[bytes], str], tmp_path: Path
) -> None:
    process, url = server
    host, port = url.removeprefix("http://").split(":")
    body = json.dumps({"rows": [ROW] * 50}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for sent in (head, head + body[:9], head + body):
        with socket.create_connection((host, int(port)), timeout=20) as client:
            client.sendall(sent)
            time.sleep(0.2)
    assert _ask(f"{url}/health")[0] == 200
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    assert "Traceback" not in (tmp_path / "log.txt").read_text()


def test_requests_under_way_are_answered_before_it_ends(server: tuple[subprocess.Popen[bytes], str]) -> None:
    process, url = server
    host, port = url.removeprefix("http://").split(":")
    body = json.dumps({"rows": [ROW]}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(head + body[:-1])
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        client.sendall(body[-1:])
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert process.wait(20) in (0, 143, -signal.SIGTERM)


def test_a_port_in_use_is_said_in_one_line(server: tuple[subprocess.Popen[bytes], str], delivered: Path) -> None:
    port = server[1].rsplit(":", 1)[1]
    command = [sys.executable, "-m", "autoagent", "serve", str(delivered), "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        f"error: 127.0.0.1:{port} cannot be listened on: Address already in use; choose another --port, 0 picks one"
    ]
