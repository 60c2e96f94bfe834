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
from fastapi.testclient import TestClient

from autoagent.inference import Model
from autoagent.serve.app import MAX_BYTES, MAX_ROWS, _listener, build_app
from autoagent.serve.patience import PatientProtocol

TOKEN = "tell-nobody"


class Stub(Model):
    """Says ``yes`` where ``x`` is positive; only what the endpoint uses of a model."""

    def __init__(self, task: str = "binary") -> None:
        roles = {"x": "numeric", "colour": "categorical"}
        self.facts: dict[str, Any] = {"task": task, "target": "t", "classes": ["no", "yes"], "roles": roles}
        self.facts |= {"ranges": {"colour": ["red"]}}
        self._recipes = {}
        self.schema = {"type": "object", "properties": {"x": {"type": ["number", "null"]}, "colour": {}}}
        self.classes_ = np.array(["no", "yes"], dtype=object)
        self.seen: list[pd.DataFrame] = []

    def raw(self, frame: pd.DataFrame) -> np.ndarray:
        self.seen.append(frame)
        positive = (pd.to_numeric(frame["x"], errors="coerce") > 0).to_numpy(dtype=float)
        return positive if self.facts["task"] == "regression" else np.column_stack([1 - positive, positive])


class Server(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """Leave the signals to the tests."""


def _serve(model: Model, token: str | None, *, patience_s: float = 10.0) -> Iterator[str]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    protocol = type("Protocol", (PatientProtocol,), {"header_s": patience_s})
    app = build_app(model, token=token, body_s=patience_s)
    server = Server(uvicorn.Config(app, http=protocol, ws="none", log_level="error", lifespan="off"))
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
        status, answer = _ask(f"{url}/predict", {"rows": [{"x": 2, "colour": "red"}]})
        assert (status, answer) == (200, {"predictions": [1.0], "probabilities": None, "notes": []})


def test_a_row_that_lacks_a_column_is_named_with_what_it_has_instead(url: str, model: Stub) -> None:
    status, answer = _ask(f"{url}/predict", {"rows": [{"x": 1, "colour": "red"}, {"X": 1, "colour": "red"}]})
    assert status == 422
    assert answer["detail"].startswith("row 2 lacks 'x'; it has 'X', which the model does not know")
    assert model.seen == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [("ten", "'ten'"), (True, "True"), ([1], "[1]"), ({"a": 1}, "{'a': 1}"), (1e31, "1e+31"), (10**400, "1000")],
)
def test_a_cell_of_the_wrong_type_is_told_with_its_row_column_value_and_what_is_allowed(
    url: str, model: Stub, value: object, shown: str
) -> None:
    rows = [{"x": 1, "colour": "red"}, {"x": value, "colour": "red"}]
    status, answer = _ask(f"{url}/predict", {"rows": rows})
    assert status == 422
    assert answer["detail"].startswith(f"row 2, column 'x': {shown}")
    assert "allowed: a number from" in answer["detail"]
    assert model.seen == []


@pytest.mark.parametrize(
    "raw", [b'{"rows": [{"x": NaN, "colour": "red"}]}', b'{"rows": [{"x": -Infinity, "colour": 1}]}']
)
def test_numbers_that_json_does_not_have_are_refused(url: str, model: Stub, raw: bytes) -> None:
    status, answer = _ask(f"{url}/predict", raw=raw)
    assert status == 422
    assert "null" in answer["detail"]
    assert model.seen == []


def test_a_number_past_the_largest_float_is_refused(url: str) -> None:
    status, answer = _ask(f"{url}/predict", raw=b'{"rows": [{"x": 1e400, "colour": "red"}]}')
    assert status == 422
    assert "column 'x': inf; allowed" in answer["detail"]


def test_null_is_an_unknown_value(url: str) -> None:
    assert _ask(f"{url}/predict", {"rows": [{"x": None, "colour": None}]})[0] == 200


def test_new_categories_are_accepted_and_counted(url: str) -> None:
    rows = [{"x": 1, "colour": name, "more": 1} for name in ("red", "mauve", "mauve", "teal")]
    status, answer = _ask(f"{url}/predict", {"rows": rows})
    assert status == 200
    assert answer["notes"] == [
        "3 rows have a category in 'colour' that training hardly saw: 'mauve', 'teal'",
        "columns that the model does not use: 'more'",
    ]


