"""The rules of a measurement as types: what tunes and what tests cannot meet, and test is opened once, at the end.

Sources: seeds apart, arXiv:2306.01324 (checklist); data apart, arXiv:2403.09066; the shape of a benchmark,
arXiv:2506.06143 (carps).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, final, runtime_checkable

from autoagent.errors import ProtocolError
from autoagent.space import Config, Space

LEAST_SEARCHES = 10
Status = Literal["ok", "crashed", "timeout", "memory"]
_SEAL = object()


@dataclass(frozen=True)
class SeedPlan:
    """Which seeds tune and which test.

    Attributes:
        tune: each trial is evaluated on all of them; its loss is their mean.
        test: only a `Finalizer` evaluates on them.

    Raises:
        ProtocolError: a seed is in both, twice in one, or one is empty.
    """

    tune: tuple[int, ...]
    test: tuple[int, ...]

    def __post_init__(self) -> None:
        both = sorted(set(self.tune) & set(self.test))
        if both:
            raise ProtocolError(f"seeds {both} would tune and test; take test seeds that no tuning has seen")
        for name, seeds in (("tune", self.tune), ("test", self.test)):
            if not seeds or len(set(seeds)) < len(seeds):
                raise ProtocolError(f"{name} seeds must be at least one and all different, not {list(seeds)}")

    @property
    def tuning(self) -> Tuning:
        """The split that a search may evaluate on."""
        return Tuning(frozenset(self.tune))


@final
@dataclass(frozen=True)
class Tuning:
    """The right to evaluate on tuning data with tuning seeds; any search may have it."""

    seeds: frozenset[int]
    name: Literal["tune"] = field(default="tune", init=False)

    def check(self, seed: int) -> None:
        """Refuse a seed that is not for tuning.

        Raises:
            ProtocolError: so.
        """
        _check(self, seed)


@final
@dataclass(frozen=True)
class Sealed:
    """The right to evaluate on test data with test seeds; a `Finalizer` alone makes one.

    Raises:
        ProtocolError: somebody else tries.
    """

    seeds: frozenset[int]
    seal: object = field(repr=False)
    name: Literal["test"] = field(default="test", init=False)

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise ProtocolError("the test split is opened by Finalizer.finish alone")

    def check(self, seed: int) -> None:
        """Refuse a seed that is not for testing.

        Raises:
            ProtocolError: so.
        """
        _check(self, seed)


Split = Tuning | Sealed


@dataclass(frozen=True)
class DataPlan:
    """Which rows (or tasks, or episodes) fit, which tune and which test, by index.

    Raises:
        ProtocolError: one is in two of them.
    """

    train: tuple[int, ...]
    tune: tuple[int, ...]
    test: tuple[int, ...]

    def __post_init__(self) -> None:
        parts = [set(self.train), set(self.tune), set(self.test)]
        if sum(map(len, parts)) != len(set().union(*parts)):
            raise ProtocolError("train, tune and test rows must have no row in common")

    def fit_and_score(self, split: Split) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the rows to fit and the rows to score; for the test, tuning rows are fitted too."""
        return (self.train, self.tune) if split.name == "tune" else (self.train + self.tune, self.test)

    @property
    def sha256(self) -> str:
        """A hash of the division, for the report."""
        return hashlib.sha256(repr((self.train, self.tune, self.test)).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Cost:
    """What something cost; costs add up.

    Attributes:
        trials: in evaluations at full fidelity; half the epochs are half a trial.
        evaluate_s: seconds in the benchmark, simulated ones of a table included.
        propose_s: seconds in the sampler, the language model's among them.
        llm_calls: requests.
        prompt_tokens: as the server counted.
        completion_tokens: as the server counted.
        cost_usd: of the language model; None is an unknown price.
    """

    trials: float = 0.0
    evaluate_s: float = 0.0
    propose_s: float = 0.0
    llm_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = 0.0

    def __add__(self, other: Cost) -> Cost:
        known = self.cost_usd is not None and other.cost_usd is not None
        return Cost(
            self.trials + other.trials,
            self.evaluate_s + other.evaluate_s,
            self.propose_s + other.propose_s,
            self.llm_calls + other.llm_calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            (self.cost_usd or 0.0) + (other.cost_usd or 0.0) if known else None,
        )


@dataclass(frozen=True)
class Outcome:
    """What one evaluation gave.

    Attributes:
        loss: lower is better; None when there is none.
        status: how it ended; only ``ok`` has a loss.
        seconds: that it took, or would have taken where the benchmark is a table.
        others: what else was measured, such as ``size_bytes``.
    """

    loss: float | None
    status: Status = "ok"
    seconds: float = 0.0
    others: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.status == "ok") != (self.loss is not None and not math.isnan(self.loss)):
            raise ValueError(f"an outcome with status {self.status!r} cannot have the loss {self.loss!r}")


