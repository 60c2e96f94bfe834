# ruff: noqa: E501
"""Numbers as people write them (words, fractions, separators), turned into digits."""

from __future__ import annotations

import math
import re

from autoagent.agent.understand.sentence import Sentence

NUM = r"(?:\d+(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?"

_ONES = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
}
_TENS = {
    word: 10 * (i + 2)
    for i, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"])
}
_TENS["fourty"] = 40
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "dozen": 12}
_WORD = "|".join([*sorted([*_ONES, *_TENS], key=len, reverse=True)])
_SCALE = "|".join(_SCALES)
_NUMBER_WORDS = re.compile(
    rf"\b(?:an? (?=(?:hundred|thousand)\b)(?:{_SCALE})|(?:{_WORD}))(?:[\s-]+(?:and\s+)?(?:{_WORD}|{_SCALE}))*\b"
)
_HALF_FRACTIONS = re.compile(
    r"\b(three|3)[\s-]quarters?\s+of\s+an?\s+|\b(?:an?\s+)?quarter(?:\s+of)?[\s-]+(?:an?\s+)?(?=hour|hr|day|minute|second|sec\b|gig|gb|mb|million|meg)|\bhalf(?:\s+an?)?[\s-]+(?:of\s+an?\s+)?(?=hour|hr|day|minute|gig|gb|mb|million|meg|second|percent|dollar|buck|cent|milli|ms\b)"
)
_AND_A = re.compile(
    rf"\b(?:(?P<n>{NUM})|an?|one)\s+and\s+(?:a\s+)?(?P<f>half|quarter)\b(?=\s*[a-z])(?!\s+of\s+an?\b)"
    rf"|\b(?P<n2>{NUM}|an?|one)\s+(?P<u>hours?|minutes?|hrs?|mins?|days?)\s+and\s+a\s+(?P<f2>half|quarter)\b"
)
_MIXED = re.compile(
    r"\b(\d+)\s+([13])/([24])\b(?=\s*[a-z])|(?<![\d/])\b([13])/([24])\s+(?:of\s+)?(?:an?\s+)?(?=hour|day|minute)"
)
_GLYPH = re.compile(r"(\d+)?\s?([½¼¾])(?:\s+(?:of\s+)?an?(?=\s))?")
_ENDLESS = re.compile(r"\d{300,}")  # no number that anybody means
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:[,' ]\d{3})+(?![\d])(?!,\d)")
_DECIMAL_COMMA = re.compile(r"(?<![\d.,])(\d+),(\d{1,2})(?=\s?(?:%|€|[a-z]))")
_SUFFIX = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s?k(?=\s|$|[,;.)])")
_SCALED = re.compile(rf"(?<![\w.])({NUM})\s?(hundred|thousand|million|mio|mln|billion|bn|dozen)\b")
_POINT = re.compile(rf"(?<![\w.])point((?:\s+(?:{_WORD}|\d))+)\b")  # "point eight eight"
_OR_TWO = re.compile(r"\b(?:an?|1|one)\s+(second|minute|hour|day|week)\s+or\s+(?:2|two|so and a half)\b")
# Of "5 to 10 minutes" the upper end is the limit.
_RANGE = re.compile(
    rf"(?<![\w.$-])(?P<low>{NUM})\s?(?:-|to|or)\s?(?P<high>{NUM})(?=\s?(?:ms|s|secs?|seconds?|mins?|minutes?|h|hrs?|hours?|[kmg]b|megabytes?|trials?)\b)"
)
_PART_OF = re.compile(
    r"\b(?<!the )(?:(?:an?|1|one)\s+)?(half|third|quarter|fifth|tenth)\s+(?=of\s+(?:the|all|my|our|it|them|its)\b)|\bhalf\s+(?:of\s+)?(?=the (?:rows|data|records|samples)\b)"
)
_PART_HELD = re.compile(
    r"(?<=\bhold out )(?:an?|1|one)\s+(half|third|quarter|fifth|tenth)\b|(?<=\bhold back )(?:an?|1|one)\s+(half|third|quarter|fifth|tenth)\b|(?<=\bset aside )(?:an?|1|one)\s+(half|third|quarter|fifth|tenth)\b"
)
_PARTS = {"half": "50", "third": "33.333333", "quarter": "25", "fifth": "20", "tenth": "10"}
_COUPLE = re.compile(r"\b(?:a\s+)?couple(?:\s+of)?\s+(?=[a-z])")
_COMING = re.compile(r"\b(\d+)\s+(next|coming|following)\s+(hours|days|weeks|months|quarters|years|steps)\b")
_ARTICLE = re.compile(
    r"\b(?:an?|one)\s+(?:single\s+)?(?=(?:hour|hr|minute|min|second|sec|day|week|month|year|gigabyte|gig|megabyte|meg|mb|gb"
    r"|kilobyte|dollar|buck|cent|million|thousand|hundred|dozen|percent)s?\b)|\b(?:one|a single)\s+(?=(?:gpu|core|cpu core|cpu thread|false (?:alarm|alert|positive)|nvidia|a100|h100|v100|rtx|gtx|t4|l4)s?\b)"
)
_RATE_BEFORE = re.compile(
    r"(?:alarms?|alerts?|positives?|times|once|twice|predictions?|requests?|rows|calls|queries|images|\b\d+\s+(?!trials|cores|folds|dollars|cents|megs|bucks|layers|configs|configurations|minutes|hours|seconds|days|weeks|months|years)[a-z]{3,}s)\s*$"
)
_FRACTION = {"half": 0.5, "quarter": 0.25, "½": 0.5, "¼": 0.25, "¾": 0.75}


