"""Make synthetic requests of known meaning: a spec is drawn, then said in one of many styles, with noise.

Every style, phrase and distractor belongs to one of two halves. The rules were never looked at beside sentences of the
``apart`` half; both halves were written by the project, so neither replaces sentences by a stranger.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from autoagent.agent.spec import Value
from autoagent.agent.understand.evidence import ColumnEvidence
from autoagent.agent.understand.scoring import Example

HALVES = ("develop", "apart")
_COLUMNS: dict[str, list[str]] = {
    "binary_classification": ["churned", "is_fraud", "defaulted", "readmitted", "has_disease", "clicked"],
    "multiclass_classification": ["species", "product_type", "risk_grade", "department"],
    "regression": ["price", "sale_amount", "duration_min", "yield_kg", "monthly_rent", "co2_ppm"],
}
_TARGETS = {name for names in _COLUMNS.values() for name in names}
_OTHERS = ["age", "region", "signup_date", "visits", "score_a", "channel", "weight_g"]
_KINDS = {"region": "categorical", "channel": "categorical", "signup_date": "date"}
_METRICS: dict[str, list[tuple[str, list[str], list[str]]]] = {
    "binary_classification": [
        ("roc_auc", ["AUROC", "area under the ROC curve"], ["ROC AUC", "auc"]),
        ("f1", ["F1"], ["f1 score"]),
        ("accuracy", ["accuracy"], ["acc"]),
        ("average_precision", ["average precision"], ["AUPRC"]),
        ("log_loss", ["log loss"], ["cross entropy"]),
    ],
    "multiclass_classification": [
        ("accuracy", ["accuracy"], ["best accuracy"]),
        ("macro_f1", ["macro F1"], ["macro-averaged F1"]),
        ("log_loss", ["log loss"], ["logloss"]),
    ],
    "regression": [
        ("rmse", ["RMSE"], ["root mean squared error"]),
        ("mae", ["MAE"], ["mean absolute error"]),
        ("r2", ["R2"], ["R squared"]),
    ],
}
_TIMES: list[tuple[float, list[str], list[str]]] = [
    (120, ["at most 2 minutes", "2 min"], ["two minutes tops", "within 120 seconds"]),
    (900, ["a quarter of an hour", "15 minutes"], ["fifteen minutes at most", "no longer than 15 min"]),
    (1800, ["half an hour", "30 minutes"], ["up to 30 mins", "within half an hour"]),
    (3600, ["an hour", "1 h"], ["max one hour", "60 minutes max"]),
    (45, ["45 seconds", "45 s"], ["under 45 secs", "forty-five seconds"]),
]
_SIZES: list[tuple[float, list[str], list[str]]] = [
    (3, ["model below 3 MB", "under 3 MB"], ["model no bigger than three megabytes", "the model must fit in 3MB"]),
    (0.5, ["model under 500 kB"], ["at most 500 KB on disk"]),
    (10, ["model size under 10 MB"], ["model smaller than 10 megabytes"]),
]
_LATENCIES: list[tuple[float, list[str], list[str]]] = [
    (20, ["latency under 20 ms", "20 ms per prediction"], ["answers within 20 milliseconds"]),
    (5, ["at most 5 ms per row"], ["latency below five ms"]),
]
_TRIALS: list[tuple[float, list[str], list[str]]] = [
    (50, ["at most 50 trials"], ["no more than fifty trials"]),
    (20, ["20 trials at most"], ["max 20 trials"]),
]
_FORBIDDEN: list[tuple[list[str], list[str], list[str]]] = [
    (["neural_network"], ["no neural networks"], ["without neural nets", "don't use neural networks"]),
    (["svm"], ["no SVM"], ["anything but an SVM"]),
    (["gradient_boosting"], ["no gradient boosting"], ["do not use gradient boosting"]),
]
_DISTRACTORS = {
    "develop": ["Our team has 12 people.", "The data is from 2019.", "We sold 300 units last year."],
    "apart": ["My boss turns 50 next week.", "We moved to our new office 3 years ago.", "Room 204 has the server."],
}
_OPENINGS = {
    "develop": [
        "predict {target}",
        "Predict {target}",
        "build a model that predicts {target}",
        "I want to predict {target}",
    ],
    "apart": ["please predict {target} for me", "the target is {target}", "we need to predict the column {target}"],
}
_JOINTS = {"develop": [", ", "; ", ". "], "apart": [", and ", " - ", ", also "]}
_METRIC_SAYINGS = {"develop": ["{m}", "metric: {m}"], "apart": ["judged by {m}", "optimise {m}"]}


@dataclass
class _Draft:
    fields: dict[str, Value]
    parts: list[str] = field(default_factory=list)


def generate(half: str, *, count: int, seed: int) -> Iterator[Example]:
    """Yield examples of one half; the same arguments give the same examples."""
    rng = random.Random(f"{half}:{seed}")
    for _ in range(count):
        yield _example(half, rng)


def _example(half: str, rng: random.Random) -> Example:
    task = rng.choice(list(_COLUMNS))
    target = rng.choice(_COLUMNS[task])
    draft = _Draft({})
    has_target = rng.random() > 0.12
    if has_target:
        draft.fields["data.target"] = target
        draft.parts.append(rng.choice(_OPENINGS[half]).format(target=target))
    else:
        draft.parts.append({"develop": "build me a model", "apart": "make a good model for this"}[half])
    name, *phrases = rng.choice(_METRICS[task])
    if rng.random() < 0.8:
        draft.fields["metric.name"] = name
        draft.parts.append(rng.choice(_METRIC_SAYINGS[half]).format(m=rng.choice(phrases[HALVES.index(half)])))
    for key, table, chance in _LIMITS:
        if rng.random() < chance:
            value, *sayings = rng.choice(table)
            draft.fields[key] = value
            draft.parts.append(rng.choice(sayings[HALVES.index(half)]))
    head, *rest = draft.parts
    rng.shuffle(rest)
    text = rng.choice(_JOINTS[half]).join([head, *rest])
    if rng.random() < 0.3:
        text = f"{text.rstrip('.')}. {rng.choice(_DISTRACTORS[half])}"
    columns = _columns(target, task, rng)
    return Example(_noisy(text, rng), draft.fields, () if has_target else ("data.target",), (), columns)


_LIMITS: tuple[tuple[str, list, float], ...] = (
    ("constraints.train_time_s", _TIMES, 0.7),
    ("constraints.model_size_mb", _SIZES, 0.35),
    ("constraints.latency_ms", _LATENCIES, 0.2),
    ("constraints.max_trials", _TRIALS, 0.2),
    ("model.forbid", _FORBIDDEN, 0.25),
)


def _columns(target: str, task: str, rng: random.Random) -> tuple[ColumnEvidence, ...]:
    kind = "numeric" if task == "regression" else "categorical"
    unique = {"binary_classification": 2, "multiclass_classification": 5, "regression": 700}[task]
    others = rng.sample(_OTHERS, 4)
    rows = [ColumnEvidence(name, _KINDS.get(name, "numeric"), 200) for name in others]
    return (*rows, ColumnEvidence(target, kind, unique))


def _noisy(text: str, rng: random.Random) -> str:
    change: list[Callable[[str], str]] = [str, str, str.lower, lambda t: t + "!", lambda t: "  " + t, _typo(rng)]
    return rng.choice(change)(text)


def _typo(rng: random.Random) -> Callable[[str], str]:
    """Swap two inner letters of one long ordinary word; names of columns keep their spelling."""

    def swap(text: str) -> str:
        words = text.split(" ")
        places = [i for i, w in enumerate(words) if len(w) > 5 and w.isalpha() and w not in _TARGETS]
        if places:
            i = rng.choice(places)
            k = rng.randrange(1, len(words[i]) - 2)
            words[i] = words[i][:k] + words[i][k + 1] + words[i][k] + words[i][k + 2 :]
        return " ".join(words)

    return swap
