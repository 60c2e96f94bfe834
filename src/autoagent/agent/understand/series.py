# ruff: noqa: E501
"""What a request says of series: the columns that name one, the season of the naive forecast, what is known ahead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from autoagent.agent.understand.columns import find_mentions
from autoagent.agent.understand.finding import Finding, Mention
from autoagent.agent.understand.sentence import Sentence
from autoagent.agent.understand.target import LIST

SERIES_TASKS = ("forecasting", "quantile_forecasting")
_TIMELY = re.compile(r"date|time|stamp|year|month|week|day|hour|^ts$")
_EACH = re.compile(
    r"(?:\b(?:for|of|in|at)\s+(?:each|every|all|any)(?:\s+(?:of\s+)?(?:the|our|my|these|those))?(?:\s+(?P<n>\d+))?(?:\s+(?!next\b|coming\b|following\b|days?\b|hours?\b|weeks?\b|months?\b)\w+)?|\bper|\bby|\beach|\bevery|\bone for each)\s+(?:single\s+)?\"?$"
)
_EACH_UNKNOWN = re.compile(r"(?:\bper|\bfor (?:each|every))\s+(?:single\s+)?([a-z]\w*_\w+)")
_AMOUNT_OF = re.compile(
    r"\b(?:next|coming|following)\s+(?:\d+\s+)?\w+\s+(?:of|for)\s+(?:the\s+|our\s+|my\s+)?\"?$"
    r"|\b(?:tomorrow|(?:next|coming|following)\s+(?:hour|day|week|month|quarter|year))'?s?\s+(?:total\s+)?\"?$"
)
_UNIT = r"(hour|day|week|month|quarter|year)"
_SEASON = (
    re.compile(rf"\b(?:against|relative to|scaled by|compared (?:to|with)|versus|vs\.?)\s+(?:the\s+)?(?:last|previous|same \w+ (?:last|the previous)|prior)\s+{_UNIT}\b"),
    re.compile(rf"\b(?:against|relative to|scaled by|compared (?:to|with)|versus|vs\.?)\s+(?:the\s+|a\s+|one\s+|1\s+)?{_UNIT}\s+(?:before|earlier|ago|back)\b"),
    re.compile(r"\b(hourly|daily|weekly|monthly|quarterly|yearly|annual)\s+(?:season\w*|cycles?|patterns?|periods?|rhythm)\b"),
)  # fmt: skip
_SEASON_NUMBER = re.compile(
    r"\bseason(?:ality|al period|al cycle| length)?(?:\s+(?:of|is|=|:|length)|\s*[=:])?\s*(\d+)\b|\bperiod(?:icity)?\s+(?:of\s+)?(\d+)\b"
)
_NAMES = {"daily": "day", "weekly": "week", "monthly": "month", "quarterly": "quarter", "hourly": "hour"}
_NAMES |= {"yearly": "year", "annual": "year"}
_AHEAD_AFTER = re.compile(
    r"\"?\)?\s+(?:(?:that\s+|which\s+)?(?:i|we|you)\s+(?:\w+\s+)?know|(?:i|we|you)\s+know(?=\s+already)|(?:is|are|will be)\s+(?:\w+\s+){0,2}(?:known|given|planned|available|fixed))\s+"
    r"(?:already|ahead|in advance|beforehand|for the future|in the future|for (?:those|the coming|the next) \w+)"
)
_AHEAD_BEFORE = re.compile(
    r"(?:\bknown[\s-](?:in[\s-]advance|ahead|future|beforehand)(?:\s+(?:columns?|features?|covariates?))?(?:\s+(?:are|is))?\s*:?"
    r"|\bfuture[\s-](?:covariates?|columns?|features?)(?:\s+(?:are|is))?\s*:?|\b(?:we|you|i) (?:already |always )?know(?:\s+the)?|\bknowing(?:\s+the)?|\bknown (?:ahead|beforehand|in advance|upfront|before)\b[^.;]{0,20}?(?:columns?|fields?|:|is|are|in|namely)(?:\s+(?:is|are))?(?:\s+the)?)\s*\"?$"
)
_IN_ADVANCE = re.compile(r"\"?\s+(?:in advance|ahead|beforehand|upfront|for the future|already)\b")


def read_series_words(sentence: Sentence, names: Sequence[str] = ()) -> Iterator[Finding]:
    """Find series keys, the season, what "the next 14 days of" it is, and columns that are known ahead.

    Args:
        sentence: cleaned.
        names: the table's columns; without them only names such as store_id are taken.
    """
    mentions = find_mentions(sentence, names) if names else []
    for key, chosen in (
        ("data.series_keys", _keys(sentence, mentions)),
        ("data.features_known_future", _ahead(sentence, mentions)),
    ):
        if chosen:
            yield Finding(key, list(dict.fromkeys(m.name for m in chosen)), chosen[0].start, chosen[-1].end)
    keys = _keys(sentence, mentions)
    counted = _EACH.search(sentence.before(keys[0].start)) if keys else None
    if counted and counted["n"]:
        yield Finding("data.n_series", int(counted["n"]), keys[0].start, keys[0].end)
    target = next((m for m in mentions if _AMOUNT_OF.search(sentence.before(m.start))), None)
    if target is not None:
        yield Finding("data.target", target.name, target.start, target.end)
    if not names and (match := _EACH_UNKNOWN.search(sentence.clean)):
        yield Finding("data.series_keys", [sentence.words(*match.span(1))], *match.span(1))
    yield from _season(sentence)


def _keys(sentence: Sentence, mentions: Sequence[Mention]) -> list[Mention]:
    for place, mention in enumerate(mentions):
        if _TIMELY.search(mention.name.lower()) or not _EACH.search(sentence.before(mention.start)):
            continue
        run = _listed(sentence, mentions[place:])
        return [m for m in run if not _TIMELY.search(m.name.lower())]
    return []


def _ahead(sentence: Sentence, mentions: Sequence[Mention]) -> list[Mention]:
    for place, mention in enumerate(mentions):
        run = _listed(sentence, mentions[place:])
        led = _AHEAD_BEFORE.search(sentence.before(mention.start))
        if led and ("knowing" not in led[0] or _IN_ADVANCE.match(sentence.clean[run[-1].end :])):
            return run
        if _AHEAD_AFTER.match(sentence.clean[run[-1].end :]):
            return run
    return []


def _listed(sentence: Sentence, mentions: Sequence[Mention]) -> list[Mention]:
    chosen = [mentions[0]]
    for mention in mentions[1:]:
        between = sentence.clean[chosen[-1].end : mention.start].replace('"', "")
        if not re.fullmatch(rf"(?:\s+columns?)?{LIST}(?:columns?\s+)?", between):
            break
        chosen.append(mention)
    return chosen


def _season(sentence: Sentence) -> Iterator[Finding]:
    number = _SEASON_NUMBER.search(sentence.clean)
    if number:
        yield Finding("metric.params.season", float(number[1] or number[2]), *number.span())
        return
    for pattern in _SEASON:
        if match := pattern.search(sentence.clean):
            yield Finding("metric.params.season", _NAMES.get(match[1], match[1]), *match.span())
            return
