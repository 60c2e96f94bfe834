# ruff: noqa: E501
"""From an understanding and the table to what will be built: safe assumptions are made aloud, the rest is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from autoagent.agent.spec import TaskSpec, Understanding
from autoagent.agent.understand.evidence import ColumnEvidence, DataEvidence
from autoagent.agent.understand.feasibility import NEAREST, SUPPORTED
from autoagent.errors import RequestError

if TYPE_CHECKING:
    from autoagent.agent.series import FoundSeries
    from autoagent.data.table import Task

_DEFAULT_METRIC: dict[Task, str] = {
    "binary": "roc_auc",
    "multiclass": "accuracy",
    "regression": "rmse",
    "segmentation": "mean_iou",
    "detection": "mean_average_precision",
    "keypoints": "pck",
}
_TASKS = cast("dict[str, Task]", SUPPORTED)
_STRUCTURED: dict[str, tuple[Task, str, str]] = {
    "segmentation": ("segmentation", "masks", "give a folder with a mask for each image (docs/masks.md)"),
    "detection": ("detection", "boxes", "give a COCO file beside the images (docs/boxes.md)"),
    "keypoints": ("keypoints", "joints", "give a COCO file of keypoints beside the images (docs/boxes.md)"),
}
_METRICS = {
    "miou": "mean_iou",
    "iou": "mean_iou",
    "map": "mean_average_precision",
    "map@0.5:0.95": "mean_average_precision",
    "map@.5:.95": "mean_average_precision",
    "map@0.5": "map_50",
    "map@.5": "map_50",
    "pck@0.2": "pck",
    "pck@.2": "pck",
    "pck@0.1": "pck_10",
    "pck@.1": "pck_10",
    "pck@0.05": "pck_05",
    "pck@.05": "pck_05",
}
_MOST_NAMED = 20  # classes or joints in one sentence
_FEW_CLASSES = 20  # a whole-numbered target with at most so many values could be classes
_TARGET_NAMES = ("target", "label", "class", "y", "outcome")


@dataclass(frozen=True)
class Resolved:
    """What will be built.

    Attributes:
        task: one of the supported tasks.
        target: the column to predict.
        metric: the metric's name.
        assumptions: what was taken for granted, each a sentence for the user.
        series: the series of a request to forecast.
    """

    task: Task
    target: str
    metric: str
    assumptions: tuple[str, ...] = ()
    series: FoundSeries | None = None

    @property
    def kind(self) -> str:
        """The task as families and metrics name it."""
        return self.task if self.series is None else "forecasting"


def wanted_structure(spec: TaskSpec) -> str | None:
    """Return which labels of images a request means: ``segmentation``, ``detection``, ``keypoints``, or None."""
    task = _TASKS.get(spec.task_type or "")
    if task in _STRUCTURED or spec.task_type is not None or spec.metric.name is None:
        return task if task in _STRUCTURED else None
    name = spec.metric.name
    hints = {
        "map": "detection",
        "pck": "keypoints",
        "oks": "keypoints",
        "miou": "segmentation",
        "mean_iou": "segmentation",
    }
    return next((kind for start, kind in hints.items() if name.startswith(start)), None)


def resolve_series(found: FoundSeries) -> Resolved:
    """Return what will be built of series."""
    return Resolved("regression", found.framing.target, found.metric, found.said, found)


def resolve(understanding: Understanding, evidence: DataEvidence) -> Resolved:
    """Fill what is safe to assume from the data.

    Raises:
        RequestError: something essential is missing, contradictory or not supported; `missing` names the keys.
    """
    spec = understanding.spec
    if spec.task_type is not None and spec.task_type not in SUPPORTED:
        raise RequestError(_refusal(spec.task_type), missing=["task_type"])
    said: list[str] = list(understanding.assumptions)
    target, problem = _target(understanding, evidence, said)
    blocking = [q for q in understanding.questions if _blocks(q.key, understanding, target)]
    if problem and not any(question.key == "data.target" for question in blocking):
        raise RequestError(problem, missing=["data.target", *(question.key for question in blocking)])
    if blocking or target is None:
        lines = "\n".join(f"  {question.key}: {question.text}" for question in blocking)
        raise RequestError(
            f"the request cannot be built yet:\n{lines}", missing=[question.key for question in blocking]
        )
    task = _task(understanding, target, said, evidence)
    metric = _metric(task, spec.metric.name)
    if spec.metric.name is None:
        said.append(f"No metric was asked for; the model is judged by {metric}.")
    return Resolved(task, target.name, metric, tuple(dict.fromkeys(said)))


def _metric(task: Task, stated: str | None) -> str:
    """Return the metric as ``data.metrics`` names it."""
    if stated is None:
        return _DEFAULT_METRIC[task]
    if task == "keypoints" and stated.startswith("map"):
        return "oks_map"
    return _METRICS.get(stated, stated)


def _refusal(task_type: str) -> str:
    wanted = task_type.replace("_", " ")
    nearest = NEAREST.get(task_type)
    advice = f"the nearest supported task is {nearest}" if nearest else "there is no supported task near it"
    return f"{wanted} is not supported; {advice}. Supported: binary and multiclass classification, regression, forecasting; on images also masks, boxes and joints."


def _blocks(key: str, understanding: Understanding, target: ColumnEvidence | None) -> bool:
    infeasible = any(warning.endswith(f":{key}") for warning in understanding.spec.warnings)
    if key in ("data.target", "task_type") and not infeasible:
        return target is None and key == "data.target"
    return True


def _target(understanding: Understanding, evidence: DataEvidence, said: list[str]) -> tuple[ColumnEvidence | None, str]:
    stated = understanding.spec.data.target
    if isinstance(stated, list):
        return None, f"several targets {stated!r} are not supported; the nearest supported task is one run per target"
    if stated is not None:
        column = evidence.column(stated)
        near = "" if column else f"there is no column {stated!r}; there are: {', '.join(evidence.names[:30])}"
        return column, near
    if evidence.default_target is not None:
        return evidence.column(evidence.default_target), ""
    for column in evidence.columns:
        if column.name.lower() in _TARGET_NAMES:
            said.append(f"The target is taken to be the column {column.name!r}.")
            return column, ""
    return None, ""


def _task(understanding: Understanding, target: ColumnEvidence, said: list[str], evidence: DataEvidence) -> Task:
    stated = understanding.spec.task_type
    wanted = None if stated is None else _TASKS[stated]
    if evidence.structure or wanted in _STRUCTURED:
        return _structured(understanding, wanted, evidence, target, said)
    if stated is not None:
        task = _TASKS[stated]
        _check_fit(task, target)
        return task
    task = _task_of(target, understanding.spec.metric.name)
    said.append(f"{target.name!r} has {target.n_unique} different values ({target.kind}), so this is taken as {task}.")
    return task


def _structured(
    understanding: Understanding, wanted: Task | None, evidence: DataEvidence, target: ColumnEvidence, said: list[str]
) -> Task:
    """Return masks, boxes or joints where they are in the data and not refused by the request."""
    there = evidence.structure
    if wanted is not None and wanted != there:
        if wanted in _STRUCTURED:
            _, what, advice = _STRUCTURED[wanted]
            raise RequestError(f"{what} were asked for, and the data has none; {advice}", missing=["data.target"])
        if understanding.spec.data.target not in (None, target.name):
            return wanted
        what = _STRUCTURED[there][1]
        raise RequestError(f"{wanted} was asked for, and the data holds {what} of each image", missing=["task_type"])
    task, what, _ = _STRUCTURED[there]
    if wanted is None:
        said.append(f"The images have {what}, so this is taken as {task}.")
    if understanding.spec.task_type == "instance_segmentation":
        said.append("Pixels are marked by their class; objects of one class that touch are not told apart.")
    if task == "detection":
        said.append(f"Boxes are found of all {len(evidence.parts)} labelled classes: {_named(evidence.parts)}.")
    joints = understanding.spec.data.n_keypoints
    if task == "keypoints" and joints not in (None, len(evidence.parts)):
        raise RequestError(
            f"{joints} joints were asked for, and the labels have {len(evidence.parts)}: {_named(evidence.parts)}",
            missing=["data.n_keypoints"],
        )
    return task


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _check_fit(task: Task, target: ColumnEvidence) -> None:
    if target.n_unique < 2:
        raise RequestError(
            f"the target {target.name!r} has only {target.n_unique} value; two are needed", missing=["data.target"]
        )
    if task == "binary" and target.n_unique != 2:
        raise RequestError(
            f"{target.name!r} has {target.n_unique} different values, not two; ask for multiclass classification or regression",
            missing=["task_type"],
        )
    if task == "regression" and target.kind not in ("numeric", "boolean"):
        raise RequestError(
            f"{target.name!r} is {target.kind}, so its values cannot be regressed", missing=["task_type"]
        )


def _task_of(target: ColumnEvidence, metric: str | None) -> Task:
    if target.n_unique < 2:
        raise RequestError(
            f"the target {target.name!r} has only {target.n_unique} value; two are needed", missing=["data.target"]
        )
    if target.kind in ("date", "text") and target.n_unique > _FEW_CLASSES:
        raise RequestError(
            f"the target {target.name!r} is {target.kind}; choose a column of classes or numbers",
            missing=["data.target"],
        )
    values = metric in ("rmse", "mse", "mae", "mape", "rmsle", "r2")
    classes = metric in (
        "accuracy",
        "balanced_accuracy",
        "log_loss",
        "macro_f1",
        "f1",
        "roc_auc",
        "average_precision",
        "brier",
    )
    if values and target.kind == "numeric":
        return "regression"
    if target.n_unique == 2:
        return "binary"
    if target.kind != "numeric" or (classes and target.integral):
        return "multiclass"
    return "multiclass" if target.integral and target.n_unique <= _FEW_CLASSES else "regression"
