"""Optuna's own pruners, with the settings under which they are compared."""

from __future__ import annotations

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, MedianPruner, NopPruner, WilcoxonPruner


def build_median(*, max_resource: int, startup_trials: int = 5) -> BasePruner:
    """Return the median rule; its first tenth of the steps ends nobody."""
    return MedianPruner(n_startup_trials=startup_trials, n_warmup_steps=max_resource // 10)


def build_wilcoxon(*, max_resource: int, p_threshold: float = 0.1) -> BasePruner:
    """Return the signed-rank test; ``max_resource`` is not needed, a step is one fold or instance."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # it is experimental since 3.6; the kit holds it
        return WilcoxonPruner(p_threshold=p_threshold)


def build_none(*, max_resource: int) -> BasePruner:
    """Return a pruner that ends nothing."""
    return NopPruner()
