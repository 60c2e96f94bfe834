# ruff: noqa: E501
"""What cannot be: contradictions, impossibilities and essentials that are missing, found before anything is spent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from autoagent.agent.spec import Value
from autoagent.agent.understand.finding import Fields
from autoagent.agent.understand.metric import BOUNDED, CLASS_METRICS, MINIMISED, VALUE_METRICS
from autoagent.agent.understand.sentence import Sentence

SUPPORTED = {
    "binary_classification": "binary",
    "multiclass_classification": "multiclass",
    "regression": "regression",
    "semantic_segmentation": "segmentation",
    "instance_segmentation": "segmentation",
    "object_detection": "detection",
    "keypoint_detection": "keypoints",
}
NEAREST = {
    "multilabel_classification": "one binary classification per label",
    "ordinal_regression": "multiclass classification, or regression on the grade's number",
    "multi_target_regression": "one regression per target",
    "quantile_regression": "regression of the mean",
    "ranking": "regression or binary classification of the relevance",
    "clustering": "multiclass classification, when some rows carry a group label",
    "anomaly_detection": "binary classification, when some rows are labelled",
    "survival_analysis": "binary classification of the event within a fixed time",
    "recommendation": "binary classification of user and item pairs",
}
_TRUTH_IN_FILES = ("semantic_segmentation", "instance_segmentation", "object_detection", "keypoint_detection")
_CLASS_TASKS = frozenset(["binary_classification", "multiclass_classification", "multilabel_classification"])
_VALUE_TASKS = frozenset(
    ["regression", "multi_target_regression", "quantile_regression", "forecasting", "quantile_forecasting"]
)
_RIGHT = r"(?:right|correct|accurate|exact|flawless|perfect|spot on)"
_WRONG = r"(?:wrong|mistaken|incorrect|errors?|mistakes?|misclassif\w+|failures?|slips?|misses)"
_CASE = r"(?:time|case|row|record|prediction|answer|instance|example|customer|patient|one|day)"
# A promise without exception: a word for right with a word for always, or a word for wrong with a word for never.
_NEVER_WRONG = re.compile(
    r"\b(?:"
    rf"never (?:ever )?(?:be |is |make a |makes a |make any |have |has |get |gets |produce )?(?:it |anything |a single )?(?:{_WRONG}|errs?|fails?|misses?|miss)\b"
    rf"|(?:always|100 ?(?:%|percent)|absolutely|totally|completely|invariably) (?:be |get it |get everything )?{_RIGHT}\b(?! enough)"
    rf"|{_RIGHT} (?:in |on |for |about )?(?:every|each|all|any)(?: and every)?(?: single| the)? {_CASE}s?\b|{_RIGHT} (?:always|without exception|all the time)\b"
    rf"|(?:get|gets|getting|have|predict|classif\w+) (?:every|each|all)(?: and every)?(?: single| the)? (?:{_CASE}s?|thing) {_RIGHT}\b|get everything {_RIGHT}"
    rf"|(?:every|each|all)(?: and every)?(?: single| the| of the)? {_CASE}s? (?:must|has to|have to|needs? to|should|shall) (?:always )?be {_RIGHT}\b"
    rf"|(?:can't|cannot|can not|couldn't|could not|must not|mustn't|may not|shouldn't|should not|can never|must never|may never|should never|never),? (?:ever,? )?(?:(?:be|go) (?:wrong|mistaken|incorrect|off)|errs?|fails?|miss(?: (?:a|any|one)\b[^.;]*| or \w+)?)(?=\s*(?:$|[.,;!?]|or\b|and\b|because|since))|not allowed to (?:be wrong|fail|err|make (?:a |any )?mistakes?)"
    rf"|(?:can't|cannot|can not|couldn't|could not|must not|mustn't|may not|shouldn't|should not|can never|must never|may never) (?:ever )?(?:afford|tolerate|accept|have|make|allow)(?: to make)? (?:even )?(?:a single |one |1 |a |any )(?:single )?(?:wrong \w+|{_WRONG})\b"
    rf"|(?:(?:will|shall|does|do|would|did)(?: not|n't)|won't) (?:ever )?(?:make|have|produce|contain) (?:even )?(?:a single|1|one|any) (?:single )?(?:wrong \w+|{_WRONG})\b"
    rf"|\b{_WRONG} (?:is|are) (?:not|never|in no case) (?:acceptable|allowed|permitted|tolerated|tolerable|an option)\b|not even (?:a single|1|one) {_WRONG}\b"
    rf"|(?:not (?:even )?(?:a single|1|one)|no) (?:single )?(?:wrong (?:\w+ )?(?:prediction|answer|call|decision|classification)s?|{_WRONG})\b(?! bars?| analysis| bound| metric| rate| term| message| log)"
    rf"|without (?:a single |any |ever )?(?:{_WRONG})\b(?! bars?)|(?:zero|0) (?:{_WRONG})\b|(?:zero|0) (?:false positives|false alarms) and (?:zero|0|no) (?:false negatives|misses)"
    r"|guarantee\w*|infallible|foolproof|flawless(?:ly)?|error[\s-]free|100% (?:certain|reliable|sure)"
    r"|perfect(?:ly)? (?:accura\w+|predict\w*|model|classif\w*|score)|100 ?(?:%|percent) (?:accura\w*|right|of the time)"
    r")"
)
_NEED_NOT = re.compile(
    r"\b(?:no|not(?: need| have| expect| ask| want)?(?: for)?(?: to| you to| it to)?|(?:don't|doesn't|do not|does not|needn't|dont)(?: \w+){0,3}|no need (?:for|to)(?: \w+)?)\s+(?:a |an |the |be )?$"
)
_LAYERS = re.compile(r"\b(\d+)[\s-]+(?:hidden[\s-]+)?layers?\b")
_BIG = re.compile(r"\b(\d+(?:\.\d+)?)\s?(?:b|billion)[\s-]param\w*")
# "below 2 million parameters" allows fewer; "a model with 2 million" does not.
_PARAMS_CAP = re.compile(
    r"\b(?:under|below|less than|fewer than|at most|no more than|not more than|up to|max(?:imum)?(?: of)?|within|not exceed\w*|exceed\w*|limit\w*|cap\w*|<=?)\s*(?:of |to |at |: ?)?\d[\d.]*\s*(?:[mbk]\b|million|billion)?[\s-]*(?:trainable |model )?(?:param|weights)"
    r"|\bparam\w*\s*(?:<|under|below|at most|max)|\d\s*(?:[mbk]|million|billion)?[\s-]*param\w*\s*(?:max|at most|tops|or (?:less|fewer))"
)
_ARCHITECTURE_MB = {
    "resnet18": 44.7,
    "resnet50": 97.5,
    "resnet101": 170.0,
    "resnet152": 230.0,
    "transformer": 10.0,
    "yolo": 4.0,
}
_BITS_MB = 4.0  # bytes of one float32 parameter, so millions of parameters x 4 = MB
_MIN_LAYER_MB = 0.008  # a layer of 45 units in float32
_QUESTIONS = {
    "data.target": "Which column should be predicted?",
    "task_type": "What should the model do: tell two classes apart, choose among several, or predict a number?",
    "metric.name": "By which metric should the model be judged?",
    "intent": "What should be predicted, from which data?",
    "language": "The rule reader knows English only; please say it in English or use --llm.",
    "data.group_key": "Which column tells what belongs together?",
    "data.time_key": "Which column holds the time?",
    "split.key": "Which column should the split follow?",
    "horizon.steps": "How many steps ahead should be forecast?",
    "data.n_clusters": "How many groups should there be?",
}


@dataclass
class Verdict:
    """What was found wrong or missing.

    Attributes:
        warnings: words for ``spec.warnings``.
        clarify: keys that must be asked before building.
        questions: the question for a key, where it differs from the usual one.
        notices: sentences for the user.
    """

    warnings: list[str] = field(default_factory=list)
    clarify: list[str] = field(default_factory=list)
    questions: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    def impossible(self, key: str, why: str) -> None:
        """Record that a key cannot be satisfied; it must be asked again."""
        if f"infeasible:{key}" not in self.warnings:
            self.warnings.append(f"infeasible:{key}")
            self.notices.append(why)
            self.ask(key, f"{why} What should hold instead?")

    def ask(self, key: str, text: str | None = None) -> None:
        """Record that a key must be asked."""
        if key not in self.clarify:
            self.clarify.append(key)
            self.questions[key] = text or _QUESTIONS.get(key, f"What should {key} be?")


def judge(sentence: Sentence, fields: Fields, *, default_target: str | None = None, has_table: bool = False) -> Verdict:
    """Find what contradicts itself, what cannot be, and what is missing.

    Args:
        sentence: cleaned.
        fields: what was read.
        default_target: the target of the data where they have one of themselves.
        has_table: whether there are columns; without them masks, boxes and joints are taken to be beside the images.
    """
    verdict = Verdict()
    values = fields.values
    for key in fields.conflicts:
        verdict.warnings.append(f"contradiction:{key}")
        verdict.ask(key, f"You gave two different values for {key} ({fields.words[key]!r}); which one holds?")
    _judge_guarantees(sentence, values, verdict)
    _judge_size(sentence, values, verdict)
    _judge_metric(values, verdict)
    _judge_models(values, verdict)
    _judge_columns(values, verdict)
    _judge_devices(values, verdict)
    if has_table or values.get("task_type") not in _TRUTH_IN_FILES:
        _judge_target(values, verdict, default_target)
    _judge_missing(values, verdict)
    return verdict


def _number(values: Mapping[str, Value], key: str) -> float | None:
    value = values.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _names(values: Mapping[str, Value], key: str) -> set[str]:
    value = values.get(key)
    return {str(item) for item in value} if isinstance(value, list) else {str(value)} if value is not None else set()


def _judge_guarantees(sentence: Sentence, values: Mapping[str, Value], verdict: Verdict) -> None:
    match = _NEVER_WRONG.search(sentence.clean)
    if match and not _NEED_NOT.search(sentence.clean[: match.start()]):
        verdict.warnings.append("no_guarantee_possible")
        verdict.notices.append(f"No model can promise this: {sentence.words(*match.span())!r}.")
        verdict.ask("metric.threshold", "No model is never wrong; which error rate is acceptable?")
    threshold, name = _number(values, "metric.threshold"), str(values.get("metric.name", ""))
    perfect = name and (
        (name not in MINIMISED and threshold == 1) or (name in MINIMISED | {"brier"} and threshold == 0)
    )
    if perfect and "no_guarantee_possible" not in verdict.warnings:
        verdict.warnings.append("no_guarantee_possible")
        verdict.notices.append("A perfect score on new data cannot be promised.")
        verdict.ask("metric.threshold", "A perfect score cannot be promised; which value is good enough?")
    for key, value in values.items():
        if (
            key.startswith("constraints.")
            and _number(values, key) == 0
            and key not in ("constraints.false_alarms_per_day", "constraints.llm_cost_usd", "constraints.n_gpus")
        ):
            verdict.impossible(key, f"{key} = {value} leaves nothing to work with.")


def _judge_size(sentence: Sentence, values: Mapping[str, Value], verdict: Verdict) -> None:
    size = _number(values, "constraints.model_size_mb")
    bits = _number(values, "model.weight_bits") or 32
    layers = _LAYERS.search(sentence.clean)
    if layers and size is not None and int(layers[1]) * _MIN_LAYER_MB * bits / 32 > size:
        verdict.impossible("constraints.model_size_mb", f"A network of {layers[1]} layers does not fit into {size} MB.")
    for name in _names(values, "model.must"):
        needed = _ARCHITECTURE_MB.get(name, 0) * bits / 32
        if size is not None and needed > size:
            verdict.impossible("constraints.model_size_mb", f"{name} needs about {needed:.0f} MB, more than {size} MB.")
    params = _number(values, "constraints.params_m")
    if params is not None and size is not None and params * bits / 8 > size and not _PARAMS_CAP.search(sentence.clean):
        verdict.impossible("constraints.model_size_mb", f"{params:g} million parameters do not fit into {size:g} MB.")
    big = _BIG.search(sentence.clean)
    if big and size is not None and float(big[1]) * 1000 * bits / 8 > size:
        verdict.impossible("constraints.model_size_mb", f"{big[1]} billion parameters do not fit into {size} MB.")
    rate, latency = _number(values, "constraints.throughput_per_s"), _number(values, "constraints.latency_ms")
    if latency is not None and latency < 0.001:
        verdict.impossible("constraints.latency_ms", f"{latency} ms is less than a call takes.")
    if rate is not None and rate > 1e9:
        verdict.impossible("constraints.throughput_per_s", f"{rate:g} predictions a second is beyond any machine.")


def _judge_metric(values: Mapping[str, Value], verdict: Verdict) -> None:
    name, task = str(values.get("metric.name", "")), values.get("task_type")
    clash = (name in CLASS_METRICS and task in _VALUE_TASKS) or (name in VALUE_METRICS and task in _CLASS_TASKS)
    if clash:
        verdict.impossible("metric.name", f"{name} does not measure {str(task).replace('_', ' ')}.")
    direction = values.get("metric.direction")
    if name and (
        (direction == "max" and name in MINIMISED | {"brier"})
        or (direction == "min" and name not in MINIMISED | {"brier"} and name in CLASS_METRICS | VALUE_METRICS)
    ):
        verdict.impossible("metric.direction", f"{name} is better when {'lower' if direction == 'max' else 'higher'}.")
    threshold = _number(values, "metric.threshold")
    if threshold is not None and threshold > 1 and name in BOUNDED:
        verdict.impossible("metric.threshold", f"{name} is never above 1, that is 100 percent.")
    if task == "binary_classification" and (_number(values, "data.n_classes") or 2) > 2:
        verdict.impossible("task_type", "A binary task has two classes, not more.")


def _judge_models(values: Mapping[str, Value], verdict: Verdict) -> None:
    must, forbid, allow = (_names(values, f"model.{part}") for part in ("must", "forbid", "allow"))
    for name in sorted((must | allow) & forbid):
        verdict.impossible("model.must" if name in must else "model.allow", f"{name} is both asked for and forbidden.")
    boosted = {"lightgbm", "xgboost", "catboost"}
    for key, wanted in (("model.must", must & boosted), ("model.allow", allow & boosted)):
        if "gradient_boosting" in forbid and wanted:
            verdict.impossible(key, f"{', '.join(sorted(wanted))} is gradient boosting, which is forbidden.")
    opaque = (must or allow) & {
        "neural_network",
        "random_forest",
        "ensemble",
        "transformer",
        "cnn",
        "resnet18",
        "resnet50",
    }
    if values.get("constraints.interpretable") is True and opaque and not (must or allow) - opaque:
        verdict.warnings.append("contradiction:constraints.interpretable")
        verdict.notices.append(f"{', '.join(sorted(opaque))} is not interpretable by itself.")
        verdict.ask("constraints.interpretable", f"Should the model be interpretable, or a {sorted(opaque)[0]}?")


def _judge_columns(values: Mapping[str, Value], verdict: Verdict) -> None:
    targets, excluded = _names(values, "data.target"), _names(values, "data.features_exclude")
    for name in sorted(targets & excluded):
        verdict.impossible("data.target", f"{name!r} is both the target and excluded.")
    for role in ("data.group_key", "data.time_key"):
        for name in sorted(targets & _names(values, role)):
            verdict.impossible("data.target", f"{name!r} is both the target and the {role.removeprefix('data.')}.")
    for key in values:
        if key.startswith("model.monotone.") and key.removeprefix("model.monotone.") in excluded:
            verdict.impossible(key, f"{key.removeprefix('model.monotone.')!r} is excluded and cannot be monotone.")


def _judge_devices(values: Mapping[str, Value], verdict: Verdict) -> None:
    if values.get("constraints.device_train") == "cpu" and (_number(values, "constraints.n_gpus") or 0) > 0:
        verdict.impossible("constraints.device_train", "Training on the CPU only and GPUs are both asked for.")
    rate, latency = _number(values, "constraints.throughput_per_s"), _number(values, "constraints.latency_ms")
    per_trial = _number(values, "constraints.train_time_s")
    trials = _number(values, "constraints.max_trials")
    if per_trial is not None and trials is not None and trials / max(per_trial, 1e-9) > 1000:
        verdict.impossible("constraints.max_trials", f"{trials:g} trials cannot run in {per_trial:g} s.")
    if per_trial is not None and 0 < per_trial < 1:
        verdict.impossible("constraints.train_time_s", f"{per_trial:g} s is too short to fit anything.")
    patience = _number(values, "constraints.early_stop_patience_trials")
    if patience is not None and trials is not None and patience > trials:
        verdict.warnings.append("contradiction:constraints.early_stop_patience_trials")
        verdict.ask(
            "constraints.early_stop_patience_trials",
            f"A patience of {patience:g} never ends {trials:g} trials early; which holds?",
        )
    del rate, latency


def _judge_target(values: Mapping[str, Value], verdict: Verdict, default_target: str | None) -> None:
    vague = not any(key == "task_type" or key.startswith(("data.target", "metric.", "horizon.")) for key in values)
    if vague and default_target is None:
        verdict.ask("data.target")
        verdict.ask("task_type")
        return
    task = values.get("task_type")
    if (
        "data.target" not in values
        and default_target is None
        and task
        in (
            None,
            *SUPPORTED,
            "multilabel_classification",
            "ordinal_regression",
            "multi_target_regression",
            "quantile_regression",
        )
    ):
        verdict.ask("data.target")
    if task is None and default_target is None and "data.target" not in values:
        verdict.ask("task_type")


def _judge_missing(values: Mapping[str, Value], verdict: Verdict) -> None:
    task = values.get("task_type")
    if task in ("forecasting", "quantile_forecasting") and "horizon.steps" not in values:
        verdict.ask("horizon.steps")
    if values.get("split.kind") == "group" and "data.group_key" not in values and "split.key" not in values:
        verdict.ask("data.group_key")
