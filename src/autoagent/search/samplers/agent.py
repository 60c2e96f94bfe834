"""The agent's own sampler: defaults, a model's ideas, a Gaussian process of our own, and a TPE in long studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from autoagent.llm.client import LLM
from autoagent.search.agent_search.context import Config, Context, Proposals, Settings, Suggestion
from autoagent.search.agent_search.objectives import observed
from autoagent.search.agent_search.prior import Guess
from autoagent.search.agent_search.proposing import propose
from autoagent.search.history import Observation
from autoagent.search.language.cards import TaskContext
from autoagent.search.language.known import KnownSpace
from autoagent.search.llm_proposals import LanguageProposals
from autoagent.search.samplers.memory import Memory, differing
from autoagent.search.samplers.native import build_tpe
from autoagent.search.surrogate.features import Features
from autoagent.space import Space

ATTRIBUTE = "autoagent:agent"  # system attribute of a trial: who proposed it, what, and a model's other ideas
MODEL_TRIALS = 300  # a study that is longer is left to the TPE, whose cost grows less


class AgentSampler(BaseSampler):
    """Proposes what `autoagent.search.agent_search.proposing.propose` says of the study's trials.

    Nothing is kept in the sampler that cannot be read again: the random numbers of a trial follow from the seed and its
    number, so that a study that was stopped goes on as if it had not been, and what a trial that runs was given is read
    from its attribute. With several objectives each trial minimises a weighted Chebyshev distance of its own (ParEGO).
    Conditions are learned from what trials asked for. After 300 trials a multivariate TPE goes on, which sees the best
    trials and the latest ones: about 300, so that its cost does not grow with the study.

    Args:
        seed: of everything random.
        defaults: the library's own values, which the first trial tries; None leaves them to the names' hints.
        portfolio: configurations for the trials after it.
        llm: a language model as `Proposals`; None does without.
        space: the distributions, if the caller knows them before the first trial.
        facts: of the task, for the language model.
        settings: numbers of the search.
    """

    def __init__(
        self,
        *,
        seed: int,
        defaults: Mapping[str, Any] | None = None,
        portfolio: Sequence[Config] = (),
        llm: Proposals | None = None,
        space: Mapping[str, BaseDistribution] | None = None,
        facts: Mapping[str, Any] | None = None,
        settings: Settings | None = None,
    ) -> None:
        self._seed = seed
        self._defaults = dict(defaults or {})
        self._portfolio = tuple(portfolio)
        self._llm = llm
        self._space = dict(space or {})
        self._facts = dict(facts or {})
        self._settings = settings or Settings()
        self._tpe = build_tpe(seed=seed)
        self._memory: Memory | None = None

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return every parameter that a trial of the study has suggested, with its latest distribution."""
        return differing(self._space | self._remembered(study).space(study))

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return a value for every parameter; those that the objective does not ask for are not used."""
        if not search_space:
            self._note(study, trial, Suggestion(dict(self._defaults), "default"))
            return {}
        if trial.number >= MODEL_TRIALS:
            return self._from_tpe(study, trial)
        notes = notes_of(study)
        suggestion = self.suggest(_as_proposed(observed(study, trial.number, self._seed), notes), search_space, notes)
        self._note(study, trial, suggestion)
        return suggestion.config

    def suggest(
        self,
        history: Sequence[Observation],
        space: Mapping[str, BaseDistribution],
        notes: Mapping[int, Mapping[str, Any]],
        *,
        number: int | None = None,
    ) -> Suggestion:
        """Return the next configuration of a history, without a study.

        Args:
            history: trials by number.
            space: of their parameters.
            notes: what this sampler noted on trials, by number.
            number: of the trial to propose; the next one if it is not said.
        """
        legal = [_within(one, space) for one in history]
        context = Context(
            number=number if number is not None else (max((one.number for one in history), default=-1) + 1),
            seed=self._seed,
            defaults={name: value for name, value in self._defaults.items() if name in space},
            portfolio=[{k: v for k, v in entry.items() if k in space} for entry in self._portfolio],
            sources={at: note["by"] for at, note in notes.items() if "by" in note},
            ideas=[idea for note in notes.values() for idea in note.get("ideas", ())],
            asked=sum(bool(note.get("asked")) for note in notes.values()),
            facts=self._facts,
            settings=self._settings,
        )
        return propose(space, legal, context, self._llm)[0]

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 - Optuna's own signature
        """Return the default of a parameter that no trial has suggested yet, or a draw round it."""
        features = Features({param_name: param_distribution})
        known = {name: value for name, value in self._defaults.items() if name == param_name}
        if known and not param_distribution._contains(_internal(param_distribution, known[param_name])):
            known = {}
        guess = Guess(features, known)
        if trial.number == 0:
            return known.get(param_name, guess.config[param_name])
        rng = np.random.default_rng([self._seed, trial.number, *param_name.encode()])
        return features.config(guess.draw(1, rng)[0])[param_name]

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Pass the call on to the TPE in a long study."""
        if trial.number >= MODEL_TRIALS:
            self._tpe.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Pass the call on to the TPE in a long study."""
        if trial.number >= MODEL_TRIALS:
            self._tpe.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Take a new seed, for a copy of the sampler in another process."""
        self._seed = int(np.random.SeedSequence().generate_state(1)[0])
        self._tpe.reseed_rng()

    def _from_tpe(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        """Return the TPE's proposal; its random numbers follow from the trial as well."""
        if isinstance(self._tpe, TPESampler):
            state = int(np.random.default_rng([self._seed, trial.number]).integers(2**31))
            self._tpe._rng.rng.seed(state)
        examples, chosen = self._remembered(study).views(study)
        return self._tpe.sample_relative(chosen, trial, self._tpe.infer_relative_search_space(examples, trial))

    def _remembered(self, study: Study) -> Memory:
        """Return what is known of the trials that have ended."""
        memory = self._memory
        if memory is None or not memory.is_of(study):
            memory = self._memory = Memory(study)
        return memory

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be read again."""
        return self.__dict__ | {"_memory": None}

    def _note(self, study: Study, trial: FrozenTrial, suggestion: Suggestion) -> None:
        note: dict[str, Any] = {"by": suggestion.source, "config": suggestion.config}
        note |= {"ideas": list(suggestion.ideas), "asked": suggestion.asked}
        study._storage.set_trial_system_attr(trial._trial_id, ATTRIBUTE, note)


def build(
    *,
    seed: int,
    defaults: Mapping[str, Any] | None = None,
    portfolio: Sequence[Config] = (),
    llm: Proposals | LLM | None = None,
    space: Mapping[str, BaseDistribution] | Space | KnownSpace | None = None,
    context: TaskContext | None = None,
    facts: Mapping[str, Any] | None = None,
) -> BaseSampler:
    """Return the agent's own sampler; see `AgentSampler`.

    Args:
        seed: of everything random.
        defaults: for the first trial; those of ``space`` where it has some and they are not given.
        portfolio: for the trials after it.
        llm: a proposer, or a model as such, which then proposes through `LanguageProposals` and sees losses: the
            negative values of a study that is maximized.
        space: distributions, or a space with its conditions and defaults.
        context: what the model may know of the task, where ``llm`` is a model as such.
        facts: of the task, for any proposer.
    """
    known = KnownSpace.from_space(space) if isinstance(space, Space) else space
    if not isinstance(known, KnownSpace):
        known = KnownSpace(dict(known or {}))
    proposals = llm if llm is None or callable(llm) else LanguageProposals(llm, space=known, task=context)
    return AgentSampler(
        seed=seed,
        defaults=known.defaults if defaults is None else defaults,
        portfolio=portfolio,
        llm=proposals,
        space=known.distributions,
        facts=facts,
    )


def notes_of(study: Study) -> dict[int, Mapping[str, Any]]:
    """Return what the agent's sampler noted on the trials of a study, by number."""
    trials = study.get_trials(deepcopy=False)
    return {other.number: other.system_attrs[ATTRIBUTE] for other in trials if ATTRIBUTE in other.system_attrs}


def _as_proposed(history: list[Observation], notes: Mapping[int, Mapping[str, Any]]) -> list[Observation]:
    """Return the history with what running trials were given, also before they have asked for it."""
    return [
        Observation(one.number, {**notes[one.number]["config"], **one.params}, state="running")
        if one.state == "running" and one.number in notes
        else one
        for one in history
    ]


def _within(one: Observation, space: Mapping[str, BaseDistribution]) -> Observation:
    """Return a trial without parameters and values that the space does not have any more."""
    params = {
        name: value
        for name, value in one.params.items()
        if name in space and space[name]._contains(_internal(space[name], value))
    }
    return Observation(one.number, params, one.loss, one.state, one.violation, one.distributions)


def _internal(distribution: BaseDistribution, value: object) -> float:
    """Return Optuna's internal value; of one that is illegal, NaN, which no distribution contains."""
    try:
        return float(distribution.to_internal_repr(value))
    except (ValueError, TypeError):
        return float("nan")