@runtime_checkable
class Benchmark(Protocol):
    """Something to optimise, with a tuning side and a test side."""

    @property
    def name(self) -> str:
        """Of the task."""

    @property
    def space(self) -> Space:
        """Of its configurations."""

    @property
    def optimum(self) -> float | None:
        """The least tuning loss there is; None when nobody knows."""

    @property
    def median(self) -> float | None:
        """The tuning loss of a median random configuration; None is estimated from random search."""

    @property
    def units(self) -> int | None:
        """Validation units (rows, episodes, questions) behind one loss; None when losses are exact."""

    @property
    def about(self) -> Mapping[str, str]:
        """What a language model may be told."""

    def evaluate(self, config: Config, seed: int, split: Split, fidelity: float = 1.0) -> Outcome:
        """Evaluate one configuration.

        Args:
            config: of the space.
            seed: of everything random in the evaluation; ``split`` must allow it.
            split: which data, and the right to them.
            fidelity: the share of a whole evaluation, above 0 and up to 1.

        Raises:
            ProtocolError: the seed is not of the split.
        """


@dataclass(frozen=True)
class Final:
    """What the sealed evaluation of a search gave.

    Attributes:
        config: that the search recommends: its best on tuning seeds.
        tuning: its loss there.
        losses: on each test seed; None where it crashed.
        runners_up: means of the next best on the test seeds, to see whether tuning ranks; never used to choose.
    """

    config: Config
    tuning: float
    losses: tuple[float | None, ...]
    runners_up: tuple[float | None, ...] = ()

    @property
    def mean(self) -> float | None:
        """The mean test loss; None when an evaluation crashed, since what is left would flatter."""
        return mean_loss(self.losses)

    @property
    def optimism(self) -> float | None:
        """How much better the tuning loss is than the test loss."""
        return None if self.mean is None else self.mean - self.tuning


class Finalizer:
    """Opens the test split of one search, once."""

    def __init__(self, benchmark: Benchmark, plan: SeedPlan) -> None:
        self._benchmark, self._plan = benchmark, plan
        self._used = False

    def finish(self, candidates: Sequence[tuple[Config, float]], *, top: int = 1) -> Final:
        """Evaluate what a search recommends on all test seeds.

        Args:
            candidates: configurations with tuning losses; the least loss is recommended, before test is opened.
            top: how many of the best to evaluate.

        Raises:
            ProtocolError: it was opened before, or there is nothing to evaluate.
        """
        if self._used:
            raise ProtocolError("the test split of this search was opened already; a second look would be tuning on it")
        if not candidates:
            raise ProtocolError("no configuration has a tuning loss, so that nothing can be recommended")
        self._used = True
        split = Sealed(frozenset(self._plan.test), _SEAL)
        best = sorted(candidates, key=lambda candidate: candidate[1])[:top]
        losses = [self._losses(config, split) for config, _ in best]
        return Final(best[0][0], best[0][1], losses[0], tuple(mean_loss(row) for row in losses[1:]))

    def _losses(self, config: Config, split: Sealed) -> tuple[float | None, ...]:
        return tuple(self._benchmark.evaluate(config, seed, split).loss for seed in self._plan.test)


def mean_loss(losses: Sequence[float | None]) -> float | None:
    """Return the mean; None when one is missing."""
    known = [loss for loss in losses if loss is not None]
    return sum(known) / len(known) if known and len(known) == len(losses) else None


def _check(split: Split, seed: int) -> None:
    if seed not in split.seeds:
        raise ProtocolError(f"seed {seed} is not a {split.name} seed; those are {sorted(split.seeds)}")
