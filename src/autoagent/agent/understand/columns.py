# ruff: noqa: E501
"""Columns that the sentence names: target, group, time, text fields and what must be left out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autoagent.agent.understand.finding import Finding
from autoagent.agent.understand.sentence import Sentence

_WORD = re.compile(r"[a-z0-9_][\w.\-]*[\w]|[a-z0-9_]")
LIST = r"(?:\s*(?:,|and|or|&|nor|,\s*and|/)\s*(?:the\s+)?)"
PREDICT = (
    r"(?:predict(?:s|ing)?|classify(?:ing)?|estimat(?:e|es|ing)|forecast(?:s|ing)?|model(?:l?ing)?(?= the)|regress(?:ing)?|guess(?:ing)?|target(?: column| variable)?(?: is| =|:| called| named)?"
    r"|label(?: column)?(?: is| =|:| called| named)|outcome(?: column)?(?: is| =|:)|dependent variable(?: is)?|predictions? (?:of|for)|(?:model|classifier|regressor|predictor) (?:for|of)|response(?: variable)?(?: is| =|:)|y\s*=|the answer is in|labels? (?:are|is) in|determine|explain)"
)
ARTICLES = r"(?:\s+(?:the|a|an|our|my|each|every|whether|if|columns?|fields?|features?|variables?|called|named|value|values|of|is|customer|customers|in|someone|somebody|people|patients?|users?|they|will|be|gets?|has|have|who|which|house|their|his|her))*[\s:=]*\"?"
_ROLES: tuple[tuple[str, str, str], ...] = (
    (
        "data.features_exclude",
        r"(?:ignor(?:e|ing)|exclud(?:e|ing)|drop(?:ping)?|without(?: using)?|do(?: not|n't) (?:use|look at|touch|include|rely on|consider)|not (?:use|using)|never use|leav(?:e|ing) out|except(?: for)?|omit(?:ting)?|remov(?:e|ing)|skip(?:ping)?|apart from|other than|all but|disregard(?:ing)?|stay away from|no peeking at|discard(?:ing)?)",
        "",
    ),
    (
        "data.group_key",
        r"(?:group(?:ed|ing|s)?(?: k-?fold)?(?: split)?(?: by| on| =|:| is| key| column)*|split(?:ting|s)?(?: it| them| the data)? by|(?:keep|keeping) (?:all )?(?:the )?(?:rows|records|samples|visits|measurements|images|entries|data)(?: of| for| from| with)(?: the| an?| each| every)? (?:same|1|one|single)|(?:rows|records|samples|visits|entries) (?:of|from|with|for) (?:the|1) same|(?:no|the same|same|1|a single|never split a|never split the same|don't split a|do not split a) )",
        r"(?:\s+(?:together|in both|on both|across|stays?|must|should|may|can|split|appears?|never|in (?:the )?(?:train|test)|is kept|are kept|column|,|as groups?|groups?)|\s*$|\s*[.;,])",
    ),
    (
        "data.time_key",
        r"(?:time (?:column|key|index|stamp column)(?: is| =|:)?|time[\s-](?:based )?(?:ordered |split )?(?:split )?(?:on|by|along)|order(?:ed)? (?:by|in)|sort(?:ed)? by|chronological(?:ly)?(?: split)?(?: by| on| along)?|temporal split (?:on|by)|(?:split|cut)(?: it| the data)? (?:in time )(?:by|on|along)|respect(?:ing)? (?:the )?time(?: order)?(?: by| of| on| in)?|time order(?: by| of| on| in)?|date column(?: is| =|:)?|dates? (?:are|is) in|timestamps? (?:are|is) in|split by time \(?(?:on|using|with)?)",
        "",
    ),
    ("data.text_fields", r"(?:text (?:column|field|is in|lives in|fields|columns)s?(?: is| are| =|:)?|free text (?:in|column)?|the text (?:in|of)|(?:based on|from|using|read) the (?:text|wording|words) (?:in|of)(?: the)?)", ""),
)  # fmt: skip
GENERIC = frozenset(
    [
        "it",
        "this",
        "that",
        "them",
        "these",
        "those",
        "whether",
        "if",
        "who",
        "which",
        "what",
        "how",
        "when",
        "where",
        "why",
        "the",
        "a",
        "an",
        "my",
        "our",
        "your",
        "their",
        "some",
        "any",
        "something",
        "anything",
        "someone",
        "things",
        "outcome",
        "outcomes",
        "result",
        "results",
        "label",
        "labels",
        "target",
        "values",
        "value",
        "class",
        "classes",
        "category",
        "data",
        "dataset",
        "table",
        "column",
        "from",
        "with",
        "using",
        "based",
        "and",
        "or",
        "in",
        "on",
        "for",
        "by",
        "at",
        "to",
        "well",
        "accurately",
        "best",
        "better",
        "good",
        "fast",
        "quickly",
        "next",
        "future",
        "days",
        "hours",
        "weeks",
        "months",
        "years",
        "more",
        "less",
        "most",
        "under",
        "within",
        "accuracy",
        "auc",
        "auroc",
        "rmse",
        "f1",
        "please",
        "only",
        "one",
        "customers",
        "customer",
        "users",
        "people",
        "patients",
        "houses",
        "house",
        "rows",
        "each",
        "every",
        "all",
        "binary",
        "multiclass",
        "anomalies",
        "clusters",
        "csv",
        "file",
        "new",
        "number",
        "numbers",
        "type",
        "probability",
        "likelihood",
        "risk",
        "chance",
        "model",
        "models",
        "time",
        "series",
        "me",
        "us",
        "you",
        "as",
        "is",
        "are",
        "be",
        "not",
        "no",
        "quantiles",
        "quantile",
        "median",
    ]
)
IDENTIFIER = r"[a-z][\w]*_[\w]+|[A-Za-z]+\.[A-Za-z_]\w+"
_FILE = re.compile(
    r"(?<![\w/.~-])(?:[\w.~-]*/)*[\w.-]+\.(?:csv|tsv|parquet|jsonl?|xlsx|npz|zip|feather|arff|txt|tar|h5|pkl|avro|orc)\b|(?<![\w])(?:\.{0,2}/|~/|s3://|gs://)[\w./-]+"
)


@dataclass(frozen=True)
class Mention:
    """A column of the table, where the sentence names it."""

    name: str
    start: int
    end: int


def find_mentions(sentence: Sentence, names: Sequence[str]) -> list[Mention]:
    """Find the table's columns in the sentence: any case, underscores or spaces, plurals, small typos."""
    forms = {name: _normal(name) for name in names}
    words = [(match[0], *match.span()) for match in _WORD.finditer(sentence.clean)]
    longest = max((form.count(" ") + 1 for form in forms.values()), default=1)
    found: list[Mention] = []
    sizes = range(min(longest, 6), 0, -1)
    for find, size in [*((_same, size) for size in sizes), *((_near, size) for size in sizes)]:
        for i in range(len(words) - size + 1):
            start, end = words[i][1], words[i + size - 1][2]
            if any(mention.start < end and start < mention.end for mention in found):
                continue
            name = find(_normal(sentence.clean[start:end]), forms)
            if name is not None:
                found.append(Mention(name, start, end))
    return sorted(found, key=lambda mention: mention.start)


