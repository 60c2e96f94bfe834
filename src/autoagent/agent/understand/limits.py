# ruff: noqa: E501
"""Limits with a unit: which budget, size or speed a quantity speaks of is decided by the words around it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autoagent.agent.understand.finding import Finding
from autoagent.agent.understand.numbers import NUM, tidy
from autoagent.agent.understand.sentence import Sentence
from autoagent.agent.understand.units import Quantity, quantities

_CUE_BEFORE = re.compile(
    r"(?:at most|at the most|no more than|not more than|no longer than|not longer than|no bigger than|not exceed(?:ing)?|does(?: not|n't) exceed|within|under|below|less than"
    r"|smaller than|fewer than|up to|max(?:imum)?(?: of)?|max:?|in|inside|for|only|just|budget(?: of| is|:)?|limit(?:ed)?(?: to| of| is|:)?|cap(?:ped)?(?: at| of)?|about|around|roughly"
    r"|approximately|some|ca|have|got|give (?:it|you|yourself)|you have|you get|takes?|taking|like|longer than like|spend(?:ing)?|use|using|allow(?:ed)?|over in|<=?|=<|~|:|than|exceeding|exceed|is|be|of|ceiling|stay(?:s)? under|timebox(?:ed)?(?: to)?|after)"
    r"(?:\s+(?:a|the|about|around|roughly|some|only|just|just under|total of|maximum of|max|budget of|limit of|ceiling of))*\s*[:=]?\s*$"
)
_CUE_AFTER = re.compile(
    r"^[\s-]*(?:max(?:imum)?\b|tops\b|at (?:the )?most|at the outside|budget|limit|cap\b|ceiling|or (?:less|under|below|so|smaller)|of (?:training|compute|search|time|wall|tuning)|training|train|to (?:train|finish|search|fit|run|spend|do)|total|search|in total|altogether|time (?:limit|budget)|is (?:all|the|fine|plenty|enough)|per run|should (?:be enough|do)|on the clock|and not)"
)
_TRAIN = re.compile(
    r"\b(?:train|training|fit|fitting|search|searching|tune|tuning|budget|time ?limit|time ?box|wall[- ]?clock|compute|run|running|finish|finished|done|ready|time|spend|minutes? max|experiment)\b"
)
_LATENCY = re.compile(
    r"\b(?:latency|inference|infer|respond(?:s|ing)?|response|per (?:row|image|request|sample|call|query|prediction|record|item|example|transaction|frame)|(?:each|every|a|one|single) (?:prediction|request|call|query|row|image|frame)"
    r"|scor(?:e|es|ing) (?:a|one|each|time)|serv(?:e|es|ing)|p\d\d|predictions? (?:must|should|need|has|have|in|within|under|take|time)|prediction time|predict(?:s|ing)? (?:in|within|under)|answers? (?:in|within|under)|real[- ]?time|round[- ]?trip|percentile)\b"
)
_DELAY = re.compile(r"\bdetect(?:ion|ed|s)?\b.{0,20}\b(?:delay|within|lag|late)\b|\b(?:delay|lag)\b")
_DATED = re.compile(
    r"^[\s-]*(?:old|ago|histor\w*|worth|of (?:data|history|logs|records|sales|measurements|observations|readings|\w+ data)|long|windows?|intervals?|resolution|ahead|in advance|into the future|out\b|from now|sessions?|calls?\b|videos?|clips?|trial periods?|free|contracts?|steps?|buckets?|bins?|apart|later|before|prior|earlier|horizon|forecasts?|of (?:sales|demand|log|sensor|price)|averages?|returns?|survival|mortality|readmission|churn|warranty|period|gap|seasonal\w*|cycles?|season)"
)
_SPAN_BEFORE = re.compile(
    r"\b(?:last|past|previous|final|latest|most recent|next|following|coming|every|each|first|since|after|older than|younger than|aged|ahead by|horizon(?: of| is|:)?|lag(?: of)?|gap of|step(?:s|ping)?(?: of)?|look(?:s|ing)? ahead|over|during|covers?|covering|spans?|spanning|collected (?:for|over)|window of|seasonality of)\s*$"
)
_EVENT = re.compile(
    r"\b(?:whether|if|who|which|likely|probability|chance|churn\w*|cancel\w*|return\w*|default\w*|readmit\w*|readmission|fail\w*|leav\w*|buy\w*|convert\w*|die\w*|pay\w*|repay\w*|happen\w*|break\w*|resubscri\w*|click\w*)\b[^,;]*$"
)
_GPU_MEMORY = re.compile(
    r"\b(?:v-?ram|gpu (?:memory|ram|has|with)|(?:of )?memory (?:of|on) (?:the )?gpu|video memory|graphics (?:card|memory)|gpu)\b"
)
_OTHER_MEMORY = re.compile(
    r"\b(?:ram|memory|disk space|hard (?:disk|drive)|laptop has|machine has|upload|bandwidth|swap)\b"
)
_DATA_SIZE = re.compile(
    r"\b(?:csv|parquet|file|data ?set|data|table|logs?|corpus|dump|spreadsheet|database|images?|folder|archive|zip)\b"
)
_MODEL_SIZE = re.compile(
    r"\b(?:model|models|weights?|checkpoint|artifact|artefact|network|net|binary|onnx|tflite|package|footprint|size|small(?:er)?|flash|storage|fits?|fitting|deploy\w*|deliver\w*|exported|classifier|regressor|predictor|it|result)\b"
)
_LLM_COST = re.compile(
    r"\b(?:llm|api|tokens?|spend|spending|cost|costs|budget|bill|money|pay|openai|gpt|claude|language model|calls?)\b"
)
_PRICE = re.compile(
    r"\b(?:price[sd]?|salary|salaries|income|revenue|sales|worth|sold|houses?|loans?|amounts?|fares?|earn\w*|mae|rmse|error|purchase\w*|fine|invoice|off by|premium)\b"
)
_LIMIT_BEFORE = re.compile(
    r"(?:at (?:the )?most|no more than|not more than|max(?:imum)?(?: of)?|under|below|less than|up to|within|cap(?:ped)?(?: at| of)?|limit(?: of|:)?|<=?|not exceed|:|only|spend|budget(?: of| is|:)?)\s*$"
)
_PERCENTILE = re.compile(
    r"\bp\s?(\d\d(?:\.\d)?)\b|\b(\d\d(?:\.\d)?)(?:th|st|nd|rd)?[\s-]percentile\b|\b(median) latency\b"
)
_ENERGY_AWAY = re.compile(r"\b(?:consumption|predict|column|meter|produced|demand of)\b")


def read_limits(sentence: Sentence) -> Iterator[Finding]:
    """Find the limits that are stated as a quantity with a unit."""
    for quantity in quantities(sentence):
        before, after = sentence.clause(quantity.start, quantity.end)
        key = _role(sentence, quantity, before, after)
        if key is None:
            continue
        factor = 1000 if key in ("constraints.latency_ms", "constraints.detection_delay_ms") else 1
        yield Finding(key, tidy(quantity.value * factor), quantity.start, quantity.end)
        if key == "constraints.latency_ms":
            yield from _percentile(sentence, quantity)


def _role(sentence: Sentence, quantity: Quantity, before: str, after: str) -> str | None:
    if quantity.dimension == "duration_s":
        return _duration_role(quantity, before, after)
    if quantity.dimension == "size_mb":
        return _size_role(sentence, quantity, before, after)
    if quantity.dimension == "usd":
        return _money_role(before, after)
    if quantity.dimension == "energy_wh" and not _ENERGY_AWAY.search(before[-40:]):
        return "constraints.energy_wh"
    return None


def _duration_role(quantity: Quantity, before: str, after: str) -> str | None:
    near = f"{before[-70:]} | {after[:50]}"
    if _SPAN_BEFORE.search(before) or _DATED.search(after):
        return None
    if _DELAY.search(near) and quantity.value <= 3600 and quantity.unit != "m":
        return "constraints.detection_delay_ms"
    if _LATENCY.search(near) and quantity.value <= 60:
        return "constraints.latency_ms"
    cued = bool(_CUE_BEFORE.search(before)) or bool(_CUE_AFTER.search(after))
    if quantity.value < 1:
        return "constraints.latency_ms" if cued or not before.strip() else None
    if quantity.unit == "s" and quantity.value < 2 and not cued:
        return None
    trains = bool(_TRAIN.search(near))
    if _EVENT.search(before) and not trains and (quantity.value >= 3600 or not cued):
        return None
    if quantity.value > 7200 and quantity.unit not in ("hour", "h", "hr", "min", "minute") and not trains:
        return None
    bare = not before.strip() and not after.strip(" .!?")
    if quantity.unit in ("d", "m", "s", "h") and not (cued or trains or bare):
        return None
    if before.strip() and not (cued or trains):
        return None
    if not before.strip() and not (bare or cued or trains):
        return None
    return "constraints.train_time_s"


def _size_role(sentence: Sentence, quantity: Quantity, before: str, after: str) -> str | None:
    near_before, near_after = before[-45:], after[:35]
    if _GPU_MEMORY.search(near_before) or re.search(r"^\s*(?:of )?(?:gpu|v-?ram|graphics|video)", near_after):
        return "constraints.gpu_memory_mb"
    if _OTHER_MEMORY.search(near_after[:18]) or re.search(r"\b(?:ram|memory)\b[^,]{0,12}$", near_before):
        return None
    limited = bool(_CUE_BEFORE.search(before)) or bool(_CUE_AFTER.search(after))
    is_model = bool(_MODEL_SIZE.search(near_before)) or bool(
        re.search(
            r"^\s*(?:model|network|file|weights|artifact|onnx|net|limit|max|tops|in size|on disk|of flash|footprint)",
            near_after,
        )
    )
    if _DATA_SIZE.search(near_before[-28:]) and not re.search(
        r"\b(?:model|onnx|weights|checkpoint|export\w*|network)\b", near_before
    ):
        return None
    if re.search(
        r"^\s*(?:of )?(?:csv|parquet|data|dataset|logs?|table|images|text|records|dump|spreadsheet|json)\b", near_after
    ):
        return None
    bare = not before.strip() and not after.strip(" .!?")
    return "constraints.model_size_mb" if is_model or limited or bare else None


def _money_role(before: str, after: str) -> str | None:
    near = f"{before[-60:]} | {after[:40]}"
    if _LLM_COST.search(near) and not (_PRICE.search(near) and not re.search(r"\b(?:llm|api|tokens?)\b", near)):
        return "constraints.llm_cost_usd"
    if _PRICE.search(near):
        return None
    bare = not _LIMIT_BEFORE.sub("", before).strip() and not after.strip(" .!?")
    limited = bool(_LIMIT_BEFORE.search(before)) or bool(_CUE_AFTER.search(after))
    return "constraints.llm_cost_usd" if bare or limited else None


def _percentile(sentence: Sentence, quantity: Quantity) -> Iterator[Finding]:
    for match in sentence.find(_PERCENTILE):
        if abs(match.start() - quantity.start) < 60:
            value = 50.0 if match[3] else float(match[1] or match[2])
            yield Finding("constraints.latency_percentile", tidy(value), *match.span())
            return


_COUNTS: tuple[tuple[str, re.Pattern[str], float], ...] = tuple(
    (key, re.compile(pattern), factor)
    for key, pattern, factor in (
        ("constraints.early_stop_patience_trials", rf"(?:stop|give up|quit|patience)[^,;.]{{0,30}}?\b({NUM})\s+(?:trials?|configurations?|configs?|experiments?|runs?|attempts?|rounds?)?\s*(?:in a row |straight |consecutive )?(?:without|with no|bring(?:s)? no|no (?:gain|improvement))?|\b({NUM})\s+(?:trials?|configurations?|experiments?|runs?|attempts?)\s+(?:in a row\s+)?(?:without|with no|bring no)\s+(?:an? |any )?(?:improve\w*|gain|progress)|patience (?:of )?({NUM})", 1),
        ("constraints.max_trials", rf"\b({NUM})\s+(?:different\s+|hpo\s+|search\s+|tuning\s+|optuna\s+)?(?:trials?|configurations?|configs?|experiments|hyper-?parameter (?:sets|settings|combinations)|attempts|candidates|evaluations|models? (?:tried|at most|max))\b(?!\s+(?:in a row|without|with no|bring|straight))|\b(?:trials?|configurations|experiments|attempts)\s*(?:<=?|:|=|limit(?: of)?|budget(?: of)?|max(?:imum)?)\s*({NUM})|\btry (?:at most |no more than |up to |only |max )?({NUM}) (?:models|things|settings|combinations|setups)", 1),
        ("constraints.params_m", rf"\b({NUM})\s?(?:trainable |learnable |model )?(?:param(?:eter)?s?|weights(?! file))\b", 1e-6),
        ("constraints.params_m", rf"\b({NUM})\s?m(?:illion)?[\s-]?(?:trainable |learnable )?param(?:eter)?s?\b", 1),
        ("constraints.gflops", rf"\b({NUM})\s?g(?:iga)?-?flops?\b", 1),
        ("constraints.gflops", rf"\b({NUM})\s?m(?:ega)?-?flops?\b", 1e-3),
        ("constraints.cpu_cores", rf"\b({NUM})[\s-]?(?:cpu[\s-])?(?:cores?|cpus|vcpus?|processors)\b|\b({NUM})\s+cpu threads\b", 1),
        ("constraints.n_gpus", rf"\b({NUM})\s?x?\s?(?:\w{{1,8}}\s)?gpus?\b(?!\s*(?:memory|ram|hours?))", 1),
        ("constraints.throughput_per_s", rf"\b({NUM})\s?(?:predictions?|requests?|rows?|images?|queries|samples?|records?|inferences|frames|transactions?|events?|calls?|items|messages)\s?(?:per|/|a|each|every)\s?(?:second|sec|s)\b|\b({NUM})\s?(?:fps|qps|rps)\b", 1),
        ("constraints.throughput_per_s", rf"\b({NUM})\s?(?:predictions?|requests?|rows?|images?|queries|samples?|records?|transactions?|events?|calls?|messages)\s?(?:per|/|a|each|every)\s?min(?:ute)?\b", 1 / 60),
        ("constraints.throughput_per_s", rf"\b({NUM})\s?(?:predictions?|requests?|rows?|images?|queries|samples?|records?|transactions?|events?|calls?|messages)\s?(?:per|/|an|each|every)\s?hour\b", 1 / 3600),
        ("constraints.false_alarms_per_day", rf"\b({NUM}|1) false (?:alarms?|alerts?|positives?|detections?) (?:per|a|each|every|/) ?day|\b({NUM}) (?:false )?(?:alarms?|alerts?) daily", 1),
        ("constraints.false_alarms_per_day", rf"\b({NUM}|1) false (?:alarms?|alerts?|positives?|detections?) (?:per|a|each|every|/|1) ?week", 1 / 7),
        ("constraints.false_alarms_per_day", rf"\b({NUM}|1) false (?:alarms?|alerts?|positives?|detections?) (?:per|an?|each|every|/) ?hour", 24),
    )
)  # fmt: skip


def read_counts(sentence: Sentence) -> Iterator[Finding]:
    """Find the limits that are stated as a count of something."""
    taken: list[tuple[int, int]] = []
    for key, pattern, factor in _COUNTS:
        for match in sentence.find(pattern):
            group = next(i for i in range(1, pattern.groups + 1) if match[i])
            span = match.span(group)
            if span in taken:
                continue
            taken.append(span)
            value = tidy(float(match[group]) * factor)
            yield Finding(key, value, *match.span())
