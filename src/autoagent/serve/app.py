"""A small HTTP endpoint for a delivered model: rows in, predictions out, nothing else."""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import re
import shlex
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import numpy as np
import pandas as pd
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from autoagent.errors import UserError
from autoagent.forecasting import Forecaster
from autoagent.inference import NUMBER_LIMIT, InputError, Model, image_column
from autoagent.marking import Marker
from autoagent.serve.forecast import Forecasts, answer_history, history_body, welcome
from autoagent.serve.images import FILE_TYPES, image_schema, one_image, with_images
from autoagent.serve.marks import Marks, answer_images
from autoagent.serve.multipart import FORM_TYPE, form_rows, form_schema

if TYPE_CHECKING:
    from starlette.middleware.base import RequestResponseEndpoint
    from starlette.responses import Response

MAX_ROWS = 1000
MAX_BYTES = 5_000_000
BODY_S = 30.0  # a body must have arrived by then
MAX_CONNECTIONS = 512  # more are answered 503
_SHAPE = 'send {"rows": [{"column": value, ...}, ...]}'
_MAX_FAULTS = 10
_MAX_NAMES = 20
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]+))(?::\d+)?", re.ASCII)
Cell = bool | int | float | str | None


class Predictions(BaseModel):
    """What the model says of each row; probabilities by class, none for regression; notes on the rows."""

    predictions: list[Cell]
    probabilities: list[dict[str, float]] | None
    notes: list[str]


async def _read_body(request: Request) -> bytes:
    seconds: float = request.app.state.body_s
    try:
        return await asyncio.wait_for(request.body(), seconds)
    except ClientDisconnect:
        raise HTTPException(400, "the client went away before its body had arrived") from None
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive within {seconds:g} s") from None


class Refusal(BaseModel):
    """Why a request was not answered."""

    detail: str


_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Refusal, "description": "the bearer token is missing or wrong"},
    421: {"model": Refusal, "description": "the request names another host than this machine"},
    408: {"model": Refusal, "description": "the body did not arrive in time"},
    411: {"model": Refusal, "description": "the content-length header is missing"},
    413: {"model": Refusal, "description": "the body is too long"},
    422: {"model": Refusal, "description": "the rows do not fit the model"},
}


