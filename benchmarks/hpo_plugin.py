"""Our sampler behind the interface of an outside harness: ``make(space, context, seed) -> suggest(space, history)``.

A space is a list of parameters as dicts (``name``, ``type`` of float, int, ordinal or categorical, ``low``, ``high``,
``scale``, ``choices``, ``cond``), a history a list of ``{"config": ..., "loss": ...}``. No language model is asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from autoagent.search.agent_search.context import Context, Proposals, Settings, Source
from autoagent.search.agent_search.proposing import propose
from autoagent.search.history import Observation

Parameter = Mapping[str, Any]
Suggest = Callable[[Sequence[Parameter], Sequence[Mapping[str, Any]]], dict[str, Any]]


def make(
    space: Sequence[Parameter],
    context: Mapping[str, Any],
    seed: int,
    *,
    llm: Proposals | None = None,
    settings: Settings | None = None,
) -> Suggest:
    """Return a function that proposes the next configuration; what it remembers is only who proposed which trial."""
    distributions = {parameter["name"]: distribution(parameter) for parameter in space}
    sources: dict[int, Source] = {}
    ideas: list[dict[str, Any]] = []

    def suggest(space: Sequence[Parameter], history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        seen = [Observation(number, dict(one["config"]), _finite(one["loss"])) for number, one in enumerate(history)]
        known = Context(
            number=len(seen),
            seed=seed,
            sources=sources,
            ideas=tuple(ideas),
            facts=dict(context),
            settings=settings or Settings(),
        )
        suggestion = propose(distributions, seen, known, llm)[0]
        sources[len(seen)] = suggestion.source
        ideas.extend(suggestion.ideas)
        return active(space, suggestion.config)

    return suggest


def distribution(parameter: Parameter) -> BaseDistribution:
    """Return a parameter as Optuna knows it; a logit scale becomes logarithmic below one half, else linear."""
    if parameter["type"] in ("ordinal", "categorical"):
        return CategoricalDistribution(parameter["choices"])
    low, high, scale = parameter["low"], parameter["high"], parameter.get("scale", "linear")
    if parameter["type"] == "int":
        return IntDistribution(low, high, log=scale == "log")
    return FloatDistribution(low, high, log=scale == "log" or (scale == "logit" and high < 0.6))


def active(space: Sequence[Parameter], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters whose conditions hold."""
    kept: dict[str, Any] = {}
    for parameter in space:
        if all(kept.get(parent) in values for parent, values in parameter.get("cond", {}).items()):
            kept[parameter["name"]] = config[parameter["name"]]
    return kept


def _finite(loss: float) -> float | None:
    return float(loss) if math.isfinite(loss) else None
