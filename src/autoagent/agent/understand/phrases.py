"""Phrase tables as regular expressions: how the vocabularies of the readers are written down."""

from __future__ import annotations

import re


def any_of(*phrases: str) -> str:
    """Return a pattern that matches any of the phrases, each a regular expression; `/` separates phrases in one string.

    A space in a phrase matches any run of spaces or hyphens; ` ?` matches one or nothing.
    """
    parts = [part.strip() for phrase in phrases for part in phrase.split(" / ")]
    return "(?:" + "|".join(_loosen(part) for part in parts if part) + ")"


def phrase(*phrases: str) -> re.Pattern[str]:
    """Compile a pattern that finds any of the phrases as whole words."""
    return re.compile(rf"(?<![\w]){any_of(*phrases)}(?![\w])")


def _loosen(part: str) -> str:
    return re.sub(r" +", r"[\\s-]+", part.replace(" ?", r"[\s-]?"))
