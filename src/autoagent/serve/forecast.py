"""The endpoint of a model of series: a history in, forecasts out."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
from pydantic import BaseModel

from autoagent.forecasting import Forecaster, shown
from autoagent.inference import InputError

MAX_HISTORY = 50_000
SHAPE = 'send {"history": [{"column": value, ...}, ...]}, or {} to forecast from the end of the model\'s own data'


class Forecasts(BaseModel):
    """One row for each series and step; notes on the history."""

    forecasts: list[dict[str, bool | int | float | str | None]]
    notes: list[str]


def answer_history(model: Forecaster, body: bytes) -> Forecasts:
    """Forecast from the body of a request.

    Raises:
        InputError: it is not JSON, not a history, or not a history of these series.
    """
    rows = read_history(body)
    table, notes = model.forecast_with_notes(None if rows is None else pd.DataFrame(rows))
    return Forecasts(forecasts=json.loads(shown(table).to_json(orient="records")), notes=notes)


def read_history(body: bytes) -> list[dict[str, Any]] | None:
    """Return the rows of a body; None where it gives none.

    Raises:
        InputError: it is not JSON, or not such an object.
    """
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the body is not JSON: {error}; {SHAPE}") from None
    if value == {}:
        return None
    if not isinstance(value, dict) or set(value) != {"history"} or not isinstance(value["history"], list):
        raise InputError(f"the body must be an object with the key 'history' or none; {SHAPE}")
    rows: list[Any] = value["history"]
    if not 1 <= len(rows) <= MAX_HISTORY:
        raise InputError(f"{len(rows)} rows were sent; allowed: 1 to {MAX_HISTORY} in one request")
    bad = next((number for number, row in enumerate(rows, 1) if not isinstance(row, dict)), None)
    if bad is not None:
        raise InputError(f"row {bad} is {str(rows[bad - 1])[:40]!r}; allowed: an object of columns and values")
    return rows


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value, write null for an unknown one")


def history_body(model: Forecaster) -> dict[str, Any]:
    """Return what OpenAPI says of the body."""
    rows = {"type": "array", "minItems": 1, "maxItems": MAX_HISTORY, "items": model.schema}
    body = {"type": "object", "properties": {"history": rows}, "additionalProperties": False}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": body}}}}


def welcome(model: Forecaster, url: str) -> list[str]:
    """Return how to ask."""
    return [
        f"Serving forecasts of {model.facts['target']!r} on {url}: "
        "POST /forecast, GET /schema, GET /health. Ctrl+C ends it.",
        f"Try: curl {url}/forecast -d '{{}}'",
    ]
