"""Reply types for one space: the schema that a model is shown holds the space's own names and bounds."""

from __future__ import annotations

from autoagent.prompts.search_replies import (
    ConfigsReply,
    ForecastsReply,
    LabelsReply,
    PredictionsReply,
    forecast_schema,
    list_schema,
    shaped,
)
from autoagent.search.language.known import KnownSpace


def configs_reply(space: KnownSpace, *, most: int) -> type[ConfigsReply]:
    """Return the type of a reply with up to ``most`` configurations."""
    return shaped(ConfigsReply, list_schema("configs", space.schema(), fewest=1, most=most))


def forecasts_reply(space: KnownSpace, *, most: int) -> type[ForecastsReply]:
    """Return the type of a reply with up to ``most`` configurations and their predicted logs."""
    return shaped(ForecastsReply, list_schema("forecasts", forecast_schema(space.schema()), fewest=1, most=most))


def predictions_reply(count: int) -> type[PredictionsReply]:
    """Return the type of a reply with one number, or null, for each of ``count`` configurations."""
    number = {"anyOf": [{"type": "number"}, {"type": "null"}]}
    return shaped(PredictionsReply, list_schema("predictions", number, fewest=count, most=count))


def labels_reply(count: int) -> type[LabelsReply]:
    """Return the type of a reply with a label for each of ``count`` configurations."""
    label = {"type": "integer", "enum": [0, 1]}
    return shaped(LabelsReply, list_schema("labels", label, fewest=count, most=count))
