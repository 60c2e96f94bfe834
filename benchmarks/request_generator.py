"""Make synthetic requests of known meaning: a spec is drawn, then said in one of many styles, with noise.

Styles: sentences, chat with an opening and a farewell, bulleted and numbered lists, `key: value` lines, no punctuation
at all, non-native English, capitals; noise: typing errors, distractors with numbers, durations and money; omissions;
contradictions and promises that no model can keep.

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
_COSTS: list[tuple[float, list[str], list[str]]] = [
    (0.5, ["at most $0.50 for the LLM", "LLM budget 50 cents"], ["spend no more than fifty cents on tokens"]),
    (2, ["LLM budget: $2", "at most 2 dollars of API calls"], ["the language model may cost two dollars at most"]),
]
_CORES: list[tuple[float, list[str], list[str]]] = [
    (2, ["2 cores"], ["two CPU cores"]),
    (8, ["use 8 cores"], ["on eight cores"]),
]
_PERFECT = {
    "develop": ["it must never be wrong", "no mistakes are allowed"],
    "apart": ["it has to be right every time", "we cannot afford a single error"],
}
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
    "develop": [
        "Our team has 12 people.",
        "The data is from 2019.",
        "We sold 300 units last year.",
        "Each lost client costs us 200 dollars.",
        "The old tool took 3 hours.",
        "My laptop has 16 GB of RAM.",
    ],
    "apart": [
        "My boss turns 50 next week.",
        "We moved to our new office 3 years ago.",
        "Room 204 has the server.",
        "A subscription is 9 dollars a month.",
        "The meeting lasts 90 minutes.",
        "The export is 40 MB of CSV.",
    ],
}
_OPENINGS = {
    "develop": [
        "predict {target}",
        "Predict {target}",
        "build a model that predicts {target}",
        "I want to predict {target}",
        "do your best on {target}",
        "target: {target}",
    ],
    "apart": [
        "please predict {target} for me",
        "the target is {target}",
        "we need to predict the column {target}",
        "what we care about is {target}",
        "give me a model for {target}",
    ],
}
_JOINTS = {"develop": [", ", "; ", ". "], "apart": [", and ", " - ", ", also "]}
_METRIC_SAYINGS = {"develop": ["{m}", "metric: {m}"], "apart": ["judged by {m}", "optimise {m}"]}


_LIMITS: tuple[tuple[str, list, float], ...] = (
    ("constraints.train_time_s", _TIMES, 0.7),
    ("constraints.model_size_mb", _SIZES, 0.35),
    ("constraints.latency_ms", _LATENCIES, 0.2),
    ("constraints.max_trials", _TRIALS, 0.2),
    ("constraints.llm_cost_usd", _COSTS, 0.15),
    ("constraints.cpu_cores", _CORES, 0.15),
    ("model.forbid", _FORBIDDEN, 0.25),
)


@dataclass
class _Draft:
    """A request in the making: what it states, in which phrases, and what must be asked and warned of."""

    fields: dict[str, Value]
    parts: list[str] = field(default_factory=list)
    clarify: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def generate(half: str, *, count: int, seed: int) -> Iterator[Example]:
    """Yield examples of one half; the same arguments give the same examples."""
    rng = random.Random(f"{half}:{seed}")
    for _ in range(count):
        yield _example(half, rng)


def _example(half: str, rng: random.Random) -> Example:
    task = rng.choice(list(_COLUMNS))
    target = rng.choice(_COLUMNS[task])
    draft = _drawn(half, task, target, rng)
    text = rng.choice(_STYLES[half])(draft.parts, half, rng)
    if rng.random() < 0.3:
        text = f"{text.rstrip('.')}. {rng.choice(_DISTRACTORS[half])}"
    columns = _columns(target, task, rng)
    return Example(_noisy(text, rng), draft.fields, draft.clarify, draft.warnings, columns, {"task_type": task})


def _drawn(half: str, task: str, target: str, rng: random.Random) -> _Draft:
    draft = _Draft({})
    place = HALVES.index(half)
    if rng.random() > 0.12:
        draft.fields["data.target"] = target
        draft.parts.append(rng.choice(_OPENINGS[half]).format(target=target))
    else:
        draft.clarify = ("data.target",)
        draft.parts.append({"develop": "build me a model", "apart": "make a good model for this"}[half])
    name, *phrases = rng.choice(_METRICS[task])
    if rng.random() < 0.8:
        draft.fields["metric.name"] = name
        draft.parts.append(rng.choice(_METRIC_SAYINGS[half]).format(m=rng.choice(phrases[place])))
    for key, table, chance in _LIMITS:
        if rng.random() < chance:
            value, *sayings = rng.choice(table)
            draft.fields[key] = value
            draft.parts.append(rng.choice(sayings[place]))
    if rng.random() < 0.05:
        draft.parts.append(rng.choice(_PERFECT[half]))
        draft.clarify, draft.warnings = (*draft.clarify, "metric.threshold"), ("no_guarantee_possible",)
    head, *rest = draft.parts
    rng.shuffle(rest)
    draft.parts = [head, *rest]
    return draft


def _joined(parts: list[str], half: str, rng: random.Random) -> str:
    return rng.choice(_JOINTS[half]).join(parts)


def _chatty(parts: list[str], half: str, rng: random.Random) -> str:
    hello = {"develop": "Hi, I hope you are well! ", "apart": "hey, quick one from me: "}[half]
    bye = {"develop": ". Thanks a lot", "apart": ", cheers"}[half]
    return hello + _joined(parts, half, rng) + bye


def _listed(parts: list[str], half: str, rng: random.Random) -> str:
    mark = {"develop": "- {part}", "apart": "{i}. {part}"}[half]
    return "\n".join(mark.format(i=i, part=part) for i, part in enumerate(parts, 1))


def _bare(parts: list[str], half: str, rng: random.Random) -> str:
    """Without any punctuation that the phrases do not hold themselves."""
    return " ".join(parts)


def _foreign_tongue(parts: list[str], half: str, rng: random.Random) -> str:
    start = {"develop": "I would like that you make this: ", "apart": "please you do the following for me, "}[half]
    return start + _joined(parts, half, rng)


def _shouted(parts: list[str], half: str, rng: random.Random) -> str:
    return _joined(parts, half, rng).upper()


_STYLES: dict[str, list[Callable[[list[str], str, random.Random], str]]] = {
    "develop": [_joined, _joined, _chatty, _listed, _bare, _foreign_tongue],
    "apart": [_joined, _joined, _chatty, _listed, _shouted, _foreign_tongue],
}


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
