"""The space of a define-by-run study as far as it is known: distributions, conditions, defaults, and words for them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from autoagent.search.trials_log import distribution
from autoagent.space import Space

Params = dict[str, Any]
When = Mapping[str, tuple[Any, ...]]
_DIGITS = 6  # of a number in a prompt; 537.4 must not become 537


@dataclass(frozen=True)
class KnownSpace:
    """A space as a proposer sees it.

    Attributes:
        distributions: of every parameter that is known, conditional ones included.
        when: a parameter listed here exists only while every named parameter has one of the given values.
        defaults: the library's own values, as far as they are known.
    """

    distributions: Mapping[str, BaseDistribution]
    when: Mapping[str, When] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_space(cls, space: Space) -> KnownSpace:
        """Return a space of ours with its conditions and defaults."""
        return cls(
            {name: distribution(param.domain) for name, param in space.items()},
            {name: dict(param.when) for name, param in space.items() if param.when},
            {name: param.default for name, param in space.items()},
        )

    def joined_by(self, trials: Iterable[tuple[Mapping[str, Any], Mapping[str, BaseDistribution]]]) -> KnownSpace:
        """Return this space with what trials, ``(params, distributions)`` each, reveal beyond it.

        A later range replaces an earlier one. A condition is inferred where every trial agrees with it.
        """
        rows = list(trials)
        found = dict(self.distributions)
        for _, distributions in rows:
            found |= distributions
        when = dict(self.when)
        for name in found:
            if name not in self.distributions and (condition := _condition(name, [params for params, _ in rows])):
                when[name] = condition
        return KnownSpace(found, when, self.defaults)

    def order(self) -> list[str]:
        """Return the names, each after those that it depends on."""
        placed: dict[str, None] = {}
        waiting = list(self.distributions)
        while waiting:
            ready = [name for name in waiting if all(other not in waiting for other in self.when.get(name, {}))]
            for name in ready or waiting:  # a circle cannot be ordered; it is taken as it stands
                placed[name] = None
            waiting = [name for name in waiting if name not in placed]
        return list(placed)

    def is_active(self, name: str, params: Mapping[str, Any]) -> bool:
        """Say whether a parameter exists beside the others."""
        conditions = self.when.get(name, {})
        return all(other in params and params[other] in values for other, values in conditions.items())

    def words(self) -> dict[str, str]:
        """Return what each parameter may be, in a line that is short to read."""
        return {name: self._words(name, self.distributions[name]) for name in self.order()}

    def shown(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a configuration as prompts show it: floats to six significant digits, choices by their label."""
        return {
            name: shown_value(self.distributions[name], params[name]) for name in self.order() if name in params
        } | {name: value for name, value in params.items() if name not in self.distributions}

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of one configuration; null stands for a parameter that does not exist in it."""
        names = self.order()
        properties = {name: _schema(self.distributions[name], name in self.when) for name in names}
        return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}

    def _words(self, name: str, domain: BaseDistribution) -> str:
        match domain:
            case FloatDistribution() | IntDistribution():
                kind = "whole number" if isinstance(domain, IntDistribution) else "number"
                words = f"{kind} from {short(domain.low)} to {short(domain.high)}"
                words += ", log scale" if domain.log else ""
                plain = domain.step in (None, 1) if isinstance(domain, IntDistribution) else domain.step is None
                words += "" if plain else f", in steps of {short(domain.step)}"
            case CategoricalDistribution():
                words = "one of " + ", ".join(_json(label(choice)) for choice in domain.choices)
            case _:
                words = str(domain)
        if name in self.defaults:
            words += f"; default {_json(shown_value(domain, self.defaults[name]))}"
        for other, values in self.when.get(name, {}).items():
            words += f"; only if {_json(other)} is {' or '.join(_json(label(value)) for value in values)}, else null"
        return words


def label(choice: object) -> object:
    """Return a choice as JSON can hold it: itself, or its representation where it is no plain value."""
    if choice is None or isinstance(choice, bool | int | str):
        return choice
    return choice if isinstance(choice, float) and math.isfinite(choice) else repr(choice)


def shown_value(domain: BaseDistribution, value: object) -> object:
    """Return one value as prompts show it."""
    if isinstance(domain, CategoricalDistribution):
        return label(value)
    return short(value)


def short(value: object) -> object:
    """Return a number with six significant digits, whatever its bounds are; anything else as it is."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else repr(value)
    return value


def _condition(name: str, rows: Sequence[Mapping[str, Any]]) -> When:
    """Return ``{other: values}`` where a choice of another parameter decides whether ``name`` exists, or nothing."""
    inside = [row for row in rows if name in row]
    outside = [row for row in rows if name not in row]
    if not inside or not outside:
        return {}
    for other in inside[0]:
        if other == name or not all(other in row for row in rows):
            continue
        with_it = {row[other] for row in inside}
        values = with_it | {row[other] for row in outside}
        if any(isinstance(value, float) for value in values):
            continue
        if not with_it & {row[other] for row in outside}:
            return {other: tuple(sorted(with_it, key=repr))}
    return {}


def _schema(domain: BaseDistribution, may_be_absent: bool) -> dict[str, Any]:
    match domain:
        case IntDistribution():
            schema: dict[str, Any] = {"type": "integer", "minimum": domain.low, "maximum": domain.high}
        case FloatDistribution():
            schema = {"type": "number", "minimum": domain.low, "maximum": domain.high}
        case CategoricalDistribution():
            schema = {"enum": [label(choice) for choice in domain.choices]}
        case _:
            schema = {"type": ["number", "string", "boolean", "null"]}
    return {"anyOf": [schema, {"type": "null"}]} if may_be_absent else schema


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
