"""A small HTTP endpoint for a delivered model: rows in, predictions out, nothing else."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from autoagent.inference import InputError, Model

if TYPE_CHECKING:
    from starlette.middleware.base import RequestResponseEndpoint
    from starlette.responses import Response

MAX_ROWS = 1000
MAX_BYTES = 5_000_000
Cell = bool | int | float | str | None


class Rows(BaseModel):
    """Rows to predict."""

    model_config = ConfigDict(extra="forbid")
    rows: list[dict[str, Cell]] = Field(min_length=1, max_length=MAX_ROWS)


class Predictions(BaseModel):
    """What the model says of each row; probabilities by class, none for regression."""

    predictions: list[Cell]
    probabilities: list[dict[str, float]] | None


def build_app(model: Model, *, token: str | None = None) -> FastAPI:
    """Return the application.

    Args:
        model: a delivered model.
        token: bearer token that every request but ``/health`` must carry; None asks for none.
    """

    def check(authorization: Annotated[str, Header()] = "") -> None:
        if token is not None and not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            raise HTTPException(401, "a bearer token is needed")

    app = FastAPI(title="autoagent model", docs_url=None, redoc_url=None)
    app.middleware("http")(_limit_size)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/schema", dependencies=[Depends(check)])
    def schema() -> dict[str, Any]:
        facts = model.facts
        return {key: facts[key] for key in ("task", "target", "classes", "roles")} | {"input": model.schema}

    @app.post("/predict", dependencies=[Depends(check)])
    def predict(body: Rows) -> Predictions:
        try:
            return _predict(model, pd.DataFrame(body.rows))
        except InputError as error:
            raise HTTPException(422, str(error)) from error

    return app


async def _limit_size(request: Request, call_next: RequestResponseEndpoint) -> Response:
    length = request.headers.get("content-length", "")
    if request.method == "POST" and not length.isdigit():
        return JSONResponse({"detail": "the content-length header is needed"}, status_code=411)
    if length.isdigit() and int(length) > MAX_BYTES:
        return JSONResponse({"detail": f"at most {MAX_BYTES} bytes"}, status_code=413)
    return await call_next(request)


def _predict(model: Model, frame: pd.DataFrame) -> Predictions:
    raw = model.raw(frame)
    shown = np.asarray(model.predict(frame)).tolist()
    if raw.ndim == 1:
        return Predictions(predictions=shown, probabilities=None)
    names = [str(name) for name in model.classes_]
    return Predictions(predictions=shown, probabilities=[dict(zip(names, row, strict=True)) for row in raw.tolist()])


def serve_model(model: Model, *, host: str, port: int, token: str | None) -> None:
    """Serve until Ctrl+C or SIGTERM; requests under way are answered first."""
    import uvicorn

    uvicorn.run(build_app(model, token=token), host=host, port=port, log_level="info", timeout_graceful_shutdown=5)
