# ruff: noqa: E501
"""Models that the sentence wants, allows or forbids, and what they must respect."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from autoagent.agent.understand.columns import find_mentions
from autoagent.agent.understand.finding import Finding, Mention
from autoagent.agent.understand.phrases import phrase
from autoagent.agent.understand.sentence import Sentence

MODEL_WORDS: dict[str, str] = {
    "gradient_boosting": r"gradient boost(?:ing|ed)(?: machines?| trees?| models?)? / boosted (?:decision |regression )?trees / gbms? / gbdts? / boosting(?: models?)?",
    "random_forest": r"random forests?(?: models?)? / rf",
    "extra_trees": r"extra trees / extremely randomi[sz]ed trees",
    "decision_tree": r"(?:single )?decision trees?",
    "linear": r"linear(?: models?| classifiers?| regressions?| ones)? / logistic regressions? / logit / lasso / ridge(?: regression)? / elastic ?net / penali[sz]ed (?:linear |logistic )?regressions? / regulari[sz]ed (?:linear |logistic )?regressions? / generali[sz]ed linear models? / glms?",
    "neural_network": r"neural (?:stuff|things?|approaches|methods|models?) / neural net(?:work)?s? / neural nets? / deep (?:learning|nets?|networks?|models?)(?: models?)? / mlps? / (?<!k\s)(?<!k-)nns? / multi ?layer perceptrons? / deep neural nets?",
    "knn": r"k ?nn / k nearest neighbou?rs? / nearest neighbou?rs? / knns?",
    "svm": r"svms? / support vector machines? / svc",
    "naive_bayes": r"naive bayes",
    "ensemble": r"ensembl(?:es?|ing) / stacking / model averaging / blending",
    "lightgbm": r"light ?gbm / lgbm / light gbm",
    "xgboost": r"xg ?boost / xgb",
    "catboost": r"cat ?boost",
    "adapters": r"adapters? / lora / peft",
    "transformer": r"transformers? / bert / tabpfn",
    "cnn": r"cnns? / convolutional (?:neural )?net(?:work)?s?",
    "resnet152": r"resnet ?152",
    "resnet101": r"resnet ?101",
    "resnet18": r"resnet ?18",
    "resnet50": r"resnet ?50",
    "yolo": r"yolo(?:v\d+)?",
    "lstm": r"lstms? / recurrent (?:neural )?net(?:work)?s?",
    "arima": r"s?arima",
    "gaussian_process": r"gaussian process(?:es)?",
}  # fmt: skip
_MODELS = tuple((name, phrase(words)) for name, words in MODEL_WORDS.items())
_HEDGE = r"(?:\s+(?:a|an|any|the|only|advanced|modern|deep|simple|pure|kind of|sort of|use|using|of|with|whatsoever|plain|simple|small|big|large|single|good|some|like|to see|black box|huge))*[\s:=\[\"(]*"
_FORBID = re.compile(
    r"(?<!\w)(?:no|not|without|avoid(?:ing)?|never(?: use)?|don't(?: use| want)?|do not(?: use| want)?|dont(?: use| want)?|exclud(?:e|ing)|forbid(?:den)?:?|anything (?:but|except)|instead of|rather than|nor|except(?: for)?|skip|ban(?:ned)?|steer clear of|stay away from|other than|can't use|cannot use|mustn't use|must not (?:use|be)|no more|neither|(?:\w+n't|dont|not|never) (?:\w+ ){0,2}(?:with|about|to use|to see|trust|believe in|favou?r|support|run|include|consider|touch|train|fit|build|pick|choose|deploy|like|allow|accept|need|try)|hates?|dislikes?|bar|barring|save for|leave out|drop|keep away from|less fond of|refuse|reject|prohibit(?:ed)?)"
    + _HEDGE
    + r"$"
)
_ONLY = re.compile(
    r"(?<!\w)(?:only(?: use| utili[sz]e| employ| accept| run| fit| train| try| consider| allow(?:ed)?| search| with)?|restrict(?:ed)? (?:it |yourself |the search )?to|limit(?:ed)? (?:it |yourself |the search )?to|stick(?:ing)? (?:to|with)|just (?:use|try)?|allowed(?: models?| families)?(?: are|:| is)?|choose (?:between|from|among)|either|nothing but|exclusively|pick from|consider)"
    + _HEDGE
    + r"$"
)
_MUST = re.compile(
    r"(?<!\w)(?:(?:development|creation|construction|training|building) of|must (?:be|use)|has to be|have to (?:be|use)|should (?:be|use)|needs? to be|use|using|with|want|train|fit|build|give me|make(?: me)?|required?:?|insist on|by means of|via|through|as|needs?|try|include|including|based on|powered by|prefer(?:ably|red)?|i'd like|model(?: type)?(?: is|:| =))"
    + _HEDGE
    + r"$"
)
_FOR_EXAMPLE = re.compile(
    r"\b(?:such as|for example|for instance|e\.g\.?|potentially|possibly|perhaps|maybe|for example with)\s+(?:an? |the )?$"
)
_NO_OTHER = re.compile(
    r"\b(?:no|not|never|\w*n't|without)\b[^.;]{0,30}\bother (?:kinds? of )?(?:models?|algorithms?|methods?|families|learners?)\b"
)
_AFTER_FORBID = re.compile(
    r"^\s*(?:models? )?,?\s*(?:no(?: thanks| way)?|nope)(?=\s*(?:[.,;!?]|$))|^\s*(?:models? )?(?:must|may|can|should|shall|will)(?: not|n't) be (?:used|included|tried|considered|chosen|part)|^\s*cannot be (?:used|included)|^\s*(?:models? )?(?:(?:are|is|was|were|must be|should be) )?(?:to be avoided|ruled out|rejected|forbidden|not allowed|banned|out|off the table|excluded|not an option|prohibited)"
)
_OPTIONAL = re.compile(
    r"^\s*(?:models? )?(?:(?:is|are|would be) (?:also |perfectly )?(?:fine|ok|okay|optional|allowed|welcome|possible|acceptable|nice|great|the future|overkill|overrated|popular)|if (?:possible|you like|you want|it helps)|are not mandatory|is not mandatory|or (?:whatever|anything|something))"
)
_AFTER_ONLY = re.compile(
    r"^\s*(?:models? )?(?:only|,?\s*no(?:thing)? more,? (?:and )?no(?:thing)? less|,?\s*(?:those|these)(?: \w+)? only|,?\s*and no others?|and only (?:them|that|those|it|this)|and nothing else|exclusively|or nothing|,?\s*nothing (?:else|more))(?!\w)|^\s*(?:models? )?(?:(?:will|would|should) do\b|suffices?\b|(?:is|are) (?:enough|sufficient)\b)|^\s*(?:models? )?(?:are|is) (?:the only|all (?:that|we))"
)
_ALONE = re.compile(
    r"(?:^|[.;:!?]\s+)(?:a |an |1 |one )?(?:\d+[\s-]+layers?[\s-]+)?(?:(?:deep|small|big|simple|explainable|interpretable|transparent|fast|tiny|plain|good|single|large|shallow)\s+)*$"
)
_AFTER_MUST = re.compile(
    r"^\s*(?:models? )?(?:(?:is|are) (?:a must|required|mandatory|obligatory)|(?:must|has to|have to|should|needs to) be (?:among|included|part|used|in|there|tried|considered))"
)
_JOIN = re.compile(
    r"^\s*(?:models?\s*)?(?:,|or|and|nor|/|&|,\s*(?:or|and|nor))\s*(?:an? |any |the |only |no |without )?$"
)
_MONOTONE = re.compile(
    r"\bmonoton\w*\s*(?:constraint)?[\s:]*(?P<t1>increasing|decreasing|non-?decreasing|non-?increasing|up|down|rising|falling)?(?:\s+(?:in|with|for|on|w\.?r\.?t\.?))?(?:\s+the)?\s+"
    r"|\b(?P<not>must(?: not|n't)|never|cannot|can't|should(?: not|n't)|may not|can only|may only|must|should|has to|needs to|only)\s+(?:only\s+|ever\s+|always\s+)?(?P<t2>increase|decrease|rise|fall|go up|go down|grow|shrink|drop)s?\s+(?:with|as|when|in)(?:\s+(?:the|more|higher|larger|increasing))*\s+"
    r"|\b(?P<t3>increasing|decreasing|non-?decreasing|non-?increasing)\s+(?:in|with)(?:\s+the)?\s+"
)
_GROWS = re.compile(
    r"\b(?:(?P<more>higher|more|larger|bigger|greater|increas\w+|rising|longer|older|a higher)|(?P<less>lower|less|smaller|fewer|shorter))\s+\"?$"
)
_PUSHES = re.compile(
    r"\"?\s+(?:must|may|can|should|shall|will|has to|have to)\s+(?:(?P<never>never|not)|(?P<only>only|always))?\s*(?:ever\s+)?(?:be allowed to\s+)?"
    r"(?:(?P<up>increase|raise|lift|push (?:\w+ ){0,3}up|drive (?:\w+ ){0,3}up|mean (?:a |an )?(?:higher|more|larger))|(?P<down>lower|reduce|decrease|push (?:\w+ ){0,3}down|drive (?:\w+ ){0,3}down|mean (?:a |an )?(?:lower|less|smaller)))\b(?!\s+(?:with|as|when|in)\b)"
)
_UP = ("increas", "ris", "up", "go up", "grow", "non-decreas", "nondecreas")
_BITS = (
    ("model.optimizer_state_bits", re.compile(r"\b([48])[\s-]?bits?\s+(?:\w+\s+)?(?:optimi[sz]ers?|adam\w*|adamw|states?|optim|lion|sgd|momentum)\b|\boptimi[sz]er(?: states?)?\s+(?:in|at|with|to|of|on)?\s*([48])[\s-]?bits?\b")),
    ("model.weight_bits", re.compile(r"\b(?:int|w)([48])\b(?!\s*(?:optimi|adam))|\b([48])[\s-]?bits?\s+(?:weights?|quanti[sz]\w+|integer\w*|model|inference|network)\b|\b(?:weights?|quanti[sz]e\w*)(?: \w+){0,2}\s+(?:in|at|to|with|as)?\s*([48])[\s-]?bits?\b")),
)  # fmt: skip


def read_models(sentence: Sentence) -> Iterator[Finding]:
    """Find the model families that are allowed, forbidden or asked for; what is the only one allowed is not asked for."""
    found = list(_models(sentence))
    allowed = [finding.value for finding in found if finding.key == "model.allow"]
    yield from (finding for finding in found if finding.key != "model.must" or finding.value not in allowed)


def _models(sentence: Sentence) -> Iterator[Finding]:
    mentions = _mentions(sentence)
    alone = bool(_NO_OTHER.search(sentence.clean))
    before_role: str | None = None
    for i, (name, start, end) in enumerate(mentions):
        joined = i > 0 and mentions[i - 1][0] != name and bool(_JOIN.match(sentence.clean[mentions[i - 1][2] : start]))
        role = _role(sentence, start, end) or (before_role if joined else None)
        if (
            role is None
            and not joined
            and i + 1 < len(mentions)
            and _JOIN.match(sentence.clean[end : mentions[i + 1][1]])
        ):
            role = (
                _role(sentence, *mentions[i + 1][1:])
                if _AFTER_FORBID.match(sentence.clean[mentions[i + 1][2] :])
                else None
            )
        role = _later_role(sentence, mentions[i:]) or role if not joined else role
        if joined and before_role == "model.must" and re.search(r"\bor\b", sentence.clean[mentions[i - 1][2] : start]):
            role = "model.must"
        before_role = role
        if role == "model.must" and alone:
            role = "model.allow"
        if role:
            yield Finding(role, [name], start, end)


def read_bits(sentence: Sentence) -> Iterator[Finding]:
    """Find how many bits the optimizer's state or the weights may take."""
    for key, pattern in _BITS:
        match = pattern.search(sentence.clean)
        if match:
            yield Finding(key, int(next(group for group in match.groups() if group)), *match.span())


