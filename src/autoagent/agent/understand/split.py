# ruff: noqa: E501
"""How the data must be divided, and how far ahead a forecast reaches."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autoagent.agent.understand.finding import Finding
from autoagent.agent.understand.numbers import NUM, tidy
from autoagent.agent.understand.sentence import Sentence

_UNIT = r"(?:hours?|hrs?|h|days?|weeks?|months?|quarters?|years?|minutes?)"
_KINDS = tuple(
    (kind, re.compile(words))
    for kind, words in (
        ("rolling_origin", r"\brolling[\s-](?:origin|window|forecast)\w*|\bback[\s-]?test\w*|\bwalk[\s-]forward\b|\bexpanding window\b"),
        ("group", r"\bgroup(?:ed)?[\s-](?:(?:k|\d+)-?[\s-]?fold|split|wise|cv|cross)\b|\bkeep(?:ing)? (?:the )?groups (?:apart|together|separate|intact)\b|\bgroup(?:ed)? by\b.{0,30}\bsplit|\bsplit (?:it |them |the data )?by (?:the )?(?!time|date|year|month|chron)(?=\w+(?:_id\b| id\b))"),
        ("group", r"\bstraddl\w+|\b(?:in|on) both (?:parts|sides|sets|halves)\b|\bon (?:the same|1|one) side\b|\bacross the split\b|\bin both (?:the )?train\w* and"),
        ("time", r"\btrain\w*\b[^.;]{0,40}?\b(?:before|until|up to|through|till)\b[^.;]{0,60}\b(?:test|check|evaluat|validat|measur|score)\w*\b[^.;]{0,40}\b(?:after(?:wards)?|later|since|from then|on the rest|\d{4}|what (?:came|comes|follows))\b|\b(?:time[\s-](?:based|ordered|aware)?[\s-]?split\w*|chronological\w*|temporal (?:split|order|validation)|split (?:it |the data )?(?:by|in|on|along) (?:time|date|year)|time[\s-](?:based|ordered) (?:validation|test|hold-?out)|in time order|(?:before|until|up to|through) (?:the end of )?\d{4}\b[^.;]{0,20}\btrain\w*|(?:test\w*|hold-?out|validation)\b(?: (?:set|part|rows|data|period))?[^.;]{0,30}\b(?:later|newer|more recent|younger)\b[^.;]{0,20}\b(?:than|in time)|train\w* on (?:the )?(?:past|older|earlier|first \d* ?(?:years?|months?|weeks?))|train on everything before|test on the (?:most recent|latest|newest)|never (?:train|look) (?:on|at|into) the future|respect(?:ing)? time|past to future)\b"),
        ("stratified", r"\bstratif\w+\b"),
        ("kfold", r"\b(?:\d+[\s-]?fold|k-?fold|cross[\s-]?validat\w+|cv (?:with|using|of|on|in) \d+|cv\s*[=:]\s*\d+|folds?\s*[=:]?\s*\d+|leave[\s-]one[\s-]out)\b"),
        ("random", r"\brandom(?:ly)?[\s-](?:split|hold-?out|train|test|sample[d]? test|divided?|shuffl\w+)|\bsplit (?:it |the data )?(?:at )?random(?:ly)?\b|\bshuffled? split\b"),
    )
)  # fmt: skip
_K = re.compile(
    r"\b(\d+)[\s-]?fold\b|\bk\s*=\s*(\d+)\b|\bcv\s*[=:]\s*(\d+)\b|\b(?:cv[\s_-])?folds?\s*[=:]?\s*(\d+)\b|\b(\d+) (?:cv )?folds\b"
)
_NO = re.compile(
    r"\b(?:no|not|never|don't|do not|without|instead of|isn't|rather than)\s+(?:a |an |use |using |do |be |any )*$"
)
_LAST = re.compile(
    rf"\b(?:last|final|most recent|latest)\s+(?:{NUM}\s+)?(?:{_UNIT}|{NUM}\s?%(?: of (?:the )?(?:rows|data))?|{NUM} percent(?: of (?:the )?(?:rows|data))?)(?:\s+of (?:the )?(?:data|year|records))?"
)
_TESTING = re.compile(
    r"\b(?:test|hold(?:ing)?[\s-]?out|held[\s-]?out|evaluat\w+|validat\w+|reserve\w*|keep(?: back)?|set aside|withh\w+|judge|score|measure)\b"
)
_SHARE = re.compile(rf"(?<![\w.])({NUM})\s?(?:%|percent|per cent)(?:\s+of (?:the )?(?:data|rows|records|samples|it))?")
_HELD_BEFORE = re.compile(
    r"\b(?:hold(?:ing)?[\s-]?out|held[\s-]?out|hold(?:ing)? back|keep back|put aside|lock away|spare|reserve|keep|set aside|withhold|test (?:on|with|size|set|split|fraction|share|part|portion|ratio|rows)|leave)"
    r"\b[^,]{0,18}$"
)
_HELD_AFTER = re.compile(
    r"\s*(?:kept aside|kept back|held back|set aside|reserved"
    r"|(?:(?:of (?:the |our |my |all )?\w+ )?(?:as|for|in|is|goes to|go to) (?:a |the )?)?(?:test|hold[\s-]?out|held[\s-]?out))"
)
_RATIO = re.compile(r"\b(\d\d)\s?[/:]\s?(\d\d)(?:\s?[/:]\s?(\d\d))?(?=\s|$|[,.;])")
_STEP = re.compile(
    rf"\bsteps? (?:of|by)\s+((?:{NUM}\s+)?{_UNIT})|\b(?:moving|rolling|advanc\w+|stepping) (?:forward )?(?:by )?((?:{NUM}\s+)?{_UNIT})(?: at a time)?"
)
_AHEAD = re.compile(
    rf"\b(?:next|coming|following)\s+({NUM})\s*({_UNIT}|steps?|points|periods|time steps)|\b({NUM})[\s-]({_UNIT}|steps?|periods|time steps|points)[\s-](?:ahead|in advance|out|into the future|forecasts?|horizon)"
    rf"|\bforecast\w*\b[^.;]{{0,60}}?\bfor ({NUM}) ({_UNIT})\b(?! of)|\bout to ({NUM}) ({_UNIT})\b|\bhorizon(?: of| is|:| =)?\s*({NUM})\s*({_UNIT}|steps?|periods|time steps)?|\b(?:next|coming|following)\s+({_UNIT})(?!\w)(?! \d)|\btomorrow\b"
)
_CONTEXT = re.compile(
    rf"\b(?:context(?: length| window)?|look-?back|lookback window|history|input window|using the (?:last|past|previous)|given the (?:last|past|previous))(?: of| is|:| =)?\s*({NUM})\s*(?:{_UNIT}|steps?|points|values|observations)"
)
_STEPS_SET = re.compile(
    r"\b(?:pred(?:iction)?|forecast|output|target|future)_(?:seq(?:uence)?_)?(?:len(?:gth)?|steps|horizon|window|size)\s*[=:]\s*(\d+)"
)
_CONTEXT_SET = re.compile(
    r"\b(?:input|context|history|past|encoder|look_?back)_?(?:seq(?:uence)?_)?(?:len(?:gth)?|steps|window|size)?\s*[=:]\s*(\d+)"
)
_FREQ = re.compile(
    r"\b(hourly|daily|weekly|monthly|quarterly|yearly|annual|minutely)\b(?!\s+(?:budget|report|llm|cost|meeting|season\w*|cycles?|patterns?|rhythm|periods?))"
)
_ONCE = re.compile(
    r"\b(?:measur\w+|record\w*|sampl\w+|log\w*|read(?:ing)?s?|taken|collected|data|values?|points?|observations?|rows?|reports?)\b(?: \w+){0,3}? (?:once |1 )?(?:an?|1|every|each|per) (?P<u>hour|day|week|month|quarter|year|minute)\b"
)
_EVENTS = re.compile(
    r"\b(?:whether|if|who|which|likely|likelihood|probab\w+|chance|odds|risk|churn\w*|cancel\w*|default\w*|within|classif\w+|holiday|vacation|meeting|release|deadline|away)\b"
)
_EVERY = re.compile(
    rf"\b(?:every|per)\s+({NUM})\s*(minutes?|hours?|seconds?|days?)\b|\b({NUM})[\s-](minute|hour|second)[\s-](?:intervals?|resolution|data|readings|steps)"
)
_FREQ_OF = {"hour": "hourly", "day": "daily", "week": "weekly", "month": "monthly", "quarter": "quarterly"}
_FREQ_OF |= {"year": "yearly", "minute": "minute"}
_FREQ_NAMES = {"annual": "yearly", "minutely": "minute"}


def read_split(sentence: Sentence) -> Iterator[Finding]:
    """Find the kind of split, its folds, its test part and its step."""
    kind = None
    for name, pattern in _KINDS:
        match = pattern.search(sentence.clean)
        if match and not _NO.search(sentence.clean[: match.start()]) and not re.search(r"random forest", match[0]):
            kind = name
            yield Finding("split.kind", name, *match.span())
            break
    folds = _K.search(sentence.clean)
    if folds and kind is None and "fold" in folds[0]:
        yield Finding("split.kind", "kfold", *folds.span())
    if folds and (kind or "fold" in folds[0]):
        yield Finding("split.k", int(next(group for group in folds.groups() if group)), *folds.span())
    yield from _test_part(sentence)
    step = _STEP.search(sentence.clean)
    if step and kind == "rolling_origin":
        group = 1 if step[1] else 2
        yield Finding("split.step", step[group], *step.span(group))


def _test_part(sentence: Sentence) -> Iterator[Finding]:
    for match in sentence.find(_LAST):
        before, after = sentence.clause(*match.span())
        if _TESTING.search(f"{before[-45:]} | {after[:40]}"):
            share = _SHARE.search(match[0])
            value = tidy(float(share[1]) / 100) if share else match[0].strip()
            yield Finding("split.test", value, *match.span())
            return
    for match in sentence.find(_SHARE):
        before, after = sentence.clause(*match.span())
        held_out = _HELD_BEFORE.search(before[-40:]) or _HELD_AFTER.match(after)
        if held_out and not re.match(r"\s*(?:accuracy|auc|precision|recall|f1)", after):
            yield Finding("split.test", tidy(float(match[1]) / 100), *match.span())
            return
    ratio = _RATIO.search(sentence.clean)
    if (
        ratio
        and sum(int(part) for part in ratio.groups() if part) == 100
        and re.search(r"split|train|test", sentence.clean)
    ):
        yield Finding("split.test", tidy(int(ratio[3] or ratio[2]) / 100), *ratio.span())


def names_a_horizon(sentence: Sentence) -> tuple[int, int] | None:
    """Return where the request names a time ahead that is no event's: "the next 10 days", not "who buys next week"."""
    match = _AHEAD.search(sentence.clean)
    if match is None or _EVENTS.search(sentence.clean):
        return None
    counted = bool(re.search(r"\d", match[0])) or sentence.clean.startswith("'s", match.end())
    return match.span() if counted else None


