# ruff: noqa: E501
"""Columns that the sentence names: target, group, time, text fields and what must be left out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Sequence

from autoagent.agent.understand.finding import Finding, Mention
from autoagent.agent.understand.sentence import Sentence
from autoagent.agent.understand.target import (
    ARTICLES,
    GENERIC,
    IDENTIFIER,
    LIST,
    known_target,
    only_candidate,
    unknown_target,
)
from autoagent.agent.understand.together import kept_together

_WORD = re.compile(r"[a-z0-9_][\w.\-]*[\w]|[a-z0-9_]")
_TIMELY = re.compile(r"date|time|stamp|year|month|week|day|^ts$")
_SPLIT_BY = r"(?:split|cut)(?:ting|s)?(?: it| them| the data)? (?:by|on|along)"
_ROLES: tuple[tuple[str, str, str], ...] = (
    (
        "data.features_exclude",
        r"(?:ignor(?:e|ing)|exclud(?:e|ing)|drop(?:ping)?|without(?: using)?|do(?: not|n't) (?:use|look at|touch|include|rely on|consider)|not (?:use|using)|never use|leav(?:e|ing) out|except(?: for)?|omit(?:ting)?|remov(?:e|ing)|skip(?:ping)?|apart from|other than|all but|disregard(?:ing)?|stay away from|no peeking at|discard(?:ing)?|(?:never|not|n't|without) (?:look(?:ing)? at|touch(?:ing)?|see(?:ing)?|read(?:ing)?|rely(?:ing)? on|consider(?:ing)?|feed(?:ing)?(?: it)?)|(?:everything|all|anything|all columns|every column)(?: but| except| besides)|hide|strip(?:ping)?(?: out)?|get rid of|forget(?: about)?|minus|leave|(?:without|never|not|\w*n't) (?:\w+ ){0,3}?(?:peek(?:ing)?|glanc(?:e|ing)|look(?:ing)?|access|cheat(?:ing)?)(?: \w+)? (?:at|to|with|from|on)|keep away from|no (?:use|sight) of|blind to|take out|throw (?:away|out)|toss|kick out|chuck out|bar(?:ring)?|(?:under no circumstances|at no point|in no case|never|no way) (?:may|should|must|can|shall|let|use)(?: it)?(?: (?:use|see|include))?|nothing to do with|(?:won't|will not|don't|do not|cannot|can't|never) (?:yet )?(?:know|have)|(?:to|with|from) exclude:?|exclu(?:sions?|ded)(?: columns?)?(?: are| is)?\s*[:=]?\s*\[?)",
        "",
    ),
    (
        "data.time_key",
        r"(?:time (?:column|key|index|stamp column)(?: is| =|:)?|time[\s-](?:based )?(?:ordered |split )?(?:split )?(?:on|by|along)|order(?:ed)? (?:by|in)|sort(?:ed)? by|chronological(?:ly)?(?: split)?(?: by| on| along)?|temporal split (?:on|by)|(?:split|cut)(?: it| the data)? (?:in time )(?:by|on|along)|respect(?:ing)? (?:the )?time(?: order)?(?: by| of| on| in)?|time order(?: by| of| on| in)?|(?:older|newer|past|future|later|earlier|recent)\b[^.;]{0,30}\b(?:using|by|according to|based on|per)|date column(?: is| =|:)?|(?:dates?|days?|times?|timestamps?|months?|weeks?|years?)(?: stamps?)?(?: of \w+)? (?:are|is|sits?|lives?|stands?|stored|found|comes?|stays?|kept|held|recorded|given)(?: \w+)? (?:in|under|by)|split by time \(?(?:on|using|with)?|(?:in|by) (?:order of )?time \(?(?:column|see)?|chronolog\w+ \(?(?:column|see|on|by|in)?)",
        "",
    ),
    ("data.time_key", _SPLIT_BY, ""),
    ("data.time_key", r"(?:column|field)", r"\"?\s+(?:is|holds|has|contains|gives|tells|shows|stores|says|for)\s+(?:the\s+|when\b)?(?:dates?|times?|timestamps?|days?|months?)?\b(?<=\w)"),
    (
        "data.group_key",
        r"(?:(?:sure|ensure)(?: that)?(?: all| an?| each| every| 1)?|keep(?:ing)?(?: all| each| every)|(?:rows|records|samples|visits|data|entries) of (?:the|an?|each|1|one|the same) \w+ (?:\w+ )?together \(?|group(?:ed|ing|s)?(?: (?:the )?(?:folds?|splits?|rows))?(?: (?:k|\d+)[\s-]?fold)?(?: split| cv)?(?: by| on| =|:| is| key| column)*|split(?:ting|s)?(?: it| them| the data)? by|quer(?:y|ies)(?: key| id| column| group)?(?: is| =|:)?|group key(?: is| =|:)?|(?:keep|keeping) (?:all )?(?:the )?(?:rows|records|samples|visits|measurements|images|entries|data)(?: of| for| from| with)(?: the| an?| each| every)? (?:same|1|one|single)|(?:rows|records|samples|visits|entries) (?:of|from|with|for) (?:the|1) same|(?:no|the same|same|1|a single|never split a|never split the same|don't split a|do not split a) )",
        r"(?:\s+(?:is the (?:query|group|subject|unit)\b|(?:defines?|marks?|identif(?:y|ies)|gives?|tells?|holds?|forms?) (?:the |our )?(?:groups?|clusters?|blocks?|subjects?|units?)|together|on (?:1|one|the same) side|in (?:1|one|the same) (?:fold|part|set)|is never|are never|in both|on both|across|stays?|must|should|may|can|split|appears?|never|in (?:the )?(?:train|test)|is kept|are kept|column|:|\)|,|as groups?|groups?|with \d+ (?:groups|folds)|\d+ folds|and|when)|\s*$|\s*[.;,)])",
    ),
    ("data.text_fields", r"(?:text \((?:column|field)?|text (?:column|field|is in|lives in|fields|columns)s?(?: is| are| =|:)?|free text (?:in|column)?|the text (?:in|of)|(?:based on|from|using|read) the (?:text|wording|words) (?:in|of)(?: the)?)", ""),
)  # fmt: skip
_LEFT_OUT = re.compile(
    r"\"?\s*(?:columns?\s+)?(?:must|should|shall|will|ought to|has to|have to|needs? to|is to|are to|is|are|can|may)\s*(?:be\s+)?"
    r"(?:(?:left out|excluded|ignored|dropped|omitted|removed|skipped|disregarded|discarded|kept out|kept apart|thrown (?:out|away)|off[\s-]limits|forbidden|out of bounds|banned|barred|taboo|not (?:in|part of|available in|known in) the (?:test|new|future)|not (?:an? )?(?:features?|inputs?|predictors?|usable|admissible|available))|(?:not|never)\s+(?:to\s+)?(?:be\s+)?(?:used|utili[sz]ed|employed|taken|touched|considered|included|allowed|seen|known|enter\w*|fed|available))\b"
    r"|\"?\s+(?:would|will|might|may|could)?\s*(?:be|is|are)\s+(?:cheating|a leak|leakage|leaky|an? give-?away|only known (?:after\w*|later))|\"?\s+(?:must |should |shall |have to |has to )?(?:stays?|remains?) (?:out|outside|away)\b|\"?\s+(?:leaks?\b|gives? (?:it|the (?:answer|target|result)) away)"
    r"|\"?\s+(?:may|can|must|shall|should)\s+be (?:used|included|considered|fed|seen|part)\b|\"?\s+(?:enter|be used|be included|be fed|be seen)\s+(?:\w+\s+){0,2}(?:as|among|in|by|to|into)?\s*(?:an?\s+|the\s+)?(?:predictors?|inputs?|features?|covariates?|model)\b(?=.{0,1})"
)
# Such words leave a column out only behind a "no": "neither sex nor zip may be used".
_BARE = re.compile(
    r"[\s\"]*(?:enter|(?:(?:may|can|must|shall|should)\s+)?be (?:used|included|considered|fed|seen|part))\b"
)
_LEFT_OUT_IF = re.compile(r"\b(?:no|not|never|nor|neither|n't|cannot)\b[^.;]{0,60}$")
_READ_FROM = re.compile(
    r"\b(?:from|us(?:e|es|ing)|read(?:s|ing)?|based on|given|out of|wording (?:of|in)|words (?:of|in)|text(?:s)? (?:is|are|r|sits|stands|lives)? ?(?:in|under|of)|look(?:ing)? at|analy[sz](?:e|ing)|feed(?:ing)?|texts? of (?:the |each |an? )?\w+ (?:is|are|sits|stands|lives) in|text\s?:|texts?\s*\(|text (?:column|field)s?)\s*(?:(?:only|just|the|both|columns?|fields?|its|their|each|an?)\s+)*\"?$"
)
# Prose is what is read; only such words make it what is predicted.
_TARGET_NOUN = re.compile(
    r"\b(?:target|label|predict\w*|answer|outcome|generat\w+|summari[sz]\w+|translat\w+)(?: column| variable| field| the| is| are|:|=)*\s*\"?$"
)
_IS_TARGET = re.compile(r"\"?\s+is (?:the|our|my) (?:column|target|label|answer|outcome)\b")
_MARKS = frozenset(
    "label flag class target status yn ind code type bool used found done made kg g t lb m cm mm km l ml ms s sec min minute hour day eur usd gbp pct percent ppm kwh mwh mpg".split()  # noqa: SIM905
)
_ENDINGS = frozenset(
    [
        "",
        "e",
        "s",
        "d",
        "ed",
        "al",
        "ion",
        "ing",
        "ment",
        "er",
        "or",
        "ity",
        "y",
        "ent",
        "ence",
        "ance",
        "ant",
        "ulent",
        "ies",
    ]
)
_SPELT = re.compile(rf'[^.;]{{0,40}}\(\s*"?({IDENTIFIER})"?\s*\)')  # "one patient together (patient_id)"
_INPUTS = r"(?:(?:the )?(?:inputs?|features?|predictors?|covariates?|regressors?|independent variables?|explanatory variables?)(?: columns?| variables?)? (?:are|is|=|:))"
_INVENTORY = r"(?:(?:with|has|have|having|contains?|containing|includ(?:es?|ing)|of)(?: the)?(?: following)? (?:columns|fields|features|variables|attributes)(?: are)?)"


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
            if name is not None and not _is_article(sentence, start, end):
                found.append(Mention(name, start, end))
    return sorted(found, key=lambda mention: mention.start)


def _is_article(sentence: Sentence, start: int, end: int) -> bool:
    """Say whether an "a" or "I" is the little word and not a column of that name."""
    return sentence.clean[start:end] in ("a", "i") and not re.search(
        r"(?:column|field|variable|feature|target|label|predict|=|:|\")\s*$", sentence.before(start)
    )


def read_columns(
    sentence: Sentence,
    names: Sequence[str] = (),
    *,
    texts: Collection[str] = (),
    dates: Collection[str] = (),
    has_target: bool = False,
) -> Iterator[Finding]:
    """Find the columns by the part they play.

    Args:
        sentence: cleaned.
        names: the table's columns; empty where there is no table.
        texts: those of them that hold prose.
        dates: those of them that hold points in time.
        has_target: the data say themselves which column is to be predicted; another one must be named in full.
    """
    if names:
        kindred = () if has_target else names
        yield from _read_known(sentence, find_mentions(sentence, names), kindred, texts, dates)
    else:
        yield from _read_unknown(sentence)


def _read_known(
    sentence: Sentence,
    mentions: list[Mention],
    names: Sequence[str],
    texts: Collection[str] = (),
    dates: Collection[str] = (),
) -> Iterator[Finding]:
    taken = _only_listed(sentence, mentions)
    parts = list(_read_parts(sentence, mentions, texts, taken))
    yield from parts
    free = [mention for mention in mentions if mention.start not in taken and not _is_monotone(sentence, mention)]
    likely = [m for m in free if m.name not in {*texts, *dates} or _is_named_target(sentence, m)]
    yield from _read_target(sentence, likely, [name for name in names if name not in {*texts, *dates}])
    prose = [m for m in free if m.name in texts and m not in likely]
    if prose and not any(part.key == "data.text_fields" for part in parts):
        left = list(dict.fromkeys(m.name for m in prose))
        reason = f"{left[0]!r} holds prose and the request names it"
        yield Finding("data.text_fields", left, prose[0].start, prose[-1].end, reason)


def _only_listed(sentence: Sentence, mentions: list[Mention]) -> set[int]:
    """Return where columns stand that are only listed: as inputs, or as what the table holds."""
    inputs = _in_role(sentence, mentions, _INPUTS, "", many=True, taken=set())
    inventory = _in_role(sentence, mentions, _INVENTORY, "", many=True, taken=set())
    return {mention.start for mention in (*inputs, *(inventory if len(inventory) > 2 else ()))}


def _read_parts(
    sentence: Sentence, mentions: list[Mention], texts: Collection[str], taken: set[int]
) -> Iterator[Finding]:
    """Find the parts that columns play beside the target; `taken`, where columns stand that have one, grows."""
    roles: set[str] = set()
    for key, lead, tail in _ROLES:
        many = key in ("data.features_exclude", "data.text_fields")
        fit = [mention for mention in mentions if lead != _SPLIT_BY or _TIMELY.search(mention.name.lower())]
        chosen = _in_role(sentence, fit, lead, tail, many=many, taken=taken)
        if key == "data.features_exclude":
            chosen = sorted({*chosen, *_left_out_later(sentence, fit)}, key=lambda mention: mention.start)
        if many and chosen:
            yield Finding(key, [mention.name for mention in chosen], chosen[0].start, chosen[-1].end)
        elif chosen:
            yield Finding(key, chosen[0].name, chosen[0].start, chosen[0].end)
        roles |= {key} if chosen else set()
        taken |= {mention.start for mention in chosen}
    prose = [] if "data.text_fields" in roles else _prose(sentence, mentions, texts, taken)
    if prose:
        yield Finding("data.text_fields", [mention.name for mention in prose], prose[0].start, prose[-1].end)
        taken |= {mention.start for mention in prose}
    apart = None if "data.group_key" in roles else kept_together(sentence, mentions, taken)
    if apart:
        yield Finding("data.group_key", apart.name, apart.start, apart.end)
        taken.add(apart.start)


def _read_target(sentence: Sentence, free: list[Mention], names: Sequence[str]) -> Iterator[Finding]:
    """Find the target: by clear words, by a kindred word behind clear words, or because one column is left."""
    targets = known_target(sentence, free) or known_target(sentence, _kin(sentence, names), loosely=False)
    if targets:
        chosen = list(dict.fromkeys(mention.name for mention in targets))
        value = chosen[0] if len(chosen) == 1 else chosen
        yield Finding("data.target", value, targets[0].start, targets[-1].end)
    elif only := only_candidate(sentence, free):
        yield only


def _is_named_target(sentence: Sentence, mention: Mention) -> bool:
    """Say whether words for a target stand beside a mention, which prose and dates need to be one."""
    said = _TARGET_NOUN.search(sentence.before(mention.start)) or _IS_TARGET.match(sentence.clean[mention.end :])
    return bool(said)


def _prose(sentence: Sentence, mentions: list[Mention], texts: Collection[str], taken: set[int]) -> list[Mention]:
    """Return the columns of prose that the request says to read: "from title and text", "read the letter column"."""
    for place, mention in enumerate(mentions):
        if mention.start in taken or not _READ_FROM.search(sentence.before(mention.start)):
            continue
        run = [mention]
        for other in mentions[place + 1 :]:
            if not _continues(sentence.clean[run[-1].end : other.start].replace('"', ""), ""):
                break
            run.append(other)
        if any(m.name in texts for m in run) and not any(m.start in taken for m in run):
            return run
    return []


def _kin(sentence: Sentence, names: Sequence[str]) -> list[Mention]:
    """Find words that are kin to one column only: "survival" to `Survived`, "price" to `SalePrice`."""
    parts = {name: _normal(name).split() for name in names}
    found = []
    for match in _WORD.finditer(sentence.clean):
        word = _normal(match[0])
        kin = [name for name, own in parts.items() if any(_is_kin(word, part) for part in _heads(own))]
        if len(word) >= 4 and word not in GENERIC and len(kin) == 1:
            found.append(Mention(kin[0], *match.span()))
    return found


def _heads(parts: list[str]) -> list[str]:
    """Return the words that may stand for a column's name: the last one, and those before "label" or "flag"."""
    last = parts[-1:]
    return [*last, *parts[:-1]] if last and last[0] in _MARKS else last