def test_the_openapi_page_describes_a_row(url: str) -> None:
    status, page = _ask(f"{url}/openapi.json")
    assert status == 200
    schema = page["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    row = schema["properties"]["rows"]["items"]
    assert row["properties"] == {
        "x": {"type": ["number", "null"], "minimum": -1e30, "maximum": 1e30},
        "colour": {},
    }


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"rows": []},
        {"rows": 3},
        {"rows": [3]},
        {"rows": [{}]},
        {"rows": [{"x": 1, "colour": "red"}], "path": "model"},
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


@pytest.fixture
def impatient(model: Stub) -> Iterator[str]:
    yield from _serve(model, None, patience_s=0.3)


@pytest.mark.parametrize(
    "sent", [b"", b"POST /predict HTT", b"POST /predict HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n"]
)
def test_a_client_that_never_ends_its_headers_is_let_go(impatient: str, sent: bytes) -> None:
    host, port = impatient.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(sent)
        assert client.recv(1000) == b""
    assert _ask(f"{impatient}/health")[0] == 200


def test_a_body_that_does_not_come_is_not_waited_for(impatient: str, model: Stub) -> None:
    host, port = impatient.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\n{")
        assert b" 408 " in client.recv(1000)
    assert model.seen == []


def test_a_cell_that_looks_like_code_is_a_cell(url: str, model: Stub) -> None:
    hostile = "__import__('os').system('true')"
    assert _ask(f"{url}/predict", {"rows": [{"x": 1, "colour": hostile}]})[0] == 200
    assert model.seen[0].loc[0, "colour"] == hostile


def test_the_schema_names_the_columns_and_describes_a_row(url: str) -> None:
    status, answer = _ask(f"{url}/schema")
    assert status == 200
    assert answer["roles"] == {"x": "numeric", "colour": "categorical"}
    assert answer["input"]["properties"]["x"]["maximum"] == 1e30


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1]])
def test_without_the_token_nothing_is_told(guarded: str, token: str) -> None:
    assert _ask(f"{guarded}/schema", token=token)[0] == 401
    assert _ask(f"{guarded}/openapi.json", token=token)[0] == 401
    assert _ask(f"{guarded}/predict", {"rows": [{"x": 1}]}, token=token)[0] == 401


def test_with_the_token_rows_are_predicted(guarded: str) -> None:
    assert _ask(f"{guarded}/predict", {"rows": [{"x": 1, "colour": "red"}]}, token=TOKEN)[0] == 200


def test_a_header_that_is_no_text_is_a_wrong_token(guarded: str) -> None:
    request = urllib.request.Request(f"{guarded}/schema", headers={"authorization": "Bearer \u00fc\u00ff"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    with caught.value as answer:
        assert answer.code == 401


def test_every_answer_that_can_come_is_in_the_openapi_page(url: str) -> None:
    paths = _ask(f"{url}/openapi.json")[1]["paths"]
    assert set(paths["/predict"]["post"]["responses"]) == {"200", "401", "408", "411", "413", "421", "422"}


HOSTS = ["127.0.0.1", "127.0.0.1:8000", "localhost:1", "[::1]:8000", "LOCALHOST"]
OTHERS = [
    "evil.example",
    "127.0.0.1.evil.example:80",
    "localhost.evil.example",
    "evil@localhost",
    "[::1",
    "",
    "a b",
    "10.0.0.1",
]


@pytest.mark.parametrize("host", [*HOSTS, *OTHERS])
def test_a_web_page_whose_name_points_here_is_answered_nothing(host: str) -> None:
    with TestClient(build_app(Stub(), local_only=True)) as client:
        body = {"rows": [{"x": 1, "colour": "red"}]}
        answers = [
            client.get("/schema", headers={"host": host}),
            client.post("/predict", json=body, headers={"host": host}),
        ]
        answers.append(client.get("/health", headers={"host": host}))
    assert {answer.status_code for answer in answers} == {200 if host in HOSTS else 421}
    if host not in HOSTS:
        assert "is not this machine; ask 127.0.0.1" in answers[0].json()["detail"]


def test_health_needs_no_token(guarded: str) -> None:
    assert _ask(f"{guarded}/health") == (200, {"status": "ok"})


def test_an_answer_does_not_wait_for_the_acknowledgement_of_its_first_part() -> None:
    with _listener("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP  # what asyncio looks at before it sets TCP_NODELAY
