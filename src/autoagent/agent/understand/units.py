# ruff: noqa: E501
"""Quantities with units: durations, sizes, money, energy and shares, each normalised to one unit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from autoagent.agent.understand.numbers import NUM
from autoagent.agent.understand.sentence import Sentence

Dimension = Literal["duration_s", "size_mb", "usd", "energy_wh", "share"]

_SECONDS: dict[str, float] = {
    "ms": 1e-3, "msec": 1e-3, "msecs": 1e-3, "millis": 1e-3, "millisecond": 1e-3, "us": 1e-6, "microsecond": 1e-6,
    "s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hr": 3600, "hour": 3600,
    "d": 86400, "day": 86400, "week": 604800, "wk": 604800, "month": 2629800, "quarter": 7889400, "year": 31557600, "yr": 31557600,
}  # fmt: skip
_MEGABYTES: dict[str, float] = {
    "b": 1e-6, "byte": 1e-6, "kb": 1e-3, "kilobyte": 1e-3, "kib": 1024e-6, "kbyte": 1e-3, "k": 1e-3, "mb": 1, "meg": 1,
    "megabyte": 1, "mbyte": 1, "mib": 1.048576, "gb": 1e3, "gig": 1e3, "gigabyte": 1e3, "gib": 1073.741824, "tb": 1e6, "terabyte": 1e6,
}  # fmt: skip
_DURATION_UNIT = (
    r"(?:milliseconds?|microseconds?|msecs?|millis|ms|us|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|wks?"
    r"|months?|years?|yrs?|quarters?)"
)
_DURATION = re.compile(
    rf"(?<![\w.$-])(?P<n>{NUM})\s?-?\s?(?P<u>{_DURATION_UNIT})\b(?!\s?(?:param|\w*bit))"
    rf"(?:\s?(?:and\s+|,\s*)?(?P<n2>{NUM})\s?(?P<u2>minutes?|mins?|m|seconds?|secs?|s)\b)?"
    rf"|(?<![\w.$-])(?P<hh>\d+)\s?(?:h|hr)\s?(?P<mm>\d\d)\b"
)
_REST = re.compile(r"\s+([1-5]?\d)(?=\s*(?:$|[.;,]|for\b|max\b|tops\b|to train\b))")  # "an hour fifteen"
_CLOCK = re.compile(r"(?<![\w:.-])(\d{1,2}):([0-5]\d):([0-5]\d)(?![\w:])")
_SIZE = re.compile(
    rf"(?<![\w.$-])(?P<n>{NUM})\s?-?\s?(?P<u>kilobytes?|megabytes?|gigabytes?|terabytes?|[kmg]bytes?|[kmg]ib|[kmgt]b|bytes?|megs?|gigs?)\b"
)
_MONEY = re.compile(
    rf"(?:us\s?)?\$\s?(?P<n>{NUM})(?P<k>k)?\b|(?<![\w.])(?P<n2>{NUM})\s?(?P<u>us dollars?|usd|dollars?|bucks?|cents?|\$)(?!\w)"
    rf"|\busd\s?(?P<n3>{NUM})"
)
_ENERGY = re.compile(
    rf"(?<![\w.])(?P<n>{NUM})\s?-?\s?(?P<u>kwh|wh|kilowatt[\s-]?hours?|watt[\s-]?hours?|kj|mj|joules?|kilojoules?|megajoules?)\b"
)
_SHARE = re.compile(rf"(?<![\w.])(?P<n>{NUM})\s?(?:%|percent\b|per cent\b|pct\b)")
_WATT_HOURS = {
    "kwh": 1000,
    "wh": 1,
    "kj": 1 / 3.6,
    "mj": 1000 / 3.6,
    "joule": 1 / 3600,
    "kilojoule": 1 / 3.6,
    "megajoule": 1000 / 3.6,
}


@dataclass(frozen=True)
class Quantity:
    """A number with its unit, normalised.

    Attributes:
        dimension: what it measures, with the unit that it was turned into.
        value: in that unit.
        unit: as written, singular.
        start: where it begins in the cleaned text.
        end: where it ends.
        hyphened: a hyphen joins the number to its unit: "90-minute".
    """

    dimension: Dimension
    value: float
    unit: str
    start: int
    end: int
    hyphened: bool = False


def quantities(sentence: Sentence) -> Iterator[Quantity]:
    """Iterate over the quantities of a sentence, in no particular order."""
    yield from _durations(sentence)
    for match in sentence.find(_SIZE):
        unit = _singular(match["u"])
        yield Quantity("size_mb", float(match["n"]) * _MEGABYTES[unit], unit, *match.span())
    for match in sentence.find(_MONEY):
        number = float(match["n"] or match["n2"] or match["n3"])
        unit = _singular(match["u"] or "$")
        factor = 0.01 if unit == "cent" else 1000 if match["k"] else 1
        yield Quantity("usd", number * factor, unit, *match.span())
    for match in sentence.find(_ENERGY):
        unit = (
            re.sub(r"watt[\s-]?hours?$", "wh", match["u"]).replace("kilo", "k")
            if "watt" in match["u"]
            else _singular(match["u"])
        )
        yield Quantity("energy_wh", float(match["n"]) * _WATT_HOURS[unit], unit, *match.span())
    for match in sentence.find(_SHARE):
        yield Quantity("share", float(match["n"]) / 100, "%", *match.span())


def _durations(sentence: Sentence) -> Iterator[Quantity]:
    for match in sentence.find(_CLOCK):
        hours, minutes, seconds = map(int, match.groups())
        yield Quantity("duration_s", hours * 3600 + minutes * 60 + seconds, "minute", *match.span())
    for match in sentence.find(_DURATION):
        if match["hh"]:
            yield Quantity("duration_s", int(match["hh"]) * 3600 + int(match["mm"]) * 60, "hour", *match.span())
            continue
        unit = _singular(match["u"])
        value, end = float(match["n"]) * _SECONDS[unit], match.end("u")
        rest = _REST.match(sentence.clean, end) if unit in ("hour", "minute") and not match["n2"] else None
        if rest:
            yield Quantity("duration_s", value + int(rest[1]) * _SECONDS[unit] / 60, unit, match.start(), rest.end())
            continue
        if match["n2"] and _SECONDS[_singular(match["u2"])] < _SECONDS[unit]:
            value, end = value + float(match["n2"]) * _SECONDS[_singular(match["u2"])], match.end()
        hyphened = "-" in sentence.clean[match.end("n") : match.start("u")]
        yield Quantity("duration_s", value, unit, match.start(), end, hyphened)


def _singular(unit: str) -> str:
    return unit if unit in ("s", "ms", "us") else unit.removesuffix("s")
