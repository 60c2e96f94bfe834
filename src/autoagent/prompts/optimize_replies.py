"""What a model may answer when it is asked to improve parameters: the shape of the reply and its JSON schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class UpdateReply(BaseModel):
    """New values of parameters, or the reason why none is changed.

    The values are checked against each parameter's own domain afterwards.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    reasoning: str = ""
    updates: dict[str, Any] = Field(default_factory=dict)
    no_change: str = ""


class CommentReply(BaseModel):
    """What should change about each argument of an operation."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    comments: dict[str, str]


def update_schema(domains: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the JSON schema of an ``UpdateReply`` whose updates are of the given parameters.

    Args:
        domains: the JSON schema of each parameter's value, in the order in which they are shown.
    """
    return {
        "type": "object",
        "properties": {
            "reasoning": {"type": "string"},
            "updates": {
                "type": "object",
                "properties": {name: dict(schema) for name, schema in domains.items()},
                "additionalProperties": False,
            },
            "no_change": {"type": "string"},
        },
        "required": ["reasoning", "updates"],
        "additionalProperties": False,
    }


def comment_schema(arguments: list[str]) -> dict[str, Any]:
    """Return the JSON schema of a ``CommentReply`` on the given arguments."""
    comments = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in arguments},
        "required": arguments,
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"comments": comments},
        "required": ["comments"],
        "additionalProperties": False,
    }
