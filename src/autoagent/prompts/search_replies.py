"""What a model may answer when asked for configurations, or for what would come of them: shapes and JSON schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from autoagent.prompts.replies import Scalar

_STRICT = ConfigDict(extra="forbid", frozen=True)


class ConfigsReply(BaseModel):
    """Configurations to try; each is checked against the space afterwards."""

    model_config = _STRICT

    configs: list[dict[str, Scalar]]


class PredictionsReply(BaseModel):
    """The value that each configuration would reach, in the order of the list; null where it would fail."""

    model_config = _STRICT

    predictions: list[FiniteFloat | None]


class LabelsReply(BaseModel):
    """Whether each configuration would be among the best: 1, or 0."""

    model_config = _STRICT

    labels: list[int]


class Forecast(BaseModel):
    """A configuration and the training log that a model expects of it. Nothing of it was measured."""

    model_config = _STRICT

    config: dict[str, Scalar]
    log: list[FiniteFloat] = Field(description="the validation metric after each part of the training, in order")
    value: FiniteFloat = Field(description="the final validation metric")


class ForecastsReply(BaseModel):
    """Configurations to try, each with a predicted training log."""

    model_config = _STRICT

    forecasts: list[Forecast]


ReplyT = TypeVar("ReplyT", bound=BaseModel)


def shaped(reply_type: type[ReplyT], schema: Mapping[str, Any]) -> type[ReplyT]:
    """Return the reply type with a narrower JSON schema to be shown to the model; what is accepted stays the same.

    The narrow schema holds the space's own names and bounds. A reply that breaks it in a value is repaired value by
    value, not asked for again.
    """

    class Shaped(reply_type):  # type: ignore[valid-type,misc]  # a base that is only known at run time
        @classmethod
        def model_json_schema(cls, *arguments: object, **options: object) -> dict[str, Any]:
            return dict(schema)

    Shaped.__name__ = reply_type.__name__
    return Shaped


def list_schema(key: str, items: Mapping[str, Any], *, fewest: int, most: int) -> dict[str, Any]:
    """Return the JSON schema of an object with one list."""
    rows = {"type": "array", "items": dict(items), "minItems": fewest, "maxItems": most}
    return {"type": "object", "properties": {key: rows}, "required": [key], "additionalProperties": False}


def forecast_schema(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of one `Forecast` with the space's own configuration."""
    return {
        "type": "object",
        "properties": {
            "config": dict(config),
            "log": {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 20},
            "value": {"type": "number"},
        },
        "required": ["config", "log", "value"],
        "additionalProperties": False,
    }