def _is_kin(word: str, part: str) -> bool:
    if word == part:
        return True
    stem = next((i for i, (a, b) in enumerate(zip(word, part, strict=False)) if a != b), min(len(word), len(part)))
    ends = word[stem:], part[stem:]
    return stem >= 5 and all(end in _ENDINGS for end in ends)


def _in_role(
    sentence: Sentence, mentions: list[Mention], lead: str, tail: str, *, many: bool, taken: set[int]
) -> list[Mention]:
    pattern = re.compile(rf"(?<!\w){lead}{ARTICLES}\s*$")
    chosen: list[Mention] = []
    lead_words = ""
    for mention in mentions:
        if mention.start in taken:
            continue
        if chosen:
            between = sentence.clean[chosen[-1].end : mention.start].replace('"', "")
            if many and _continues(between, lead_words):
                chosen.append(mention)
                continue
            if not many:
                continue
        led = pattern.search(sentence.clean[max(0, mention.start - 90) : mention.start])
        if led and (not tail or re.match(tail, sentence.clean[mention.end :].lstrip('"'))):
            chosen.append(mention)
            lead_words = led[0]
    return chosen


def _left_out_later(sentence: Sentence, mentions: list[Mention]) -> list[Mention]:
    """Return the columns before "must be left out", with those that are listed before them."""
    found: list[Mention] = []
    for mention in reversed(mentions):
        after = sentence.clean[mention.end :]
        listed = found and re.fullmatch(LIST, after[: found[-1].start - mention.end].replace('"', ""))
        said = _LEFT_OUT.match(after)
        bare = said is not None and bool(_BARE.match(said[0]))
        if listed or (said and (not bare or _LEFT_OUT_IF.search(sentence.before(mention.start, width=90)))):
            found.append(mention)
    return found


