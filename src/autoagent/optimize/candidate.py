"""Candidates, which are values, and what came of running them."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from autoagent.errors import AutoAgentError, DomainError
from autoagent.optimize.sheet import Sheet
from autoagent.trace.parameters import ParameterNode
from autoagent.trace.problem import variable_names


@dataclass(frozen=True)
class Candidate:
    """Values of parameters. Two with the same values are the same candidate.

    Attributes:
        values: parameter name -> legal value.
        parents: keys of the candidates that it was made from; no part of its identity.
        source: who proposed it, for example ``optoprime``; no part of its identity.
    """

    values: Mapping[str, Any]
    parents: tuple[str, ...] = field(default=(), compare=False)
    source: str = field(default="", compare=False)

    @cached_property
    def key(self) -> str:
        """The identity: a hash of the values."""
        text = json.dumps(self.to_json(), sort_keys=True, ensure_ascii=True, allow_nan=False)
        return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """Return the values as JSON; arrays and tuples become lists."""
        return {name: plain(value) for name, value in self.values.items()}

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Candidate) and self.key == other.key


@dataclass(frozen=True)
class Case:
    """What came of one run on one instance.

    Attributes:
        instance: its name.
        score: higher is better; None when there was none, after an error for example.
        text: the feedback in words.
        error: what went wrong; empty when the run ended well.
        output: the output as short text.
        sheet: the traced operations, as an optimizer is shown them; None when nothing was traced.
        seconds: that it took.
        objectives: objective -> score, where there are several; ``score`` is then their mean.
    """

    instance: str
    score: float | None = None
    text: str = ""
    error: str = ""
    output: str = ""
    sheet: Sheet | None = None
    seconds: float = 0.0
    objectives: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value that ``from_json`` reads back."""
        row = {**self.__dict__, "sheet": None if self.sheet is None else self.sheet.to_json()}
        row["objectives"] = dict(self.objectives)
        return row if self.objectives else {name: value for name, value in row.items() if name != "objectives"}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Case:
        """Read what ``to_json`` wrote."""
        return cls(**{**row, "sheet": None if row["sheet"] is None else Sheet.from_json(row["sheet"])})


@dataclass(frozen=True)
class Outcome:
    """What came of a candidate on some instances."""

    cases: tuple[Case, ...]

    @property
    def scores(self) -> dict[str, float | None]:
        """Instance -> score."""
        return {case.instance: case.score for case in self.cases}

    @property
    def cells(self) -> dict[str, float | None]:
        """Instance, or instance and objective where there are several -> score: what a Pareto front is over."""
        found: dict[str, float | None] = {}
        for case in self.cases:
            found |= {f"{case.instance}\n{name}": score for name, score in case.objectives.items()}
            if not case.objectives:
                found[case.instance] = case.score
        return found

    @property
    def num_failed(self) -> int:
        """How many runs ended in an error."""
        return sum(bool(case.error) for case in self.cases)

    @property
    def score(self) -> float | None:
        """The mean score; None when a run gave none. An error is never a score of 0."""
        scores = [case.score for case in self.cases]
        known = [score for score in scores if score is not None]
        return statistics.fmean(known) if known and len(known) == len(scores) else None

    @property
    def error(self) -> str:
        """The first error, or empty."""
        return next((case.error for case in self.cases if case.error), "")

    @property
    def seconds(self) -> float:
        """Of all runs together."""
        return sum(case.seconds for case in self.cases)

    def on(self, instances: Iterable[str]) -> Outcome:
        """Return the part on some instances."""
        wanted = set(instances)
        return Outcome(tuple(case for case in self.cases if case.instance in wanted))

    def merged(self, later: Outcome) -> Outcome:
        """Return both, the later case where an instance is in both."""
        cases = {case.instance: case for case in (*self.cases, *later.cases)}
        return Outcome(tuple(cases.values()))

    def passed(self, target: float | None) -> bool:
        """Say whether every run ended well and reached the target; never without a target or scores."""
        if target is None or not self.cases:
            return False
        return all(not case.error and case.score is not None and case.score >= target for case in self.cases)


def rank(outcome: Outcome) -> tuple[float, float]:
    """Return what outcomes on the same instances are ordered by: fewer runs without a score first, then the mean."""
    known = [case.score for case in outcome.cases if case.score is not None and not case.error]
    return (float(len(known) - len(outcome.cases)), statistics.fmean(known) if known else 0.0)


def is_comparable(first: Outcome, second: Outcome) -> bool:
    """Say whether two outcomes can be ordered: the same instances, and each score or error known."""
    judged = all(case.error or case.score is not None for case in (*first.cases, *second.cases))
    return bool(first.cases) and judged and set(first.scores) == set(second.scores)


class Parameters:
    """The parameters of an optimizer under the names that a model sees.

    Attributes:
        nodes: name -> parameter.
    """

    def __init__(self, parameters: Iterable[ParameterNode]) -> None:
        """Name the parameters.

        Raises:
            DomainError: there are none, or something else is among them.
        """
        given = list(parameters)
        odd = [type(entry).__name__ for entry in given if not isinstance(entry, ParameterNode)]
        if odd or not given:
            raise DomainError(
                f"an optimizer needs trainable nodes, made by node(..., trainable=True), not {odd or given}"
            )
        self.nodes = {name: parameter for parameter, name in variable_names(given).items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self.nodes)

    def current(self) -> Candidate:
        """Return the values that the parameters have now."""
        return Candidate({name: parameter.data for name, parameter in self.nodes.items()}, source="start")

    def assign(self, candidate: Candidate) -> None:
        """Store a candidate's values in the parameters."""
        for name, value in self.check(candidate.values).items():
            self.nodes[name].set(value)

    def overrides(self, candidate: Candidate) -> dict[ParameterNode, Any]:
        """Return what ``trace.override`` takes."""
        return {self.nodes[name]: value for name, value in candidate.values.items()}

    def check(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values, projected and inside their domains.

        Raises:
            DomainError: unknown names and illegal values, all of them in one message.
        """
        checked, faults = self.checked(values)
        if faults:
            raise DomainError("; ".join(faults))
        return checked

    def checked(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Return the legal values, and what is wrong with the others."""
        checked, faults = {}, []
        for name, value in values.items():
            if name not in self.nodes:
                faults.append(f"{name!r:.80} is not one of the variables")
                continue
            try:
                checked[name] = self.nodes[name].check(value)
            except AutoAgentError as error:
                faults.append(f"{name}: {str(error)[:400]}")
        return checked, faults

    def changed(self, base: Candidate, updates: Mapping[str, Any], *, source: str) -> Candidate:
        """Return the base with some values replaced."""
        return Candidate({**base.values, **updates}, parents=(base.key,), source=source)


def plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a JSON value of a parameter's value; its domain reads it back."""
    to_list = getattr(value, "tolist", None)
    if callable(to_list):
        return to_list()
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    return [plain(entry) for entry in value] if isinstance(value, Sequence) and not isinstance(value, str) else value