def write_in_digits(sentence: Sentence) -> Sentence:
    """Return the sentence with its number words, fractions and separators as plain decimal numbers."""
    for pattern, new in (
        (_ENDLESS, lambda m: " "),
        (_THOUSANDS, lambda m: re.sub(r"\D", "", m[0])),
        (_DECIMAL_COMMA, lambda m: f"{m[1]}.{m[2]}"),
        (_GLYPH, _read_glyph),
        (_MIXED, _read_mixed),
        (_POINT, _read_point),
        (_NUMBER_WORDS, _read_words),
        (_AND_A, _read_and_a),
        (_OR_TWO, lambda m: f"2 {m[1]}s"),
        (_RANGE, _read_range),
        (_PART_OF, lambda m: f"{_PARTS[m[1] or 'half']}% "),
        (_PART_HELD, lambda m: f"{_PARTS[m[1] or m[2] or m[3]]}% "),
        (_HALF_FRACTIONS, _read_fraction),
        (_COUPLE, lambda m: "2 "),
        (_COMING, lambda m: f"{m[2]} {m[1]} {m[3]}"),
        (_SUFFIX, lambda m: plain(float(m[1]) * 1000)),
    ):
        sentence = sentence.replace(pattern, new)
    before = sentence.clean
    sentence = sentence.replace(_ARTICLE, lambda m: None if _RATE_BEFORE.search(before[: m.start()]) else "1 ")
    return sentence.replace(_SCALED, lambda m: plain(float(m[1]) * _scale(m[2])))


def plain(value: float) -> str:
    """Write a number without an exponent or a needless point."""
    if not math.isfinite(value):
        return "9" * 400
    return str(int(value)) if value == int(value) else f"{value:.6f}".rstrip("0")


def tidy(value: float) -> float | int:
    """Round away float dust; a whole number becomes an int."""
    value = float(f"{value:.12g}")
    if not math.isfinite(value):
        return value
    return int(value) if value == int(value) and abs(value) < 1e15 else value


def _scale(word: str) -> int:
    return {"mio": 10**6, "mln": 10**6, "bn": 10**9}.get(word) or _SCALES[word]


def _read_words(match: re.Match[str]) -> str | None:
    parts = [part for part in re.split(r"[\s-]+", match[0]) if part not in ("and", "a", "an")]
    if parts == ["one"]:
        return None  # "which one", "one of": only an article, or a count that _ARTICLE reads
    if match[0].split()[-1] == "and":
        return None
    total, current = 0, 0
    for i, part in enumerate(parts):
        if part in _SCALES:
            scale = _SCALES[part]
            current = max(current, 1) * scale
            if scale >= 1000:
                total, current = total + current, 0
        else:
            value = _ONES.get(part, _TENS.get(part, 0))
            if i and current % 100 and not (current % 100 >= 20 and value < 10):
                return None  # "one two three": not a number, and a list of single words is left alone
            current += value
    return str(total + current)


def _read_and_a(match: re.Match[str]) -> str:
    number = match["n"] or match["n2"]
    whole = 1.0 if number in (None, "a", "an", "one") else float(number)
    part = _FRACTION[match["f"] or match["f2"]]
    return plain(whole + part) + (f" {match['u']}" if match["u"] else "")


def _read_fraction(match: re.Match[str]) -> str:
    if match[1]:
        return "0.75 "
    return "0.5 " if match[0].lstrip().startswith("half") else "0.25 "


def _read_point(match: re.Match[str]) -> str:
    digits = [str(_ONES.get(word, _TENS.get(word, word))) for word in match[1].split()]
    return f"0.{''.join(digits)}"


def _read_range(match: re.Match[str]) -> str | None:
    return match["high"] if float(match["low"]) < float(match["high"]) else None


def _read_mixed(match: re.Match[str]) -> str:
    if match[1]:
        return plain(int(match[1]) + int(match[2]) / int(match[3]))
    return plain(int(match[4]) / int(match[5])) + " "


def _read_glyph(match: re.Match[str]) -> str:
    return plain(int(match[1] or 0) + _FRACTION[match[2]])
