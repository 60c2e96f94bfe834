import http.client
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import uvicorn

from autoagent.inference import InputError, Model
from autoagent.serve.app import MAX_BYTES, MAX_ROWS, build_app

TOKEN = "tell-nobody"


class Stub(Model):
    """Says ``yes`` where ``x`` is positive; only what the endpoint uses of a model."""

    def __init__(self, task: str = "binary") -> None:
        roles = {"x": "numeric", "colour": "categorical"}
        self.facts: dict[str, Any] = {"task": task, "target": "t", "classes": ["no", "yes"], "roles": roles}
        self.schema = {"type": "object"}
        self.classes_ = np.array(["no", "yes"], dtype=object)
        self.seen: list[pd.DataFrame] = []

    def raw(self, frame: pd.DataFrame) -> np.ndarray:
        if "x" not in frame:
            raise InputError("missing columns: 'x'")
        self.seen.append(frame)
        positive = (pd.to_numeric(frame["x"], errors="coerce") > 0).to_numpy(dtype=float)
        return positive if self.facts["task"] == "regression" else np.column_stack([1 - positive, positive])


class Server(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """Leave the signals to the tests."""


def _serve(model: Model, token: str | None) -> Iterator[str]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = Server(uvicorn.Config(build_app(model, token=token), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    until = time.monotonic() + 10
    while not server.started and time.monotonic() < until:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    listener.close()


@pytest.fixture
def model() -> Stub:
    return Stub()


@pytest.fixture
def url(model: Stub) -> Iterator[str]:
    yield from _serve(model, None)


@pytest.fixture
def guarded() -> Iterator[str]:
    yield from _serve(Stub(), TOKEN)


def _ask(url: str, body: object = None, *, raw: bytes | None = None, token: str = "") -> tuple[int, Any]:
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_rows_are_predicted_in_order_with_their_probabilities(url: str) -> None:
    status, answer = _ask(f"{url}/predict", {"rows": [{"x": 3, "colour": "red"}, {"x": -1, "colour": None}]})
    assert status == 200
    assert answer["predictions"] == ["yes", "no"]
    assert answer["probabilities"] == [{"no": 0.0, "yes": 1.0}, {"no": 1.0, "yes": 0.0}]


def test_a_regression_has_values_and_no_probabilities() -> None:
    for url in _serve(Stub("regression"), None):
        assert _ask(f"{url}/predict", {"rows": [{"x": 2}]}) == (200, {"predictions": [1.0], "probabilities": None})


def test_a_missing_column_is_named(url: str) -> None:
    status, answer = _ask(f"{url}/predict", {"rows": [{"colour": "red"}]})
    assert status == 422
    assert "'x'" in answer["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"rows": []},
        {"rows": 3},
        {"rows": [3]},
        {"rows": [{"x": [1]}]},
        {"rows": [{"x": {"a": 1}}]},
        {"rows": [{"x": 1}], "path": "model"},
        {"rows": [{"x": 1}] * (MAX_ROWS + 1)},
    ],
)
def test_a_body_that_is_not_rows_is_refused_before_the_model_sees_it(url: str, model: Stub, body: object) -> None:
    status, answer = _ask(f"{url}/predict", body)
    assert status == 422
    assert "detail" in answer
    assert model.seen == []


def test_text_that_is_not_json_is_refused(url: str, model: Stub) -> None:
    assert _ask(f"{url}/predict", raw=b"{rows: __import__('os')}")[0] == 422
    assert model.seen == []


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [("content-length", str(MAX_BYTES + 1), 413), ("transfer-encoding", "chunked", 411)],
)
def test_a_body_past_the_limit_or_of_untold_length_is_refused_unread(
    url: str, model: Stub, header: str, value: str, status: int
) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.putrequest("POST", "/predict")
    connection.putheader(header, value)
    connection.endheaders()  # and no body: the answer must not wait for it
    answer = connection.getresponse()
    assert answer.status == status
    assert "detail" in json.load(answer)
    connection.close()
    assert model.seen == []


def test_a_cell_that_looks_like_code_is_a_cell(url: str, model: Stub) -> None:
    hostile = "__import__('os').system('true')"
    assert _ask(f"{url}/predict", {"rows": [{"x": 1, "colour": hostile}]})[0] == 200
    assert model.seen[0].loc[0, "colour"] == hostile


def test_the_schema_names_the_columns_and_describes_a_row(url: str) -> None:
    status, answer = _ask(f"{url}/schema")
    assert status == 200
    assert answer["roles"] == {"x": "numeric", "colour": "categorical"}
    assert answer["input"] == {"type": "object"}


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1]])
def test_without_the_token_nothing_is_told(guarded: str, token: str) -> None:
    assert _ask(f"{guarded}/schema", token=token)[0] == 401
    assert _ask(f"{guarded}/predict", {"rows": [{"x": 1}]}, token=token)[0] == 401


def test_with_the_token_rows_are_predicted(guarded: str) -> None:
    assert _ask(f"{guarded}/predict", {"rows": [{"x": 1}]}, token=TOKEN)[0] == 200


def test_health_needs_no_token(guarded: str) -> None:
    assert _ask(f"{guarded}/health") == (200, {"status": "ok"})