def read_monotone(sentence: Sentence, names: Sequence[str] = ()) -> Iterator[Finding]:
    """Find which columns must push the prediction one way only."""
    mentions = {mention.start: mention for mention in find_mentions(sentence, names)} if names else {}
    yield from _pushed(sentence, list(mentions.values()))
    for match in sentence.find(_MONOTONE):
        trend = match["t1"] or match["t2"] or match["t3"]
        known = mentions.get(match.end()) or mentions.get(match.end() + 1)
        word = re.match(r'"?(\w+)', sentence.clean[match.end() :])
        if trend is None or word is None or (names and known is None):
            continue
        end = known.end if known else match.end() + word.end()
        column = known.name if known else sentence.words(match.end() + word.start(1), end)
        up = trend.startswith(_UP) or trend.startswith(("non-decr", "nondecr"))
        up = False if trend.startswith(("non-incr", "nonincr")) else up
        if re.search(r"not|n't|never|cannot", match["not"] or ""):
            up = not up
        yield Finding(f"model.monotone.{column}", "increasing" if up else "decreasing", match.start(), end)


def _pushed(sentence: Sentence, mentions: Sequence[Mention]) -> Iterator[Finding]:
    """Find which way a column may push: "higher stress must never lower it", "dose may only push it up"."""
    for mention in mentions:
        grows = _GROWS.search(sentence.before(mention.start))
        pushes = _PUSHES.match(sentence.clean[mention.end :])
        if pushes is None or (grows is None and not pushes["only"]):
            continue
        up = pushes["up"] is not None
        up = not up if pushes["never"] else up
        up = not up if grows and grows["less"] else up
        yield Finding(
            f"model.monotone.{mention.name}",
            "increasing" if up else "decreasing",
            mention.start,
            mention.end + pushes.end(),
        )


