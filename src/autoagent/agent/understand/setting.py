# ruff: noqa: E501
"""Where the model trains and runs, what it must be, and what else is to be delivered."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autoagent.agent.spec import Value
from autoagent.agent.understand.finding import Finding
from autoagent.agent.understand.phrases import phrase
from autoagent.agent.understand.sentence import Sentence

_RULES: tuple[tuple[str, Value, re.Pattern[str]], ...] = tuple(
    (key, value, phrase(words))
    for key, value, words in (
        ("constraints.device_infer", "gpu", r"(?:inference|predict(?:ion|s)?|serv(?:e|es|ing)|deploy\w*|scor(?:e|ing)|runs?|infer) (?:will (?:be|run|happen) |is |happens |runs )?on (?:a |the |one |1 )?gpus?"),
        ("constraints.device_infer", "cpu", r"(?:per second|fps|ms|milliseconds?|latency|inference|per (?:image|row|call|prediction|frame)) (?:each )?on (?:an? |the |1 |our )?(?:single |old |plain )?cpus? / (?:inference|predict(?:ion|s)?|serv(?:e|es|ing)|deploy(?:ed|ment)?|scor(?:e|ing)|infer|production|must run|has to run|should run|needs to run|will run|it runs|runs|run) (?:will (?:be|run|happen) |is |happens |runs |it )?(?:only )?(?:on|in) (?:a |an |the |one |1 |plain |old |cheap |my |our |ordinary |single |\w+(?:'s)? ){0,3}cpus?(?: only)? / (?:(?<=offline\s)|(?<=locally\s))on (?:an? |the |our )?(?:\w+(?:'s)? ){0,2}cpus? / cpu (?:only )?inference / (?:(?<=openvino\s)|(?<=runtime\s)|(?<=ncnn\s)|(?<=lite\s)|(?<=onnx\s))(?:on|with) (?:an? |the |our )?(?:\w+ )?cpus? / cpu only (?:deploy\w*|serving|server) / (?:on|with) (?:an? |the |my |our |any )?(?:\w+ ){0,3}(?:pc|computer|laptop|machine|server|box|workstation) (?:without|with no|that has no|lacking) (?:an? |any )?(?:gpu|graphics card|dedicated graphics) / (?:works?|run|runs|working) (?:\w+ ){0,6}without (?:an? |any )?graphics card"),
        ("constraints.device_infer", "mobile", r"(?:on|to|for|in) (?:a |the |my |our |your |their |any |an? (?:old |new |cheap |typical |normal )?|(?:farmers?|users?|customers?|drivers?|nurses?)'? )?(?:mobile|phone|smart ?phone|cell ?phone|handset)s?(?: device)?s?(?!'s (?:cpu|processor|gpu))(?! (?:so|now|right now|sorry|atm|calls?|call|numbers?|with)) / (?:(?<=an\sandroid\s)|(?<=the\sandroid\s)|(?<=on\sandroid\s)|(?<=for\sandroid\s)|(?<=my\sandroid\s))(?:phones?|smart ?phones?|handsets?|tablets?) / mobile (?:app|device|phone|inference|deployment)s? / on device"),
        ("constraints.device_train", "gpu", r"train(?:ed|ing)?(?: it| the model)? (?:only )?(?:on|with|using) (?:a |an |the |our |one |1 |my |\d+ )*(?:nvidia |single )?gpus? / gpu training / gpus? (?:is |are )?(?:available|free|there|at hand|ready|allowed|ok|okay|fine) for (?:training|this|it) / use (?:(?:the|a|an|my|our|1|one) )?gpus? / i have (?:a|one|1) gpu / (?:with|using|on) (?:(?:a|the|our|1|one|my) )?gpu(?! memory) / (?:device|hardware|compute)(?: is| :|:| =)? (?:gpu|cuda)"),
        ("constraints.device_train", "cpu", r"train(?:ed|ing)?(?: it| the model)? (?:only )?(?:on|with|using) (?:a |an |the |our |one |1 |plain |my |just |\w+'s )*cpus?(?: only)? / cpu (?:only )?training / no gpus?(?: here| available| at hand)? / (?<!pc\s)(?<!computer\s)(?<!laptop\s)(?<!machine\s)without (?:a |any )?gpus? / (?:don't|do not|dont) have (?:a |any )?gpus? / have no gpus? / nothing (?:that |which )?(?:needs|uses|requires|with) (?:an? )?gpus? / cpu only / only (?:a |the )?cpu / on (?:the |a |my )?cpu / no cuda / (?:device|hardware|machine|compute)(?: is| :|:| =)? cpu"),
        ("constraints.interpretable", True, r"interpretab(?:le|ility) / explainab(?:le|ility) / white box / glass box / transparent model / (?:be able to|can|must|have to|need to|needs to|has to) explain(?: it| each| every| the| why)? / (?:every|each|all|any|its|the|their) (?:\w+ )?(?:decisions?|predictions?|scores?|outcomes?|calls?|verdicts?) (?:\w+ )?(?:can|must|may|should|has to|have to|needs? to|to) be (?:explained|justified|understood|defended|traced|followed) / intelligible / auditable / (?:can|must|should|able to|want to|wants to|need to|needs to|have to|has to) (?:see|know|understand|tell|follow|check) (?:exactly )?(?:why\b|how (?:it|the model|each|every|a) \w+) / self explanatory / (?:know|see|show|understand|explain|say|tell) (?:me |us |them )?(?:exactly )?why (?:it|the model|each|every|a|the|he|she|they|someone|somebody) (?:\w+ )?(?:decid\w+|says?|said|predict\w*|was|were|got|came|is) / human readable / understandable (?:by|to|model) / (?:regulators?|doctors?|auditors?|clinicians?|lawyers?|boss) (?:must|can|need to|has to|have to|should|wants? to) (?:be able to )?(?:understand|read|follow) / (?:\w+n't|not|never) (?:accept|want|use|like|trust|need|tolerate) (?:an? |any )?black box(?:es)? / no black box(?:es)? / (?:hates?|dislikes?|can't stand|reject\w*|refus\w+|forbid\w*) black box(?:es)? / (?:not|n't|nor) (?:be )?a black box / easy to explain / (?:provid|giv|offer|deliver)\w+ (?:\w+ )?(?:clear|understandable|simple|concise|plain)[^.;]{0,40}(?:explanations?|reasons?) / explanations? (?:for|of) (?:its|every|each|all|the) (?:\w+ )?(?:decisions?|predictions?|decision making|estimates?|scores?|cases?|calls?|results?) / explanations? (?:\w+ ){0,4}(?:is|are) (?:compulsory|required|needed|mandatory|a must|obligatory|necessary)"),
        ("constraints.offline", True, r"offline / no internet(?: access| connection)? / without (?:an? )?(?:internet|network)(?: access| connection)? / air ?gapped / (?:no|without|has no|lacks?|lacking) (?:a |any )?(?:network|connectivity|connection|wifi|wi-fi|signal|mobile data|web access|downloads?)(?: access| connection| coverage)?(?! layers?) / (?:unable|not able|cannot|can't|no way) (?:to )?(?:access|reach|use|get onto) the (?:internet|web|network) / disconnected / never (?:goes |go |be )?online / not (?:be )?(?:online|connected(?: to the internet)?) / nothing (?:may |can |must )?(?:be )?downloaded / data (?:must|may|can)(?: not|n't|not) leave / nothing (?:may|must|can|should) leave"),
        ("constraints.pretrained", False, r"(?:no|without|don't use|do not use|avoid)(?: any)? pre ?trained(?: weights| models?| networks?| embeddings)? / from scratch / (?:no|without) transfer learning"),
        ("constraints.pretrained", True, r"(?:use|using|with|start(?:ing)? from|based on|fine tun\w+)(?: an?| some| any)? pre ?trained(?: weights| models?| backbone| networks?| embeddings)? / transfer learning / pre ?trained weights (?:are|is) (?:ok|fine|allowed|welcome)"),
        ("deploy.format", "onnx", r"onnx(?! ?runtime)"),
        ("deploy.format", "tflite", r"tf ?lite / tensorflow lite / litert"),
        ("deploy.format", "coreml", r"core ?ml"),
        ("deploy.format", "torchscript", r"torch ?script"),
        ("deploy.format", "pmml", r"pmml"),
        ("deploy.format", "safetensors", r"safetensors"),
        ("deploy.runtime", "onnxruntime", r"onnx ?runtime / ort"),
        ("deploy.runtime", "openvino", r"open ?vino"),
        ("deploy.runtime", "tensorrt", r"tensor ?rt"),
        ("deploy.runtime", "ncnn", r"ncnn"),
        ("deploy.target", "raspberry_pi", r"raspberry(?: pi)?(?: \d| zero)? / raspi / rpi"),
        ("deploy.target", "jetson", r"jetson(?: nano| orin| xavier)?"),
        ("deploy.target", "android", r"android"),
        ("deploy.target", "ios", r"ios / iphones? / ipads?"),
        ("deploy.target", "browser", r"(?:in|inside|for) (?:the |a |our )?(?:web )?browser / web ?assembly / wasm"),
        ("deploy.target", "microcontroller", r"micro ?controllers? / mcus? / arduino / esp32 / stm32 / cortex m\d?"),
        ("deploy.target", "aws_lambda", r"(?:aws )?lambda function / aws lambda"),
    )
)  # fmt: skip
_OUTPUTS = tuple(
    (name, phrase(words))
    for name, words in (
        ("uncertainty_interval", r"(?:confidence|prediction|uncertainty|credible|\d+(?:%| percent)?(?: prediction| confidence)?) (?:intervals?|bands?|bounds?|range) / (?:intervals?|a range|a band|bounds|a spread)(?= (?:around|for|with|too|as well|please|on|instead|and not|rather|not)|,? (?:too|also|not just)) / error bars? / uncertaint(?:y|ies)(?: estimates?)? / how (?:sure|certain|confident) (?:it|the model|you|we) (?:is|are|can be)"),
        ("energy_report", r"(?:report|track|measure|show|state|include|with|give)(?: me)? (?:an? |the |its |your )?energy (?:report|use|usage|consumption|consumed|bill|footprint)(?: report)? / energy report / (?:report|tell me|measure) (?:how much |the )?(?:energy|electricity)(?: use[ds]?| consum\w+| it (?:used|took))? / carbon (?:footprint|report)"),
        ("segment_descriptions", r"describe (?:each|every|the) (?:segment|cluster|group)s? / (?:segments?|groups?|clusters?) and describe (?:each|them|every) / (?:segment|cluster) descriptions? / (?:descriptions?|profiles?|portraits?|summar(?:y|ies)|names?) (?:of|for) (?:each|every|the) (?:segment|cluster|group)s? / (?:characteri[sz]e|profile|summari[sz]e|name) (?:each|every|the) (?:segment|cluster|group)s? / explain (?:each|every|the) (?:segment|cluster|group)s?"),
        ("feature_importance", r"feature importances? / (?:which|what) (?:features|columns|variables|factors) (?:matter|drive|are (?:the )?(?:most )?important|are behind)(?: most)? / (?:most )?important (?:features|columns|variables|drivers) / variable importance / drivers of / (?:explain|show|list|name|find|tell me) (?:me )?(?:the |its |main |key |top )*drivers / (?:features?|factors?|variables?|columns?|inputs?) (?:that|which) (?:\w+ )?(?:contribut|influenc|driv|affect|matter|determin|explain)\w* / how important (?:each|every|the|all) (?:\w+ )?(?:feature|factor|variable|column|input)s? / (?:explain|show|tell(?: me)?|list|rank) (?:which|what|the) (?:\w+ )?(?:features|columns|variables|factors|inputs) / shap(?: values| plots?)?"),
        ("calibrated_probabilities", r"(?:well )?calibrated(?: probabilit(?:y|ies))? / calibrate (?:the )?probabilities / (?:probabilities|scores|percentages) (?:\w+ ){0,2}(?:must|should|have to|need to|are to|can) be (?:trusted|trustworthy|reliable|honest|believable|calibrated|taken at face value) / (?:trustworthy|reliable|honest) probabilities"),
        ("probabilities", r"predict(?:s|ing)? (?:an? |the )?(?:class )?probabilit(?:y|ies)(?= for| of each) / (?:return|give(?: me| us)?|output|want|need|deliver) (?:the |an? )?(?:class )?probabilit(?:y|ies)"),
        ("confusion_matrix", r"confusion (?:matrix|matrices|table)"),
        ("model_card", r"model card"),
        ("api", r"(?:rest|http|web) (?:api|endpoint|service)"),
    )
)  # fmt: skip
# Words about each group, where the request is for groups.
_CLUSTERS = re.compile(r"\b(?:cluster\w*|segment\w*|groups?|grouping)\b")
_TOLD = re.compile(
    r"\b(?:describ\w+|explain\w*|characteri[sz]\w+|summari[sz]\w+|name|profil\w+|(?:give|provide|write|add)\b[^.;]{0,30}\b(?:descriptions?|summar(?:y|ies)|profiles?|portraits?)\b|(?:write|tell|say)\b[^.;]{0,30}\b(?:words?|lines?|sentences?|paragraphs?|about|what|who))\b[^.;]{0,30}\b(?:each|every|them|they are)\b|\b(?:give|provide|write|add)\b[^.;]{0,15}\b(?:each|every|them)\b[^.;]{0,20}\b(?:descriptions?|summar(?:y|ies)|profiles?|names?|portraits?)\b"
)
_DOUBT = re.compile(
    r"\b(?:no|not|never|n't|without|needn't|need not|doesn't|does not|don't|do not|don't need|does not need to)\s+(?!exceed|cross|pass|more|longer|less|bigger|larger|over|beyond)(?:\w+\s+){0,3}$"
)
_UNIMPORTANT = re.compile(
    r"^[^,;.]{0,12}\b(?:does(?: not|n't) matter|is(?: not|n't) (?:needed|important|required|necessary)|unimportant|not (?:needed|required|important)|is optional|irrelevant|i don't care)"
)
_FACTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("data.n_classes", re.compile(r"\b(\d+)[\s-](?:(?:possible|different|ordered|distinct|output|target|mutually exclusive)\s+)?(?:class(?:es)?|categories|species|cultivars|varieties)\b(?! accuracy)|\b(?:into|in|among|between|1 of|of the)\s+(\d+)\s+(?:different\s+|possible\s+)?(?:\w+\s+){0,2}(?:groups|kinds|types|topics|buckets|labels|genres|breeds|departments|queues|teams|sorts)\b|\b(\d+)[\s-]way\b|\b(\d+)\s+(?:\w+\s+)?(?:species|cultivars|varieties|breeds|classes|categories|kinds|sorts|types)\b(?! accuracy)|\b(\d+)\s+(?:ordered\s+|possible\s+)?(?:levels|grades|stages)\b|\bscale (?:of|with) (\d+) (?:values|points|steps|levels)\b|\b(?:sort|classify|assign|route|divide|categori[sz]e)\b[^.;]{0,40}\binto\s+(?:1 of )?(?:the )?(\d+)\s+[a-z]+s\b")),
    ("data.n_labels", re.compile(r"\b(\d+)\s+(?:possible\s+|different\s+|binary\s+)?(?:labels|tags|topics|genres|themes|subjects|categories)\b")),
    ("data.n_keypoints", re.compile(r"\b(\d+)\s+(?:\w+\s+){0,2}(?:key[\s-]?points?|landmarks|joints)\b")),
    ("data.n_clusters", re.compile(r"\b(\d+)\s+(?:clusters|segments|customer segments)\b|\b(\d+)\s+(?:\w+\s+)?groups\b")),
    ("data.n_rows", re.compile(r"\b(\d+)\s+(?:(?!more|other|top|best|first|last)[a-z]+\s+){0,2}(?:rows|records|samples|examples|observations|instances|data points|lines|entries)\b(?!\s*(?:per|a|/|each)\s?(?:second|sec|s|minute|hour|day)\b)")),
    ("data.n_series", re.compile(r"\b(\d+)\s+(?:different\s+|parallel\s+|separate\s+)?(?:time\s+)?series\b")),
    ("data.channels", re.compile(r"\b(\d+)[\s-]channels?\b")),
    ("data.sampling_hz", re.compile(r"\b(\d+(?:\.\d+)?)\s?hz\b")),
    ("data.image_size", re.compile(r"\b(\d{2,4}\s?x\s?\d{2,4})\b(?:\s*(?:px|pixels?|images?|pictures?))?")),
)  # fmt: skip
_ROWS = re.compile(
    r"\b(?:(?:use|keep|take|consider|include|look at|train on|learn from)\s+(?:only|just)|(?:only|just)(?:\s+(?:use|keep|take|consider|include|look at|train on|learn from|count))?|restrict\w*(?:\s+\w+){0,2}\s+to|limit\w*(?:\s+\w+){0,2}\s+to)\s+(?:on\s+)?(?:the\s+|those\s+)?(?:rows|records|samples|entries|cases|lines|orders|customers|patients)\s+"
    r"(?:where|with|in which|for which|whose|that have)\s+([^.;,!?]+)"
)
_KHZ = re.compile(r"\b(\d+(?:\.\d+)?)\s?khz\b")
_FORMAT = re.compile(
    r"\b(?:as|in|into|from|a|the|my|our|this|read|of)\s+(csv|tsv|parquet|jsonl|xlsx|excel|npz|dicom|wav|tiff)s?(?:\s+(?:file|files|format|table|sheet|images?|folder|data))\b"
)
_LAYOUT = re.compile(
    r"\b(?:1|one|a|its own|their own) (?:sub-?)?folder each\b|\b(?:1|one|a|own|separate) (?:sub-?)?(?:folder|directory) (?:per|for each|for every|each|by) \w+\b|\b(?:sub-?)?(?:folders|directories|folder) (?:named |sorted |arranged |organi[sz]ed |split )?(?:by|per|for each|after) (?:the |their |its )?(?:class|kind|type|species|label|category|breed|grade|name|variety|sort)\w*\b|\b(?:folder|directory) names? (?:is|are|gives?|tells?|holds?) (?:the )?(?:class|label)\w*\b|\bsorted (?:in|into) (?:sub)?folders\b|\bfolders? (?:named )?(?:by|per|for each) class\b|\bfolder[\s-]per[\s-]class\b"
)
_ANNOTATION = re.compile(
    r"\b(coco)\b(?![\s-](?:pre|weights|classes|net|dataset))|\b(coco|pascal[\s-]voc|voc|yolo)[\s-](?:format|json|annotations?|style|labels|files?|boxes)\b|\b(?:annotat\w+|labels?|json|boxes|masks?)\b[^.;]{0,30}?\b(coco|voc|yolo)\b"
)
_TAGS = re.compile(
    r"\b(?:tags?|labels?|scheme|format|tagging)\b[^.;]{0,20}\b(bioes|bilou|bio|iob2?)\b|\b(bioes|bilou|bio|iob2?)[\s-](?:tags?|scheme|format|labels|tagging)\b"
)


def read_setting(sentence: Sentence) -> Iterator[Finding]:
    """Find devices, properties, deployment and extra deliverables."""
    seen: list[tuple[int, int]] = []
    done: set[str] = set()
    for key, value, pattern in _RULES:
        for match in sentence.find(pattern):
            clash = any(match.start() < end and start < match.end() for start, end in seen)
            if (
                clash
                or (key in done and not _negative(match[0]))
                or (not _negative(match[0]) and _denied(sentence, match))
            ):
                continue
            seen.append(match.span())
            done.add(key)
            yield Finding(key, value, *match.span())
            break
    for name, pattern in _OUTPUTS:
        said = pattern.search(sentence.clean)
        if said is None or _denied(sentence, said):
            continue
        if not any(said.start() < end and start < said.end() for start, end in seen):
            yield Finding("outputs", [name], *said.span())
    told = _TOLD.search(sentence.clean)
    if told is not None and _CLUSTERS.search(sentence.clean):
        yield Finding("outputs", ["segment_descriptions"], *told.span())


def read_facts(sentence: Sentence) -> Iterator[Finding]:
    """Find what the sentence says of the data: counts, sizes, formats."""
    for key, pattern in _FACTS:
        match = pattern.search(sentence.clean)
        if match:
            text = next(group for group in match.groups() if group)
            value: Value = (
                text.replace(" ", "")
                if key == "data.image_size"
                else float(text)
                if key == "data.sampling_hz"
                else int(text)
            )
            yield Finding(key, value, *match.span())
    rows = _ROWS.search(sentence.clean)
    if rows:
        yield Finding("data.row_filter", sentence.words(*rows.span(1)), *rows.span())
    khz = _KHZ.search(sentence.clean)
    if khz:
        yield Finding("data.sampling_hz", float(khz[1]) * 1000, *khz.span())
    for key, pattern, fixed in (
        ("data.format", _FORMAT, None),
        ("data.layout", _LAYOUT, "folder_per_class"),
        ("data.annotation_format", _ANNOTATION, None),
        ("data.tag_scheme", _TAGS, None),
    ):
        match = pattern.search(sentence.clean)
        if match:
            yield Finding(key, fixed or next(g for g in match.groups() if g).replace(" ", "_"), *match.span())


def _negative(text: str) -> bool:
    return bool(
        re.match(
            r"(?:no|not|without|don't|do not|dont|avoid|from scratch|have no|nothing|\w+n't (?:accept|want|use|like|trust|need|tolerate)|never|data|air|disconnected)\b",
            text,
        )
    )


def _denied(sentence: Sentence, match: re.Match[str]) -> bool:
    return bool(_DOUBT.search(sentence.clause(*match.span())[0])) or bool(
        _UNIMPORTANT.match(sentence.clean[match.end() :])
    )