def build_app(model: Model, *, token: str | None = None, body_s: float = BODY_S, local_only: bool = False) -> FastAPI:
    """Return the application.

    Args:
        model: a delivered model.
        token: bearer token that every request but ``/health`` must carry; None asks for none.
        body_s: seconds within which a body must have arrived.
        local_only: answer only requests to a name of this machine, so that no web page can have its own name point
            here and read the answers (DNS rebinding).
    """

    def check(authorization: Annotated[str, Header()] = "") -> None:
        if token is not None and not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            raise HTTPException(401, "a bearer token is needed", headers={"WWW-Authenticate": "Bearer"})

    # More predictions at once than processors only wait for each other: a quarter fewer were answered in a second.
    turns = threading.BoundedSemaphore(os.cpu_count() or 1)
    app = FastAPI(title="autoagent model", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.body_s = body_s
    app.middleware("http")(_limit_size)
    if local_only:
        app.middleware("http")(_only_local)

    @app.get("/health", responses={421: _REFUSALS[421]})
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/openapi.json", dependencies=[Depends(check)], include_in_schema=False)
    def page() -> dict[str, Any]:
        return app.openapi()

    @app.get("/schema", dependencies=[Depends(check)], responses={code: _REFUSALS[code] for code in (401, 421)})
    def schema() -> dict[str, Any]:
        facts = model.facts
        return {key: facts[key] for key in ("task", "target", "classes", "roles")} | {"input": row_schema(model)}

    if isinstance(model, Forecaster):
        _add_forecast(app, model, check)
        return app
    if isinstance(model, Marker):
        _add_marks(app, model, check, turns)
        return app

    @app.post("/predict", dependencies=[Depends(check)], responses=_REFUSALS, openapi_extra=_body_schema(model))
    def predict(
        body: Annotated[bytes, Depends(_read_body)], content_type: Annotated[str, Header()] = ""
    ) -> Predictions:
        roles = model.facts["roles"]
        try:
            with turns:
                return _predict(model, pd.DataFrame(_rows_of(body, content_type, roles)))
        except InputError as error:
            raise HTTPException(422, str(error)) from error

    return app


def _rows_of(body: bytes, content_type: str, roles: dict[str, str]) -> list[dict[str, Any]]:
    kind = content_type.lower()
    if kind.startswith(FORM_TYPE):
        return form_rows(body, content_type, roles)
    if kind.startswith(FILE_TYPES):
        return one_image(body, roles)
    return with_images(read_rows(body, columns=list(roles)), roles)


def _add_marks(app: FastAPI, model: Marker, check: Callable[[str], None], turns: AbstractContextManager[Any]) -> None:
    @app.post("/predict", dependencies=[Depends(check)], responses=_REFUSALS, openapi_extra=_body_schema(model))
    def predict(body: Annotated[bytes, Depends(_read_body)], content_type: Annotated[str, Header()] = "") -> Marks:
        try:
            with turns:
                return answer_images(model, _rows_of(body, content_type, model.facts["roles"]))
        except InputError as error:
            raise HTTPException(422, str(error)) from error


def _add_forecast(app: FastAPI, model: Forecaster, check: Callable[[str], None]) -> None:
    extra = history_body(model)

    @app.post("/forecast", dependencies=[Depends(check)], responses=_REFUSALS, openapi_extra=extra)
    def forecast(body: Annotated[bytes, Depends(_read_body)]) -> Forecasts:
        try:
            return answer_history(model, body)
        except InputError as error:
            raise HTTPException(422, str(error)) from error


def read_rows(body: bytes, *, columns: list[str]) -> list[dict[str, Any]]:
    """Read the body of a request; each row must name every column, so that nothing is missing by accident.

    Raises:
        InputError: it is not JSON, not rows, or rows lack columns.
    """
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the body is not JSON: {error}; {_SHAPE}") from None
    if not isinstance(value, dict) or set(value) != {"rows"} or not isinstance(value["rows"], list):
        raise InputError(f"the body must be one object with the key 'rows' and no other; {_SHAPE}")
    rows = value["rows"]
    if not 1 <= len(rows) <= MAX_ROWS:
        raise InputError(f"{len(rows)} rows were sent; allowed: 1 to {MAX_ROWS} in one request")
    faults = [fault for number, row in enumerate(rows, 1) if (fault := _row_fault(number, row, columns))]
    if faults:
        more = [f"and {len(faults) - _MAX_FAULTS} more rows"] * (len(faults) > _MAX_FAULTS)
        raise InputError("\n".join([*faults[:_MAX_FAULTS], *more]))
    return rows


def _row_fault(number: int, row: object, columns: list[str]) -> str:
    if not isinstance(row, dict):
        return f"row {number} is {str(row)[:40]!r}; allowed: an object of columns and values"
    missing = [name for name in columns if name not in row]
    if not missing:
        return ""
    unused = [name for name in row if name not in columns][:_MAX_FAULTS]
    others = f"; it has {', '.join(map(repr, unused))}, which the model does not know" if unused else ""
    lacks = f"row {number} lacks {', '.join(map(repr, missing[:_MAX_NAMES]))}{others}"
    return f"{lacks}; every column must be there, null for an unknown value"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value, write null for an unknown one")


def row_schema(model: Model) -> dict[str, Any]:
    """Return the JSON schema of one row, with the bounds that a cell is checked against."""
    if isinstance(model, Forecaster):
        return model.schema
    bounds: dict[str, dict[str, Any]] = {
        "numeric": {"minimum": -NUMBER_LIMIT, "maximum": NUMBER_LIMIT},
        "date": {"anyOf": [{"format": "date"}, {"format": "date-time"}, {"maxLength": 0}]},  # an empty text is nothing
    }
    columns = {
        name: {**column, **bounds.get(model.facts["roles"].get(name, ""), {})}
        for name, column in model.schema.get("properties", {}).items()
    }
    if (image := image_column(model.facts["roles"])) is not None:
        columns[image] = image_schema(columns.get(image, {}))
    return {**model.schema, "properties": columns}


def _body_schema(model: Model) -> dict[str, Any]:
    rows = {"type": "array", "minItems": 1, "maxItems": MAX_ROWS, "items": row_schema(model)}
    body = {"type": "object", "properties": {"rows": rows}, "required": ["rows"], "additionalProperties": False}
    content: dict[str, Any] = {"application/json": {"schema": body}}
    roles = model.facts["roles"]
    if image_column(roles) is not None:
        content[FORM_TYPE] = {"schema": form_schema(roles)}
        if len(roles) == 1:
            content["application/octet-stream"] = {"schema": {"description": "an image file"}}
    return {"requestBody": {"required": True, "content": content}}


async def _limit_size(request: Request, call_next: RequestResponseEndpoint) -> Response:
    length = request.headers.get("content-length", "")
    if request.method == "POST" and not length.isdigit():
        return JSONResponse({"detail": "the content-length header is needed"}, status_code=411)
    if length.isdigit() and int(length) > MAX_BYTES:
        return JSONResponse({"detail": f"{length} bytes were sent; at most {MAX_BYTES} are read"}, status_code=413)
    return await call_next(request)


async def _only_local(request: Request, call_next: RequestResponseEndpoint) -> Response:
    host = request.headers.get("host", "")
    named = _HOST.fullmatch(host)
    if named is None or not _is_local(named[1] or named[2]):
        detail = f"host {host[:80]!r} is not this machine; ask 127.0.0.1 or localhost, or set AUTOAGENT_TOKEN"
        return JSONResponse({"detail": detail}, status_code=421)
    return await call_next(request)


def _predict(model: Model, frame: pd.DataFrame) -> Predictions:
    notes = model.check(frame)
    raw = model.raw(frame)
    shown = np.asarray(model.decided(raw)).tolist()
    if raw.ndim == 1:
        return Predictions(predictions=shown, probabilities=None, notes=notes)
    names = [str(name) for name in model.classes_]
    chances = [dict(zip(names, row, strict=True)) for row in raw.tolist()]
    return Predictions(predictions=shown, probabilities=chances, notes=notes)


def serve_model(model: Model, *, host: str, port: int, token: str | None, say: Callable[[str], None]) -> None:
    """Serve until Ctrl+C or SIGTERM; requests under way are answered first.

    Args:
        model: a delivered model.
        host: to listen on.
        port: to listen on; 0 picks a free one.
        token: bearer token that requests must carry; None asks for none.
        say: is told the address and how to ask, once requests are accepted.

    Raises:
        UserError: the address cannot be listened on.
    """
    import uvicorn

    from autoagent.serve.patience import PatientProtocol

    app = build_app(model, token=token, local_only=token is None and _is_local(host))
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=PatientProtocol,
        ws="none",
        log_level="info",
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=5,
    )
    with _listener(host, port) as listener:
        for line in _welcome(model, host, listener.getsockname()[1], token):
            say(line)
        if token is None and not _is_local(host):
            say(f"warning: whoever reaches {host} can use this model; set AUTOAGENT_TOKEN to ask for a token")
        uvicorn.Server(config).run(sockets=[listener])


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _welcome(model: Model, host: str, port: int, token: str | None) -> list[str]:
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    if isinstance(model, Forecaster):
        return welcome(model, url)
    lines = [f"Serving {model.facts['target']!r} on {url}: POST /predict, GET /schema, GET /health. Ctrl+C ends it."]
    example = {name: model.facts.get("examples", {}).get(name) for name in model.facts["roles"]}
    if len(example) <= _MAX_FAULTS:
        body = shlex.quote(json.dumps({"rows": [example]}, ensure_ascii=False))
        key = "" if token is None else " -H 'Authorization: Bearer TOKEN'"
        lines.append(f"Try: curl {url}/predict{key} -d {body}")
    return lines


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named, asyncio sends the parts of an answer at once (TCP_NODELAY); otherwise each waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{host}:{port} cannot be listened on: {reason}; choose another --port, 0 picks one") from error
    return listener
