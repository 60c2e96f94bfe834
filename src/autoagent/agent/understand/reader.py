"""The rules reader: every subject's reader over one cleaned sentence, joined into a spec."""

from __future__ import annotations

import re
from dataclasses import replace

from autoagent.agent.spec import Question, TaskSpec, Understanding, Value
from autoagent.agent.understand.columns import find_mentions, read_columns
from autoagent.agent.understand.evidence import ColumnEvidence, DataEvidence
from autoagent.agent.understand.feasibility import Verdict, judge
from autoagent.agent.understand.finding import Fields, Finding, merge
from autoagent.agent.understand.language import foreign_language, read_foreign
from autoagent.agent.understand.limits import read_counts, read_limits
from autoagent.agent.understand.metric import CLASS_METRICS, VALUE_METRICS, read_metric
from autoagent.agent.understand.models import read_bits, read_models, read_monotone
from autoagent.agent.understand.named_classes import counted_by_target, named_classes, task_of_classes
from autoagent.agent.understand.numbers import write_in_digits
from autoagent.agent.understand.paths import read_path
from autoagent.agent.understand.sentence import Sentence
from autoagent.agent.understand.series import SERIES_TASKS, read_series_words
from autoagent.agent.understand.setting import read_facts, read_setting
from autoagent.agent.understand.spelling import mend_spelling
from autoagent.agent.understand.split import names_a_horizon, read_horizon, read_split
from autoagent.agent.understand.task import classifies, fits_metric, read_task, task_of_metric

_CALLS = re.compile(r"\b(?:latency|inference|prediction|per (?:row|call|request|sample|reading)|respon\w+|answers?)\b")
_SOON_S = 30  # too short to train anything, and just right to be warned
MAX_CHARACTERS = 20_000  # a request is a sentence or a page, not a book; the rest is left unread and said


def clean(text: str, evidence: DataEvidence) -> Sentence:
    """Return the sentence with spelling mended and numbers in digits; the table's own words stay as they are."""
    sentence = Sentence.of(text[:MAX_CHARACTERS])
    own = {word for name in evidence.names for word in re.findall(r"[a-z]+", name.lower())}
    return write_in_digits(mend_spelling(sentence, protected=own))


def read_fields(sentence: Sentence, evidence: DataEvidence) -> Fields:
    """Run every reader over the sentence; of one in another language only what is safe to read."""
    if foreign_language(sentence.original):
        return merge(sentence, [*read_path(sentence), *read_foreign(sentence)])
    monotone = list(read_monotone(sentence, evidence.names))
    paths = list(read_path(sentence))
    facts = list(read_facts(sentence))
    metric = list(read_metric(sentence))
    task = _with_quantiles(_ahead(_task(sentence, paths, metric), sentence, evidence), metric)
    series = list(read_series_words(sentence, evidence.names)) if _forecasts(task) else []
    taken = {name for found in series if isinstance(found.value, list) for name in found.value}
    texts = {column.name for column in evidence.columns if column.is_text}
    dates = {column.name for column in evidence.columns if column.is_date}
    columns = list(
        read_columns(
            sentence,
            [name for name in evidence.names if name not in taken],
            texts=texts,
            dates=dates,
            has_target=evidence.default_target is not None,
        )
    )
    listed = named_classes(sentence, names=evidence.names)
    if listed is not None:
        facts.append(listed)
        task = _with_classes(task, listed)
    if any(found.key == "data.target" for found in series):
        columns = [found for found in columns if found.key != "data.target"]
    findings = [
        *task,
        *paths,
        *columns,
        *series,
        *facts,
        *_counted(columns, facts, sentence, evidence),
        *metric,
        *_ordered_by(sentence, columns, evidence),
        *_split(sentence, columns, ranks=any(found.value == "ranking" for found in task)),
        *_horizon(sentence, task),
    ]
    findings += [*read_counts(sentence), *read_setting(sentence), *read_models(sentence), *monotone]
    findings += read_bits(sentence)
    edges = [(found.start, found.end) for found in findings if found.key not in ("task_type", "data.time_key")]
    findings += read_limits(sentence, edges=edges)
    return merge(sentence, _reconcile(_several_targets(findings), speaks_of_calls=bool(_CALLS.search(sentence.clean))))


def read_rules(text: str, *, evidence: DataEvidence | None = None) -> Understanding:
    """Understand a request by rules alone: deterministic, English, no model."""
    evidence = evidence or DataEvidence()
    sentence = clean(text, evidence)
    return conclude(text, sentence, read_fields(sentence, evidence), evidence)


