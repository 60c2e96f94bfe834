"""The Optuna side of every language-model sampler: a whole configuration from the model, or a classical sampler's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Required, TypedDict, Unpack

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from autoagent.llm.client import LLM
from autoagent.search.history import observations
from autoagent.search.language.cards import TaskContext
from autoagent.search.language.known import KnownSpace, Params
from autoagent.search.language.ledger import Entry, Ledger
from autoagent.search.language.turn import Course, Turn
from autoagent.search.language.voice import Voice
from autoagent.space import Space

PREDICTED = "predicted"  # user attribute of a trial with what a model expected of it; nothing in it was measured
PATIENCE = 3  # trials in a row for nothing before the model is left alone
RETRY_EVERY = 10  # trials after which it is tried again
INITIAL = "initial"  # why a classical sampler proposes where the method itself begins so: no fallback


class Shared(TypedDict, total=False):
    """What every language-model sampler can be told.

    Attributes:
        seed: of the draws of each trial.
        space: the space with its conditions and defaults; None learns it from the study's trials.
        context: what the model may know of the task; a sampler that shows no facts leaves it unread.
        max_requests: to the model, in the whole study, repairs among them; the class's ``most_requests`` unless told.
        timeout_s: for each question; 120 seconds unless told.
    """

    seed: Required[int]
    space: Space | KnownSpace | None
    context: TaskContext | None
    max_requests: int
    timeout_s: float


class LanguageSampler(BaseSampler):
    """Proposes what a language model says; all that it does not give, a classical sampler does, and that is counted.

    Subclasses write `propose`. State is only in the study: what was asked, what came of it, and configurations that
    wait for their turn (`autoagent.search.language.ledger`). It never raises for what a model or an endpoint does.

    Args:
        llm: the model; None leaves every trial to ``classical``.
        classical: what proposes otherwise.
        shared: see `Shared`.

    Attributes:
        name: who proposed a trial, as the ledger has it.
        most_requests: to the model, where the caller does not say.
        num_initial: trials with a value that the method wants from the classical sampler before it asks.
    """

    name = "language model"
    most_requests = 60
    num_initial = 0

    def __init__(self, llm: LLM | None, classical: BaseSampler, **shared: Unpack[Shared]) -> None:
        space = shared.get("space")
        self.max_requests = shared.get("max_requests", self.most_requests)
        self.context = shared.get("context") or TaskContext()
        self._llm = llm
        self._classical = classical
        self._seed = shared["seed"]
        self._known = KnownSpace.from_space(space) if isinstance(space, Space) else space or KnownSpace({})
        self._timeout_s = shared.get("timeout_s", 120.0)

    def propose(self, turn: Turn) -> list[Params]:
        """Return legal, untried configurations: one for this trial, the others for those after it; none falls back."""
        raise NotImplementedError

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return all parameters that are known, conditional ones included: those that are not asked for do no harm."""
        classical = self._classical.infer_relative_search_space(study, trial)
        return classical if self._llm is None else {**classical, **self._space(study).distributions}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the model's configuration, or the classical sampler's."""
        entry = Entry()
        params = self._from_model(study, trial, entry)
        if params is None:
            entry.by = "classical"
            entry.count("fallbacks", int(entry.why != INITIAL))
            space = self._classical.infer_relative_search_space(study, trial)
            params = self._classical.sample_relative(study, trial, space)
        entry.write(study, trial)
        return params

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 - Optuna's own signature
        """Return what the classical sampler draws."""
        return self._classical.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Pass the call on."""
        self._classical.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Pass the call on."""
        self._classical.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Draw a new seed, for this sampler and the classical one."""
        self._seed = int(np.random.default_rng().integers(2**31 - 1))
        self._classical.reseed_rng()

    def _from_model(self, study: Study, trial: FrozenTrial, entry: Entry) -> Params | None:
        turn = self._turn(study, trial, entry)
        if turn is None:
            return None
        if len(turn.valued) < self.num_initial:
            entry.why = INITIAL
            return None
        entry.by = self.name
        found = [waiting] if (waiting := turn.queued()) is not None else self._asked(turn)
        if not found:
            return None
        entry.why = ""
        entry.config = turn.space.shown(found[0])
        entry.queue = turn.rows(found[1:])
        if (predicted := turn.forecasts.get(turn.key(found[0]))) is not None:
            study._storage.set_trial_user_attr(trial._trial_id, PREDICTED, predicted)
        return found[0]

    def _asked(self, turn: Turn) -> list[Params]:
        if _is_left_alone(turn):
            turn.entry.why = f"nothing usable came back in {PATIENCE} trials in a row"
            return []
        found = self.propose(turn)
        if not found:
            turn.entry.why = turn.entry.why or "no usable configuration"
        return found

    def _turn(self, study: Study, trial: FrozenTrial, entry: Entry) -> Turn | None:
        if self._llm is None or len(study.directions) > 1:
            entry.why = "no language model" if self._llm is None else "several objectives"
            return None
        trials = [other for other in observations(study) if other.number != trial.number]
        space = self._space(study)
        if not space.distributions:
            entry.why = INITIAL if self.num_initial else "nothing is known of the space yet"
            return None
        ledger = Ledger.of(study)
        frozen = {other.number: other for other in study.get_trials(deepcopy=False)}
        left = self.max_requests - ledger.total()["requests"]
        return Turn(
            number=trial.number,
            trials=trials,
            space=space,
            maximize=study.directions[0] == StudyDirection.MAXIMIZE,
            rng=np.random.default_rng([self._seed, trial.number]),
            voice=Voice(self._llm, entry, left=left, timeout_s=self._timeout_s),
            entry=entry,
            ledger=ledger,
            course_of=lambda number: Course.of(frozen[number]),
        )

    def _space(self, study: Study) -> KnownSpace:
        trials = study.get_trials(deepcopy=False)
        return self._known.joined_by((trial.params, trial.distributions) for trial in trials if trial.params)


def _is_left_alone(turn: Turn) -> bool:
    """Say whether the model failed so often in a row that this trial should not spend time and money on it."""
    entries = [turn.ledger.entries[number] for number in sorted(turn.ledger.entries)]
    asked = [entry for entry in entries if entry.events["requests"]][-PATIENCE:]
    failed = len(asked) == PATIENCE and all(entry.events["fallbacks"] for entry in asked)
    return failed and turn.number % RETRY_EVERY != 0
