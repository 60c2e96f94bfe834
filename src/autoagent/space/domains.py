"""Domains of parameters. Pure: no random state, no I/O of its own.

A domain gives three things from one truth: validation (``check``), the JSON schema for a model's reply
(``json_schema``) and a distribution to sample from (``sample``). ``check`` returns nothing out of its domain.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, cast

from autoagent.errors import DomainError

JSONScalar = bool | int | float | str | None


class Domain(Protocol):
    """The promise of every domain: what is legal, in words of JSON schema too, and how to draw from it."""

    @property
    def kind(self) -> str:
        """Its name in JSON."""

    def check(self, value: object) -> Any:  # noqa: ANN401 - whatever the domain holds
        """Return the legal value, or raise `DomainError`."""

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of a legal value."""

    def sample(self, rng: random.Random) -> Any:  # noqa: ANN401 - whatever the domain holds
        """Draw one value, or raise `DomainError` where there is no distribution."""


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


@dataclass(frozen=True)
class Text:
    """Words, of at most ``max_length`` characters; only a language model can propose some."""

    max_length: int | None = None
    kind: ClassVar[str] = "text"

    def __post_init__(self) -> None:
        if self.max_length is not None and self.max_length < 0:
            raise DomainError(f"max_length must not be negative, not {self.max_length!r}")

    def check(self, value: object) -> str:
        """Return ``value`` if it is text that can be written to a file and is short enough.

        Raises:
            DomainError: not a string, too long, or with half a surrogate pair in it. ``7`` is not ``"7"``.
        """
        if not isinstance(value, str):
            raise DomainError(f"{value!r} is not text")
        if self.max_length is not None and len(value) > self.max_length:
            raise DomainError(f"the text has {len(value)} characters; at most {self.max_length} are allowed")
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise DomainError("the text holds half a surrogate pair, which no file can hold")
        return str(value)

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of a legal value."""
        return {"type": "string"} if self.max_length is None else {"type": "string", "maxLength": self.max_length}

    def sample(self, rng: random.Random) -> str:
        """Refuse.

        Raises:
            DomainError: always; there is no distribution over texts.
        """
        raise DomainError("a text has no distribution to sample from")


Numeric = Float | Int
Searchable = Float | Int | Choice | Bool


def _check_bounds(low: float, high: float, log: bool) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise DomainError(f"bounds must be finite and ordered, not [{low!r}, {high!r}]")
    if log and low <= 0:
        raise DomainError(f"a log scale needs a positive lower bound, not {low!r}")
