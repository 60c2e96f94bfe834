# ruff: noqa: E501
"""Limits with a unit: which budget, size or speed a quantity speaks of is decided by the words around it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from autoagent.agent.understand.finding import Finding
from autoagent.agent.understand.numbers import NUM, tidy
from autoagent.agent.understand.sentence import Sentence
from autoagent.agent.understand.units import Quantity, quantities

_CUE_BEFORE = re.compile(
    r"(?:(?:nothing|not|never|anything|without|no|n't)(?: \w+){0,2} (?:over|above|beyond|past|cross(?:es)?|(?:more )?(?:bigger|big|large|larger|slower|slow|longer|long|heavier|heavy|more|greater) (?:than|as|that|of))|small(?:er)? (?:than|as)|light(?:er)? (?:than|as)|at most|at the most|no more than|not more than|no longer than|not longer than|no bigger than|not exceed(?:ing)?|does(?: not|n't) exceed|within|under|below|less than"
    r"|smaller than|fewer than|up to|max(?:imum)?(?: of)?|max:?|in|inside|for|only|just|budget(?: of| is|:)?|limit(?:ed)?(?: to| of| is|:)?|can use|may use|cap(?:ped)?(?: at| of)?|about|around|roughly"
    r"|approximately|some|ca|have|'ve|got|spare|afford|allow|offer|grant|give (?:it|you|yourself)|you have|you get|takes?(?: up)?|taking|occup(?:y|ies)|weighs?|like|longer than like|spend(?:ing)?|use|using|allow(?:ed)?|over in|<=?|=<|~|:|than|exceeding|exceed|is|be|of|ceiling|stay(?:s)? under|timebox(?:ed)?(?: to)?|after|maximal(?:ly)?|no more of|longest|a limit of|hard stop at|deadline(?: of| is|:)?|wait(?: more than| longer than| for| up to)?|stop at|every)"
    r"(?:\s+(?:a|the|about|around|roughly|some|only|just|just under|total of|maximum of|maximal|maximally|at maximum|max|budget of|limit of|ceiling of))*\s*[:=]?\s*$"
)
_CUE_AFTER = re.compile(
    r"^[\s-]*(?:max(?:imum)?\b|tops\b|at (?:the )?(?:very )?most|upper limit|hard limit|at the outside|budget|limit|cap\b|ceiling|or (?:less|under|below|so|smaller)|of (?:training|compute|search|time|wall|tuning)|training|train|to (?:train|finish|search|fit|run|spend|do)|total|search|in total|altogether|time (?:limit|budget)|(?:is|are|was|would be|will be|should be|shall be|sounds?|seems?)\s+(?:all|the|fine|plenty|enough|ok|okay|good|great|alright|acceptable|sufficient|perfect|what|my|our|max\w*|more than enough)\b|(?:is|are|as)\s+(?:an?|the|our|my)?\s*(?:\w+\s+)?(?:limit|maximum|max|cap|ceiling|budget|bound)\b|(?:has|have) been (?:set aside|reserved|allotted|allowed|granted|booked)|allotted|allowed|utmost|the utmost|will do\b|suffices?\b|please\b|or so\b|of (?:cpu|machine|computer|computing)|no more\b|flat\b|per run|should (?:be enough|do)|on the clock|and not)"
)
_TRAIN = re.compile(
    r"\b(?:train|training|fit|fitting|search|searching|tune|tuning|budget|time ?limit|time ?box|wall[- ]?clock|compute|run|running|finish|finished|done|ready|time|spend|minutes? max|experiment)\b"
)
_LATENCY = re.compile(
    r"\b(?:latency|inference|infer|respond(?:s|ing)?|response|per (?:row|image|request|sample|call|query|prediction|record|item|example|transaction|frame)|(?:each|every|a|one|single) (?:prediction|request|call|query|row|image|frame)"
    r"|scor(?:e|es|ing) (?:a|one|each|time)|serv(?:e|es|ing)|p\d\d|predictions? (?:must|should|need|has|have|in|within|under|take|time)|prediction time|predict(?:s|ing)? (?:in|within|under)|answers? (?:in|within|under)|real[- ]?time|round[- ]?trip|percentile)\b"
)
_DELAY = re.compile(
    r"\bdetect(?:ion|ed|s)?\b.{0,20}\b(?:delay|within|lag|late)\b|\b(?:delay|lag)\b"
    r"|\b(?:notice|noticed|spot|spotted|catch|caught|alarm|alert|warn|shout|flag(?:ged)?|report(?:ed)?|react)\b.{0,45}\b(?:within|in under|in less than|after at most|no later than)\b"
)
_DATED = re.compile(
    r"^[\s-]*(?:old|ago|histor\w*|worth|of (?:data|history|logs|records|sales|measurements|observations|readings|\w+ data)|long|windows?|intervals?|resolution|ahead|in advance|into the future|out\b|from now|sessions?|calls?\b|videos?|clips?|trial periods?|free|contracts?|steps?|buckets?|bins?|apart|later|before(?! (?:my|our|the|we|i|lunch|it|bed|dinner|noon|midnight|school|work|class|supper|breakfast|tea)\b)|prior|earlier|horizon|forecasts?|of (?:sales|demand|log|sensor|price)|averages?|returns?|survival|mortality|readmission|churn|warranty|period|gap|seasonal\w*|cycles?|season)"
)
_SPAN_BEFORE = re.compile(
    r"\b(?:last|(?<!anything )(?<!nothing )(?<!never )(?<!not )past|previous|final|latest|most recent|next|following|coming|every|each|first|since|(?<!stop\s)(?<!end\s)(?<!quit\s)(?<!finish\s)(?<!killed\s)(?<!ends\s)(?<!stops\s)(?<!off\s)(?<!aborted\s)(?<!dies\s)after|older than|younger than|aged|ahead by|horizon(?: of| is|:)?|lag(?: of)?|gap of|step(?:s|ping)?(?: of)?|look(?:s|ing)? ahead|over|during|covers?|covering|spans?|spanning|collected (?:for|over)|window of|seasonality of)\s*$"
)
# "trained in the next 25 minutes" is a budget, "who buys in the next 25 minutes" is what happens.
_DONE_WITHIN = re.compile(
    r"\b(?:train(?:ed|ing)?|finish\w*|done|complet\w*|ready|deliver\w*|fit(?:ted)?|learn(?:ed|t)?|run)\b[^,;.]{0,25}\b(?:in|within|during|over) the next\s*$"
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
    r"\b(?:csv|parquet|files?|data ?sets?|data|tables?|logs?|corpus|dumps?|spreadsheets?|databases?|images?|folders?|archives?|zip)\b"
)
_MODEL_SIZE = re.compile(
    r"\b(?:model|models|weights?|checkpoint|artifact|artefact|network|net|binary|onnx|tflite|package|footprint|size|small(?:er)?|flash|storage|fits?|fitting|deploy\w*|deliver\w*|exported|classifier|regressor|predictor|it|result)\b"
)
# "the file has to stay below 50 kB" is a wish for what is made; "the file is below 50 kB" tells of the data.
_STAYS = re.compile(
    r"\b(?:must|should|has to|have to|needs? to|shall|may|can|stays?|keep|kept|fits?|no more|not (?:be )?(?:bigger|larger|more)|at most|limit(?:ed)?|max(?:imum)?)\b[^,;.]*$"
)
_COMPUTER_AFTER = re.compile(
    r"^\s*(?:of )?(?:macbook|mac\b|laptop|notebook|machine|pc\b|computer|desktop|server|workstation|box\b|instance|vm\b|node|ssd|hdd|usb|card\b(?! model))"
)
_NAMED_MODEL = re.compile(
    r"\b(?:model|network|net|weights|checkpoint|onnx|classifier|regressor)('?s)? files?\b[^,;.]*$"
)
_GPU_NAME = r"(?:a100|h100|h200|b200|v100|p100|a10g?|l4|l40s?|t4|rtx\s?\w*\d+\w*|gtx\s?\w*\d+\w*|gh200|geforce|tesla)"
_LLM = re.compile(r"\b(?:llms?|api|tokens?|openai|gpt\S*|claude|language models?|prompts?|chat model)\b")
_SPEND = re.compile(r"\b(?:spend|spending|cost|costs|budget|bill|money|pay)\b")
# Somebody's business and not our budget: "we pay 40 dollars", "a lost customer costs us 250 dollars".
_BUSINESS = re.compile(
    r"\b(?:we|they|i|customers?|people|each|every|an?|the|1|which|who|that|us|company|team|shop|it|he|she|members?|users?|clients?)\b(?:\s+[\w'-]+){0,4}?\s+"
    r"(?:pay|pays|paid|charges?|charged|costs?|loses?|lost|earns?|earned|makes?|made|spent|raised|invested|sells?|sold|saves?|saved|wins?|won|got|gets?|bought|owes?|donated?|is worth|are worth)\b[^,;.]*$"
    r"|\b(?!total|overall|max\w*|llm|api|run|the|must|can|may|should)\w+\s+costs?\s+(?:\w+\s+){0,2}$"
)
_RATE_AFTER = re.compile(r"^\s*(?:(?:per|an?|1|each|every)\s+|/\s?)\w+")
_FOR_OTHER = re.compile(
    r"\b(?:budget|money|fund\w*)\s+(?:for|of)\s+(?!this\b|it\b|the (?:llm|run|search|job)\b|at most|up to|\W*\d|\|)(?:the\s+|our\s+)?[a-z]+"
)
_JOINING = r"(?:and|also|plus|then|or|oh|so|with|well|maybe|say|let's say|just|ok|okay|about|around|roughly|approximately|approx\.?|ca\.?|but|total|overall|please|pls|thanks|thank you|that's|thats|it's|only|additionally|moreover|furthermore|next|finally|lastly|second|third|time|a|the|of|per \w+|/\s?\w+|tops|max|at most)"
_JOINING_BEFORE = re.compile(rf"^(?:\s*(?:{_JOINING}\b|[-*:;.]))+")
_JOINING_AFTER = re.compile(
    rf"^(?:\s*(?:{_JOINING}|or so|no more|not more|flat|sharp|exactly|tops|max))+\s*$|^\s*(?:no|without|only|use|using|predict\w*|target|for|on|and|with|plus)\s.*$"
)
# Words before the next quantity or metric that lead to it: in "45 s latency under 20 ms" the latency is the 20 ms.
_LEADS_ON = re.compile(
    r"(?:(?<!per\s)(?<!each\s)(?<!every\s)\b(?:latency|inference|model|models|size|budget|time|training|limit|cost|memory|metric|score|target|label|predictions?|answers?|p\d\d)\s*)*"
    r"(?:\b(?:under|below|at most|within|of|in|max(?:imum)?|up to|is|no more than|no bigger than|smaller than|less than|than|for)\b|[:=<]|\s)*$"
)
_KEYS = str.maketrans({'"': " ", "_": " ", "{": " ", "}": " "})  # "time_limit": "3 min"
_HABIT_AFTER = re.compile(
    r"^[\s-]*(?:on average|typically|usually|normally|so far|already|ago|late\b|early\b|delay|(?:a|per|each|every) (?:day|week|month|night|shift|year|visit|session|game)\b|of (?:sleep|work|walking|driving|exercise|battery|video|audio|music|delay|rest|waiting)|on the (?:last|old|previous|phone|road|bus|train)|drive|walk|flight|ride|trip|commute|shift|meeting|lecture|film|movie|song|from (?:the|here)|away|notice|in the past)"
)
_HABIT_BEFORE = re.compile(
    r"\b(?:took|waited|lasted|lasts|drove|walked|slept|sleeps?|stud(?:y|ies)|worked|(?:trips?|journeys?|rides?|meetings?|calls?|commutes?|visits?|deliver(?:y|ies)|flights?|surger(?:y|ies)|games?|battery|shifts?|sessions?|lessons?|films?|it usually|it normally|nurses?|employees?|drivers?|workers?)(?:\s+\w+){0,2}?\s+(?:takes?|lasts?|is|are|was|were|needs?|works?|runs?))\b[^,;.]*$"
)
# "a 90-minute demo" is a demo; "a 90-minute limit" is a limit.
_NOUN_AFTER = re.compile(
    r"^\s+(?!budget|limit|cap\b|time|max|training|train|run|search|window|slot|job|ceiling|deadline|for\b|to\b|of\b|and\b|or\b|on\b|in\b|at\b|is\b|tops|total|fit|experiment|allowance|upper|hard|compute|wall|latency|response|inference|prediction)[a-z]+"
)
_LONG_AGO = re.compile(
    r"\b(?:last (?:time|month|week|year|run|quarter)|previous\w*|so far|already|burn(?:ed|t)|used up|wasted|yesterday|in the past|used to)\b[^,;.]*$"
)
_LATELY = re.compile(
    r"^[^,;.]{0,40}\b(?:last (?:time|month|week|year|run|quarter)|yesterday|already|so far|in the past)\b"
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


def read_limits(sentence: Sentence, *, edges: Sequence[tuple[int, int]] = ()) -> Iterator[Finding]:
    """Find the limits that are stated as a quantity with a unit.

    Args:
        sentence: what is read.
        edges: spans that other readers took; without punctuation a clause ends where such a span or another quantity
            stands.
    """
    found = list(quantities(sentence))
    ends = [*edges, *((q.start, q.end) for q in found)]
    for quantity in found:
        before, after = sentence.clause(quantity.start, quantity.end)
        near = _between(quantity, before, after, ends)
        alone = _follows_another(quantity, ends, sentence.clean)
        if _is_megabytes(sentence, quantity, before):
            yield Finding("constraints.model_size_mb", tidy(quantity.value / 60), quantity.start, quantity.end)
            continue
        key = _role(quantity, (before, after), near, sentence.before(quantity.start, width=90), alone=alone)
        if key is None:
            continue
        factor = 1000 if key in ("constraints.latency_ms", "constraints.detection_delay_ms") else 1
        yield Finding(key, tidy(quantity.value * factor), quantity.start, quantity.end)
        if key == "constraints.latency_ms":
            yield from _percentile(sentence, quantity)


def _is_megabytes(sentence: Sentence, quantity: Quantity, before: str) -> bool:
    """Say whether a capital M behind a number is a size: "model smaller than 4M"."""
    written = sentence.words(quantity.start, quantity.end)
    return quantity.unit == "m" and written.endswith("M") and bool(_MODEL_SIZE.search(before[-40:]))


def _between(quantity: Quantity, before: str, after: str, ends: Sequence[tuple[int, int]]) -> tuple[str, str]:
    """Cut what stands around a quantity at its neighbours."""
    left = max((end for _, end in ends if end <= quantity.start), default=0)
    right = min((start for start, _ in ends if start >= quantity.end), default=len(after) + quantity.end)
    room = quantity.start - left
    earlier = before[-room:] if 0 < room < len(before) else before if room else ""
    later = after[: right - quantity.end]
    later = _LEADS_ON.sub("", later) if right - quantity.end < len(after) else later
    return earlier.translate(_KEYS), later.translate(_KEYS)


def _role(quantity: Quantity, clause: tuple[str, str], near: tuple[str, str], whole: str, *, alone: bool) -> str | None:
    if quantity.dimension == "duration_s":
        return _duration_role(quantity, clause, near, alone=alone)
    if quantity.dimension == "size_mb":
        return _size_role(quantity, clause, near, whole, alone=alone)
    if quantity.dimension == "usd":
        return _money_role(*clause)
    if quantity.dimension == "energy_wh" and not (_ENERGY_AWAY.search(clause[0][-40:]) or _RATE_AFTER.match(clause[1])):
        return "constraints.energy_wh"
    return None


def _follows_another(quantity: Quantity, edges: Sequence[tuple[int, int]], clean: str) -> bool:
    """Say whether a quantity stands right behind another field, as in "predict price rmse five minutes"."""
    left = max((end for _, end in edges if end <= quantity.start), default=0)
    return left > 0 and not _JOINING_BEFORE.sub("", clean[left : quantity.start]).strip()


def _is_bare(before: str, after: str) -> bool:
    """Say whether a quantity stands alone in its clause, joining words aside: "and also thirty minutes please"."""
    return not _JOINING_BEFORE.sub("", before).strip(" -:;") and not _JOINING_AFTER.sub("", after).strip(" .!?-:;")


def _duration_role(quantity: Quantity, clause: tuple[str, str], near: tuple[str, str], *, alone: bool) -> str | None:
    before, after = clause
    words = f"{near[0][-70:]} | {near[1][:50]}"
    if quantity.hyphened and _NOUN_AFTER.match(after):
        return None
    if (_SPAN_BEFORE.search(before) and not _DONE_WITHIN.search(before)) or _DATED.search(after):
        return None
    if _DELAY.search(words) and quantity.value <= 3600 and quantity.unit != "m":
        return "constraints.detection_delay_ms"
    if _LATENCY.search(words) and quantity.value <= 60:
        return "constraints.latency_ms"
    if _HABIT_AFTER.search(after) or _HABIT_BEFORE.search(before):
        return None
    cued = bool(_CUE_BEFORE.search(near[0])) or bool(_CUE_AFTER.search(near[1]))
    bare = _is_bare(*near) or alone
    if 0 < quantity.value < 1 or (quantity.unit.startswith(("m", "u")) and quantity.unit.endswith("s")):
        return "constraints.latency_ms" if cued or bare or not near[0].strip() else None
    return (
        "constraints.train_time_s"
        if _is_budget(quantity, before, f"{before[-70:]} | {after[:50]}", cued, bare, alone)
        else None
    )


def _is_budget(quantity: Quantity, before: str, words: str, cued: bool, bare: bool, alone: bool) -> bool:
    if quantity.unit == "s" and quantity.value < 2 and not cued:
        return False
    trains = bool(_TRAIN.search(words))
    if _EVENT.search(before) and not (trains or alone) and (quantity.value >= 3600 or not (cued or bare)):
        return False
    hours = quantity.unit in ("hour", "h", "hr", "min", "minute")
    if quantity.value > 7200 and not hours and not trains:
        return False
    return cued or trains or bare


def _size_role(
    quantity: Quantity, clause: tuple[str, str], near: tuple[str, str], sentence_before: str, *, alone: bool
) -> str | None:
    if re.search(rf"\b{_GPU_NAME}\b[^.;]{{0,60}}$", sentence_before[-90:]) and quantity.value >= 1000:
        return "constraints.gpu_memory_mb"
    if _GPU_MEMORY.search(clause[0][-45:]) or re.search(r"^\s*(?:of )?(?:gpu|v-?ram|graphics|video)", clause[1]):
        return "constraints.gpu_memory_mb"
    before, after = near
    near_before, near_after = before[-45:], after[:35]
    if _COMPUTER_AFTER.match(clause[1]):
        return None
    if _OTHER_MEMORY.search(near_after[:18]) or re.search(r"\b(?:ram|memory)\b[^,]{0,12}$", near_before):
        return None
    limited = bool(_CUE_BEFORE.search(before)) or bool(_CUE_AFTER.search(after))
    is_model = bool(_MODEL_SIZE.search(near_before)) or bool(
        re.search(
            r"^\s*(?:model|network|file|weights|artifact|onnx|net|limit|max|tops|in size|on disk|of flash|footprint)",
            near_after,
        )
    )
    if (
        _DATA_SIZE.search(near_before[-28:])
        and not (_STAYS.search(near_before) or _NAMED_MODEL.search(clause[0]))
        and not re.search(r"\b(?:model|onnx|weights|checkpoint|export\w*|network)\b", clause[0][-60:])
    ):
        return None
    if re.search(
        r"^\s*(?:of )?(?:csv|parquet|data|dataset|logs?|table|images|text|records|dump|spreadsheet|json)\b", near_after
    ):
        return None
    return "constraints.model_size_mb" if is_model or limited or alone or _is_bare(before, after) else None


def _money_role(before: str, after: str) -> str | None:
    """Read money as the cap for the language model only where it is named, or a limit stands on its own."""
    words = f"{before[-60:]} | {after[:40]}"
    if _LONG_AGO.search(before) or _LATELY.match(after):
        return None
    if _LLM.search(words):
        return "constraints.llm_cost_usd"
    if _PRICE.search(words) or _RATE_AFTER.match(after) or _BUSINESS.search(before) or _FOR_OTHER.search(words):
        return None
    limited = bool(_LIMIT_BEFORE.search(before)) or bool(_CUE_AFTER.search(after))
    spends = bool(_SPEND.search(words))
    bare = _is_bare(_LIMIT_BEFORE.sub("", before), after)
    return "constraints.llm_cost_usd" if bare or limited or spends else None


def _percentile(sentence: Sentence, quantity: Quantity) -> Iterator[Finding]:
    for match in sentence.find(_PERCENTILE):
        if abs(match.start() - quantity.start) < 60:
            value = 50.0 if match[3] else float(match[1] or match[2])
            yield Finding("constraints.latency_percentile", tidy(value), *match.span())
            return


_TIME_SETTING = r"(?:time[\s_-]?(?:limit|budget|out)|max[\s_-]?(?:time|seconds)|(?:limit|budget)[\s_-]s(?:ec(?:ond)?s?)?)(?:[\s_-]?(?:s|secs?|seconds))?"
_COUNTS: tuple[tuple[str, re.Pattern[str], float], ...] = tuple(
    (key, re.compile(pattern), factor)
    for key, pattern, factor in (
        ("constraints.early_stop_patience_trials", rf"(?:stop|give up|quit|patience|abort|end it)[^,;.]{{0,30}}?\b({NUM})\s+(?:(?:(?:useless|bad|fruitless|failed|non-improving|consecutive|straight)\s+)+(?:trials?|configurations?|configs?|experiments?|runs?|attempts?|rounds?|tries)\b|(?:(?:trials?|configurations?|configs?|experiments?|runs?|attempts?|rounds?|tries)\s+)?(?:in a row\b|(?:without|with no|bring(?:ing)? (?:no|nothing)|that bring (?:no|nothing))))|patience[^,;.]{{0,20}}?\b({NUM})\s+(?:trials?|configurations?|experiments?|runs?|rounds?)\b|\b({NUM})\s+(?:trials?|configurations?|experiments?|runs?|attempts?)\s+(?:in a row\s+)?(?:without|with no|bring no)\s+(?:an? |any )?(?:improve\w*|gain|progress)|patience (?:of )?({NUM})", 1),
        ("constraints.max_trials", rf"\bmax[\s_-]?(?:trials|evals|evaluations|iterations)\W{{1,5}}({NUM})\b|\b({NUM})\s+(?:different\s+|parameter\s+|hyper-?parameter\s+|hpo\s+|search\s+|tuning\s+|optuna\s+)?(?:trials?|trails?|configurations?|configs?|experiments|hyper-?parameter (?:sets|settings|combinations)|attempts|tries|candidates|evaluations|models? (?:tried|at most|max))\b(?!\s+(?:in a row|without|with no|bring|straight))|\b(?:trials?|configurations|experiments|attempts)\s*(?:<=?|:|=|limit(?: of)?|budget(?: of)?|max(?:imum)?)\s*({NUM})|\btry (?:at most |no more than |up to |only |max )?({NUM}) (?:models|things|settings|combinations|setups)", 1),
        ("constraints.train_time_s", rf"\b{_TIME_SETTING}\"?\s*[=:]?\s*({NUM})(?![\s-]?[a-z%:]|[.:]?\d)", 1),
        ("constraints.params_m", rf"\b({NUM})\s?(?:trainable |learnable |model )?(?:param(?:eter)?s?|weights(?! file))\b(?!\s+(?:configurations?|settings?|sets?|combinations?|choices))", 1e-6),
        ("constraints.params_m", rf"\b({NUM})\s?m(?:illion)?[\s-]?(?:trainable |learnable )?param(?:eter)?s?\b", 1),
        ("constraints.gflops", rf"\b({NUM})\s?g(?:iga)?-?flops?\b", 1),
        ("constraints.gflops", rf"\b({NUM})\s?m(?:ega)?-?flops?\b", 1e-3),
        ("constraints.cpu_cores", rf"\b({NUM})[\s-]?(?:cpu[\s-])?(?:cores?|cpus|vcpus?|processors)\b|\b(?:cores|cpus|cpu cores|n_cores|num_cores)\s*[:=]\s*({NUM})\b|\b({NUM})\s+cpu threads\b", 1),
        ("constraints.n_gpus", rf"\b({NUM})\s?x?\s?(?:\w{{1,8}}\s)?gpus?\b(?!\s*(?:memory|ram|hours?))|\b({NUM})\s?x?\s?(?:nvidia\s)?{_GPU_NAME}s?\b", 1),
        ("constraints.throughput_per_s", rf"\b({NUM})\s?(?!hz|times|trials|false|mb|gb|kb|steps|epochs|cores|gpus)[a-z]+(?:\s?/\s?|\s(?:per|an?|each|every|1)\s)(?:second|sec|s)\b|\b({NUM})\s?(?:predictions?|requests?|rows?|images?)/s|\b({NUM})\s?(?:fps|qps|rps)\b", 1),
        ("constraints.throughput_per_s", rf"\b({NUM})\s?(?:predictions?|requests?|rows?|images?|queries|samples?|records?|transactions?|events?|calls?|messages)\s?(?:per|/|a|each|every)\s?min(?:ute)?\b", 1 / 60),
        ("constraints.throughput_per_s", rf"\b({NUM})\s?(?:predictions?|requests?|rows?|images?|queries|samples?|records?|transactions?|events?|calls?|messages)\s?(?:per|/|an|each|every)\s?hour\b", 1 / 3600),
        ("constraints.false_alarms_per_day", rf"\b({NUM}|1) false (?:alarms?|alerts?|positives?|detections?) (?:per|a|each|every|/) ?day|\b({NUM}) (?:false )?(?:alarms?|alerts?) daily", 1),
        ("constraints.false_alarms_per_day", rf"\b({NUM}|1) false (?:alarms?|alerts?|positives?|detections?) (?:per|an?|each|every|/|1) ?week", 1 / 7),
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
