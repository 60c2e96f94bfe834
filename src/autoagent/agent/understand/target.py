# ruff: noqa: E501
"""The column to predict: by the words that lead to it, with the table's columns known or not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from autoagent.agent.understand.finding import Finding, Mention
from autoagent.agent.understand.sentence import Sentence

LIST = r"(?:\s*(?:,|and|or|&|nor|,\s*and|/)\s*(?:the\s+)?)"
IDENTIFIER = r"(?<!\w)[a-z][\w]*_[\w]+|[A-Za-z]+\.[A-Za-z_]\w+"
PREDICT = (
    r"(?:predict(?:s|ing)?|classify(?:ing)?|estimat(?:e|es|ing)|forecast(?:s|ing)?|model(?:l?ing)?(?= the)|regress(?:ing)?|guess(?:ing)?|target(?: column| variable)?(?: is| =|:| called| named)?"
    r"|label(?: column)?(?: is| =|:| called| named)|outcome(?: column)?(?: is| =|:)|dependent variable(?: is)?|predictions? (?:of|for)|(?:model|classifier|regressor|predictor) (?:for|of)|response(?: variable)?(?: is| =|:)|y\s*=|the answer is in|labels? (?:are|is) in|determine|explain|prognosticate|(?:predict|tell|give|find|say)s?\s+(?:me|us|for me|for us)|outputs?(?: variable| column)? (?:is|are|=|:)|(?:primary )?endpoint(?: is| =|:)?|y (?:is|:)|(?:predicted|outcome) variable(?: is| =|:)?|foretell(?:ing)?|of interest is|(?:predicted|forecast|estimated|modell?ed|explained|learned|learnt) (?:is|are|here is)|(?:to predict|to forecast|to estimate|to model) (?:is|=|:)|(?:field|column|box|cell|value) to (?:fill|predict|guess|estimate|forecast|model)(?: in)?(?: is| =|:)?|(?:thing|column|variable|value|one|what) (?:that )?(?:we|i|they) (?:want|need|care about|care for|are after|am after|are interested in|am interested in)(?: here)? is|what (?:we're|i'm|we are|i am) (?:after|interested in|looking for) is|make (?:a )?\w+ (?:of|for)|class of)"
)
ARTICLES = r"(?:\s+(?:the|a|an|our|my|each|every|whether|if|columns?|fields?|features?|variables?|called|named|value|values|of|is|are|was|were|customer|customers|in|someone|somebody|people|patients?|users?|they|it|he|she|you|person|member|client|will|would|be|gets?|has|have|likely|unlikely|prone|to|going|about|develop|suffers?|experiences?|shows?|there|one|two|three|\d|who|which|house|their|his|her))*[\s:=\[({]*\"?"
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
_STOP = r"(?:from|using|with|without|by|for|on|based|given|than|into|and|at|under|within|but|not|that|to|via|per|except|as|ignore|ignoring)"
_NOUN = r"(?:column|field|variable|target|label)"
# From the clearest wording to the loosest: what stands before the name, and what stands after it.
_KNOWN: tuple[tuple[str, str], ...] = (
    (rf"(?<!\w){PREDICT}{ARTICLES}", r""),
    (rf"\b(?:{_NOUN}s?(?: {_NOUN})?|answer|truth|outcome)(?:\s+(?:is|are|named|called|in|the|lives|sits|stands|found|stored|under|comes|from))*\s*[:=]?\s*\"?", r""),
    (r"\bpredicted\s+(?:the\s+)?\"?", r""),
    (r"\bboth\s+(?:the\s+)?\"?", r"\"?\s+and\b"),
    (r"", rf"\"?\s*(?:\w+\s+)?(?:column|field)\b|\"?\s+(?:denotes|tells|says|indicates|marks|flags|shows|records|holds|gives)\s+(?:which|whether|if|what|the (?:answer|truth|outcome|result))\b|\"?\s+variable\b(?! importance)|\"?\s+(?:is|as|be|should be)\s+(?:the|our|my)\s+(?:{_NOUN}|response|outcome|dependent|(?:thing|one|quantity|number|value|figure) (?:to (?:predict|forecast|estimate)|of interest|we|i|that))"),
    (rf"(?<!\w){PREDICT}(?:\s+(?!{_STOP}\b)[\w'-]+){{1,6}}\s+[\"(]?", r""),
    (r"\b(?:quantiles?|percentiles?|p\d\d|median|mean|average|expected value|distribution|value) (?:of|for)\s+(?:the\s+|our\s+)?\"?", r""),
    (r"\b(?:classification|regression|classifier|regressor|model|detection|detector|mistakes?|errors?|predictor)(?:\s+(?:task|problem))?\s+(?:of|on|for|in)\s+(?:the\s+|our\s+|my\s+)?\"?", r""),
    (r"\b(?:mae|mse|rmse|rmsle|mape|r2|f1|auc|auroc|accuracy|loss|score|regress)\s+(?:on|of|for)\s+(?:the\s+)?\"?", r""),
    (r"\b(?:where|if|whether|that|when|how likely|which|who|those)\s+(?:the\s+|an?\s+)?\"?", r"\"?\s+(?:will|becomes?|is going to|flips?|turns?|happens?|occurs?|is (?:true|1|yes|high|low)|goes (?:from|between|up|down|bad)|is likely)\b"),
    (r"", r"\"?\s+(?:goes|runs|ranges|is|lies|lie|varies|go|scores?|values?)(?: \w+)? (?:from|between)\s+\d"),
    (r"\b(?:know|knowing|tell(?: me)?|say|find out|work out|figure out|recogni[sz]e|identify|spot|detect|flag|what is|what's|which|what)(?:\s+(?:the|a|an|if|whether|which|what|is|kind of|type of))*\s+\"?", r""),
    (r"(?:^|[.;,?!(:]\s*|\s-\s)(?:the\s+)?\"?", r"\"?\s*(?:$|[.;,?!):]|\s-\s|or\s+not\b|from\b)"),
    (r"", r"\"?\s+(?:to be )?(?:predicted|estimated|forecast(?:ed)?|foretold|guessed|modell?ed|classified)\b|\"?\s+(?:model|classifier|regressor|predictor|prediction|detector)\b"),
    (r"\b(?:classify|categori[sz]e|sort|label|assign|route)\b[^.;]{0,40}\bby\s+(?:the\s+|their\s+|its\s+)?\"?", r"\"?\s*(?:$|[.;,?!)])"),
    (r"", r"\"?,?\s+(?:that's|that is|is|being)\s+(?:what|the (?:one|thing|column|variable|value))\b"),
    (r"\b(?:what (?:will|would|might|is)|how (?:high|low|large|big|much|many|long|likely) (?:will|would|is))\s+(?:the\s+)?\"?", r""),
    (r"", r"\"?\s+(?:(?:to |must |should |can )?be |being )?(?:predicted|estimated|foreseen|forecast|modell?ed|guessed|explained|classified)\b"),
    (r"\b(?:which|what|find out which)\s+\w+\s+(?:are|is|will be|get|have)\s+\"?", r""),
    (r"\b(?:ascertain|foresee|picks?|chooses?|selects?|assigns?|trying|understand|learn|guessing|(?:can|could) you do)\s+(?:the\s+)?\"?", r""),
    (r"", r"\"?\s*(?:&|and|,)\s*\"?[\w ]{1,30}\"?\s+(?:together|jointly|at once|simultaneously|at the same time)\b"),
    (r"\b(?:that's|that is|this is|it's|it is|namely|meaning|answer is|truth is)\s+(?:in\s+)?(?:the\s+)?(?:column\s+|field\s+)?\"?", r""),
    (r"\b(?:interested in|care about|interest(?: here)? is|after|want(?: to know)?|need|matters|looking for|goal is|aim is|guess(?:es|ing)?|about|out of|result on|focus on|work on|best|hardest|shot|effort|efforts|job|well|going|model)(?:\s+(?:is|are|the|on|at|in|for|of|about|with|to|a|an|value|column|field|my|our))*\s+\"?", r""),
    (r"\b(?:on|for|of|at|about|regarding)\s+(?:the\s+|our\s+|my\s+)?\"?", r"\"?\s*(?:$|[.;,?!)]|(?:and|with|within|in|under|using|by|at|from|is|as|without)\b)"),
    (r"(?:^|[.;!?(:]\s*)(?:the\s+)?\"?", r"\"?\s+(?:by|with|via|using|within|under|at)\b"),
)  # fmt: skip
_KNOWN_PATTERNS = tuple((re.compile(rf"{before}\s*$"), re.compile(after)) for before, after in _KNOWN)
_FIRM_PATTERNS = (
    *(pattern for pattern in _KNOWN_PATTERNS[:6] if not pattern[1].pattern),
    (re.compile(r"\b(?:who|which \w+) (?:will|would|might|could|is going to|are going to)\s+$"), re.compile("")),
    (re.compile(r"\s*$"), re.compile(r"\"?\s+(?:prediction|classification|detection|forecast\w*|model|classifier)\b")),
)
_PLACES = frozenset(
    [
        "last",
        "first",
        "second",
        "third",
        "final",
        "one",
        "only",
        "other",
        "same",
        "right",
        "left",
        "in",
        "is",
        "the",
        "a",
        "an",
        "that",
        "which",
    ]
)
_FILLER = r"(?:\s+(?:the|column|field|variable|whether|if|values?|of|in|called|named|target|label))*\s*[:=]?\s*"
_COLUMN = r"(?:column|field|variable)"
_TARGET_IS = r"\b(?:target|label|response|dependent)(?:\s+(?:column|variable|field))?\s*(?:is in|is|=|:|called|named)?\s*(?:the\s+)?(?:column\s+|field\s+)?"
# Each with the words that the name may be: any word, or no everyday word.
_UNKNOWN: tuple[tuple[re.Pattern[str], bool], ...] = tuple(
    (re.compile(pattern), free)
    for pattern, free in (
        (rf'(?<!\w){PREDICT}{_FILLER}"(?P<c>[^"]+)"', True),
        (rf"(?<!\w){PREDICT}{_FILLER}(?P<c>{IDENTIFIER})", True),
        (r"\b(?:target|label)(?:\s+(?:column|variable|field))?\s*(?:is in|is|=|:|called|named|are in)\s*(?:the\s+)?(?:column\s+|field\s+)?\"?(?P<c>[a-z]\w*)", True),
        (r"(?<!\w)y\s*=\s*\"?(?P<c>[a-z]\w*)", True),
        (rf"{_TARGET_IS}(?P<c>{IDENTIFIER})", True),
        (r"(?<!\w)(?:the\s+)?\"?(?P<c>[a-z]\w*)\"?\s+(?:column\s+)?(?:is|as)\s+(?:the|our|my)\s+target\b", False),
        (rf"(?<!\w){PREDICT}\s+(?:the\s+)?(?P<c>[a-z]\w*)\s+{_COLUMN}\b", False),
        (rf"\b{_COLUMN}\s+(?:is\s+|named\s+|called\s+)?\"(?P<c>[^\"]+)\"|\"(?P<c2>[^\"]+)\"\s+{_COLUMN}\b", True),
        (rf"\b{_COLUMN}\s+(?:is\s+|named\s+|called\s+|:\s*)?(?P<c>[a-z]\w*)", False),
        (rf"\((?P<c>[a-z]\w*)\s+{_COLUMN}\)|(?<!\w)(?:the|our)\s+(?P<c2>{IDENTIFIER})\s+{_COLUMN}\b", False),
        (rf"(?<!\w){PREDICT}(?:\s+(?!{_STOP}\b)[\w'-]+){{1,6}}\s+[\"(]?(?P<c>{IDENTIFIER})", True),
        (rf"\b(?:on|for|of)\s+(?:the\s+)?(?P<c>{IDENTIFIER})", False),
        (r"(?<!\w)(?:predict(?:s|ing)?|estimat(?:e|es|ing)|forecast(?:s|ing)?)\s+(?P<c>[a-z]\w*)(?=\s*(?:$|[,.;:!?(]|\s(?:from|using|with|for|in|on|by|at|and|within|under|best|tomorrow|well|max\w*|min\w*)\b))", False),
        (r"(?<!\w)classif(?:y|ies|ying)\s+(?P<c>[a-z]\w*(?:[^s\W]|species|class|ss))(?=\s*(?:$|[,.;:!?(]|\s(?:from|using|with|for|in|on|by|at|and|within|under|best)\b))", False),
        (r"\b(?:quantiles?|percentiles?|median)\s+of\s+(?:the\s+)?(?P<c>[a-z]\w*)", False),
        (r"\bregress(?:ion)?\s+(?:on|of|for)\s+(?:the\s+)?(?P<c>[a-z]\w*)", False),
        (rf"(?:^|[.;,?!(:]\s*)\"?(?P<c>{IDENTIFIER})\"?(?=\s*(?:$|[.;,?!):]|or\s+not\b|from\b))", False),
    )
)  # fmt: skip


def known_target(sentence: Sentence, mentions: Sequence[Mention], *, loosely: bool = True) -> list[Mention]:
    """Return the mention that the clearest words lead to, with those that are listed beside it.

    Args:
        sentence: cleaned.
        mentions: the columns that may be the target, in the sentence's order.
        loosely: whether words that lead to a target only now and then count too.
    """
    for before, after in _KNOWN_PATTERNS if loosely else _FIRM_PATTERNS:
        for i, mention in enumerate(mentions):
            led = before.search(sentence.clean[max(0, mention.start - 90) : mention.start])
            if led and after.match(sentence.clean[mention.end :]):
                return _listed(sentence, _from_head(sentence, mentions[i:]))
    return []


def _from_head(sentence: Sentence, mentions: Sequence[Mention]) -> Sequence[Mention]:
    """Begin with the noun that the words before it only describe: of "store sales" the sales."""
    while len(mentions) > 1 and sentence.clean[mentions[0].end : mentions[1].start] == " ":
        mentions = mentions[1:]
    return mentions


def led_to(sentence: Sentence, mention: Mention) -> bool:
    """Say whether clear words lead to this mention as the target."""
    before, after = _KNOWN_PATTERNS[0]
    led = before.search(sentence.clean[max(0, mention.start - 90) : mention.start])
    return bool(led) and bool(after.match(sentence.clean[mention.end :]))


def _listed(sentence: Sentence, mentions: Sequence[Mention]) -> list[Mention]:
    chosen = [mentions[0]]
    for mention in mentions[1:]:
        between = sentence.clean[chosen[-1].end : mention.start].replace('"', "")
        if not re.fullmatch(rf"(?:\s+columns?)?{LIST}(?:columns?\s+)?", between):
            break
        chosen.append(mention)
    return chosen


def unknown_target(sentence: Sentence, taken: Sequence[tuple[int, int]] = ()) -> Iterator[Finding]:
    """Find the target where no table tells the names; spans in `taken` play another part."""
    for pattern, free in _UNKNOWN:
        for match in sentence.find(pattern):
            group = "c" if match["c"] else "c2"
            start, end = match.span(group)
            if _barred(match[group], free=free) or any(a < end and start < b for a, b in taken):
                continue
            rest = re.match(rf'"?{LIST}\s*"?(?P<d>{IDENTIFIER})"?', sentence.clean[end:])
            names = [sentence.words(start, end).strip("\"'`“”")]
            if rest and re.fullmatch(IDENTIFIER, match[group]) and not rest[0].startswith(","):
                names.append(sentence.words(end + rest.start("d"), end + rest.end("d")))
                end += rest.end()
            yield Finding("data.target", names if len(names) > 1 else names[0], start, end)
            return


def _barred(word: str, *, free: bool) -> bool:
    if re.fullmatch(r"[\d.]+|[\w-]+\.(?:csv|parquet|jsonl?|xlsx|npz|tsv|zip|txt)", word) or word in _PLACES:
        return True
    return not free and word in GENERIC


_GIVEN = re.compile(
    r"\b(?:from|using|with|based on|by|per|as|than|older|our|has|have|had|given|like|includes?|including|such as|when|where|every|each|and|or|not|without|same|in|features?|predictors?|inputs?|attributes?)\s+(?:the\s+|a\s+|an\s+)?\"?$"
)


_OR = re.compile(r"\b(?:and|or)\s+(?:the\s+|an?\s+)?\"?$")  # "age or churned" leaves both


def _plain(name: str) -> str:
    """Return a name as the table writes it, without its marks: no plural and no slip is as sure."""
    return re.sub(r"[\W_]+", "", name.lower())


def only_candidate(sentence: Sentence, mentions: Sequence[Mention]) -> Finding | None:
    """Infer the target where one column only is left that the request names and gives no other part."""
    free = [
        mention
        for mention in mentions
        if re.sub(r"[\W_]+", "", sentence.clean[mention.start : mention.end]) == _plain(mention.name)
        and not _GIVEN.search(sentence.before(mention.start))
    ]
    left = {
        m.name for m in mentions if not _GIVEN.search(sentence.before(m.start)) or _OR.search(sentence.before(m.start))
    }
    if len(left) != 1 or len({mention.name for mention in free}) != 1 or len(free[0].name) < 3:
        return None
    reason = f"{free[0].name!r} is the only column that the request names"
    return Finding("data.target", free[0].name, free[0].start, free[0].end, reason)
