"""Objectives that worker processes import by name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from optuna.trial import Trial


def sphere(trial: Trial) -> float:
    return trial.suggest_float("x", -1.0, 1.0) ** 2


def deadly(trial: Trial) -> float:
    """Kill the process at each fifth trial, once; what it drew is written before."""
    x = trial.suggest_float("x", -1.0, 1.0)
    slot = trial.storage.get_trial(trial._trial_id).system_attrs["autoagent:slot"]
    mark = Path(trial.storage._backend._file_path).parent / f"{slot}.mark"  # type: ignore[attr-defined]  # a journal
    if slot % 5 == 0 and not mark.exists():
        mark.write_text(repr(x))
        os.kill(os.getpid(), signal.SIGKILL)
    return x**2


def hopeless(trial: Trial) -> float:
    x = trial.suggest_float("x", -1.0, 1.0)
    if trial.storage.get_trial(trial._trial_id).system_attrs["autoagent:slot"] == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return x**2


def slow(trial: Trial) -> float:
    time.sleep(0.2)
    return sphere(trial)


def raises(trial: Trial) -> float:
    x = trial.suggest_float("x", -1.0, 1.0)
    if trial.number % 2:
        raise ValueError("odd")
    return x


def dies_once(trial: Trial) -> float:
    """Kill the process at trial 3, which is slot 3 at its first attempt."""
    x = trial.suggest_float("x", -1.0, 1.0)
    if trial.number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return x**2