def _mentions(sentence: Sentence) -> list[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []
    for name, pattern in _MODELS:
        for match in sentence.find(pattern):
            bare = match[0] == "linear" and re.match(
                r"\s+(?:in|with|trend|interpol\w+|algebra|time)\b", sentence.clean[match.end() :]
            )
            if not bare and not any(match.start() < end and start < match.end() for _, start, end in found):
                found.append((name, *match.span()))
    return sorted(found, key=lambda item: item[1])


def _later_role(sentence: Sentence, mentions: Sequence[tuple[str, int, int]]) -> str | None:
    """Return the role that stands behind a list of models: "LightGBM or CatBoost, nothing else"."""
    last = mentions[0]
    for mention in mentions[1:]:
        if mention[0] == last[0] or not _JOIN.match(sentence.clean[last[2] : mention[1]]):
            break
        last = mention
    after = sentence.clean[last[2] :]
    if _AFTER_FORBID.match(after):
        return "model.forbid"
    return "model.allow" if _AFTER_ONLY.match(after) else None


def _role(sentence: Sentence, start: int, end: int) -> str | None:
    before, after = sentence.clean[max(0, start - 60) : start], sentence.clean[end:]
    if _FORBID.search(before) or _AFTER_FORBID.match(after):
        return "model.forbid"
    if _ONLY.search(before) or _AFTER_ONLY.match(after):
        return "model.allow"
    if _OPTIONAL.match(after):
        return None
    if _FOR_EXAMPLE.search(before):
        return None
    if _MUST.search(before) or _AFTER_MUST.match(after) or _ALONE.search(before):
        return "model.must"
    return None
