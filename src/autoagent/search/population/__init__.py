"""Populations that train side by side and copy from each other: PBT, PB2 and the lineage that results."""

from __future__ import annotations

from autoagent.search.population.controller import Clone, Continue, Controller, Independent, Pbt
from autoagent.search.population.driver import Plan, Trainable, replay, state_folder, train
from autoagent.search.population.lineage import Interval, Lineage
from autoagent.search.population.pb2 import Pb2

__all__ = [
    "Clone",
    "Continue",
    "Controller",
    "Independent",
    "Interval",
    "Lineage",
    "Pb2",
    "Pbt",
    "Plan",
    "Trainable",
    "replay",
    "state_folder",
    "train",
]
