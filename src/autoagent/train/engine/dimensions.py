"""The settings of a training as a space to search in, with configurations to try first and cheaper versions of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from autoagent.errors import UserError
from autoagent.space import Choice, Config, Float, Param, Space
from autoagent.train.engine.settings import Settings

Fidelity = Literal["length", "subset", "resolution"]

# The defaults are AlgoPerf's self-tuning NAdamW (arXiv:2505.24005), whose ranges of rate and decay are around them.
# "muon" and "adahessian" are left out: the first asks for hidden matrices, the second for gradients with a graph.
DIMENSIONS = Space(
    {
        "lr": Param(Float(1e-4, 2e-2, log=True), 0.0017486),
        "weight_decay": Param(Float(1e-3, 0.5, log=True), 0.081216),
        "batch": Param(Choice([32, 64, 128, 256]), 128),
        "optim": Param(Choice(["nadamw", "adamw", "lion", "ademamix", "sgd"]), "nadamw"),
        "schedule": Param(Choice(["cosine", "linear", "wsd", "constant"]), "cosine"),
        "warmup": Param(Float(0.0, 0.2), 0.02),
        "ema": Param(Choice([0.0, 0.02, 0.05, 0.1]), 0.0),
        "clip": Param(Choice([0.0, 1.0, 5.0]), 1.0),
        "label_smoothing": Param(Choice([0.0, 0.05, 0.1, 0.2]), 0.0),
        "augment": Param(Float(0.0, 1.0), 0.0),
    }
)
PORTFOLIO: tuple[Config, ...] = (
    {},
    {"lr": 0.005, "ema": 0.05, "label_smoothing": 0.1, "augment": 0.5},
    {"lr": 0.0005, "batch": 64},
    {"lr": 0.003, "schedule": "wsd", "ema": 0.05, "augment": 0.25},
    {"optim": "lion", "lr": 0.002, "batch": 256},
)


def at_fidelity(settings: Settings, share: float, by: Fidelity) -> Settings:
    """Return a cheaper version of a training, for the lower rungs of a multi-fidelity search such as ASHA.

    Trainings of different lengths have different schedules: each ends its own. So scores of a rung compare with each
    other, not with those of another (arXiv:2509.02046: compare at the end of a schedule only).

    Args:
        settings: of the full training.
        share: of its cost, from above 0 to 1.
        by: what is made smaller: the length (seconds, steps and epochs), the subset of the examples (and with it the
            length, so that each is seen as often), or the resolution, whose square is the cost.

    Raises:
        UserError: the share is out of range, or the resolution is not known.
    """
    if not 0 < share <= 1:
        raise UserError(f"share is {share!r}; it must be above 0 and at most 1")
    if by == "resolution":
        if not settings.resolution:
            raise UserError("resolution is 0, the task's own; give it a number to make it smaller")
        return replace(settings, resolution=max(round(settings.resolution * share**0.5), 1))
    shorter = replace(
        settings,
        seconds=None if settings.seconds is None else settings.seconds * share,
        steps=None if settings.steps is None else max(round(settings.steps * share), 1),
    )
    if by == "subset":  # an epoch of a subset is shorter by itself
        return replace(shorter, subset=settings.subset * share)
    return replace(shorter, epochs=None if settings.epochs is None else settings.epochs * share)
