# ruff: noqa: E501
"""Metric words: which score, in which direction, and a value to reach."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autoagent.agent.understand.finding import Finding
from autoagent.agent.understand.numbers import NUM, tidy
from autoagent.agent.understand.phrases import phrase
from autoagent.agent.understand.sentence import Sentence

# name -> how people write it; longer names stand first because the first match at a place wins.
METRIC_WORDS: dict[str, str] = {
    "rand_index": r"(?:adjusted )?rand (?:index|score) / (?:adjusted_)?rand_score / ari",
    "recall_at_precision": r"recall (?:at|@) (?:a )?(?:fixed )?(?:\d+(?:\.\d+)? ?(?:%|percent)? )?precision / recall at \d+(?:\.\d+)?% precision",
    "mean_columnwise_rmsle": r"mean column ?wise rmsle / mcrmsle",
    "mean_roc_auc": r"mean (?:column ?wise )?(?:roc auc|auroc|auc|roc_auc) / (?:roc auc|auroc|auc) averaged over (?:the )?(?:labels|classes|columns)",
    "average_precision": r"average precision / pr auc / auprc / aucpr / prauc / au prc / area under (?:the )?(?:precision recall|pr)(?: curve)? / average_precision / auc pr",
    "roc_auc": r"au ?roc / roc auc / auc roc / roc_auc / rocauc / aucroc / auc / area under (?:the )?(?:roc|receiver operating characteristic)?(?: )?curve / area under (?:the )?(?:roc|receiver operating characteristic) / roc / c statistic / gini",
    "balanced_accuracy": r"balanced accuracy / balanced_accuracy / bacc / balanced acc / bal\.? acc(?:uracy)?",
    "macro_f1": r"macro f1(?: score)? / macro f(?: score| measure)? / f1 macro / macro averaged f1(?: score)? / f1_macro / macro_f1 / macro average f1 / mean f1(?: score)? / f1 \(macro\)",
    "weighted_f1": r"weighted f1(?: score)? / weighted f(?: score| measure)? / f1 weighted / weighted averag(?:e|ed) f1(?: score)? / weighted_f1 / f1_weighted / f1 \(weighted\)",
    "micro_f1": r"micro f1(?: score)? / f1 micro / micro averaged f1 / f1_micro / micro_f1",
    "entity_f1": r"entity(?: level)? f1(?: score)? / span f1 / entity_f1",
    "f1": r"f1(?: score| measure)? / f score / f measure / f one",
    "top_5_accuracy": r"top 5 accuracy",
    "accuracy": r"accuracy / acc / percent(?:age)? correct / hit rate / correct classification rate / fraction correct",
    "log_loss": r"log ?loss / logloss / log likelihood loss / (?:multi ?class )?logarithmic loss / cross entropy(?: loss)? / log_loss / logarithmic loss / nll / negative log likelihood",
    "brier": r"brier(?: score| loss)?",
    "quadratic_weighted_kappa": r"quadratic(?:ally)? weighted (?:cohen'?s? )?kappa / qwk / quadratic kappa / quadratic_weighted_kappa / weighted kappa / kappa (?:score )?(?:with|using|under|and) (?:a )?(?:quadratic|squared) weight(?:s|ing)? / quadratic weights? kappa",
    "rmsle": r"rmsle / (?:rmse|root mean squared? error(?: \(rmse)?)\)? (?:metric |score |error |loss )?(?:between|of|on) (?:the )?log(?:arithm)?s? / root mean squared? log(?:arithmic)? error",
    "rmse": r"rmse / root mean squared? (?:prediction )?error / rms error / root mse / root_mean_squared_error",
    "mse": r"mse / mean squared? (?:error|err|deviation) / (?:mean )?error quadratic(?: mean)? / mean quadratic error / quadratic mean error / squared error",
    "rmspe": r"rmspe / root mean squared? percent(?:age)? error",
    "smape": r"smape / symmetric mape / symmetric mean absolute percent(?:age)? error",
    "mape": r"mape / mean absolute percent(?:age)? error / percent(?:age)? error",
    "rmsse": r"rmsse / root mean squared? scaled error",
    "mase": r"mase / mean absolute scaled error",
    "mae": r"mae / mean abs(?:olute)?\.? (?:error|err|deviation) / (?:average|mean|typical) (?:error|deviation|miss) / off by \d+(?:\.\d+)? (?:\w+ )?on average / absolute error / error (?:medium |mean |average )?absolute(?: mean)? / absolute mean error / average absolute error / mean_absolute_error",
    "mean_pinball": r"(?:mean )?(?:pinball|quantile) loss / mean_pinball / mean pinball / pinball",
    "r2": r"r2(?: score)? / r\^2 / r squared / r² / coefficient of determination / explained variance",
    "oks_map": r"oks(?: m?ap)? / object key ?point similarity",
    "dice": r"dice(?: score| coefficient| index)? / dsc",
    "miou": r"miou / mean iou / iou / jaccard(?: index)? / intersection over union / mean intersection over union / mean_iou",
    "rouge_l": r"rouge l / rouge_l / rougel",
    "rouge_1": r"rouge 1",
    "rouge_2": r"rouge 2",
    "silhouette": r"silhouette(?: score| coefficient)?",
    "bleu": r"bleu(?: score)?",
    "word_error_rate": r"wer / word error rate",
    "mcc": r"mcc / matthews(?: correlation)?(?: coefficient)? / phi coefficient",
    "cohen_kappa": r"(?:cohen'?s? )?kappa",
    "spearman": r"spearman(?: correlation)?(?: coefficient)?",
    "mrr": r"mrr / mean reciprocal rank",
    "precision": r"precision / positive predictive value / ppv",
    "recall": r"recall / sensitivity / true positive rate / tpr",
    "specificity": r"specificity / true negative rate",
    "concordance_index": r"c index / concordance(?: index)?",
}  # fmt: skip
_NAMES = [(name, phrase(words)) for name, words in METRIC_WORDS.items()]
_AT = (
    ("ndcg", re.compile(r"\bndcg(?:\s?(?:@|at)\s?(\d+))?(?!\w)")),
    ("map", re.compile(r"\bm(?:ean )?ap(?:\s?(?:@|at)\s?(?:iou\s?(?:=|of)?\s?)?(\.\d+|\d+(?:\.\d+)?(?::\d?\.\d+)?))?(?!\w)|\bmean average precision(?:\s?(?:@|at)\s?(?:iou\s?(?:=|of)?\s?)?(\d*\.?\d+))?")),
    ("map", re.compile(r"\b(?:box |mask )?m?ap\s?(?:@|at|over|from|for)?\s?(?:iou\s?)?\[?(0?\.\d+\s?(?::|to|-|\.\.)\s?0?\.\d+)\]?|\bmap_?(50|75)(?:\b|(?=-))|\baverage precision\s?(?:@|at|over|for)\s?iou\s?(?:=|of)?\s?(0?\.\d+(?:\s?(?::|to|-)\s?0?\.\d+)?)|\b(?:box |mask )ap\b|\bap\s?@\s?(0?\.\d+)")),
    ("pck", re.compile(r"\b(?:pck|percentage of correct key ?points)(?:(?:\s?(?:@|at)|\s(?=0?\.\d)|,?\s(?:with|using)?\s?(?:an?\s)?(?:threshold|thr|tolerance|alpha|radius)(?:\sof|\s?=|:)?)\s?(\d*\.\d+))?(?!\w)")),
    ("precision", re.compile(r"\bprecision\s?(?:@|at)\s?(\d+)\b(?!\s?(?:%|percent))")),
    ("hit_rate", re.compile(r"\bhit rate\s?(?:@|at)\s?(\d+)\b")),
)  # fmt: skip
MINIMISED = frozenset(
    [
        "log_loss",
        "brier",
        "rmse",
        "mse",
        "mae",
        "mape",
        "rmsle",
        "mean_columnwise_rmsle",
        "mase",
        "rmsse",
        "smape",
        "mean_pinball",
        "word_error_rate",
        "rmspe",
    ]
)
CLASS_METRICS = frozenset(
    [
        "roc_auc",
        "mean_roc_auc",
        "average_precision",
        "accuracy",
        "balanced_accuracy",
        "f1",
        "macro_f1",
        "micro_f1",
        "weighted_f1",
        "precision",
        "recall",
        "recall_at_precision",
        "log_loss",
        "brier",
        "mcc",
        "cohen_kappa",
        "specificity",
        "top_5_accuracy",
    ]
)
VALUE_METRICS = frozenset(
    [
        "rmse",
        "mse",
        "mae",
        "mape",
        "rmsle",
        "mean_columnwise_rmsle",
        "r2",
        "mase",
        "rmsse",
        "smape",
        "mean_pinball",
        "spearman",
    ]
)
_BAD = phrase(
    r"not / never / no / without / n't / isn't / is not / rather than / instead of / not by / don't use / ignore"
)
_MAX = re.compile(
    r"\b(?:maximi[sz]e|maximi[sz]ing|maximum|maximal|highest|as high as possible|as (?:high|large) as (?:you can|possible)|the higher the better|push up|greatest|largest)\b"
)
_MIN = re.compile(
    r"\b(?:minimi[sz]e|minimi[sz]ing|minimum|minimal|lowest|as (?:low|small) as (?:you can|possible)|the (?:lower|smaller) the better|smallest|reduce|reducing|least)\b"
)
_VERBS = re.compile(
    r"\b(?:maximi[sz]\w+|minimi[sz]\w+|highest|lowest|greatest|smallest|largest|maximal|minimal|reduc\w+|least|maximum|minimum|push up)(?:\s+(?:the|possible|a|my|our|overall|test|validation|mean|average|of)){0,3}\s*$"
)
_LATER = re.compile(
    r"^[\s,]*\)?[\s,]*(?:(?:should|must|needs to|to|has to|is to)?\s*be\s+)?(?:is |should be )?(?:(?:as )?(?:high|low|small|large) as (?:possible|you can)|(?:the |which is |that is )?(?:smallest|lowest|highest|largest|greatest) (?:possible|you can)|the (?:higher|lower|smaller) the better|maximi[sz]ed|minimi[sz]ed|maximal|minimal|greatest|lowest|highest|smallest)(?!\s+(?:when|at|in|for))"
)
_REACH = r"(?:(?:not |never )?(?:to )?(?:be |falls? |drops? |goes |go |gets? |stays? |comes? |rises? |lands? |climbs? |sinks? |ends? up )(?:below|under|above|over|to|at)|of|at least|at least at|at or above|no less than|not less than|no worse than|above|over|better than|more than|greater than|exceed(?:ing|s)?|below|under|less than|at most|no more than|not more than|not (?:above|over|beyond|higher than)|lower than|beat(?:ing|s)?|reach(?:ing|es)?|hit(?:ting|s)?|pass(?:es)?|gets? (?:to|above|over)|get(?:ting)? to|>=?|<=?|=>|=|:|to|is|be|must be|should be|needs to be|has to be|target(?: of)?|around|about|minimum of|up to|within|shall|shall be|goal)"
_VALUE_AFTER = re.compile(
    rf"^\s*\)?\s*(?:score\s+|value\s+)?(?:(?:on|of|for)\s+(?:the\s+)?[a-z]\w*\s+)?(?:\(\s*)?(?:(?:should|must|has to|needs to|need|on the test set|goal|we need|i need|ought to|shall)\s+)?(?:be\s+)?(?:{_REACH}\s+)*{_REACH}\s*(?P<n>{NUM})\s?(?P<p>%|percent|per cent)?(?![\w@:]|\.\d)"
)
_VALUE_NEXT = re.compile(
    rf"^\s*(?:matters?|counts?|is)\s+(?:the\s+)?(?:most|a lot|important|key|what counts)\s*[:,;.-]\s*(?:it (?:should|must) be\s+)?(?:at least|at most|above|over|below|under)\s+(?P<n>{NUM})\s?(?P<p>%|percent|per cent)?"
)
_VALUE_BEFORE = re.compile(
    rf"(?:^|\s)(?P<n>{NUM})\s?(?P<p>%|percent|per cent)?\+?(?:\s+or\s+(?:better|more|higher|above))?\s+(?:of\s+)?(?:or better\s+|test\s+|validation\s+|overall\s+|in\s+|or higher\s+|classification\s+|prediction\s+|mean\s+|average\s+)*(?:the\s+)?$"
)
_BARE_AFTER = re.compile(rf"^\s+(?P<n>0?\.\d+)(?![\w@:])|^\s*(?P<n2>{NUM})\s?(?P<p>%)")
_BARE_SHARE = re.compile(rf"^\s*(?P<n>{NUM})\s?(?P<p>%|percent)(?!\w)")
_UNITS_AFTER = re.compile(
    r"^\s*(?:ms|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|days?|[kmg]b|megs?|megabytes?|kilobytes?|gigabytes?|trials?|cores?|\$|dollars?|cents?|bucks)\b"
)
_UNWANTED = re.compile(
    r"^\s*(?:is|are|was)?(?: not|n't)\s+(?:that |so |very |really |too )?(?:important|relevant|interesting|needed|what|the point|a good|good|useful|helpful|suitable|the metric|ok)|^\s*(?:does(?: not|n't)|do(?: not|n't)) (?:matter|count|help|interest)|^\s*(?:is|would be|was) (?:unknown|meaningless|unclear|new) to|^\s*(?:is|would be) (?:irrelevant|unimportant|misleading|useless|a bad|meaningless)"
)
_PAST = re.compile(
    r"\b(?:last (?:year|month|time|week)|previous(?:ly)?|before|used to|reached|achieved|had|got|was|were|current(?:ly)?|today|so far|old (?:model|one|system))\b[^;]{0,40}$"
)
_COLUMN_AFTER = re.compile(r"^\s*(?:column|as (?:the )?target|field)\b")
_OBJECT_BEFORE = re.compile(
    r"\b(?:predict|forecast|column|called|named|(?<!we )(?<!i )target(?: is|:)?)\s+(?:the\s+)?$"
)
BOUNDED = (CLASS_METRICS - {"log_loss", "brier"}) | {
    "entity_f1",
    "r2",
    "quadratic_weighted_kappa",
    "silhouette",
    "miou",
}
_AT_PRECISION = re.compile(
    rf"recall (?:at|@) (?:a )?(?:fixed )?(?:precision\s?(?:of|=|>=|at least)?\s?)?(?P<n>{NUM})\s?(?P<p>%|percent)?(?:\s+precision)?|recall (?:at|@) (?:a )?(?:fixed )?precision (?:of |>= ?|= ?|at least )?(?P<n2>{NUM})\s?(?P<p2>%|percent)?|(?:recall|sensitivity)\b[^.;\d]{{0,30}}\bprecision (?:is |stays |remains )?(?:at least |at |of |above |over |>=? ?)(?P<n4>{NUM})\s?(?P<p4>%|percent)|recall when precision is (?:at least )?(?P<n3>{NUM})\s?(?P<p3>%|percent)?"
)
_PREFER_LATER = phrase(
    "judged by / judge by / scored by / optimi[sz]e(?: for)? / metric(?: is|:)? / measured by / evaluated by / evaluate(?:d)? (?:with|on|using)"
)
_QUANTILES = re.compile(
    rf"(?P<q>(?<![\w.]){NUM}(?:th)?(?:\s*(?:,|and|,\s*and|/|;)\s*{NUM}(?:th)?)+)\s*(?:%|percent)?\s+(?:quantiles?|percentiles?)"
)
_QUANTILE_LIST = re.compile(
    rf"\b(?:quantiles?|percentiles?|pinball(?: loss)?|tau|levels?|alphas?)\b[^\d.;]{{0,30}}(?P<q>(?<![\w.])(?:p\s?)?{NUM}(?:th|%)?(?:\s*(?:,\s*and|,|and|/|;)\s*(?:p\s?)?{NUM}(?:th|%)?(?!\w))+)"
    rf"|(?P<p>\bp\d\d?(?:\s*(?:,\s*and|,|and|/)\s*p\d\d?)+)\b"
)
_MEASURED_BY = re.compile(
    r"^\s*,?\s*(?:(?:is|are|will be|should be|as)?\s*(?:measured|evaluated|judged|quantified|expressed|assessed|given)?\s*(?:with|by|via|through|in terms of|according to|using|as measured by))\b"
)
_RARE = r"(?:minimi[sz]\w+|avoid\w*|reduc\w+|(?:as )?few(?:er|est)?|hardly any|limit\w*|keep down|cut)"
_ERRORS = (
    ("precision", re.compile(rf"\b{_RARE} (?:the |any |all |as possible )?(?:number of )?(?:false positives?|false alarms?)(?! (?:per|a|each|every)\b)"), "few false positives means a high precision"),
    ("recall", re.compile(rf"\b{_RARE} (?:the |any |all )?(?:number of )?(?:false negatives?|missed (?:cases|\w+))"), "few false negatives means a high recall"),
)  # fmt: skip
_SECOND = re.compile(
    r"\b(?:also (?:report|show|print|tell me|log)|report(?: me)?(?: also)?|and report|as well as|secondary|besides|in addition)\b[^.;]{0,20}$"
)


def read_metric(sentence: Sentence) -> Iterator[Finding]:
    """Find the metric, its direction where it is said, its parameters and the value to reach."""
    special = _recall_at_precision(sentence)
    if special:
        yield from special
        return
    yield from _quantiles(sentence)
    found = _mentions(sentence)
    if not found:
        yield from _meant(sentence)
        return
    name, start, end = _chosen(sentence, found)
    yield Finding("metric.name", name, start, end)
    yield from _direction(sentence, start, end)
    for other, first, last in found:
        if other == name:
            reach = list(_threshold(sentence, name, first, last))
            yield from reach[:1]
            if reach:
                return


def _meant(sentence: Sentence) -> Iterator[Finding]:
    """Infer the metric from the error that must be rare, where no metric is named."""
    for name, pattern, reason in _ERRORS:
        match = pattern.search(sentence.clean)
        if match:
            yield Finding("metric.name", name, *match.span(), reason)
            return


def known_metric(name: str) -> str | None:
    """Return the vocabulary's name for a metric as written ("PR AUC", "f1_macro", "ndcg@10"), or None."""
    text = re.sub(r"\s+", " ", name.strip().lower())
    for form in (text, text.replace("_", " ")):
        if form in METRIC_WORDS:
            return form
        for known, pattern in _AT:
            match = pattern.fullmatch(form)
            if match:
                at = next((group for group in match.groups() if group), None)
                return f"{known}@{at}" if at else known
        for known, pattern in _NAMES:
            if pattern.fullmatch(form):
                return known
    return None


