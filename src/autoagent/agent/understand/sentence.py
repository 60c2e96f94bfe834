# ruff: noqa: E501
"""A sentence as it was typed beside a cleaned copy, with a map from each cleaned character to the words it came from."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_SAME = str.maketrans(
    {
        "\u00a0": " ", "\u202f": " ", "\t": " ", "\n": " ", "\r": " ", "\u2018": "'", "\u2019": "'", "\u201c": '"',
        "\u201d": '"', "\u2013": "-", "\u2014": "-", "\u2212": "-", "\u00d7": "x", "\u2264": "<", "\u2265": ">",
        "`": '"', "\u00b4": "'",
    }
)  # fmt: skip
# A full stop ends a clause unless it is inside a number or a name such as churn.csv.
_SINGLE_QUOTED = re.compile(r"(?<![\w'])'([^'\n]{1,60})'(?![\w'])")
# The items of a list are clauses of their own: "- 10 minutes", "2. AUC", "b) no SVM", "Metric: F1" on its own line.
_ITEM = re.compile(r"(?P<line>\A|\n)(?P<mark>[ \t]*(?:[-*\u2022\u00b7\u2013]|\d{1,2}[.)]|[a-h][.)])[ \t]+)")
_LINE = re.compile(r"\n(?=\s*\n|[ \t]*[A-Za-z][A-Za-z /]{1,20}[:|=])")
_SLASHES = re.compile(r"(?<!:)//+|(?<=\s)/(?=\s)")
_TIGHT_SLASH = re.compile(r"(?<=[^\W_])/(?=[^\W_])")
_FILE_OR_CLOCK = re.compile(r"\.(?:csv|tsv|parquet|jsonl?|xlsx|npz|zip|txt|tar|h5)\b|://|^[.~]?/|\s[.~]?/\w")
_INLINE_ITEM = re.compile(r"(?<=\s)[a-h1-9]\)(?=\s)|\A[a-h1-9]\)(?=\s)")
_JSON_MEMBER = re.compile(r",(?=\s*\"[^\"]+\"\s*:)")
_JSON_MARKS = str.maketrans({mark: " " for mark in '{}[]"'})
# What a mail program writes below a mail says nothing of the model.
_FOOTER = re.compile(
    r"\bsent (?:from|via) (?:my|our|the|an?|outlook|yahoo|gmail|mail)\b[^.;!?]{0,40}|\bget outlook for \w+"
)
_BREAK = re.compile(r"[;!?\n]|[.](?=\s|$)|,(?!\d)|\s-\s|\(|\)|\s(?:but|while|whereas)\s")


@dataclass(frozen=True)
class Sentence:
    """A request and its cleaned copy.

    Attributes:
        original: as typed.
        clean: lower case, plain punctuation, numbers in digits, known words spelt right.
        starts: for each cleaned character, where its source begins in the original.
        ends: for each cleaned character, where its source ends.
    """

    original: str
    clean: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    @classmethod
    def of(cls, original: str) -> Sentence:
        """Lower the case and plain the punctuation, one character for one."""
        clean = "".join(_lower(char) for char in _break_lines(_unwrap(original)).translate(_SAME))
        clean = _FOOTER.sub(lambda match: ";" + " " * (len(match[0]) - 1), clean)
        clean = _SINGLE_QUOTED.sub(r'"\1"', clean)
        n = len(clean)
        return cls(original, clean, tuple(range(n)), tuple(range(1, n + 1)))

    def replace(self, pattern: re.Pattern[str], new: Callable[[re.Match[str]], str | None]) -> Sentence:
        """Rewrite every match for which `new` returns a text, and remember where it came from."""
        clean: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        at = 0
        for match in pattern.finditer(self.clean):
            text = new(match)
            if text is None or match.end() == match.start():
                continue
            first, last = match.span()
            clean += [self.clean[at:first], text]
            starts += [*self.starts[at:first], *[self.starts[first]] * len(text)]
            ends += [*self.ends[at:first], *[self.ends[last - 1]] * len(text)]
            at = last
        clean.append(self.clean[at:])
        return Sentence(self.original, "".join(clean), (*starts, *self.starts[at:]), (*ends, *self.ends[at:]))

    def words(self, start: int, end: int) -> str:
        """Return the words as typed behind a span of the cleaned text."""
        while start < end and self.clean[start].isspace():
            start += 1
        while end > start and self.clean[end - 1].isspace():
            end -= 1
        if start >= end:
            return ""
        return self.original[self.starts[start] : self.ends[end - 1]]

    def clause(self, start: int, end: int) -> tuple[str, str]:
        """Return what stands before and after a span inside its own clause."""
        before, after = self.clean[:start], self.clean[end:]
        for match in _BREAK.finditer(before):
            cut = match.end()
            before = " " * cut + before[cut:]
        found = _BREAK.search(after)
        return before.lstrip() if before.strip() else "", after[: found.start()] if found else after

    def before(self, start: int, *, width: int = 40) -> str:
        """Return up to `width` characters before a position, across clauses."""
        return self.clean[max(0, start - width) : start]

    def after(self, end: int, *, width: int = 40) -> str:
        """Return up to `width` characters after a position, across clauses."""
        return self.clean[end : end + width]

    def find(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Iterate over the matches in the cleaned text."""
        return pattern.finditer(self.clean)


def _unwrap(text: str) -> str:
    """Turn a JSON object into clauses, one character for one: `{"target": "y", "trials": 9}`."""
    try:
        is_object = text.lstrip().startswith("{") and isinstance(json.loads(text), dict)
    except ValueError:
        return text
    if not is_object:
        return text
    return _JSON_MEMBER.sub(";", text).translate(_JSON_MARKS)


def _break_lines(text: str) -> str:
    """Turn the marks of lists and the ends of their lines into semicolons and blanks, one character for one."""
    text = _ITEM.sub(lambda m: (";" if m["line"] else "") + " " * len(m["mark"]), text)
    text = _LINE.sub(";", text)
    text = _SLASHES.sub(lambda m: ";" + " " * (len(m[0]) - 1), text).replace("|", ":")
    if len(_TIGHT_SLASH.findall(text)) > 1 and not _FILE_OR_CLOCK.search(text):
        text = _TIGHT_SLASH.sub(";", text)  # "Target/F1/75 seconds"
    return text if "(" in text else _INLINE_ITEM.sub("; ", text)


def _lower(char: str) -> str:
    low = char.lower()
    return low if len(low) == 1 else char
