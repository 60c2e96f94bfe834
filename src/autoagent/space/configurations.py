"""Spaces of named parameters with conditions. Pure: no random state, no I/O of its own."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from autoagent.errors import DomainError
from autoagent.space.domains import Bool, Choice, Float, Int, JSONScalar, Searchable

Config = dict[str, JSONScalar]


@dataclass(frozen=True)
class Param:
    """One parameter of a space.

    Attributes:
        domain: its legal values.
        default: the value that the library itself would use.
        when: it exists only while every named parameter has one of the given values.
    """

    domain: Searchable
    default: JSONScalar
    when: Mapping[str, tuple[JSONScalar, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.domain.check(self.default)


class Space(Mapping[str, Param]):
    """Named parameters in a fixed order; a parameter may depend on earlier ones."""

    def __init__(self, params: Mapping[str, Param]) -> None:
        seen: set[str] = set()
        for name, param in params.items():
            if unknown := set(param.when) - seen:
                raise DomainError(f"{name!r} depends on {sorted(unknown)!r}, which must come before it")
            seen.add(name)
        self._params = dict(params)

    def __getitem__(self, name: str) -> Param:
        return self._params[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)

    def is_active(self, name: str, config: Mapping[str, JSONScalar]) -> bool:
        """Say whether a parameter exists under ``config``."""
        return all(other in config and config[other] in values for other, values in self._params[name].when.items())

    def check(self, config: Mapping[str, object]) -> Config:
        """Return a whole, legal configuration: missing parameters take their default, inactive ones are dropped.

        Raises:
            DomainError: unknown names or illegal values, all of them named in one message.
        """
        faults = [f"{name!r} is not a parameter" for name in config if name not in self._params]
        checked: Config = {}
        for name, param in self._params.items():
            if not self.is_active(name, checked):
                continue
            try:
                checked[name] = param.domain.check(config[name]) if name in config else param.default
            except DomainError as error:
                faults.append(f"{name}: {error}")
        if faults:
            raise DomainError("; ".join(faults))
        return checked

    def default(self) -> Config:
        """Return the library's own configuration."""
        return self.check({})

    def sample(self, rng: random.Random) -> Config:
        """Draw one configuration."""
        config: Config = {}
        for name, param in self._params.items():
            if self.is_active(name, config):
                config[name] = param.domain.sample(rng)
        return config

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value that ``from_json`` reads back."""
        return {
            name: {**domain_to_json(p.domain), "default": p.default, "when": {k: list(v) for k, v in p.when.items()}}
            for name, p in self._params.items()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Mapping[str, Any]]) -> Space:
        """Read what ``to_json`` wrote."""
        return cls(
            {
                name: Param(
                    domain_from_json(row),
                    row["default"],
                    {other: tuple(values) for other, values in row.get("when", {}).items()},
                )
                for name, row in data.items()
            }
        )


def domain_to_json(domain: Searchable) -> dict[str, Any]:
    """Return a JSON value that ``domain_from_json`` reads back."""
    match domain:
        case Float() | Int():
            return {"kind": domain.kind, "low": domain.low, "high": domain.high, "log": domain.log}
        case Choice():
            return {"kind": domain.kind, "options": list(domain.options)}
        case Bool():
            return {"kind": domain.kind}


def domain_from_json(row: Mapping[str, Any]) -> Searchable:
    """Read what ``domain_to_json`` wrote.

    Raises:
        DomainError: an unknown kind.
    """
    match row["kind"]:
        case "float":
            return Float(row["low"], row["high"], row.get("log", False))
        case "int":
            return Int(row["low"], row["high"], row.get("log", False))
        case "choice":
            return Choice(row["options"])
        case "bool":
            return Bool()
        case other:
            raise DomainError(f"{other!r} is not a kind of domain; there are float, int, choice, bool")
