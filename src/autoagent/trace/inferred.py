"""Domains of parameters that were given none: of the kind and shape of their first value, and nothing else."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from autoagent.errors import DomainError
from autoagent.space import Bool, Domain, Text

_DEPTH = 40


def infer(value: object) -> Domain:
    """Return the domain of values like this one.

    ``0.5`` gives any finite number, ``3`` any whole one, ``True`` a bool, text any text; a list any length of items of
    one kind, or a fixed length where the kinds differ; a dictionary the same keys; an array its shape and dtype; None
    any JSON value.

    Raises:
        DomainError: no domain can be inferred; give one.
    """
    return _infer(value, _DEPTH)


class _Unbounded:
    def sample(self, rng: random.Random) -> Any:  # noqa: ANN401 - never returns
        """Refuse.

        Raises:
            DomainError: always; give a bounded domain to a parameter that is to be sampled.
        """
        raise DomainError("an inferred domain has no distribution to sample from; give the parameter a bounded domain")


@dataclass(frozen=True)
class Real(_Unbounded):
    """Any finite number."""

    kind: ClassVar[str] = "real"

    def check(self, value: object) -> float:
        """Return ``value`` as a finite float; ``True``, ``"1"`` and NaN are refused."""
        if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
            raise DomainError(f"{value!r} is not a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise DomainError(f"{value!r} is not a finite number")
        return number

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of a legal value."""
        return {"type": "number"}


@dataclass(frozen=True)
class Whole(_Unbounded):
    """Any whole number."""

    kind: ClassVar[str] = "whole"

    def check(self, value: object) -> int:
        """Return ``value`` as an int; ``3.0`` is 3, ``3.7`` and ``"3"`` are refused."""
        if isinstance(value, np.integer | np.floating):
            value = value.item()
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not whole:
            raise DomainError(f"{value!r} is not a whole number")
        return int(value)  # type: ignore[call-overload, no-any-return]  # narrowed above

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of a legal value."""
        return {"type": "integer"}


@dataclass(frozen=True)
class Anything(_Unbounded):
    """Any JSON value."""

    kind: ClassVar[str] = "anything"

    def check(self, value: object) -> Any:  # noqa: ANN401 - any JSON value
        """Return a copy of ``value`` if it is JSON; NaN and infinities are not."""
        return _json(value, _DEPTH)

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of a legal value."""
        return {}


@dataclass(frozen=True)
class Items(_Unbounded):
    """A list or tuple: any number of items of one domain, or one domain for each place."""

    every: Domain | None = None
    places: tuple[Domain, ...] = ()
    is_tuple: bool = False
    kind: ClassVar[str] = "items"

    def check(self, value: object) -> list[Any] | tuple[Any, ...]:
        """Return a fresh list (or tuple) of checked items."""
        if not isinstance(value, list | tuple):
            raise DomainError(f"{value!r} is not a list")
        if self.every is None and len(value) != len(self.places):
            raise DomainError(f"the list must have {len(self.places)} items, not {len(value)}")
        domains = self.places if self.every is None else (self.every,) * len(value)
        pairs = zip(domains, value, strict=True)
        rows = [_named(f"item {place}", domain, item) for place, (domain, item) in enumerate(pairs)]
        return tuple(rows) if self.is_tuple else rows

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of a legal value."""
        if self.every is not None:
            return {"type": "array", "items": self.every.json_schema()}
        count, rows = len(self.places), [domain.json_schema() for domain in self.places]
        return {"type": "array", "prefixItems": rows, "minItems": count, "maxItems": count}


@dataclass(frozen=True)
class Fields(_Unbounded):
    """A dictionary with the same keys, each with its domain."""

    fields: tuple[tuple[str, Domain], ...]
    kind: ClassVar[str] = "fields"

    def check(self, value: object) -> dict[str, Any]:
        """Return a fresh dictionary of checked values, in the order of the keys."""
        if not isinstance(value, Mapping):
            raise DomainError(f"{value!r} is not a dictionary")
        expected = [name for name, _ in self.fields]
        if set(value) != set(expected):
            raise DomainError(f"the keys must be {expected!r}, not {list(value)!r}")
        return {name: _named(repr(name), domain, value[name]) for name, domain in self.fields}

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of a legal value."""
        rows = {name: domain.json_schema() for name, domain in self.fields}
        return {"type": "object", "properties": rows, "required": list(rows), "additionalProperties": False}


