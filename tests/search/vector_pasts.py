"""Pasts for the tests of samplers that work on vectors."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from autoagent.search.history import Observation
from autoagent.search.samplers.vectors import Past, read_past

SQUARE: dict[str, BaseDistribution] = {"x": FloatDistribution(0.0, 1.0), "y": FloatDistribution(0.0, 1.0)}
MIXED: dict[str, BaseDistribution] = {
    "depth": IntDistribution(1, 9),
    "kind": CategoricalDistribution(["a", "b", "c"]),
    "rate": FloatDistribution(1e-4, 1.0, log=True),
}
State = Literal["done", "failed", "pruned", "running"]


def seen(
    number: int, params: Mapping[str, Any], loss: float | None, *, state: State = "done", violation: float = 0.0
) -> Observation:
    """Return one trial of the past."""
    return Observation(
        number=number, params=dict(params), loss=loss, state=state, violation=violation, distributions={}
    )


def past_of(
    space: Mapping[str, BaseDistribution],
    trials: Sequence[Observation],
    notes: Mapping[int, Mapping[str, Any]] | None = None,
) -> Past:
    """Return what a method sees before the trial after the last one."""
    return read_past(trials, space, notes or {}, len(trials))
