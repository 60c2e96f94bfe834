"""Optimizers of traced parameters, and the table of them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from autoagent.registry import Card, Family

if TYPE_CHECKING:
    from autoagent.optimize.candidate import Candidate, Case, Outcome
    from autoagent.optimize.instances import Split, split
    from autoagent.optimize.interval import paired_difference
    from autoagent.optimize.loop import Plan, Result, optimize
    from autoagent.optimize.mixed import Mixed
    from autoagent.optimize.opro import OPRO
    from autoagent.optimize.optimizer import Optimizer, Step
    from autoagent.optimize.optoprime import OptoPrime
    from autoagent.optimize.population import Population
    from autoagent.optimize.processes import Processes
    from autoagent.optimize.ray_runner import Ray
    from autoagent.optimize.talk import Style
    from autoagent.optimize.textgrad import TextGrad
    from autoagent.runs.budget import Limits

OPTIMIZERS: Family[Card] = Family(
    "optimizers",
    [
        Card(
            name="optoprime",
            target="autoagent.optimize.optoprime:OptoPrime",
            summary="Traced operations, feedback and earlier tries in one prompt; typed updates.",
            paper="arXiv:2406.16218",
        ),
        Card(
            name="opro",
            target="autoagent.optimize.opro:OPRO",
            summary="Earlier values and their scores alone, the best last.",
            paper="arXiv:2309.03409",
        ),
        Card(
            name="textgrad",
            target="autoagent.optimize.textgrad:TextGrad",
            summary="Comments travel back operation by operation; each parameter is rewritten from its own.",
            paper="arXiv:2406.07496",
        ),
        Card(
            name="mixed",
            target="autoagent.optimize.mixed:Mixed",
            summary="Numbers and choices from an Optuna sampler, text and code from a model, one feedback to both.",
            paper="arXiv:2304.11127",
        ),
        Card(
            name="population",
            target="autoagent.optimize.population:Population",
            summary="Parents from the Pareto front over instances, reflection on minibatches, merges.",
            paper="arXiv:2507.19457",
        ),
    ],
)

_HOMES = {
    "Candidate": "autoagent.optimize.candidate",
    "Case": "autoagent.optimize.candidate",
    "Limits": "autoagent.runs.budget",
    "Mixed": "autoagent.optimize.mixed",
    "OPRO": "autoagent.optimize.opro",
    "OptoPrime": "autoagent.optimize.optoprime",
    "Optimizer": "autoagent.optimize.optimizer",
    "Outcome": "autoagent.optimize.candidate",
    "Plan": "autoagent.optimize.loop",
    "Population": "autoagent.optimize.population",
    "Processes": "autoagent.optimize.processes",
    "Ray": "autoagent.optimize.ray_runner",
    "Result": "autoagent.optimize.loop",
    "Split": "autoagent.optimize.instances",
    "Step": "autoagent.optimize.optimizer",
    "Style": "autoagent.optimize.talk",
    "TextGrad": "autoagent.optimize.textgrad",
    "metered": "autoagent.optimize.purse",
    "optimize": "autoagent.optimize.loop",
    "paired_difference": "autoagent.optimize.interval",
    "split": "autoagent.optimize.instances",
}

__all__ = [
    "OPRO",
    "OPTIMIZERS",
    "Candidate",
    "Case",
    "Limits",
    "Mixed",
    "Optimizer",
    "OptoPrime",
    "Outcome",
    "Plan",
    "Population",
    "Processes",
    "Ray",
    "Result",
    "Split",
    "Step",
    "Style",
    "TextGrad",
    "metered",
    "optimize",
    "paired_difference",
    "split",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'autoagent.optimize' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
