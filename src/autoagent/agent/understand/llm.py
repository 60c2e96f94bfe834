"""The reader that asks a language model; its fields must quote the request, and the rules complete and check them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from autoagent.agent.spec import TASK_TYPES, Scalar, TaskSpec, Understanding, Value
from autoagent.agent.understand.evidence import DataEvidence
from autoagent.agent.understand.finding import Fields
from autoagent.agent.understand.metric import known_metric
from autoagent.agent.understand.reader import clean, conclude, read_fields
from autoagent.errors import BudgetExceeded, LLMError, ReplyError

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[[str, Mapping[str, object], type["Reading"]], "Reading"]

TEMPLATE = "understand/request"
# The rules turn units into numbers and metrics into their names without slips, so theirs stand where both read a key.
_RULES_FIRST = ("constraints.", "horizon.", "data.n_", "metric.", "split.k", "split.test")


class ReadField(BaseModel):
    """One field that the request states, with the words that state it."""

    model_config = ConfigDict(extra="forbid")

    key: str
    value: Scalar | list[str]
    words: str = Field(description="the words of the request, copied exactly")


class Reading(BaseModel):
    """The reply: every field that the request states and no other."""

    model_config = ConfigDict(extra="forbid")

    fields: list[ReadField]


def read_with(ask: Ask, text: str, *, evidence: DataEvidence | None = None) -> Understanding:
    """Understand a request with a language model.

    Args:
        ask: renders a template, asks the model and returns the validated reply.
        text: the request.
        evidence: what the table says.

    A reply that cannot be used leaves the rules' reading, and a notice says so; `BudgetExceeded` passes through.
    """
    evidence = evidence or DataEvidence()
    sentence = clean(text, evidence)
    rules = read_fields(sentence, evidence)
    try:
        reading = ask(TEMPLATE, template_context(text, evidence), Reading)
    except BudgetExceeded:
        raise
    except (LLMError, ReplyError) as error:
        understood = conclude(text, sentence, rules, evidence)
        understood.notices.append(f"The language model's reading could not be used ({error}); rules read the request.")
        return understood
    joined, notices = _join(text, rules, reading, evidence)
    understood = conclude(text, sentence, joined, evidence, foreign_is_open=False)
    understood.notices.extend(notices)
    return understood


def template_context(text: str, evidence: DataEvidence) -> dict[str, object]:
    """Return what the template shows: the request, the vocabulary and the table's columns as quoted data."""
    columns = [
        {key: value for key, value in asdict(column).items() if key in ("name", "kind", "n_unique")}
        for column in evidence.columns[:100]
    ]
    return {"request": text, "columns": columns, "task_types": list(TASK_TYPES), "keys": vocabulary()}


def vocabulary() -> list[str]:
    """Return every dotted key of the spec that a request can state."""
    keys: list[str] = []
    for name, info in TaskSpec.model_fields.items():
        part = info.annotation
        if isinstance(part, type) and issubclass(part, BaseModel):
            keys += [f"{name}.{key}" for key in part.model_fields]
        elif name not in ("intent", "warnings", "clarify"):
            keys.append(name)
    return [key.replace("model.monotone", "model.monotone.<column>") for key in keys]


def _join(text: str, rules: Fields, reading: Reading, evidence: DataEvidence) -> tuple[Fields, list[str]]:
    """Take the model's fields that quote the request and fit the vocabulary; add what only the rules saw."""
    values: dict[str, Value] = dict(rules.values)
    words = dict(rules.words)
    inferred = dict(rules.inferred)
    notices: list[str] = []
    for field in reading.fields:
        problem = _problem(field, text, values, evidence) or _taken(field, rules)
        if problem:
            notices.append(f"The language model's field {field.key} = {field.value!r} was left out: {problem}.")
        elif field.key not in values or not field.key.startswith(_RULES_FIRST):
            values[field.key] = (
                known_metric(str(field.value)) or field.value if field.key == "metric.name" else field.value
            )
            words[field.key] = field.words
            inferred.pop(field.key, None)
    return Fields(values, words, rules.conflicts, inferred), notices


def _problem(field: ReadField, text: str, values: Mapping[str, Value], evidence: DataEvidence) -> str | None:
    quote = _plain(field.words)
    if not quote or quote not in _plain(text):
        return f"the request does not say {field.words!r}"
    if field.key in ("intent", "warnings", "clarify"):
        return "it is not a thing that a request states"
    if field.key == "metric.name" and known_metric(str(field.value)) is None:
        return "no metric of this name is known"
    try:
        TaskSpec.from_flat({**values, field.key: field.value})
    except (ValidationError, ValueError):
        return "it does not fit the vocabulary"
    columns = field.value if isinstance(field.value, list) else [field.value]
    is_column = field.key in (
        "data.target",
        "data.group_key",
        "data.time_key",
        "data.features_exclude",
        "data.text_fields",
    )
    if evidence.columns and is_column and not all(name in evidence.names for name in columns):
        return "the table has no such column"
    if not evidence.columns and is_column and not all(_names(text, str(name)) for name in columns):
        return "the request does not name it"
    return None


def _names(text: str, name: str) -> bool:
    return f" {_plain(name)} " in f" {_plain(text)} "


def _taken(field: ReadField, rules: Fields) -> str | None:
    """Say which limit the rules read from the same words: "4 cores" is no four megabytes."""
    if not field.key.startswith(("constraints.", "model.")) or field.key in rules.values:
        return None
    quote = _plain(field.words)
    for key, words in rules.words.items():
        if key.startswith("constraints.") and _plain(words) and (quote in _plain(words) or _plain(words) in quote):
            return f"these words state {key}"
    return None


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()