def read_columns(sentence: Sentence, names: Sequence[str] = ()) -> Iterator[Finding]:
    """Find the columns by the part they play."""
    if names:
        yield from _read_known(sentence, find_mentions(sentence, names))
    else:
        yield from _read_unknown(sentence)


def read_path(sentence: Sentence) -> Iterator[Finding]:
    """Find a file or folder."""
    for i, match in enumerate(sentence.find(_FILE)):
        before = sentence.before(match.start(), width=30)
        if re.search(r"\b(?:labels?|annotations?)\b[^.,]{0,14}$", before):
            key = "data.annotations" if "annotation" in before else "data.labels"
        elif i == 0 and not re.search(r"\b(?:save|write|export|store|put|output)\b[^.,]{0,25}$", before):
            key = "data.path"
        else:
            continue
        yield Finding(key, sentence.words(*match.span()), *match.span())


def _read_known(sentence: Sentence, mentions: list[Mention]) -> Iterator[Finding]:
    taken: set[int] = set()
    for key, lead, tail in _ROLES:
        many = key in ("data.features_exclude", "data.text_fields")
        chosen = _in_role(sentence, mentions, lead, tail, many=many, taken=taken)
        if many and chosen:
            yield Finding(key, [mention.name for mention in chosen], chosen[0].start, chosen[-1].end)
        elif chosen:
            yield Finding(key, chosen[0].name, chosen[0].start, chosen[0].end)
        taken |= {mention.start for mention in chosen}
    free = [mention for mention in mentions if mention.start not in taken and not _is_monotone(sentence, mention)]
    targets = _in_role(sentence, free, PREDICT, "", many=True, taken=set())
    if not targets:
        return
    names = list(dict.fromkeys(mention.name for mention in targets))
    yield Finding("data.target", names[0] if len(names) == 1 else names, targets[0].start, targets[-1].end)