def conclude(
    text: str, sentence: Sentence, fields: Fields, evidence: DataEvidence, *, foreign_is_open: bool = True
) -> Understanding:
    """Judge the fields and build the understanding; the same for every reader."""
    values, words = dict(fields.values), dict(fields.words)
    language = foreign_language(text)
    if language:
        values["language"], words["language"] = language, text[:80]
    inferred = _conclude_task(sentence, values, words, dict(fields.inferred), evidence)
    verdict = judge(
        sentence,
        Fields(values, words, fields.conflicts, inferred),
        default_target=evidence.default_target,
        has_table=bool(evidence.columns),
    )
    _judge_data(values, verdict, evidence)
    if language and foreign_is_open:
        verdict.ask("language")
    if len(text) > MAX_CHARACTERS:
        verdict.notices.append(f"Only the first {MAX_CHARACTERS} of {len(text)} characters were read.")
    vague = "task_type" in verdict.clarify and "data.target" in verdict.clarify
    values |= {"intent": "consult" if vague else "build", "warnings": verdict.warnings, "clarify": verdict.clarify}
    return Understanding(
        request=text,
        spec=TaskSpec.from_flat(values),
        evidence=words,
        inferred=inferred,
        assumptions=[_aloud(key, values[key], reason) for key, reason in inferred.items()],
        questions=[Question(key=key, text=verdict.questions[key]) for key in verdict.clarify],
        notices=verdict.notices,
    )


def _task(sentence: Sentence, paths: list[Finding], metric: list[Finding]) -> list[Finding]:
    task = list(read_task(sentence, skip=tuple((path.start, path.end) for path in paths)))
    named = next((found for found in metric if found.key == "metric.name"), None)
    if named is None:
        return task
    task = [found for found in task if fits_metric(found, str(named.value))]
    inferred = task_of_metric(str(named.value), named.start, named.end)
    return task or ([inferred] if inferred else [])


def _with_classes(task: list[Finding], listed: Finding) -> list[Finding]:
    """Let the classes that are named say what kind of classification it is, where no word for a task does."""
    named = task_of_classes(listed)
    if not task or task[0].reason:
        return [named]
    return [named] if task[0].value == "binary_classification" != named.value else task


def _counted(columns: list[Finding], facts: list[Finding], sentence: Sentence, evidence: DataEvidence) -> list[Finding]:
    """Find a count of classes that is said with the target's own name."""
    target = next((found.value for found in columns if found.key == "data.target"), None)
    if not isinstance(target, str) or any(found.key == "data.n_classes" for found in facts):
        return []
    column = evidence.column(target)
    counted = counted_by_target(sentence, target) if column is not None and column.kind != "numeric" else None
    return [counted] if counted is not None else []


def _ordered_by(sentence: Sentence, columns: list[Finding], evidence: DataEvidence) -> list[Finding]:
    """Find the column of time that a split by time names without a word for its part, if there is one only."""
    taken = {name for found in columns for name in (found.value if isinstance(found.value, list) else [found.value])}
    by_time = any(found.key == "split.kind" and found.value == "time" for found in read_split(sentence))
    if not by_time or any(found.key == "data.time_key" for found in columns):
        return []
    dates = {column.name for column in evidence.columns if column.is_date}
    named = [m for m in find_mentions(sentence, evidence.names) if m.name in dates and m.name not in taken]
    return [Finding("data.time_key", m.name, m.start, m.end) for m in named[:1] if len({m.name for m in named}) == 1]


def _ahead(task: list[Finding], sentence: Sentence, evidence: DataEvidence) -> list[Finding]:
    """Infer a forecast where a time ahead is named, the table holds dates, and no word states another task."""
    span = names_a_horizon(sentence)
    stated = bool(task) and not task[0].reason
    if span and stated and task[0].value == "quantile_regression" and any(c.is_date for c in evidence.columns):
        return [replace(task[0], value="quantile_forecasting")]
    if span is None or stated or not any(column.is_date for column in evidence.columns):
        return task
    return [Finding("task_type", "forecasting", *span, "a time ahead is named and the table holds dates")]


def _with_quantiles(task: list[Finding], metric: list[Finding]) -> list[Finding]:
    """Let quantiles that are listed turn a forecast into one of quantiles, and a regression likewise."""
    listed = next((found for found in metric if found.key == "metric.params.quantiles"), None)
    of_quantiles = {"forecasting": "quantile_forecasting", "regression": "quantile_regression"}
    if listed is None or not task or task[0].value not in of_quantiles:
        return task
    return [replace(task[0], value=of_quantiles[str(task[0].value)])]


def _split(sentence: Sentence, columns: list[Finding], *, ranks: bool) -> list[Finding]:
    found = list(read_split(sentence))
    keys = {finding.key: finding for finding in columns if not (ranks and finding.key == "data.group_key")}
    if "data.group_key" in keys:
        found = [finding for finding in found if (finding.key, finding.value) != ("split.kind", "kfold")]
    if not any(finding.key == "split.kind" for finding in found):
        for key, kind in (("data.group_key", "group"), ("data.time_key", "time")):
            if key in keys:
                found.append(Finding("split.kind", kind, keys[key].start, keys[key].end))
                break
    return found


def _horizon(sentence: Sentence, task: list[Finding]) -> list[Finding]:
    found = list(read_horizon(sentence))
    return found if _forecasts(task) else []


def _forecasts(task: list[Finding]) -> bool:
    return bool(task) and task[0].value in SERIES_TASKS


def _delay(found: Finding) -> Finding:
    """Take the time to answer as the time to notice, where odd behaviour is to be noticed."""
    if found.key == "constraints.train_time_s" and isinstance(found.value, float | int) and found.value <= _SOON_S:
        return replace(found, key="constraints.detection_delay_ms", value=found.value * 1000)
    return replace(found, key="constraints.detection_delay_ms") if found.key == "constraints.latency_ms" else found


