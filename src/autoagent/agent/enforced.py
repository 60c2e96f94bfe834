"""Which fields of a request change what is built or are checked on the delivered model; the others are said aloud."""

from __future__ import annotations

from autoagent.agent.spec import TaskSpec

_ENFORCED = frozenset(
    [
        "task_type",
        "data.path",
        "data.target",
        "data.group_key",
        "data.time_key",
        "data.features_exclude",
        "data.classes",
        "data.n_classes",
        "data.n_keypoints",
        "data.text_fields",
        "data.annotations",
        "data.series_keys",
        "data.features_known_future",
        "data.freq",
        "horizon.steps",
        "horizon.freq",
        "horizon.context",
        "metric.params.season",
        "metric.params.quantiles",
        "data.format",
        "metric.name",
        "metric.direction",
        "metric.threshold",
        "split.kind",
        "split.key",
        "split.k",
        "split.test",
        "constraints.train_time_s",
        "constraints.max_trials",
        "constraints.early_stop_patience_trials",
        "constraints.llm_cost_usd",
        "constraints.cpu_cores",
        "constraints.device_train",
        "constraints.device_infer",
        "constraints.model_size_mb",
        "constraints.latency_ms",
        "constraints.latency_percentile",
        "constraints.throughput_per_s",
        "constraints.interpretable",
        "constraints.offline",
        "constraints.pretrained",
        "model.allow",
        "model.forbid",
        "model.must",
        "deploy.format",
        "deploy.runtime",
    ]
)
_READ = ("coco", "voc", "yolo")  # forms of labels that are looked for beside images


def unenforced(spec: TaskSpec) -> list[str]:
    """Return a sentence for each stated field that this version understands and does not enforce."""
    flat = spec.stated()
    kept = _ENFORCED | ({"data.annotation_format"} if flat.get("data.annotation_format") in _READ else set())
    loose = [key for key in flat if key not in kept and key not in ("language", "outputs")]
    return [f"{key} = {flat[key]!r} was understood and is not enforced by this version." for key in loose]
