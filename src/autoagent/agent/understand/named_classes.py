# ruff: noqa: E501
"""The classes that a request names or counts: "into spam and ham", "tell apart cats, dogs and foxes", "3 gestures"."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from autoagent.agent.understand.finding import Finding
from autoagent.agent.understand.sentence import Sentence

_SORTS = r"(?:triag\w+|split(?:s|ting)?|partition\w*|pars(?:e|es|ing)|classif\w+|sort(?:s|ed|ing)?|categori[sz]\w+|divid\w+|separat\w+|label(?:s|l?ed|l?ing)?|mark(?:s|ed|ing)?|assign\w*|grad(?:e|es|ing)|rout(?:e|es|ing)|bin|file|put|group)"
_SAYS = r"(?:predict\w*|judg\w+|tell(?:s|ing)?|says?|decid\w+|determin\w+|diagnos\w+|recogni[sz]\w+|detect\w*|know|see|find out|identif\w+|whether|classif\w+|sort|label|estimat\w+|guess|distinguish)"
_GROUPS = r"(?:classes|categories|labels|kinds|types|groups|sorts|species|grades|departments|topics|genres|buckets|bins|options|outcomes|values)"
_LIST_BEGINS = tuple(
    re.compile(words)
    for words in (
        rf"\b{_SORTS}\b[^.;:]{{0,70}}?\b(?:into|as|either|between|among)\s+(?:either\s+|(?:1|one) of\s+|(?:the\s+)?(?:\d+\s+)?(?:\w+\s+){{0,2}}{_GROUPS}\s*[:,(-]*\s*)?",
        r"\b(?:rout(?:e|es|ed|ing)|assign\w*|dispatch\w*)\b[^.;:]{0,40}?\bto\s+(?:the\s+)?",
        r"\b(?:tell(?:s|ing)?(?: me)? apart|distinguish(?:es|ing)?(?: between)?|discriminat\w+ (?:between)?|differentiat\w+(?: between)?|tell the difference between|difference between|choos\w+ between|decid\w+ between|separat(?:e|es|ing))\s+(?:the\s+)?(?:images|pictures|photos)?(?:\s*of\s+)?",
        r"\btell(?:s|ing)?\s+(?=[^.;]{2,60}\sapart\b)(?:me\s+)?",
        r"\bwhich (?:1 |one )?of (?:the following|these|those)[^.;:]{0,60}:\s*",
        rf"\b(?:{_GROUPS}|forms) of [\w-]+(?: [\w-]+)? (?:like|such as|namely)\s+",
        r"\b(?:labels|masks|pixels)\s+(?:for|of)\s+(?!the\b|each\b|every\b|all\b)",
        rf"\b{_GROUPS}\s*(?:are|is|were|=|:|\(|-|namely|called)\s*:?\s*",
        rf"\b{_SORTS}\b[^.;:]{{0,60}}\b(?:by|for)\s+(?:its\s+|their\s+|the\s+)?\w+\s*:\s*",
        r"\b(?:as|is|be|of|into|for)\s+(?:1|one) of\s+(?!the\b)",
        rf"\b{_SAYS}\b[^.;:]{{0,60}}?\b(?:as|is|are|be)\s+(?:an?\s+)?(?:either\s+)?",
        r"\bis (?:it|this|that|the \w+(?: \w+)?)\s+(?:an? )?",
        rf"\b(?:{_SORTS}|{_SAYS})\b[^.;:]{{0,50}}?\b(?:kind|type|class|category|sort)s?\s+(?:of\s+)?",
        rf"\b{_SAYS}\b[^.;:]{{0,60}}?\bof\s+(?=\w+ \(\d\))",
    )
)  # fmt: skip
_STOP = "and or vs versus from in by for with using on at under within to of is are was be the a an that which who based given if when where not no per then than as it they this these those we i you please but so because via until while only".split()  # noqa: SIM905
_WORD = rf"(?!(?:{'|'.join(_STOP)})\b)[a-z&][\w&'-]*"
_ITEM = re.compile(rf"(?:the |an? |either )?\"?(?P<w>{_WORD}(?: {_WORD}){{0,2}})\"?(?:\s*\(\s*\d+\s*\))?")
_NEXT = re.compile(r"\s*(?:,\s*(?:and|or)\b|,|\band\b|\bor\b|\bvs\b\.?|\bversus\b|/)\s*")
_FIRST_NEXT = re.compile(rf"{_NEXT.pattern}|\s*\bfrom\s+")  # "distinguish cats from dogs"
_FIRM_NEXT = re.compile(r"\s*(?:\bor\b|\bvs\b\.?|\bversus\b)\s*")
# Words that follow such a cue without being a class: "sorted fast and well", "yes or no", "of mine or yours".
_NO_CLASS = frozenset(
    """
    fast well quickly accurately possible soon train test validation yes no true false not better worse
    more less likely accurate cpu gpu mine yours ours theirs time today tomorrow next less fewer
    ready available known unknown fine ok okay necessary needed important accuracy
    auc auroc rmse mae f1 precision recall metric minutes hours seconds mb kb training inference prediction model
    everything nothing something anything both neither one two numeric categorical text binary multiclass
    """.split()  # noqa: SIM905
)
_LETTERS = re.compile(r"[a-z](?:\s*,\s*[a-z])*\s*(?:,\s*)?(?:and|or)\s+[a-z]\b(?!\s?[a-z])")
_LETTER = re.compile(r"\b[a-z]\b")
_APART = (2, 3)  # the cues of telling apart, where "from" joins two classes
_PLAIN_LISTS = 4  # the first cues are verbs
_MOST_CLASSES = 30


def named_classes(sentence: Sentence, *, names: Collection[str] = ()) -> Finding | None:
    """Find the list of classes that the request spells out.

    Args:
        sentence: cleaned.
        names: the table's columns; a list of columns is no list of classes.
    """
    columns = {name.lower() for name in names} | {name.lower().replace("_", " ") for name in names}
    text = _with_slashes(sentence)
    for place, begin in enumerate(_LIST_BEGINS):
        for cue in begin.finditer(sentence.clean):
            items = list(_items(text, cue.end(), apart=place in _APART)) or _letters(text, cue.end())
            if place < _PLAIN_LISTS and not _is_joined(text, items):
                continue
            loose = place >= len(_LIST_BEGINS) - 4
            if loose and not _is_firm(text, items):
                continue
            words = [sentence.clean[start:end] for start, end in items]
            if len(items) < 2 or len(items) > _MOST_CLASSES or any(_is_no_class(w, columns) for w in words):
                continue
            return Finding("data.classes", [sentence.words(*span) for span in items], items[0][0], items[-1][1])
    return None


def counted_by_target(sentence: Sentence, target: str) -> Finding | None:
    """Find how many values the target has where its own plural is counted: "3 gestures" with a column `gesture`."""
    stem = re.escape(re.sub(r"[\W_]+", " ", target.lower()).strip().removesuffix("s"))
    match = re.search(rf"\b(\d{{1,4}})\s+(?:\w+\s+)?{stem}(?:s|es)?\b(?!\s*(?:model|trial|row))", sentence.clean)
    if match is None or int(match[1]) < 2 or not re.search(r"(?:s|es)$", match[0]):
        return None
    return Finding("data.n_classes", int(match[1]), *match.span())


def task_of_classes(found: Finding) -> Finding:
    """Return the task that follows from a list of classes, with the reason."""
    many = isinstance(found.value, list) and len(found.value) > 2
    task = "multiclass_classification" if many else "binary_classification"
    count = len(found.value) if isinstance(found.value, list) else 0
    return Finding("task_type", task, found.start, found.end, f"{count} classes are named")


def _with_slashes(sentence: Sentence) -> str:
    """Return the cleaned text with the slashes of the original where the cleaning made ends of clauses of them."""
    original = sentence.original
    return "".join(
        "/" if char == ";" and original[start : start + 1] == "/" else char
        for char, start in zip(sentence.clean, sentence.starts, strict=True)
    )


def _items(text: str, at: int, *, apart: bool) -> Iterator[tuple[int, int]]:
    """Iterate over the spans of a list that begins here; the last one is cut where its words run on."""
    single = first_item = True
    ended = False
    while item := _ITEM.match(text, at):
        start, end = item.span("w")
        after = (_FIRST_NEXT if first_item and apart else _NEXT).match(text, item.end())
        first_item = False
        first = text[start:end].split(" ")[0]
        if after is None and single and "&" not in text[start:end]:
            end = start + len(first)
        single = single and " " not in text[start:end]
        yield start, end
        if after is None:
            return
        if ended:
            return
        ended = bool(re.search(r"[a-z]", after[0]))  # an "and" or "or" stands before the last one
        at = after.end()


def _letters(text: str, at: int) -> list[tuple[int, int]]:
    """Return the spans of a list of single letters: "A, B, C or D"."""
    match = _LETTERS.match(text, at)
    return [(at + i, at + i + 1) for i in range(len(match[0])) if _LETTER.match(text, at + i)] if match else []


def _is_joined(text: str, items: list[tuple[int, int]]) -> bool:
    """Say whether a word or a slash joins the last two items: a verb needs that, "classes:" does not."""
    return len(items) >= 2 and bool(re.search(r"[a-z/]", text[items[-2][1] : items[-1][0]]))


def _is_firm(text: str, items: list[tuple[int, int]]) -> bool:
    """Say whether a loosely introduced list reads as a choice: its last two items are joined by "or"."""
    return len(items) >= 2 and bool(_FIRM_NEXT.search(text[items[-2][1] : items[-1][0]]))


def _is_no_class(word: str, columns: set[str]) -> bool:
    first = word.split(" ")[0]
    return (
        word in columns
        or first in _NO_CLASS
        or word in _NO_CLASS
        or bool(re.fullmatch(r"\w*\d\w*|\w+_\w+|\w+ly", word))
    )