def _several_targets(findings: list[Finding]) -> list[Finding]:
    """Let several targets of one regression say that it has several."""
    target = next((found for found in findings if found.key == "data.target"), None)
    task = next((found for found in findings if found.key == "task_type"), None)
    if target is None or not isinstance(target.value, list) or (task is not None and task.value != "regression"):
        return findings
    if task is not None and not task.reason:
        return findings
    several = Finding(
        "task_type", "multi_target_regression", target.start, target.end, f"{len(target.value)} targets are named"
    )
    return [several, *(found for found in findings if found is not task)]


def _reconcile(findings: list[Finding], *, speaks_of_calls: bool = False) -> list[Finding]:
    """Drop what two readers took from the same words: the more specific one keeps them."""
    keys = {finding.key for finding in findings}
    task = next((finding.value for finding in findings if finding.key == "task_type"), None)
    drop: set[str] = set()
    if task == "clustering":
        drop |= {"data.n_classes", "data.target"}
    else:
        drop.add("data.n_clusters")
    if task == "multilabel_classification":
        drop.add("data.n_classes")
    elif "data.n_classes" in keys:
        drop.add("data.n_labels")
    reach = next((found for found in findings if found.key == "metric.threshold"), None)
    kept = [found for found in findings if found.key not in drop and not _inside(found, reach)]
    return [_delay(found) for found in kept] if task == "anomaly_detection" and not speaks_of_calls else kept


def _inside(found: Finding, reach: Finding | None) -> bool:
    """Say whether a limit was read from the value that the metric should reach: "MAE below 5 minutes"."""
    limit = found.key in ("constraints.train_time_s", "constraints.latency_ms", "constraints.llm_cost_usd")
    return limit and reach is not None and reach.start <= found.start < reach.end


def _conclude_task(
    sentence: Sentence,
    values: dict[str, Value],
    words: dict[str, str],
    inferred: dict[str, str],
    evidence: DataEvidence,
) -> dict[str, str]:
    """Drop an inferred task that the target's column refutes; let the column say how many classes are meant."""
    target = values.get("data.target") or evidence.default_target
    column = evidence.column(target) if isinstance(target, str) else None
    if column is None or column.n_unique < 2 or "language" in values:
        return inferred
    if "task_type" in inferred and not _fits(str(values["task_type"]), column):
        del values["task_type"], words["task_type"], inferred["task_type"]
    said = classifies(sentence)
    if said is not None and "task_type" not in values:
        values["task_type"] = "binary_classification" if column.n_unique == 2 else "multiclass_classification"
        words["task_type"] = sentence.words(*said)
        inferred["task_type"] = f"{column.name!r} has {column.n_unique} classes"
    return inferred


def _fits(task: str, column: ColumnEvidence) -> bool:
    if task == "regression":
        return column.kind == "numeric" and column.n_unique > 2
    return column.n_unique == 2 if task == "binary_classification" else column.n_unique > 2


def _aloud(key: str, value: Value, reason: str) -> str:
    return f"Taken as {str(value).replace('_', ' ')} ({key}): {reason}."


def _judge_data(values: dict[str, Value], verdict: Verdict, evidence: DataEvidence) -> None:
    """Compare the request with the table: columns that are not there, tasks that do not fit, hidden instructions."""
    if evidence.suspicious:
        verdict.warnings.append("prompt_injection_in_data")
        for found in evidence.suspicious:
            verdict.notices.append(
                f"{found.where} holds text that reads like an instruction; it changes nothing: {found.text!r}"
            )
    target = values.get("data.target")
    if evidence.columns and isinstance(target, str) and evidence.column(target) is None:
        verdict.impossible("data.target", f"There is no column {target!r}.")
    column = evidence.column(target) if isinstance(target, str) else None
    metric = str(values.get("metric.name", ""))
    words = column is not None and column.kind in ("categorical", "text")
    numbers = column is not None and column.kind == "numeric" and not column.integral and column.n_unique > 20
    if "task_type" not in values and ((words and metric in VALUE_METRICS) or (numbers and metric in CLASS_METRICS)):
        kind = "words" if words else "numbers"
        verdict.impossible("metric.name", f"{metric} does not measure predictions of {target!r}, which holds {kind}.")
    if column and values.get("task_type") == "binary_classification" and column.n_unique > 2:
        verdict.warnings.append("contradiction:task_type")
        verdict.ask(
            "task_type", f"{column.name!r} has {column.n_unique} different values, not two; what should be predicted?"
        )
    if column and values.get("task_type") == "regression" and column.kind in ("categorical", "text"):
        verdict.warnings.append("contradiction:task_type")
        verdict.ask("task_type", f"{column.name!r} holds words, not numbers; should they be classified?")


def mentioned_columns(text: str, evidence: DataEvidence) -> tuple[str, ...]:
    """Return the table's columns that the sentence names, in its order."""
    return tuple(dict.fromkeys(mention.name for mention in find_mentions(clean(text, evidence), evidence.names)))