def _in_role(
    sentence: Sentence, mentions: list[Mention], lead: str, tail: str, *, many: bool, taken: set[int]
) -> list[Mention]:
    pattern = re.compile(rf"(?<!\w){lead}{ARTICLES}\s*$")
    chosen: list[Mention] = []
    for mention in mentions:
        if mention.start in taken:
            continue
        if chosen:
            between = sentence.clean[chosen[-1].end : mention.start].replace('"', "")
            if many and re.fullmatch(rf"(?:\s+columns?)?{LIST}(?:columns?\s+)?", between):
                chosen.append(mention)
            continue
        led = pattern.search(sentence.clean[max(0, mention.start - 90) : mention.start])
        if led and (not tail or re.match(tail, sentence.clean[mention.end :].lstrip('"'))):
            chosen.append(mention)
    return chosen


def _is_monotone(sentence: Sentence, mention: Mention) -> bool:
    return bool(re.search(r"\b(?:with|in|as)\s+\"?$", sentence.before(mention.start))) and bool(
        re.search(r"(?:monoton|increas|decreas|rise|fall|grow)", sentence.before(mention.start, width=70))
    )


def _read_unknown(sentence: Sentence) -> Iterator[Finding]:
    for key, lead, tail in _ROLES:
        many = key in ("data.features_exclude", "data.text_fields")
        word = rf'(?:"(?:[^"]+)"|{IDENTIFIER}|(?:column|field)\s+\w+|\w+(?=\s+(?:column|field)s?\b))'
        if key == "data.group_key":
            word = rf'(?:"(?:[^"]+)"|{IDENTIFIER}|(?!time\b|date\b|data\b|random\b|the\b|target\b|folds?\b|chronolog\w*|class\b)[a-z]\w+)'
        pattern = re.compile(
            rf"(?<!\w){lead}(?:\s+(?:the|column|columns|field|by|on|any|called|named))*\s*[:=]?\s*(?P<c>{word}(?:{LIST}{word})*){tail}"
        )
        match = pattern.search(sentence.clean)
        if match and (key != "data.group_key" or _groups(sentence, match)):
            names = _split_names(sentence, *match.span("c"))
            yield Finding(key, names if many else names[0], *match.span("c"))
    yield from _unknown_target(sentence)


def _groups(sentence: Sentence, match: re.Match[str]) -> bool:
    said = sentence.clean[match.start() : match.end() + 60]
    lead = match[0][: match.start("c") - match.start()]
    if re.search(r"group|split", lead) and re.search(r"\b(?:by|on|key|column|=|:)\s*\"?$|group", lead.strip()):
        return not re.match(r"group(?:s|ing)?\s+$|grouped\s+$", lead)
    return (
        bool(re.search(r"\b(?:both|together|across|split|train|test|fold|leak)\b", said)) and match["c"] not in GENERIC
    )


