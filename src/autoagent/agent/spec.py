"""The typed request: what a sentence was understood to ask for, and the words that say so.

A key that the request does not state stays absent (`None` here, dropped from the JSON): inventing a constraint is worse
than missing one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field

Scalar: TypeAlias = str | int | float | bool
Value: TypeAlias = Scalar | list[str] | list[float] | dict[str, str]

TaskType = Literal[
    "binary_classification",
    "multiclass_classification",
    "multilabel_classification",
    "ordinal_regression",
    "regression",
    "multi_target_regression",
    "quantile_regression",
    "ranking",
    "clustering",
    "anomaly_detection",
    "forecasting",
    "quantile_forecasting",
    "object_detection",
    "semantic_segmentation",
    "instance_segmentation",
    "keypoint_detection",
    "token_classification",
    "summarization",
    "translation",
    "question_answering",
    "text_generation",
    "speech_recognition",
    "recommendation",
    "survival_analysis",
    "reinforcement_learning",
    "image_generation",
]
TASK_TYPES: tuple[str, ...] = get_args(TaskType)
Device = Literal["cpu", "gpu", "mobile"]
SplitKind = Literal["random", "stratified", "group", "time", "kfold", "rolling_origin"]
Direction = Literal["max", "min"]
Trend = Literal["increasing", "decreasing"]

# Prefixes below which the rest of a dotted key is one free name (a column may itself contain dots).
_FREE_PREFIXES = ("model.monotone.", "metric.params.", "data.label_map.")


class _Part(BaseModel):
    """A closed record: an unknown key is an error, never dropped in silence."""

    model_config = ConfigDict(extra="forbid")


class DataSpec(_Part):
    """What the request says of its data."""

    path: str | None = None
    labels: str | None = None
    annotations: str | None = None
    target: str | list[str] | None = None
    group_key: str | None = None
    time_key: str | None = None
    series_keys: list[str] | None = None
    text_fields: list[str] | None = None
    classes: list[str] | None = None
    n_classes: int | None = None
    n_labels: int | None = None
    n_keypoints: int | None = None
    n_clusters: int | None = None
    n_rows: int | None = None
    n_series: int | None = None
    image_size: str | int | None = None
    channels: int | None = None
    series_length: int | None = None
    sampling_hz: float | None = None
    freq: str | None = None
    features_exclude: list[str] | None = None
    features_known_future: list[str] | None = None
    format: str | None = None
    layout: str | None = None
    annotation_format: str | None = None
    tag_scheme: str | None = None
    label_map: dict[str, str] | None = None
    row_filter: str | None = None


class MetricSpec(_Part):
    """What is measured, in which direction, and a value to reach."""

    name: str | None = None
    direction: Direction | None = None
    threshold: float | None = None
    params: dict[str, float | str | list[float]] | None = None


class SplitSpec(_Part):
    """How the data must be divided."""

    kind: SplitKind | None = None
    key: str | None = None
    k: int | None = None
    test: str | float | None = None
    step: str | None = None


class HorizonSpec(_Part):
    """How far ahead a forecast reaches."""

    steps: int | None = None
    freq: str | None = None
    context: int | None = None


class Constraints(_Part):
    """Limits, in seconds, milliseconds, MB (10^6 bytes), millions of parameters, watt-hours and US dollars."""

    train_time_s: float | None = None
    max_trials: int | None = None
    early_stop_patience_trials: int | None = None
    llm_cost_usd: float | None = None
    energy_wh: float | None = None
    device_train: Device | None = None
    device_infer: Device | None = None
    cpu_cores: int | None = None
    n_gpus: int | None = None
    gpu_memory_mb: float | None = None
    model_size_mb: float | None = None
    params_m: float | None = None
    gflops: float | None = None
    latency_ms: float | None = None
    latency_percentile: float | None = None
    throughput_per_s: float | None = None
    interpretable: bool | None = None
    offline: bool | None = None
    pretrained: bool | None = None
    false_alarms_per_day: float | None = None
    detection_delay_ms: float | None = None


class ModelSpec(_Part):
    """Which models are wanted, allowed or forbidden, and what they must respect."""

    allow: list[str] | None = None
    forbid: list[str] | None = None
    must: list[str] | None = None
    monotone: dict[str, Trend] | None = None
    optimizer_state_bits: Literal[4, 8] | None = None
    weight_bits: Literal[4, 8] | None = None


class DeploySpec(_Part):
    """Where the model goes."""

    format: str | None = None
    runtime: str | None = None
    target: str | None = None


class TaskSpec(_Part):
    """A request in the vocabulary that the rest of the program understands."""

    intent: Literal["build", "consult"] = "build"
    language: str | None = None
    task_type: TaskType | None = None
    data: DataSpec = Field(default_factory=DataSpec)
    metric: MetricSpec = Field(default_factory=MetricSpec)
    split: SplitSpec = Field(default_factory=SplitSpec)
    horizon: HorizonSpec = Field(default_factory=HorizonSpec)
    constraints: Constraints = Field(default_factory=Constraints)
    model: ModelSpec = Field(default_factory=ModelSpec)
    deploy: DeploySpec = Field(default_factory=DeploySpec)
    outputs: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    clarify: list[str] = Field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        """Return the stated keys only, nested, ready for ``json.dumps``."""
        return {key: value for key, value in self.model_dump(exclude_none=True).items() if value not in ({}, [])}

    def stated(self) -> dict[str, Value]:
        """Return the stated keys dotted, without what we ourselves concluded (`warnings`, `clarify`, `intent`)."""
        flat = dict(_flatten(self.to_json()))
        return {key: value for key, value in flat.items() if key not in ("warnings", "clarify", "intent")}

    @classmethod
    def from_flat(cls, flat: Mapping[str, object]) -> TaskSpec:
        """Build a spec from dotted keys.

        Raises:
            pydantic.ValidationError: a key is not in the vocabulary or a value not of its type.
        """
        return cls.model_validate(nest(flat))


class Question(_Part):
    """Something that must be answered before building."""

    key: str
    text: str


class Understanding(_Part):
    """A request as understood: the spec, the words behind each key, and what remains open.

    Attributes:
        evidence: dotted key -> the words of the request that state it.
        inferred: dotted key -> why we concluded it from the words or the table although no word states it.
        assumptions: what we took for granted, each a sentence for the user.
        questions: one for each key of ``spec.clarify``.
        notices: what else the user should know, for example text in the data that looks like an instruction.
    """

    request: str = ""
    spec: TaskSpec
    evidence: dict[str, str] = Field(default_factory=dict)
    inferred: dict[str, str] = Field(default_factory=dict)
    assumptions: list[str] = Field(default_factory=list)
    questions: list[Question] = Field(default_factory=list)
    notices: list[str] = Field(default_factory=list)


def split_key(key: str) -> list[str]:
    """Split a dotted key into its parts; a column name stays whole even when it contains dots."""
    for prefix in _FREE_PREFIXES:
        if key.startswith(prefix):
            return [*prefix.rstrip(".").split("."), key.removeprefix(prefix)]
    return key.split(".")


def nest(flat: Mapping[str, object]) -> dict[str, object]:
    """Turn dotted keys into nested dictionaries."""
    out: dict[str, object] = {}
    for key, value in flat.items():
        *path, last = split_key(key)
        here = out
        for part in path:
            below = here.setdefault(part, {})
            if not isinstance(below, dict):
                raise ValueError(f"{key!r} lies below {part!r}, which already has the value {below!r}")
            here = below
        here[last] = value
    return out


def _flatten(nested: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, Value]]:
    for key, value in nested.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value  # type: ignore[misc]  # the models above hold only such values
