# ruff: noqa: E501
"""Task words: what kind of model the sentence asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autoagent.agent.understand.finding import Finding
from autoagent.agent.understand.metric import CLASS_METRICS, VALUE_METRICS
from autoagent.agent.understand.phrases import phrase
from autoagent.agent.understand.sentence import Sentence

# In order: the first task whose words stand in the sentence is meant; specific words stand before general ones.
_TASKS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (task, phrase(words))
    for task, words in (
        ("reinforcement_learning", r"reinforcement learning / train an agent to play / play the game"),
        ("image_generation", r"generate (?:new )?(?:images|pictures|photos|faces) / text to image / image generation"),
        ("survival_analysis", r"survival (?:analysis|model|time) / time to event / censored / survival(?= please|\s*$|[,.;]) / kaplan meier / cox (?:model|regression) / hazard model"),
        ("recommendation", r"recommend(?:er|ation)? (?:(?:the|an?|next|new|other|more|best|\d+) ){0,3}(?:system|engine|items?|products?|movies?|songs?|books?|articles?|films?|recipes?|courses?|games?) / recommender / (?:what|which) (?:\w+ )?to recommend / collaborative filtering"),
        ("speech_recognition", r"speech recognition / transcribe / speech to text / transcription"),
        ("translation", r"translate (?:\w+ ){0,4}(?:into|to|from|between) (?!numbers|a number|money)\w+ / translate (?:texts?|sentences|documents|words) / (?:text|language) translation / machine translation"),
        ("question_answering", r"question answering / answer questions / chatbot / qa system"),
        ("summarization", r"summari[sz]e / summari[sz]ation / summari[sz]ing / abstractive summar\w+ / write (?:a )?summar(?:y|ies)"),
        ("token_classification", r"named entit(?:y|ies)(?: recognition)? / ner / token classification / entity (?:recognition|extraction) / tag (?:each|every) (?:token|word) / part of speech / pos tagging / (?:extract|mark|tag|find|highlight|spot) (?:all |the |every )?(?:person |company |drug |gene |place )?(?:names|entities)(?: of)? / (?:bio|iob2?|bilou|bioes) (?:tags?|scheme|labels|tagging)"),
        ("instance_segmentation", r"instance segmentation / instance masks? / segment (?:each|every) (?:individual )?(?:instance|object|cell|nucleus|item|leaf) / (?:1 |one |a |its own )?masks? (?:for|of|per) (?:each |every )?(?:single |individual )?(?:instance|object|cell|nucleus|item|leaf|person|animal|fruit|plant|tree|building) / masks? (?:for|of) (?:each|every) (?:single |individual |separate )?(?!pixel|class|image|picture|photo|file|row|slice|scan|tile|frame|slide)\w+ / masks? per (?!pixel|class|image|picture|photo|file|row)\w+ / (?:each|every) \w+ (?:\w+ )?(?:its|their) own mask / instance by instance / (?:each|every) (?:instance|object) (?:gets|has|with) (?:its|an?) own mask"),
        ("semantic_segmentation", r"semantic segmentation / pixel wise / per pixel / segment (?:the )?(?:images?|roads?|tumou?rs?|scans?|lesions?|buildings?|satellite\w*|vessels?|pixels?|aerial\w*|street\w*|photos?) / label (?:each|every) pixel / segmentation masks? / (?:predict|output|produce|give|paint|draw) (?:me )?(?:an? |the |binary )*masks? / pixel by pixel / pixel masks? / segment(?:ing|ation of)? (?:the |each |all |every )?(?:\w+ ){1,3}(?:in|on|from|of) (?:the |each |our |my )?(?:\w+ )?(?:slices?|scans?|images?|pictures?|photos?|tiles?|videos?|frames?|mris?|x ?rays?|micrographs?|radiographs?) / (?:each|every|all|which) pixels? / masks? (?:\w+ )?(?:lie|lies|sit|sits|are|is|stand|stored|kept|live)? ?(?:beside|next to|along ?side|with|near|in the (?:same )?folder|by) (?:the |each |every |its |their |our )?(?:images?|pictures?|photos?|slides?|slices?|scans?|tiles?|frames?|x ?rays?) / (?:the |binary |ground truth )?masks (?:are|lie|sit|live) (?:in|at|under) / (?:outlines?|contours?|silhouettes?|masks?) of (?:the|each|every|all) / (?:outline|mask out|colou?r in|delineate|segment out) (?:the |each |every |all )?\w+"),
        ("keypoint_detection", r"key ?points?(?: detection)? / pose estimation / (?:body|facial|face|hand|animal|anatomical) (?:landmarks?|joints?) / landmark detection / body joints / (?:estimate|find|read) (?:the |their |each )?(?:body |hand )?poses? / \d+ (?:\w+ ){0,2}(?:joints?|landmarks?) / (?:joint|skeleton) (?:positions?|locations?|coordinates?) / skeletons? (?:of|from) / where (?:the |each |their |his |her )?(?:elbows?|knees?|wrists?|ankles?|shoulders?|hips|joints?|finger ?tips?|eyes?|corners) (?:and \w+ )?(?:are|is|lies?|sits?) / (?:corners|tips?|centers?|centres?) of the (?:eyes?|nose|mouth|lips|ears?)"),
        ("object_detection", r"object detect(?:ion|or) / bounding box(?:es)? / detect (?:all )?(?:the )?(?:objects|cars|people|pedestrians|faces|helmets|vehicles|ships|traffic signs|weeds|drones|persons) / (?:draw|put|place|give me|want|find|predict|output|like|need) (?:a |an |the |tight )?(?:boxes|box|rectangles?)(?! plots?) / (?:boxes|box|rectangles?|frames?) (?:a?round|about|for (?:each|every|all)|on (?:each|every|all)|over (?:each|every)|per (?:object|\w+)) / detector (?:for|of) (?:cars|people|objects) / locali[sz]e (?:the |all |each |every )?(?!issues|ui|text|strings)\w+ / where (?:the|each|every) \w+ (?:is|are|sits?|stands?) in (?:the|each|an?) (?:image|photo|picture|frame)s? / box (?:annotations?|coordinates|labels) / (?:with|in|by|as) (?:a |tight )?(?:boxes|rectangles|a box|a rectangle)(?! plots?) / (?:boxes|rectangles)(?= please|\s*$|\s*[.;!?])"),
        ("quantile_forecasting", r"probabilistic(?:ally)? forecast\w* / quantile forecast\w* / forecast (?:the )?quantiles / forecast[^.;]{0,60}(?:quantiles|p10|p90|percentiles)"),
        ("forecasting", r"forecasts?(?! (?:who|whether|if|which)) / forecasting / predict (?:the )?(?:next|coming|following) \d+ / the (?:next|coming|following) \d+ (?:hours|days|weeks|months|quarters|years|steps|values|points) of / time series (?:prediction|forecast\w*) / project (?:the )?(?:sales|demand) / predict [^.;,]{1,40} \d+ (?:hours|days|weeks|months|steps|quarters) ahead / demand planning / (?:predict|know|need|want|estimate|expect|tell(?: me| us)?|give(?: me| us)?|how (?:much|many)) (?:(?!\b(?:whether|if|who|which|will|likely|churn\w*|cancel\w*|probability|chance|risk|default\w*)\b)[^.;,]){1,60} (?:for|over) (?:each \w+ (?:for|of|in) )?the (?:next|coming|following) (?:\d+ )?(?:hours?|days?|weeks?|months?|quarters?|years?|nights?|evenings?) / (?<!in\sthe\s)(?<!within\sthe\s)(?<!during\sthe\s)(?<!over\sthe\s)(?:next|coming|following) \d+ (?:hours|days|weeks|months|quarters|years|steps|values|points|periods)(?=\s*(?:,|$|per\b|by\b|of\b|for\b|;)) / \d+ (?:h|hrs?|hours|days|weeks|months|steps|quarters|minutes|min) ahead / (?:1|one) (?:hour|day|week|month|quarter|year) (?:ahead|out) / (?:next|coming) (?:day|week|month|quarter)?'?s? ?(?:sales|demand|revenue|load|consumption|visitors)(?= please|$|[.,;!?])"),
        ("anomaly_detection", r"anomal(?:y|ies|ous)(?: detection)? / outliers?(?: detection)? / detect (?:unusual|strange|abnormal|odd) / find (?:unusual|strange|abnormal|odd|weird) / behaves? (?:strange|odd|unusual|abnormal|weird)ly / novelty detection / (?:unusual|weird|odd|strange|abnormal|suspicious) (?:behaviou?r|readings|patterns|activity) / out of the ordinary / (?:behaves?|acts?|runs?|looks?|sounds?) (?:\w+ )?(?:strangely|oddly|unusually|abnormally|weirdly|off|funny) / something (?:is )?(?:odd|strange|weird|unusual)"),
        ("clustering", r"clustering / cluster (?:the|our|my|these|all|them|customers|users|documents|similar|into) / \d+ clusters / into clusters / into (?:\d+ )?(?:natural|similar|homogeneous|meaningful|distinct|coherent) (?:groups|clusters|segments) / into (?:distinct|different|natural|meaningful|homogeneous|\d+) (?:segments|clusters|groups of similar) / (?:group|segment|partition) (?:the |our |my )?(?:\w+ ){1,3}(?:based on|according to|by) (?:their |its )?(?:\w+ )?(?:behaviou?r|similarity|characteristics|profiles?|usage|spending|habits) / (?:find|discover) clusters / clusters of / segment (?:the |our |my )?(?:customers|users|shoppers|clients|members|players|market|audience|visitors|buyers) / customer segment(?:s|ation) / group (?:the |our |my )?(?:customers|users|documents|articles|products|shoppers|clients|patients|stores|songs|similar)(?: into)? / market segmentation / find (?:natural )?groups / unsupervised / k means"),
        ("ranking", r"learning to rank / rank (?:the )?(?:search|results|documents|products|items|candidates|hotels|listings|ads|pages|offers|answers) / ranker / (?<!importance\s)ranking(?: model)? / re ?rank / rank \w+ (?:by|for) relevance / ndcg"),
        ("multilabel_classification", r"multi ?label / multi labels / several labels (?:per|at once|each) / more than 1 label / (?:several|multiple|many|more than (?:1|one)) (?:\w+ )?(?:may|can|could|might) (?:\w+ )?(?:apply|hold|overlap|be (?:true|right|set)) / (?:can|may|might|could) (?:\w+ )?(?:have|be|carry|show|belong to) (?:several|multiple|many|more than 1|more than one) (?:of them|at once|at the same time|labels|kinds|types) / any number of (?:labels|tags|topics|categories) / (?:every|all|each) (?:\w+ )?(?:that|which) appl(?:y|ies) / tag (?:the )?(?:articles|posts|questions|documents|images|photos|songs|movies|tickets) / (?:zero|0|1) or more (?:labels|tags|categories) / all (?:the )?(?:labels|tags|topics|genres) that apply / (?:may|can|could|might) have (?:several|multiple|many) (?:key ?words|topics|tags|genres|subjects|labels|themes|moods|colou?rs) / (?:labels|tags) (?:can|may) overlap / multiple (?:labels|tags) / can have (?:several|multiple|many) (?:labels|tags|categories|topics|genres) / at the same time belong"),
        ("ordinal_regression", r"ordinal(?: regression| classification)? / ordered (?:response|outcome|target|variable) / (?:levels|grades|classes|categories|stages) (?:\w+ )?(?:are|is) (?:ordered|ranked|in order) / \d to \d+,? (?:and )?ordered / ordered(?=\s*[,.;]) / ordered from \d+ to \d+ / ordered (?:grades?|classes|categories|levels|labels|scale) / (?:severity|grade|quality|pain) (?:on a |in a )?scale (?:from|of) \d+ / \d+ (?:ordered|graded) / order(?:ing)? matters / the order (?:of the (?:classes|grades|levels))? ?matters / grades? (?:from )?\d to \d / \d to \d stars? / star ratings? / on (?:a|the) (?:\d+ point )?scale (?:of|from) \d (?:to|-|through) (?:10|\d) / levels? (?:from )?\d to \d"),
        ("multi_target_regression", r"multi ?target(?: regression)? / multi ?output(?: regression)? / predict both / several targets / (?:all )?(?:both|2|3|4|5|6) (?:numeric |continuous )?targets / (?:both|jointly|simultaneously|together) [^.;]{0,40}(?:values|numbers|regress\w*) / mean column ?wise rmsle"),
        ("quantile_regression", r"quantile regression / predict (?:the )?(?:\d+(?:th|st|nd|rd)? (?:and \d+(?:th)? )?)?(?:quantiles?|percentiles?) / conditional quantiles? / (?:quantiles?|percentiles?) of / quantiles? (?:of )?\d / p10 / pinball / quantile loss"),
        ("binary_classification", r"tell apart \w+ and \w+ / tell \w+ (?:\w+ )?(?:from|apart) / distinguish (?:between )?(?:\w+ ){1,3}(?:and|from) \w+ / separate \w+ from / discriminate (?:between )?\w+ (?:and|from) / (?:sort|classify|assign|divide|categori[sz]e) [^.;]{0,40} into (?:2|two) \w+ / binary(?: classification| classifier| label| target| problem)? / 0 or 1 / 0/1 / (?:each|every|per) \w+,? (?:was|is) (?:it|this|he|she) /  yes or no / yes/no / y/n / (?:who|which (?:\w+ ){1,2})(?:gets?|becomes?|ends? up|turns?) \w+(?:ed|en|ld|ll) / who (?:buys|leaves|pays|clicks|quits) / (?:says?|tells?|shows?|states?) (?:\w+ ){0,2}(?:if|whether)(?! (?:to\b|(?:the |a )?(?:metric|model|accuracy|score|log loss))) / will it (?:\w+ ){1,4}(?:tomorrow|or not) / true or false / 2 class(?:es)?(?: classification)? / two class / (?:predict(?:s|ing)?|tell(?:s|ing)?(?: me| us)?|decid(?:e|es|ing)|determin(?:e|es|ing)|classify|find out|know|guess|work out|identify|say|figure out|flag|estimate|judge|forecast|see|check|learn|warn(?:s)?) (?:\w+ ){0,4}(?:if|whether)(?! (?:to\b|(?:the |a |an )?(?:metric|model|accuracy|score|result|log loss|error|rmse|mae|f1|auc)|possible|you|this works|it works|time|need|neces)) / (?:who |which (?:\w+ ){0,3})(?:will|is going to|are going to|would|are likely|is likely|are about) / (?<!most\s)likely to / how (?:likely|probable) / probabilit(?:y|ies) (?:of|that) / (?:chance|odds|risk|likelihood) (?:of|that) / or not / vs\.? not / will (?:\w+ ){0,3}(?:default|churn|buy|convert|cancel|click|leave|quit|survive|fail|return|respond|subscribe|renew|repay|break|happen) / (?:is|are|was) (?:going|about|likely) to (?:default|churn|buy|convert|cancel|click|leave|quit|survive|fail|return|respond|subscribe|renew|repay|break) / will (?:the|a|an|this|my|our|someone|they|he|she|it) (?:\w+ ){0,3}be (?:late|delayed|accepted|rejected|approved|sold|cancelled|canceled|readmitted) / who (?:leaves|quits|cancels|churns|buys|defaults|clicks|converts|renews|responds|dies|survives)"),
        ("multiclass_classification", r"(?:sort|classif\w+|assign|put|divide|categori[sz]\w+) [^.;]{0,80} into (?:their|its|the) (?:respective|right|correct|proper|appropriate|corresponding|own) (?:\w+ )?(?:categor(?:y|ies)|class(?:es)?|groups?|types?|kinds?|species|labels?) / (?:sort|classify|assign|route|divide|categori[sz]e) [^.;]{0,40} into (?:1 of )?(?:the )?(?:[3-9]|[1-9]\d+) \w+s / multi ?class(?:es)?(?: classification| classifier| problem| task)? / (?:which|what) (?:kind|type|class|category|species|sort|cultivar|variety|genre|topic|brand|language|department|one of the \d+) / (?:into|in|to|among|between|of) (?:1 of )?(?:the )?(?:[3-9]|[1-9]\d+) (?:\w+ ){0,2}(?:classes|categories|groups|types|kinds|labels|species|topics|buckets|classes) / (?:[3-9]|[1-9]\d+) ?(?:way|class(?:es)?)(?: classification| classifier| problem)? / (?:[3-9]|[1-9]\d+) (?:classes|categories|species|cultivars|varieties|labels|departments|genres|breeds) / (?:wine )?(?:cultivars?|species|genres?) classification"),
        ("regression", r"(?<!logistic\s)(?<!logit\s)regress(?:ion|or)? / continuous (?:target|value|outcome|variable) / numeric(?:al)? (?:target|value|outcome) / real valued"),
    )
)  # fmt: skip
# What only hints at a task: what is predicted usually is of that kind, but no word says so.
_HINTS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (task, phrase(words))
    for task, words in (
        ("binary_classification", r"malignant or benign / benign or malignant / positive or negative / good or bad / sick or healthy / healthy or sick / pass or fail / churn(?:ed|s|ing|ers?)? / fraud(?:ulent|s)? / spam / click through / ctr / default(?:ed)? risk / defaulted / credit default / loan default / survived / attrition / propensity / intrusion / phishing / malicious / is_\w+ / has_\w+"),
        ("multiclass_classification", r"(?:hand ?written )?digits? / iris flowers? / mnist / species / (?:classify|predict|recogni[sz]e|identify) (?:the )?(?:\w+ ){0,3}(?:species|cultivars?|genres?|topics?|breeds?|categor(?:y|ies)|departments?|letters|varieties|types?|kinds?)"),
        ("regression", r"how (?:much|many|long|far|old|fast|tall|big|large|high|heavy) / (?:predict(?:ing)?|estimat(?:e|ing)|model|guess|forecast) (?:the )?(?:\w+ ){0,3}(?:prices?|costs?|values?|amounts?|salar(?:y|ies)|incomes?|temperatures?|durations?|consumption|yield|ages?|weights?|sales|revenue|demand|strength|prices|rents?|wages?|quantit(?:y|ies)|counts?|lifetime|mileage|charges?|concentrations?|levels?|progression|fares?|power|energy|mpg|emissions?|loads?|volume|speed|wait(?:ing)? times?|delivery times?|time to|height|number of)"),
    )
)  # fmt: skip
_USUAL = {
    "binary_classification": "usually has two classes",
    "multiclass_classification": "usually has several classes",
    "regression": "usually is a number",
}
_METRIC_TASKS = {
    "map": "object_detection",
    "miou": "semantic_segmentation",
    "pck": "keypoint_detection",
    "ndcg": "ranking",
    "mrr": "ranking",
    "dice": "semantic_segmentation",
    "oks_map": "keypoint_detection",
    "silhouette": "clustering",
    "rand_index": "clustering",
    "entity_f1": "token_classification",
    "rouge_l": "summarization",
    "bleu": "translation",
    "word_error_rate": "speech_recognition",
    "concordance_index": "survival_analysis",
    "mase": "forecasting",
    "rmsse": "forecasting",
}
_OF_NUMBERS = ("rmse", "mse", "mae", "mape", "rmsle", "r2")  # others also judge forecasts, quantiles and ranks
_LONG_NAME = re.compile(r"(?<!\S)[a-z0-9_]+(?:-[a-z0-9_]+){3,}(?!\S)")  # "house-prices-advanced-regression-techniques"
_NOT = re.compile(
    r"\b(?:not|no|isn't|never|instead of|rather than|without|not a|not an)\s+(?:a |an |about |doing |do |want )?$"
)
_SPEC_WORD = re.compile(r"\bclassif\w*|\brecogni[sz]\w*|\bcategori[sz]\w*")


def read_task(sentence: Sentence, *, skip: tuple[tuple[int, int], ...] = ()) -> Iterator[Finding]:
    """Find the task type: stated by a word for it, else inferred from what is predicted, with the reason.

    Spans in `skip` (paths) do not count.
    """
    for task, match in _matches(sentence, _TASKS, skip):
        yield Finding("task_type", task, *match.span())
        return
    for task, match in _matches(sentence, _HINTS, skip):
        reason = f"{sentence.words(*match.span())!r} {_USUAL[task]}"
        yield Finding("task_type", task, *match.span(), reason)
        return


def task_of_metric(metric: str, start: int, end: int) -> Finding | None:
    """Infer the task that a metric belongs to; a metric of classes leaves their number open."""
    task = _METRIC_TASKS.get(metric.partition("@")[0])
    if task is not None:
        return Finding("task_type", task, start, end, f"{metric} measures {task.replace('_', ' ')}")
    if metric not in _OF_NUMBERS:
        return None
    return Finding("task_type", "regression", start, end, f"{metric} measures predicted numbers")


def fits_metric(task: Finding, metric: str) -> bool:
    """Say whether an inferred task can be judged by the stated metric; a stated task always stands."""
    if not task.reason:
        return True
    of_metric = _METRIC_TASKS.get(metric.partition("@")[0])
    if of_metric is not None:
        return task.value == of_metric
    if metric in CLASS_METRICS:
        return "classification" in str(task.value)
    return metric not in VALUE_METRICS or task.value == "regression"


def _matches(
    sentence: Sentence, table: tuple[tuple[str, re.Pattern[str]], ...], skip: tuple[tuple[int, int], ...]
) -> Iterator[tuple[str, re.Match[str]]]:
    names = [name.span() for name in sentence.find(_LONG_NAME)]
    for task, pattern in table:
        for match in sentence.find(pattern):
            inside = any(a < match.end() and match.start() < b for a, b in (*skip, *names))
            if not inside and not _NOT.search(sentence.clean[: match.start()]):
                yield task, match


def classifies(sentence: Sentence) -> tuple[int, int] | None:
    """Return where the sentence says that classes are wanted, without saying how many."""
    match = _SPEC_WORD.search(sentence.clean)
    return match.span() if match else None