@dataclass(frozen=True)
class Array(_Unbounded):
    """A numpy array of a fixed shape and dtype (bool, whole, or real), all of it finite."""

    shape: tuple[int, ...]
    dtype: str
    kind: ClassVar[str] = "array"

    def check(self, value: object) -> np.ndarray[Any, Any]:
        """Return a fresh, read-only array; nested lists of numbers are taken, ragged or wrongly typed ones are not."""
        item = _item_domain(np.dtype(self.dtype))
        rows = value.tolist() if isinstance(value, np.ndarray) else value
        made = np.array(_nested(rows, item, self.shape), dtype=np.float64 if isinstance(item, Real) else object)
        fresh = np.empty(self.shape, dtype=self.dtype)
        try:
            with np.errstate(over="raise"):
                fresh[...] = made.reshape(self.shape)
        except (OverflowError, FloatingPointError, ValueError) as error:
            raise DomainError(f"a value does not fit into {np.dtype(self.dtype).name}: {error}") from error
        fresh.flags.writeable = False
        return fresh

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of a legal value, as nested lists."""
        schema = _item_domain(np.dtype(self.dtype)).json_schema()
        for count in reversed(self.shape):
            schema = {"type": "array", "items": schema, "minItems": count, "maxItems": count}
        return schema


def _infer(value: object, depth: int) -> Domain:
    if depth == 0:
        raise DomainError(f"the value is nested more than {_DEPTH} deep; give the parameter a domain")
    match value:
        case None:
            return Anything()
        case bool() | np.bool_():
            return Bool()
        case int() | np.integer():
            return Whole()
        case float() | np.floating():
            return Real()
        case str():
            return Text()
        case np.ndarray():
            _item_domain(value.dtype)
            return Array(tuple(value.shape), value.dtype.str)
        case list() | tuple():
            kinds = [_infer(item, depth - 1) for item in value]
            if isinstance(value, tuple) or any(kind != kinds[0] for kind in kinds):
                return Items(places=tuple(kinds), is_tuple=isinstance(value, tuple))
            return Items(every=kinds[0] if kinds else Anything())
        case dict() if all(isinstance(key, str) for key in value):
            return Fields(tuple((key, _infer(item, depth - 1)) for key, item in value.items())) if value else Anything()
        case _:
            raise DomainError(f"no domain can be inferred for a {type(value).__name__}; give one with domain=")


def _item_domain(dtype: np.dtype[Any]) -> Domain:
    kinds: dict[str, Domain] = {"b": Bool(), "i": Whole(), "u": Whole(), "f": Real()}
    found = kinds.get(dtype.kind)
    if found is None:
        raise DomainError(f"an array of {dtype} has no domain; bool, whole and real ones have")
    return found


def _nested(rows: object, item: Domain, shape: tuple[int, ...]) -> Any:  # noqa: ANN401 - lists of lists
    if not shape:
        return item.check(rows)
    if not isinstance(rows, list | tuple) or len(rows) != shape[0]:
        raise DomainError(f"expected {shape[0]} items in an array of shape {list(shape)}, got {rows!r:.200}")
    return [_nested(row, item, shape[1:]) for row in rows]


def _named(place: str, domain: Domain, value: object) -> Any:  # noqa: ANN401 - whatever the domain holds
    try:
        return domain.check(value)
    except DomainError as error:
        raise DomainError(f"{place}: {error}") from error


def _json(value: object, depth: int) -> Any:  # noqa: ANN401 - any JSON value
    if depth == 0:
        raise DomainError(f"the value is nested more than {_DEPTH} deep")
    match value:
        case None | bool():
            return copy.copy(value)
        case int():
            return int(value)
        case float():
            return Real().check(value)
        case str():
            return Text().check(value)
        case list() | tuple():
            return [_json(item, depth - 1) for item in value]
        case dict() if all(isinstance(key, str) for key in value):
            return {key: _json(item, depth - 1) for key, item in value.items()}
        case _:
            raise DomainError(f"{value!r:.200} is not JSON")
