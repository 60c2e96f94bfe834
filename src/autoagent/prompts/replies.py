"""What a model may answer, as pydantic models: the schema that it is shown and the check that it must pass."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

Scalar = bool | int | FiniteFloat | str | None


class Idea(BaseModel):
    """A configuration that is worth a trial."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: str = Field(description="one of the families listed")
    config: dict[str, Scalar] = Field(description="the family's parameters; those left out take their default")
    reason: str = Field(description="at most ten words")


class Ideas(BaseModel):
    """The reply to ``search/ideas``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ideas: list[Idea]


class CodeIdea(BaseModel):
    """The reply to ``search/code``: source for one place of the training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hook: str = Field(description="one of the places listed")
    code: str = Field(description="Python source that defines the function of that place")
    reason: str = Field(description="at most twenty words")
