"""Several objectives of one study: score, cost, latency, size, energy, and the reference point they are judged from."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import optuna
from optuna import Study
from optuna.exceptions import ExperimentalWarning

from autoagent.errors import TrialFailed
from autoagent.search.hypervolume import study_hypervolume

_REFERENCE = "reference_point"  # user attribute of the study

UNITS = {
    "score": "higher is better",
    "cost_usd": "dollars",
    "latency_s": "seconds for one prediction",
    "size_bytes": "bytes of the model on disk",
    "energy_wh": "watt-hours of the machine during the trial",
    "train_s": "seconds of training",
}


@dataclass(frozen=True)
class Objective:
    """One thing to optimise.

    Attributes:
        name: what is measured; its unit is part of the name, see ``UNITS`` for the usual ones.
        direction: which way is better.
        reference: the worst value that still counts, in the unit of the name.
    """

    name: str
    direction: Literal["minimize", "maximize"]
    reference: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.reference):
            raise ValueError(f"the reference value of {self.name!r} must be finite, not {self.reference!r}")


def create_study(objectives: Sequence[Objective], **options: object) -> Study:
    """Return a study with these objectives, which remembers their reference point.

    Args:
        objectives: at least one, each name once.
        options: of `optuna.create_study`, such as ``sampler`` and ``storage``.

    Raises:
        ValueError: there is no objective, or two have one name.
    """
    names = [objective.name for objective in objectives]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"a study needs objectives of different names, not {names}")
    study = optuna.create_study(directions=[objective.direction for objective in objectives], **options)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # it is experimental since 3.2; the tests hold it
        study.set_metric_names(names)
    study.set_user_attr(_REFERENCE, [objective.reference for objective in objectives])
    return study


def values(objectives: Sequence[Objective], measured: Mapping[str, float | None]) -> tuple[float, ...]:
    """Return what a trial's objective function has to return, in order.

    Raises:
        TrialFailed: something was not measured, for example energy without the right to read the counters; nothing is
            put in its place.
    """
    missing = [objective.name for objective in objectives if not _is_number(measured.get(objective.name))]
    if missing:
        raise TrialFailed(
            f"not measured: {', '.join(missing)}; leave the objective out, or make it measurable", kind="error"
        )
    return tuple(float(measured[objective.name] or 0.0) for objective in objectives)


def reference_point(study: Study) -> tuple[float, ...]:
    """Return the reference point that the study was made with.

    Raises:
        ValueError: it has none, so that no hypervolume of it means anything.
    """
    known = study.user_attrs.get(_REFERENCE)
    if known is None:
        raise ValueError("the study has no reference point; make it with create_study, or give the point yourself")
    return tuple(float(value) for value in known)


def indicator(study: Study) -> float:
    """Return the study's hypervolume under its own reference point."""
    return study_hypervolume(study, reference_point(study))


def _is_number(value: float | None) -> bool:
    return value is not None and not math.isnan(value)
