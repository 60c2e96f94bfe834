"""Uploads of files: what a client encodes arrives byte for byte, and whatever else arrives is refused in words."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.serve.test_app import Stub, _serve

from autoagent.inference import InputError, Model
from autoagent.serve.app import MAX_BYTES, build_app
from autoagent.serve.images import MAX_IMAGES
from autoagent.serve.multipart import form_rows, read_parts

IMAGE = {"photo": "image"}
MIXED = {"photo": "image", "age": "numeric", "colour": "categorical"}
FORM = "multipart/form-data; boundary=xx"


def png(grey: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (4, 4), grey).save(file, "PNG")
    return file.getvalue()


class Greys(Model):
    """Says how bright an image is; checks rows as a real model does."""

    def __init__(self, roles: dict[str, str]) -> None:
        self.facts: dict[str, Any] = {"task": "regression", "target": "t", "classes": [], "roles": roles}
        self._recipes = {}
        self.schema = {"type": "object", "properties": {"photo": {"type": "string"}}}
        self.classes_ = np.array([])
        self.seen: list[pd.DataFrame] = []

    def raw(self, frame: pd.DataFrame) -> np.ndarray:
        self.seen.append(frame)
        return np.array([float(np.asarray(Image.open(io.BytesIO(cell))).mean()) for cell in frame["photo"]])


@pytest.fixture
def model() -> Greys:
    return Greys(IMAGE)


@pytest.fixture
def client(model: Greys) -> Iterator[TestClient]:
    with TestClient(build_app(model)) as client:
        yield client


def test_files_are_predicted_in_their_order(client: TestClient) -> None:
    sent = [("file", ("../../etc/passwd", png(grey), "image/png")) for grey in (7, 200, 0)]
    answer = client.post("/predict", files=sent)
    assert (answer.status_code, answer.json()["predictions"]) == (200, [7.0, 200.0, 0.0])


def test_the_column_s_own_name_is_taken_too(client: TestClient) -> None:
    assert client.post("/predict", files={"photo": png(9)}).json()["predictions"] == [9.0]


def test_other_columns_are_fields_and_an_empty_one_is_unknown() -> None:
    model = Greys(MIXED)
    with TestClient(build_app(model)) as client:
        answer = client.post("/predict", files={"file": png(5)}, data={"age": "41.5", "colour": ""})
        assert (answer.status_code, answer.json()["predictions"]) == (200, [5.0])
        assert model.seen[0].drop(columns="photo").to_dict("records") == [{"age": "41.5", "colour": None}]
        wrong = client.post("/predict", files={"file": png(5)}, data={"age": "old", "colour": ""})
        assert "column 'age': 'old'; allowed: a number" in wrong.json()["detail"]


@pytest.mark.parametrize(
    ("roles", "names", "told"),
    [
        (IMAGE, ["path"], "part 'path' is unknown or sent twice; allowed: 'file'"),
        (IMAGE, ["file"] * (MAX_IMAGES + 1), f"{MAX_IMAGES + 1} parts; allowed: 1 to {MAX_IMAGES}"),
        (MIXED, ["file", "age"], "the form lacks 'colour'"),
        (MIXED, ["age", "colour"], "the form lacks 'file'"),
        (MIXED, ["file", "file", "age", "colour"], "4 parts; allowed: 1 to 66"),
        (MIXED, ["file", "age", "age", "colour"], "part 'age' is unknown or sent twice"),
        ({"file": "numeric", "photo": "image"}, ["file"], "the form lacks 'photo'"),
        ({"age": "numeric"}, ["file"], "a form is for models of images"),
    ],
)
def test_a_form_that_does_not_fit_is_told_what_is_allowed(roles: dict[str, str], names: list[str], told: str) -> None:
    if told.startswith("4 parts"):
        told = "2 images were sent; allowed: 1 to 1 in one form"
    model = Greys(roles)
    with TestClient(build_app(model)) as client:
        answer = client.post("/predict", files=[(name, ("a", b"1")) for name in names])
    assert answer.status_code == 422
    assert told in answer.json()["detail"]
    assert model.seen == []


def test_what_is_no_image_is_refused_with_its_row(client: TestClient, model: Greys) -> None:
    answer = client.post("/predict", files=[("file", png(1)), ("file", b"/etc/passwd")])
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("row 2, column 'photo'")
    assert model.seen == []


def test_an_image_of_too_many_pixels_is_refused_unread(client: TestClient, model: Greys) -> None:
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")  # 400 million pixels in 50 kB
    answer = client.post("/predict", files={"file": file.getvalue()})
    assert answer.status_code == 422
    assert model.seen == []


def test_a_form_past_the_limit_is_refused_as_any_body(client: TestClient, model: Greys) -> None:
    assert client.post("/predict", files={"file": bytes(MAX_BYTES)}).status_code == 413
    assert model.seen == []


def test_without_the_token_no_form_is_read() -> None:
    model = Greys(IMAGE)
    with TestClient(build_app(model, token="tell-nobody")) as client:
        assert client.post("/predict", files={"file": png(1)}).status_code == 401
    assert model.seen == []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--xx--"),
        ("multipart/form-data; boundary=", b"--xx--"),
        (f"multipart/form-data; boundary={'x' * 71}", b"--xx--"),
        ("multipart/form-data; boundary=\u00e9", b"--xx--"),
        (FORM, b""),
        (FORM, b"--xx"),
        (FORM, b"--xx\r\nContent-Disposition: form-data; name=file\r\n\r\nabc"),
        (FORM, b"--xx\r\nContent-Disposition: form-data; name=file\r\n\r\nabc\r\n--xx"),
        (FORM, b"--xx\r\nContent-Disposition: form-data; name=file\nno\r\n--xx--"),
        (FORM, b"--xx\r\nContent-Disposition: attachment; name=file\r\n\r\nabc\r\n--xx--"),
        (FORM, b"--xx\r\nContent-Disposition: form-data\r\n\r\nabc\r\n--xx--"),
        (FORM, b"--xx\r\n\r\nabc\r\n--xx--"),
        (FORM, b"--xx\r\nX: " + b"a" * 5000 + b"\r\n\r\nabc\r\n--xx--"),
        (FORM, b"--xxContent-Disposition: form-data; name=file\r\n\r\nabc\r\n--xx--"),
        (FORM, b"\r\n--xx" * 1_000_000),
    ],
)
def test_a_form_that_is_none_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(InputError):
        form_rows(body, content_type, IMAGE)


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5), st.text(max_size=30))
def test_what_a_client_encodes_arrives_byte_for_byte(contents: list[bytes], name: str) -> None:
    client = TestClient(build_app(Greys(IMAGE)))
    request = client.build_request("POST", "/predict", files=[("file", (name, content)) for content in contents])
    parts = read_parts(request.read(), request.headers["content-type"], most=5)
    assert [(part.name, part.content) for part in parts] == [("file", content) for content in contents]


PIECES = [b"\r\n", b"--", b"xx", b"\r\n--xx", b"--xx--", b"Content-Disposition: form-data; ", b"name=file", b'"', b";"]
PIECES += [
    b"\r\n\r\n",
    b"name*=utf-8''file",
    b"=?utf-8?q?=00?=",
    b"\x00",
    b"\xff",
    b"Content-Disposition:",
    b"name*0=a;name*1=b",
]


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=25).map(b"".join), st.text(max_size=20))
def test_no_body_and_no_content_type_does_anything_but_give_rows_or_be_refused(body: bytes, more: str) -> None:
    for content_type in (FORM, FORM + more, "multipart/form-data; boundary=" + more):
        try:
            rows = form_rows(body, content_type, MIXED)
        except InputError:
            continue
        assert all(isinstance(row["photo"], bytes) for row in rows)


def test_the_openapi_page_says_how_a_file_is_sent(client: TestClient) -> None:
    content = client.get("/openapi.json").json()["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json", "multipart/form-data", "application/octet-stream"}
    assert content["multipart/form-data"]["schema"]["properties"]["file"]["maxItems"] == MAX_IMAGES
    with TestClient(build_app(Stub())) as other:
        content = other.get("/openapi.json").json()["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json"}


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_curl_uploads_a_file(model: Greys, tmp_path: Path) -> None:
    (tmp_path / "a b.png").write_bytes(png(3))
    for url in _serve(model, None):
        command = [
            "curl",
            "-s",
            f"{url}/predict",
            "-F",
            f"file=@{tmp_path / 'a b.png'}",
            "-F",
            f"file=@{tmp_path / 'a b.png'}",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert '"predictions":[3.0,3.0]' in done.stdout
