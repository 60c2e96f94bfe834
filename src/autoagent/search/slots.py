"""A promise of trials that survives its workers: each slot ends as one trial with a result, or as failed by itself.

A study is given its slots before anyone works: a slot is a trial that waits. A worker takes one by the storage's own
compare-and-set, so that no two take the same and none makes one too many. What a dead worker held is failed and its
slot is given again, with the parameters that it had. All of it is read from the study, so it holds over a restart.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import optuna
from optuna import Study
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages._heartbeat import BaseHeartbeat, get_heartbeat_thread, is_heartbeat_enabled
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

SLOT, HOLDER, STALE = "autoagent:slot", "autoagent:holder", "autoagent:stale"
_SLOTS = "autoagent:slots"
_log = logging.getLogger(__name__)

_LIVE = (TrialState.WAITING, TrialState.RUNNING)


@dataclass(frozen=True)
class Account:
    """What became of the slots of a study.

    Attributes:
        promised: slots.
        done: that ended with a value, or were pruned.
        failed: that ended without one: the objective raised, or their workers died too often.
        live: that wait or run.
        retried: trials that a worker took with it when it died.
    """

    promised: int
    done: int
    failed: int
    live: int
    retried: int

    @property
    def lost(self) -> int:
        """Slots that nobody has, and nobody had to the end."""
        return self.promised - self.done - self.failed - self.live


def promise(study: Study, count: int) -> None:
    """Give a study slots up to ``count``; those that it has already stay. One process at a time may do that."""
    has = set(_by_slot(study))
    study.set_user_attr(_SLOTS, max(count, study.user_attrs.get(_SLOTS, 0)))
    for slot in range(count):
        if slot not in has:
            _add(study, slot, {})


def claim(study: Study, holder: str) -> Trial | None:
    """Take a trial that waits, and write on it who has it; None when none waits.

    Args:
        study: with slots.
        holder: the name of the worker, by which its trials are found when it has died.
    """
    trial_id = study._pop_waiting_trial_id()
    if trial_id is None:
        return None
    study._storage.set_trial_system_attr(trial_id, HOLDER, holder)
    return Trial(study, trial_id)


def work(study: Study, objective: Callable[[Trial], float], holder: str, *, limit: int | None = None) -> int:
    """Take and run trials until none waits, or ``limit`` were run; return how many.

    An objective that raises fails its trial and no other.
    """
    count = 0
    while limit is None or count < limit:
        trial = claim(study, holder)
        if trial is None:
            break
        with get_heartbeat_thread(trial._trial_id, study._storage):
            _run(study, trial, objective)
        count += 1
    return count


def release(study: Study, is_dead: Callable[[str | None], bool], *, attempts: int = 3) -> int:
    """Fail the trials of dead workers and give their slots again; return how many were failed.

    A slot whose workers died ``attempts`` times stays failed: it is likely what kills them. Where the storage keeps
    heartbeats (a database), a worker of any machine that has been silent for a minute counts as dead too.

    Args:
        study: with slots.
        is_dead: says of a worker's name whether it is gone; of None, whether a trial that runs but has no name on it
            yet has been left.
        attempts: at one slot.
    """
    failed, silent = 0, _silent(study)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        gone = trial._trial_id in silent or is_dead(trial.system_attrs.get(HOLDER))
        if gone and _fail_stale(study, trial):
            failed += 1
    _give_again(study, attempts)
    return failed


def account(study: Study, *, attempts: int = 3) -> Account:
    """Return what became of the slots."""
    by_slot = _by_slot(study)
    states = Counter(_state(trials, attempts) for trials in by_slot.values())
    retried = sum(STALE in trial.system_attrs for trials in by_slot.values() for trial in trials)
    promised = int(study.user_attrs.get(_SLOTS, 0))
    return Account(promised, states["done"], states["failed"], states["live"], retried)


def doubled(study: Study) -> list[int]:
    """Return the slots with more than one result or more than one live trial; there must be none."""
    return [slot for slot, trials in _by_slot(study).items() if sum(not _is_stale(t) for t in trials) > 1]


def _run(study: Study, trial: Trial, objective: Callable[[Trial], float]) -> None:
    state, value, error = _measured(trial, objective)
    try:
        if error:
            trial.set_user_attr("error", error[:500])
        study.tell(trial, value, state=state)
    except UpdateFinishedTrialError:
        _log.warning("trial %d was given to another worker before this one ended", trial.number)


def _measured(trial: Trial, objective: Callable[[Trial], float]) -> tuple[TrialState, float | None, str]:
    try:
        value = float(objective(trial))
    except optuna.TrialPruned:
        return TrialState.PRUNED, None, ""
    except Exception as error:  # noqa: BLE001 - the objective is the user's code; what it raises is kept with its trial
        return TrialState.FAIL, None, f"{type(error).__name__}: {error}"
    if math.isnan(value):
        return TrialState.FAIL, None, "its value is no number"
    return TrialState.COMPLETE, value, ""


def _silent(study: Study) -> set[int]:
    storage = study._storage
    if isinstance(storage, BaseHeartbeat) and is_heartbeat_enabled(storage):
        return set(storage._get_stale_trial_ids(study._study_id))
    return set()


def _fail_stale(study: Study, trial: FrozenTrial) -> bool:
    storage = study._storage
    try:
        storage.set_trial_system_attr(trial._trial_id, STALE, True)
        return bool(storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL))
    except UpdateFinishedTrialError:
        return False  # it ended between our reading and now


def _give_again(study: Study, attempts: int) -> None:
    for slot, trials in _by_slot(study).items():
        if _state(trials, attempts) == "lost":
            _add(study, slot, trials[-1].params)


def _add(study: Study, slot: int, params: Mapping[str, object]) -> None:
    attributes = {"fixed_params": dict(params), SLOT: slot}
    study.add_trial(create_trial(state=TrialState.WAITING, system_attrs=attributes))


def _by_slot(study: Study) -> dict[int, list[FrozenTrial]]:
    found: dict[int, list[FrozenTrial]] = {}
    for trial in study.get_trials(deepcopy=False):
        if SLOT in trial.system_attrs:
            found.setdefault(int(trial.system_attrs[SLOT]), []).append(trial)
    return found


def _state(trials: Iterable[FrozenTrial], attempts: int) -> str:
    trials = list(trials)
    if any(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials):
        return "done"
    if any(trial.state in _LIVE for trial in trials):
        return "live"
    if any(not _is_stale(trial) for trial in trials) or len(trials) >= attempts:
        return "failed"
    return "lost"


def _is_stale(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.FAIL and STALE in trial.system_attrs