def read_horizon(sentence: Sentence) -> Iterator[Finding]:
    """Find how many steps ahead, how many back, and the frequency of the series."""
    match = _AHEAD.search(sentence.clean)
    if match:
        number = match[1] or match[3] or match[5] or match[7] or match[9] or "1"
        unit = match[2] or match[4] or match[6] or match[8] or match[10] or match[11] or "day"
        yield Finding("horizon.steps", int(float(number)), *match.span())
        if unit and not unit.startswith(("step", "period", "time", "point")):
            unit = {"h": "hour", "hr": "hour"}.get(unit.removesuffix("s"), unit.removesuffix("s"))
            yield Finding("horizon.freq", unit, *match.span())
    elif setting := _STEPS_SET.search(sentence.clean):
        yield Finding("horizon.steps", int(setting[1]), *setting.span())
    context = _CONTEXT.search(sentence.clean) or _CONTEXT_SET.search(sentence.clean)
    if context:
        yield Finding("horizon.context", int(float(context[1])), *context.span())
    freq = _FREQ.search(sentence.clean)
    if freq:
        yield Finding("data.freq", _FREQ_NAMES.get(freq[1], freq[1]), *freq.span())
        return
    once = _ONCE.search(sentence.clean)
    if once:
        yield Finding("data.freq", _FREQ_OF[once["u"]], *once.span())
        return
    every = _EVERY.search(sentence.clean)
    if every:
        number, unit = (every[1] or every[3]), (every[2] or every[4]).removesuffix("s")
        one = float(number) == 1 and unit in _FREQ_OF
        yield Finding("data.freq", _FREQ_OF[unit] if one else f"{number} {unit}", *every.span())
