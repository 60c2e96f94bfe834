"""The past of a study as vectors, and an Optuna sampler around a pure function of it.

Particle swarms, cross-entropy, differential evolution and coordinate descent all propose the next point from earlier
ones. They see one vector for each trial over every parameter that was ever suggested, so that conditional parameters
have a place; what a trial did not use is NaN. Nothing is kept in the sampler: the past is read from the study each
time, and what a method must remember of a proposal is a system attribute of its trial.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from autoagent.search.encoding import Encoding
from autoagent.search.history import Observation, observations

Array = NDArray[np.float64]
_TRIES = 8  # proposals that repeat an earlier trial before one is accepted


@dataclass(frozen=True)
class Past:
    """What a method may look at. Failed trials are left out, as Optuna's own samplers do, but never repeated.

    Attributes:
        space: every parameter that was ever suggested, with its latest distribution.
        encoding: of the space.
        blocks: columns of each parameter: one for a number in [0, 1], one for each choice of a category.
        points: ``(n, width)`` in the order of the trials; NaN in the columns of parameters that a trial did not use.
        losses: ``(n,)`` NaN while a trial is running.
        ranks: ``(n,)`` 0 is best, equal ones share a rank; pruned trials are behind whole ones and those that break
            a constraint behind both; infinity while a trial is running.
        notes: what the method noted on each trial; empty for trials of others.
        number: of the trial to propose.
        own: what was noted on that trial before it was proposed.
        tried: the configurations of all trials, by the names that each used.
    """

    space: Mapping[str, BaseDistribution]
    encoding: Encoding
    blocks: Mapping[str, slice]
    points: Array
    losses: Array
    ranks: Array
    notes: Sequence[Mapping[str, Any]]
    number: int
    own: Mapping[str, Any]
    tried: Mapping[tuple[str, ...], Set[tuple[object, ...]]]

    @property
    def categories(self) -> list[slice]:
        """The blocks of the categories."""
        kinds = self.space.items()
        return [self.blocks[name] for name, kind in kinds if isinstance(kind, CategoricalDistribution)]

    def best(self, rows: Iterable[int]) -> int | None:
        """Return the best of some rows, the earliest of equal ones; None if none has ended."""
        ended = [int(row) for row in rows if np.isfinite(self.ranks[row])]
        return min(ended, key=lambda row: (self.ranks[row], row)) if ended else None

    def repeats(self, params: Mapping[str, Any]) -> bool:
        """Say whether an earlier trial used the same values: all that it asked for, so it would ask for no others."""
        return any(_key(params, names) in keys for names, keys in self.tried.items() if set(names) <= set(params))


@dataclass(frozen=True)
class Step:
    """A proposal.

    Attributes:
        point: ``(width,)``; decoded to the nearest legal configuration.
        note: JSON that the method wants back with this trial.
    """

    point: Array
    note: Mapping[str, Any] = field(default_factory=dict)


Propose = Callable[[Past, np.random.Generator], Step]
First = Callable[[str, BaseDistribution, np.random.Generator], Any]


class VectorSampler(BaseSampler):
    """Asks a pure function for the next vector; everything else is read from the study.

    The random numbers of a trial follow from the seed and its number, so that a resumed study goes on as an
    uninterrupted one and workers with one seed do not repeat each other. A configuration that was tried before is
    proposed only if eight attempts found no other.

    Args:
        name: of the method; its notes are the system attribute ``autoagent:<name>``.
        propose: the method.
        seed: of everything random.
        first: gives a parameter that no trial has suggested yet, None where it does not know; drawn at random then.
    """

    def __init__(self, name: str, propose: Propose, *, seed: int, first: First | None = None) -> None:
        self._key = f"autoagent:{name}"
        self._propose = propose
        self._seed = seed
        self._first = first
        self._known: dict[int, Known] = {}  # only what can be read again: it saves reading it
        self._known_of: tuple[object, ...] = ()

    def reseed_rng(self) -> None:
        """Take a new seed, for a copy of the sampler in another process."""
        self._seed = int(np.random.SeedSequence().generate_state(1)[0])

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return every parameter that a trial of the study has suggested, with its latest distribution.

        Raises:
            ValueError: the study has several objectives.
        """
        self._raise_error_if_multi_objective(study)
        space: dict[str, BaseDistribution] = {}
        for other in study.get_trials(deepcopy=False):
            space.update(other.distributions)
        return {name: space[name] for name in sorted(space) if not space[name].single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return a value for every parameter; those that the objective does not ask for are not used."""
        if not search_space:
            return {}
        others = [seen for seen in observations(study) if seen.number != trial.number]
        past = read_past(others, search_space, self.notes(study), trial.number, self._remembered(study, search_space))
        rng = np.random.default_rng([self._seed, trial.number])
        for _ in range(_TRIES):
            step = self._propose(past, rng)
            params = past.encoding.decode(step.point)
            if not past.repeats(params):
                break
        if step.note:
            study._storage.set_trial_system_attr(trial._trial_id, self._key, dict(step.note))
        return params

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 - Optuna's own signature
        """Return the first value of a parameter, or draw it."""
        rng = np.random.default_rng([self._seed, trial.number, zlib.crc32(param_name.encode())])
        known = self._first(param_name, param_distribution, rng) if self._first else None
        return Encoding({param_name: param_distribution}).random(rng)[param_name] if known is None else known

    def _remembered(self, study: Study, space: dict[str, BaseDistribution]) -> dict[int, Known]:
        of = (study._storage, study._study_id, space)
        if len(self._known_of) != 3 or self._known_of[0] is not of[0] or self._known_of[1:] != of[1:]:
            self._known, self._known_of = {}, of
        return self._known

    def notes(self, study: Study) -> dict[int, Mapping[str, Any]]:
        """Return what the method noted, by trial number."""
        trials = study.get_trials(deepcopy=False)
        return {other.number: other.system_attrs[self._key] for other in trials if self._key in other.system_attrs}


@dataclass(frozen=True)
class Known:
    """An ended trial as a vector, with its identity: the parameters of the space that it used, and their values."""

    point: Array
    names: tuple[str, ...]
    key: tuple[object, ...]


def read_past(
    seen: Sequence[Observation],
    space: Mapping[str, BaseDistribution],
    notes: Mapping[int, Mapping[str, Any]],
    number: int,
    known: dict[int, Known] | None = None,
) -> Past:
    """Return the trials that did not fail as vectors, ranked.

    Args:
        seen: earlier trials in their order.
        space: every parameter that may be proposed.
        notes: of the method, by trial number.
        number: of the trial to propose.
        known: trials that ended before, of the same study and space; those of now are added.
    """
    encoding, memory = Encoding(space), {} if known is None else known
    read = [memory.get(one.number) or _read(one, space, encoding) for one in seen]
    memory |= {one.number: as_read for one, as_read in zip(seen, read, strict=True) if one.state != "running"}
    tried: dict[tuple[str, ...], set[tuple[object, ...]]] = {}
    for one, as_read in zip(seen, read, strict=True):
        if as_read.names and (one.state != "running" or len(as_read.names) == len(space)):  # it may still ask for more
            tried.setdefault(as_read.names, set()).add(as_read.key)
    kept = [(one, as_read) for one, as_read in zip(seen, read, strict=True) if one.state != "failed"]
    points = np.array([as_read.point for _, as_read in kept]).reshape(-1, encoding.width)
    losses = np.array([np.nan if one.loss is None else one.loss for one, _ in kept])
    noted = [notes.get(one.number, {}) for one, _ in kept]
    ranks = rank([one for one, _ in kept])
    return Past(space, encoding, encoding.blocks, points, losses, ranks, noted, number, notes.get(number, {}), tried)


def rank(seen: Sequence[Observation]) -> Array:
    """Return ``(n,)``: the place of each trial among them, equal for equal ones, infinity without a loss."""
    keys = [
        (one.violation > 0, one.state == "pruned", one.violation, one.loss)
        if one.loss is not None and one.state in ("done", "pruned")
        else None
        for one in seen
    ]
    order = {key: place for place, key in enumerate(sorted({key for key in keys if key is not None}))}
    return np.array([np.inf if key is None else float(order[key]) for key in keys])


def is_legal(distribution: BaseDistribution, value: object) -> bool:
    """Say whether a distribution holds a value."""
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except ValueError:
        return False


def _read(one: Observation, space: Mapping[str, BaseDistribution], encoding: Encoding) -> Known:
    used = {name: value for name, value in one.params.items() if name in space}
    legal = {name: value for name, value in used.items() if is_legal(space[name], value)}
    whole, point = encoding.encode(legal), np.full(encoding.width, np.nan)
    for name in legal:
        point[encoding.blocks[name]] = whole[encoding.blocks[name]]
    names = tuple(sorted(used))
    return Known(point, names, _key(used, names))


def _key(params: Mapping[str, Any], names: Sequence[str]) -> tuple[object, ...]:
    """Return the identity of some values: floats count as equal when they agree to four digits."""
    return tuple(f"{params[name]:.4g}" if isinstance(params[name], float) else repr(params[name]) for name in names)
