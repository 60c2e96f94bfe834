"""A configuration as a model wrote it, made legal where there is one way to do it, with every change said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from autoagent.search.language.known import KnownSpace, Params, label

_ABSENT = object()


@dataclass(frozen=True)
class Repaired:
    """What became of a configuration.

    Attributes:
        params: legal and whole, without parameters that do not exist in it; None when it had to be dropped.
        changes: what was mended, one line each.
    """

    params: Params | None
    changes: tuple[str, ...] = ()


def repair(raw: Mapping[str, object], space: KnownSpace, *, fill: Mapping[str, Any] | None = None) -> Repaired:
    """Return a legal configuration.

    Numbers are cast, clipped to their bounds and put on their grid; spellings of a choice are recognised; unknown
    names are left out; what is missing comes from ``fill``, the defaults or the middle of its range. A configuration
    with nothing usable in it is dropped.
    """
    changes = [f"{name!r} is no parameter" for name in raw if name not in space.distributions]
    params: Params = {}
    usable = 0
    for name in space.order():
        if not space.is_active(name, params):
            continue
        domain = space.distributions[name]
        value, change = _legal(domain, raw[name]) if name in raw else (_ABSENT, "missing")
        if change:
            changes.append(f"{name}: {change}")
        if value is _ABSENT:
            value = _filled(name, space, fill or {})
        else:
            usable += 1
        params[name] = value
    return Repaired(params if usable else None, tuple(changes))


def _legal(domain: BaseDistribution, value: object) -> tuple[Any, str]:
    match domain:
        case CategoricalDistribution():
            return _choice(domain, value)
        case FloatDistribution() | IntDistribution():
            return _number(domain, value)
    return _ABSENT, f"a {type(domain).__name__} cannot be proposed"


def _choice(domain: CategoricalDistribution, value: object) -> tuple[Any, str]:
    labels = [label(choice) for choice in domain.choices]
    for choice, text in zip(domain.choices, labels, strict=True):
        if type(text) is type(value) and text == value:
            return choice, ""
    near = [c for c, text in zip(domain.choices, labels, strict=True) if _spelling(text) == _spelling(value)]
    if len(near) == 1:
        return near[0], f"{value!r} read as {near[0]!r}"
    return _ABSENT, f"{value!r} is none of {labels!r}"


def _spelling(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip().strip("'\"").casefold()
    return {"null": "none"}.get(text, text)


def _number(domain: FloatDistribution | IntDistribution, value: object) -> tuple[Any, str]:
    change = ""
    if isinstance(value, str):
        try:
            value, change = float(value), f"{value!r} read as a number"
        except ValueError:
            return _ABSENT, f"{value!r} is no number"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return _ABSENT, f"{value!r} is no number"
    fresh = on_grid(domain, float(value))
    if abs(fresh - value) > 1e-9 * max(abs(value), abs(fresh)):
        change = f"{value!r} moved to {fresh!r}"
    return fresh, change


def on_grid(domain: FloatDistribution | IntDistribution, value: float) -> float | int:
    """Return the nearest legal value of a numeric distribution."""
    inside = min(max(value, domain.low), domain.high)
    if domain.step is not None and not domain.log:
        inside = domain.low + round((inside - domain.low) / domain.step) * domain.step
        inside = inside if inside <= domain.high else inside - domain.step
    return round(inside) if isinstance(domain, IntDistribution) else float(min(max(inside, domain.low), domain.high))


def middle(domain: BaseDistribution) -> Any:  # noqa: ANN401 - whatever the domain holds
    """Return the middle of a range, on its scale, or the first choice."""
    if isinstance(domain, CategoricalDistribution):
        return domain.choices[0]
    if isinstance(domain, FloatDistribution | IntDistribution):
        half = math.sqrt(domain.low * domain.high) if domain.log else (domain.low + domain.high) / 2
        return on_grid(domain, half)
    raise TypeError(f"{domain!r} has no middle")


def _filled(name: str, space: KnownSpace, fill: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever the domain holds
    domain = space.distributions[name]
    for source in (fill, space.defaults):
        if name in source and _contains(domain, source[name]):
            return source[name]
    return middle(domain)


def _contains(domain: BaseDistribution, value: object) -> bool:
    try:
        return bool(domain._contains(domain.to_internal_repr(value)))
    except (ValueError, TypeError):
        return False