def _quantiles(sentence: Sentence) -> Iterator[Finding]:
    for match in (*sentence.find(_QUANTILES), *sentence.find(_QUANTILE_LIST)):
        listed = match["q"] or match["p"]
        numbers = [float(number) for number in re.findall(NUM, listed)]
        values = [tidy(number / 100) if number >= 1 else number for number in numbers]
        if all(0 < value < 1 for value in values):
            yield Finding("metric.params.quantiles", values, *match.span("q" if match["q"] else "p"))
            return


def _recall_at_precision(sentence: Sentence) -> list[Finding]:
    match = _AT_PRECISION.search(sentence.clean)
    if not match or "precision" not in sentence.clean[match.start() : match.end() + 12]:
        return []
    number = next(match[g] for g in ("n", "n2", "n3", "n4") if match[g])
    share = any(match[g] for g in ("p", "p2", "p3", "p4"))
    value = float(number) / (100 if share or float(number) > 1 else 1)
    span = match.span()
    named = Finding("metric.name", "recall_at_precision", *span)
    return [named, Finding("metric.params.precision", tidy(value), *span)]


def _mentions(sentence: Sentence) -> list[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []
    for name, pattern in _AT:
        for match in sentence.find(pattern):
            at = next((group for group in match.groups() if group), None)
            if name == "precision" and at is None:
                continue
            at = re.sub(r"\s*(?:to|-|\.\.)\s*", ":", at) if at and name == "map" else at
            at = re.sub(r"(?<!\d)\.", "0.", at) if at else at
            at = f"0.{at}".rstrip("0") if name == "map" and at in ("50", "75", "90", "95") else at
            found.append((f"{name}@{at}" if at else name, *match.span()))
    for name, pattern in _NAMES:
        for match in sentence.find(pattern):
            first, last = match.span()
            if not any(first < stop and start < last for _, start, stop in found) and _is_metric(
                sentence, name, first, last
            ):
                found.append((name, first, last))
    found.sort(key=lambda item: item[1])
    followers = [*found[1:], None] if found else []
    pairs = zip(found, followers, strict=True)
    return [item for item, after in pairs if not _says_how(sentence, item, after)]


def _says_how(sentence: Sentence, item: tuple[str, int, int], after: tuple[str, int, int] | None) -> bool:
    """Say whether "accuracy" is only the everyday word, measured by the metric that follows: "accuracy by RMSLE"."""
    if item[0] not in ("accuracy", "precision") or after is None:
        return False
    between = sentence.clean[item[2] : after[1]]
    return len(between) < 40 and bool(_MEASURED_BY.match(between))


def _is_metric(sentence: Sentence, name: str, start: int, end: int) -> bool:
    before, after = sentence.before(start), sentence.after(end)
    if _COLUMN_AFTER.match(after) or _OBJECT_BEFORE.search(before):
        return False
    if _UNWANTED.match(after):
        return False
    if re.search(rf"{_BAD.pattern}\s*(?:the |plain |raw |simple |by )?$", before):
        return False
    if name == "accuracy" and re.match(
        r"\s+and\s+(?:efficiency|speed|reliability|robustness|integrity|quality|trust)\b", after
    ):
        return False
    if name == "recall" and re.match(r"\s+(?:that|the|from|notices?|campaigns?)\b", after):
        return False
    if name == "precision" and re.match(
        r"\s+(?:agriculture|medicine|farming|instrument\w*|engineering|parts?|tools?)\b", after
    ):
        return False
    if name in ("precision", "accuracy") and re.search(
        r"\b(?:half|mixed|full|single|double|bit|floating point|numerical)[\s-]+$", before
    ):
        return False
    return not (name == "accuracy" and re.search(r"\b(?:gps|location|measurement|sensor)\s+$", before))


def _chosen(sentence: Sentence, found: list[tuple[str, int, int]]) -> tuple[str, int, int]:
    first_class = [item for item in found if not _SECOND.search(sentence.before(item[1]))] or found
    for item in first_class:
        if re.search(rf"{_PREFER_LATER.pattern}\s+(?:the |a |its |their |mean |best )*$", sentence.before(item[1])):
            return item
    return first_class[0]


def _direction(sentence: Sentence, start: int, end: int) -> Iterator[Finding]:
    verb = _VERBS.search(sentence.clean[:start])
    later = _LATER.match(sentence.clean[end:])
    said = verb[0] if verb else later[0] if later else ""
    span = (verb.start(), end) if verb else (start, end + later.end()) if later else (start, end)
    if _MIN.search(said) or re.search(r"minim|lower|lowest|smaller|smallest|low as|small as", said):
        yield Finding("metric.direction", "min", *span)
    elif _MAX.search(said) or re.search(r"maxim|higher|highest|greatest|high as|large as", said):
        yield Finding("metric.direction", "max", *span)


def _threshold(sentence: Sentence, name: str, start: int, end: int) -> Iterator[Finding]:
    after, before = sentence.clean[end:], sentence.clean[:start]
    later = (
        _VALUE_AFTER.match(after) or _VALUE_NEXT.match(after) or _BARE_AFTER.match(after) or _BARE_SHARE.match(after)
    )
    earlier = None if later else _VALUE_BEFORE.search(before)
    match = later or earlier
    if match is None or (later and _is_another_limit(name, later[0], after[later.end() :])):
        return
    if earlier and _PAST.search(before[-60:]):
        return
    groups = match.groupdict()
    number = float(groups.get("n") or groups["n2"])
    share = bool(groups.get("p"))
    if name in BOUNDED:
        if number > 1 or share:
            number /= 100
        if number > 1 and share:  # "130 percent": said, and refused as impossible
            yield Finding("metric.threshold", tidy(number), start, end)
            return
        if not 0 <= number <= 1:
            return
        if earlier and not share and not 0 < number < 1:
            return
    elif share:
        number /= 100
    elif earlier:
        return
    span = (start, end + later.end()) if later else (match.start("n"), end)
    yield Finding("metric.threshold", tidy(number), *span)


def _is_another_limit(name: str, lead: str, after: str) -> bool:
    """Say whether the number behind a metric is a budget: "AUC in 5 minutes" is, "MAE below 5 minutes" is not."""
    if not _UNITS_AFTER.match(after):
        return False
    return name not in VALUE_METRICS or not re.search(
        r"\b(?:of|below|under|less than|lower than|better than)\b|<", lead
    )
