"""Domains of parameters, and spaces of named parameters with conditions. Pure: no random state, no I/O of its own.

A domain gives three things from one truth: validation (``check``), the JSON schema for a model's reply
(``json_schema``) and a distribution to sample from (``sample``). ``check`` returns nothing out of its domain.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

from autoagent.errors import DomainError

JSONScalar = bool | int | float | str | None
Config = dict[str, JSONScalar]


@dataclass(frozen=True)
class Float:
    """A real number in ``[low, high]``, sampled uniformly or log-uniformly."""

    low: float
    high: float
    log: bool = False
    kind: ClassVar[str] = "float"

    def __post_init__(self) -> None:
        _check_bounds(self.low, self.high, self.log)

    def check(self, value: object) -> float:
        """Return ``value`` as a float inside the bounds.

        Raises:
            DomainError: not a number, not finite, or out of bounds. ``True`` and ``"1"`` are not numbers.
        """
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise DomainError(f"{value!r} is not a number; expected a float in [{self.low}, {self.high}]")
        number = float(value)
        if not math.isfinite(number) or not self.low <= number <= self.high:
            raise DomainError(f"{value!r} is not in [{self.low}, {self.high}]")
        return number

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of a legal value."""
        return {"type": "number", "minimum": self.low, "maximum": self.high}

    def sample(self, rng: random.Random) -> float:
        """Draw one value."""
        if self.log:
            return min(max(math.exp(rng.uniform(math.log(self.low), math.log(self.high))), self.low), self.high)
        return rng.uniform(self.low, self.high)


@dataclass(frozen=True)
class Int:
    """A whole number in ``[low, high]``, sampled uniformly or log-uniformly."""

    low: int
    high: int
    log: bool = False
    kind: ClassVar[str] = "int"

    def __post_init__(self) -> None:
        _check_bounds(self.low, self.high, self.log)

    def check(self, value: object) -> int:
        """Return ``value`` as an int inside the bounds; ``3.0`` is 3, ``3.7`` is refused.

        Raises:
            DomainError: not a whole number, or out of bounds.
        """
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not whole:
            raise DomainError(f"{value!r} is not a whole number; expected an int in [{self.low}, {self.high}]")
        number = int(cast(float, value))
        if not self.low <= number <= self.high:
            raise DomainError(f"{value!r} is not in [{self.low}, {self.high}]")
        return number

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of a legal value."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}

    def sample(self, rng: random.Random) -> int:
        """Draw one value."""
        if self.log:
            draw = math.exp(rng.uniform(math.log(self.low - 0.5), math.log(self.high + 0.5)))
            return min(max(round(draw), self.low), self.high)
        return rng.randint(self.low, self.high)


@dataclass(frozen=True)
class Choice:
    """One of a few fixed values, matched with their type: ``1`` is not ``True`` and ``"1"`` is not ``1``."""

    options: tuple[JSONScalar, ...]
    kind: ClassVar[str] = "choice"

    def __init__(self, options: Sequence[JSONScalar]) -> None:
        if not options:
            raise DomainError("a Choice needs at least one option")
        object.__setattr__(self, "options", tuple(options))

    def check(self, value: object) -> JSONScalar:
        """Return the option equal to ``value`` in value and type.

        Raises:
            DomainError: no such option.
        """
        for option in self.options:
            if type(option) is type(value) and option == value:
                return option
        raise DomainError(f"{value!r} is not one of {list(self.options)!r}")

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of a legal value."""
        return {"enum": list(self.options)}

    def sample(self, rng: random.Random) -> JSONScalar:
        """Draw one value."""
        return rng.choice(self.options)


@dataclass(frozen=True)
class Bool:
    """True or False; ``"false"``, ``0`` and ``1`` are neither."""

    kind: ClassVar[str] = "bool"

    def check(self, value: object) -> bool:
        """Return ``value`` if it is a bool.

        Raises:
            DomainError: it is not.
        """
        if not isinstance(value, bool):
            raise DomainError(f"{value!r} is not true or false")
        return value

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of a legal value."""
        return {"type": "boolean"}

    def sample(self, rng: random.Random) -> bool:
        """Draw one value."""
        return rng.random() < 0.5


Numeric = Float | Int
Domain = Float | Int | Choice | Bool


@dataclass(frozen=True)
class Param:
    """One parameter of a space.

    Attributes:
        domain: its legal values.
        default: the value that the library itself would use.
        when: it exists only while every named parameter has one of the given values.
    """

    domain: Domain
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


def domain_to_json(domain: Domain) -> dict[str, Any]:
    """Return a JSON value that ``domain_from_json`` reads back."""
    match domain:
        case Float() | Int():
            return {"kind": domain.kind, "low": domain.low, "high": domain.high, "log": domain.log}
        case Choice():
            return {"kind": domain.kind, "options": list(domain.options)}
        case Bool():
            return {"kind": domain.kind}


def domain_from_json(row: Mapping[str, Any]) -> Domain:
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


def _check_bounds(low: float, high: float, log: bool) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise DomainError(f"bounds must be finite and ordered, not [{low!r}, {high!r}]")
    if log and low <= 0:
        raise DomainError(f"a log scale needs a positive lower bound, not {low!r}")
