"""The trials as an Optuna study on disk, so that ``optuna-dashboard`` and any Optuna tool can read a run."""

from __future__ import annotations

import copy
import datetime
import functools
from collections.abc import Iterable, Mapping
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from autoagent.runs.state import TrialRecord
from autoagent.space import Bool, Choice, Config, Float, Int, Searchable, Space

STUDY_NAME = "autoagent"  # fixed: Optuna's Hyperband hashes it


class TrialsLog:
    """Writes ended trials to a JournalStorage. Derived from the run's journal: made anew when a run is resumed."""

    def __init__(self, path: Path, spaces: Mapping[str, Space], ended: Iterable[TrialRecord] = ()) -> None:
        quiet_optuna()
        for stale in path.parent.glob(path.name + "*"):  # an Optuna lock left by a kill would hold us for 30 s
            stale.unlink()
        self._spaces = spaces
        storage = JournalStorage(JournalFileBackend(str(path)))
        self._study = optuna.create_study(storage=storage, study_name=STUDY_NAME, direction="maximize")
        for trial in ended:
            self.add(trial)

    def add(self, trial: TrialRecord) -> None:
        """Write one ended trial."""
        families = CategoricalDistribution(sorted(self._spaces))
        frozen = frozen_trial(trial, self._spaces[trial.family], prefix=f"{trial.family}.")
        frozen.distributions = {"family": families, **frozen.distributions}
        frozen.params = {"family": trial.family, **frozen.params}
        for name, value in (("trial", trial.number), ("source", trial.source), ("status", trial.status)):
            frozen.set_user_attr(name, value)
        self._study.add_trial(frozen)


def quiet_optuna() -> None:
    """Silence Optuna's progress lines; the journal and the live view tell them."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def frozen_trial(trial: TrialRecord, space: Space, *, prefix: str = "") -> FrozenTrial:
    """Return an ended trial as Optuna knows it; one without a whole score counts as pruned, so that it is avoided."""
    config = space.check(trial.config)
    steps = {fold: score for fold, score in enumerate(trial.fold_scores)}
    whole = trial.is_whole
    now = datetime.datetime.now()
    return _EndedTrial(
        number=-1,
        trial_id=-1,
        state=TrialState.COMPLETE if whole else TrialState.PRUNED,
        value=trial.score if whole else None,
        values=None,
        datetime_start=now,
        datetime_complete=now,
        params={prefix + name: value for name, value in config.items()},
        distributions={prefix + name: distribution(space[name].domain) for name in config},
        user_attrs={},
        system_attrs={},
        intermediate_values=steps,
    )


class _EndedTrial(FrozenTrial):
    """A trial whose copies share its distributions, which nobody changes.

    Optuna copies each trial that is added; deep copies and checks of 1,000 took 50 of the 70 ms of CPU time that the
    first proposal of a resumed run cost (``python benchmarks/reliability.py overhead``).
    """

    def __deepcopy__(self, memo: dict[int, object]) -> _EndedTrial:
        fresh = copy.copy(self)
        fresh._params, fresh._user_attrs = dict(self._params), dict(self._user_attrs)
        fresh._system_attrs, fresh.intermediate_values = dict(self._system_attrs), dict(self.intermediate_values)
        return fresh


@functools.lru_cache(maxsize=1024)
def distribution(domain: Searchable) -> BaseDistribution:
    """Return the Optuna distribution of a domain."""
    match domain:
        case Float():
            return FloatDistribution(domain.low, domain.high, log=domain.log)
        case Int():
            return IntDistribution(domain.low, domain.high, log=domain.log)
        case Choice():
            return CategoricalDistribution(domain.options)
        case Bool():
            return CategoricalDistribution((False, True))


def ask_config(study: optuna.Study, space: Space) -> Config:
    """Return the next configuration of a study, parameter by parameter as far as the conditions go."""
    trial = study.ask()
    config: Config = {}
    for name, param in space.items():
        if space.is_active(name, config):
            config[name] = trial._suggest(name, distribution(param.domain))
    study.tell(trial, state=TrialState.FAIL)  # the run's journal, not this study, keeps what is running
    return space.check(config)