def _continues(between: str, lead: str) -> bool:
    """Say whether a list goes on: "columns a, b and column c" does, "text field a, column b" names another part."""
    again = re.fullmatch(
        rf"(?:\s+(?:columns?|fields?))?{LIST}(?:(?:anything|everything|all|columns?) (?:to do with|about|related to|from|like|of) )?(?P<noun>(?:column|field)s?\s+)?",
        between,
    )
    return again is not None and (
        again["noun"] is None or (again["noun"].strip().rstrip("s") in lead and "," not in between)
    )


def _is_monotone(sentence: Sentence, mention: Mention) -> bool:
    return bool(re.search(r"\b(?:with|in|as)\s+\"?$", sentence.before(mention.start))) and bool(
        re.search(r"(?:monoton|increas|decreas|rise|fall|grow)", sentence.before(mention.start, width=70))
    )


def _read_unknown(sentence: Sentence) -> Iterator[Finding]:
    taken: list[tuple[int, int]] = []
    for key, lead, tail in _ROLES:
        many = key in ("data.features_exclude", "data.text_fields")
        word = rf'(?:"(?:[^"]+)"|{IDENTIFIER}|(?:column|field)\s+\w+|\w+(?=\s+(?:column|field)s?\b))'
        if key == "data.group_key":
            word = rf'(?:"(?:[^"]+)"|{IDENTIFIER}|(?!time\b|date\b|data\b|random\b|the\b|target\b|folds?\b|chronolog\w*|class\b)[a-z]\w+)'
        pattern = re.compile(
            rf"(?<!\w){lead}(?:\s+(?:the|column|columns|field|by|on|any|called|named))*\s*[:=]?\s*(?P<c>{word}(?:{LIST}{word})*){tail}"
        )
        match = pattern.search(sentence.clean)
        if match and any(start <= match.start("c") < end for start, end in taken):
            continue
        if match and (key != "data.group_key" or _groups(sentence, match)):
            names = _split_names(sentence, *match.span("c"))
            spelt = _SPELT.match(sentence.clean[match.end("c") :])
            if key == "data.group_key" and spelt and not re.fullmatch(IDENTIFIER, match["c"]):
                names = [sentence.words(match.end("c") + spelt.start(1), match.end("c") + spelt.end(1))]
                taken.append((match.end("c") + spelt.start(1), match.end("c") + spelt.end(1)))
            if lead == _SPLIT_BY and not _TIMELY.search(names[0].lower()):
                continue
            taken.append(match.span("c"))
            yield Finding(key, names if many else names[0], *match.span("c"))
    yield from unknown_target(sentence, taken)


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
