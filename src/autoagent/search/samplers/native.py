"""Optuna's own samplers, with the settings under which they are compared."""

from __future__ import annotations

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler

# Random draws before the model of a family speaks: its portfolio has been evaluated by then.
STARTUP_TRIALS = 4


def build_tpe(*, seed: int) -> BaseSampler:
    """Return a multivariate TPE that models each branch of a conditional space by itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # `group` has been experimental since 2.8
        return TPESampler(
            n_startup_trials=STARTUP_TRIALS, multivariate=True, group=True, seed=seed, constant_liar=False
        )


def build_random(*, seed: int) -> BaseSampler:
    """Return a sampler that learns nothing."""
    return RandomSampler(seed=seed)


def build_qmc(*, seed: int) -> BaseSampler:
    """Return a scrambled Sobol sequence; the point depends on the number of past trials."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # it is experimental since 3.0; the tests hold it
        return QMCSampler(qmc_type="sobol", scramble=True, seed=seed, warn_asynchronous_seeding=False)


def build_gp(*, seed: int) -> BaseSampler:
    """Return a Gaussian process with log expected improvement."""
    return GPSampler(seed=seed, n_startup_trials=STARTUP_TRIALS, deterministic_objective=False)