def _split_names(sentence: Sentence, start: int, end: int) -> list[str]:
    text = sentence.words(start, end)
    parts = re.split(r"\s*(?:,\s*and\b|,|\band\b|\bor\b|\bnor\b|&|/)\s*", text)
    clean = [
        re.sub(r"^(?:the\s+)?(?:column|field)\s+|^the\s+", "", part.strip(), flags=re.I).strip("\"'`“”‘’ ")
        for part in parts
    ]
    return [part for part in clean if part]


def _unknown_target(sentence: Sentence) -> Iterator[Finding]:
    quoted = re.compile(
        rf"(?<!\w){PREDICT}(?:\s+(?:the|column|field|variable|whether|if|value|of|in|called|named))*\s*[:=]?\s*\"(?P<c>[^\"]+)\""
    )
    named = re.compile(
        rf"(?<!\w){PREDICT}(?:\s+(?:the|column|field|variable|called|named|value of))*\s*[:=]?\s*(?P<c>{IDENTIFIER})"
    )
    column = re.compile(
        r"(?<!\w)(?:the\s+)?(?P<c>[a-z]\w*)\s+(?:column\s+)?(?:is|as)\s+(?:the|our|my)\s+target\b|\btarget(?:\s+(?:column|variable))?\s*(?:is|=|:|called|named)\s*(?:the\s+)?(?:column\s+)?(?P<c2>[a-z]\w*)"
    )
    field = re.compile(
        rf"(?<!\w){PREDICT}\s+(?:the\s+)?(?P<c>[a-z]\w*)\s+(?:column|field)\b|(?<!\w){PREDICT}\s+(?:the\s+)?(?:column|field)\s+(?P<c2>[a-z]\w*)"
    )
    bare = re.compile(
        r"(?<!\w)(?:predict(?:s|ing)?|classif(?:y|ies|ying)|estimat(?:e|es|ing)|forecast(?:s|ing)?)\s+(?P<c>[a-z]\w*)(?=\s*(?:$|[,.;:!?(]|\s(?:from|using|with|for|in|on|by|at|and|within|under|best|max\w*|min\w*)\b))"
    )
    for pattern in (quoted, named, field, column, bare):
        for match in sentence.find(pattern):
            group = "c" if match["c"] else "c2"
            if match[group] in GENERIC or re.match(r"\d", match[group]):
                continue
            names = [sentence.words(*match.span(group)).strip("\"'`“”")]
            rest = (
                re.match(rf'{LIST}\s*"?(?P<d>{IDENTIFIER})"?', sentence.clean[match.end() :])
                if pattern is named
                else None
            )
            if rest:
                names.append(rest["d"])
            yield Finding(
                "data.target",
                names if rest else names[0],
                match.start(group),
                match.end() + (rest.end() if rest else 0),
            )
            return


def _normal(text: str) -> str:
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    words = re.sub(r"[^a-z0-9]+", " ", split.lower()).split()
    return " ".join(_singular(word) for word in words)


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _same(form: str, forms: dict[str, str]) -> str | None:
    if not form or (form in GENERIC and form not in forms.values()):
        return None
    for name, other in forms.items():
        if form == other or (len(form) > 3 and form.replace(" ", "") == other.replace(" ", "")):
            return name
    return None


def _near(form: str, forms: dict[str, str]) -> str | None:
    if (
        not form
        or form in GENERIC
        or len(form) < 6
        or (len(form.split()) != 1 and max(other.count(" ") for other in forms.values()) == 0)
    ):
        return None
    near = difflib.get_close_matches(form, forms.values(), n=1, cutoff=0.86)
    return next((name for name, other in forms.items() if near and other == near[0]), None)
