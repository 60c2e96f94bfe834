"""From what was understood and found to what will be done; every decision carries its reason."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from typing import Protocol, cast

import psutil
from pydantic import BaseModel, ConfigDict, Field

from autoagent.agent.enforced import unenforced
from autoagent.agent.pretrained import Pretrained, StagedWeights, allowed_mode, allowed_space
from autoagent.agent.series import SeriesPlan
from autoagent.agent.settings import Settings
from autoagent.agent.spec import TaskSpec
from autoagent.agent.understand.resolve import Resolved
from autoagent.data.card import DataCard
from autoagent.data.images.structures import STRUCTURES
from autoagent.data.metrics import METRICS
from autoagent.data.splits import Kind
from autoagent.data.table import CLASSES, Task
from autoagent.errors import RequestError
from autoagent.registry import family
from autoagent.runs.budget import Limits, tighter
from autoagent.search.archive import known_starts, with_known
from autoagent.search.proposer import Arm
from autoagent.space import Config, Growth, Space
from autoagent.weights import Mode

DEFAULT_SECONDS = 300.0
BASELINES = (
    "baseline",
    "seasonal_naive",
    "usual_mask",
    "usual_boxes",
    "usual_joints",
)  # planned whatever is allowed: the others must beat them
_ROOMY_MB, _ROOMY_MS = 10.0, 20.0  # limits above these hold the models of all folds
_PIXELS_PER_S = 3_000  # of images, for each second, are few enough for folds
_OPEN_ENDED_TRIAL_S = 3600.0  # after which a trial is ended when a run is limited by trials alone
# These change what the model means; going on without them would build something else.
_REFUSED = ("data.row_filter", "data.label_map", "model.monotone.")
_SYNONYMS = {
    "xgboost": "gradient_boosting",
    "logistic_regression": "linear",
    "ridge": "linear",
    "mlp": "neural_network",
}


class FamilyCard(Protocol):
    """What the planner reads of a family of models; `train.models.ModelCard` has it."""

    name: str
    extra: str
    space: Space
    portfolio: tuple[Config, ...]
    cost: float
    growth: Growth
    hooks: tuple[str, ...]
    tasks: tuple[str, ...]
    max_rows: int
    max_classes: int
    group: str
    preload: str
    inputs: str
    texts: bool
    pixels: bool
    sides: tuple[int, int]
    weights: str


class PlanLimits(BaseModel):
    """What was promised; None is no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    seconds: float | None = None
    trials: int | None = None
    patience: int | None = None
    llm_cost_usd: float | None = None
    model_size_mb: float | None = None
    latency_ms: float | None = None
    latency_percentile: float = 50.0
    throughput_per_s: float | None = None
    threshold: float | None = None

    def budget(self) -> Limits:
        """Return the part that a `Budget` keeps."""
        return Limits(seconds=self.seconds, trials=self.trials, llm_cost_usd=self.llm_cost_usd)


class SplitPlan(BaseModel):
    """How the rows are divided."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Kind
    key: str | None = None
    test_fraction: float = 0.2


class Plan(BaseModel):
    """What will be done.

    Attributes:
        families: names of the models to search, cheapest first.
        deterministic: proposals see trials by number, not by time of ending; so when no clock limits the run.
        memory_bytes: resident memory of one trial.
        refit: a trial delivers one model of all rows, stopped where its folds were best, not the models of its folds.
        repeats: the best trials may be cross-validated again with other folds when no trial gains any more.
        reasons: one sentence for each decision.
        series: how series are framed and divided, of a plan to forecast.
        weights: whether published weights may be used: none, those on this machine, or also those of the hub.
        pretrained: the weights that its families need, by name.
        known: configurations by family that were better than its default in earlier runs on similar data.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    task: Task
    target: str
    metric: str
    families: list[str]
    excluded: list[str] = Field(default_factory=list)
    split: SplitPlan
    n_folds: int
    n_workers: int
    threads: int = 1
    memory_bytes: int
    seed: int
    sampler: str
    deterministic: bool
    refit: bool = False
    repeats: bool = False
    limits: PlanLimits
    reasons: list[str] = Field(default_factory=list)
    series: SeriesPlan | None = None
    known: dict[str, Config] = Field(default_factory=dict)
    weights: Mode = "cache"
    pretrained: dict[str, StagedWeights] = Field(default_factory=dict)

    def trial_seconds(self) -> float:
        """Return the most that one trial may take."""
        return _OPEN_ENDED_TRIAL_S if self.limits.seconds is None else self.limits.seconds


def cards() -> Mapping[str, FamilyCard]:
    """Return the table of models as the planner reads it."""
    return cast("Mapping[str, FamilyCard]", family("models"))


def make_plan(spec: TaskSpec, resolved: Resolved, card: DataCard, settings: Settings) -> Plan:
    """Decide before anything is spent.

    Raises:
        RequestError: something was asked for that cannot be done; all of it in one message.
    """
    reasons = list(resolved.assumptions)
    _refuse(spec, resolved, card)
    limits = _limits(spec, settings, reasons)
    workers = _workers(spec, settings)
    if resolved.series is None:
        split, folds = _split(spec, resolved, reasons), _folds(spec, card, limits, reasons)
    else:
        split = SplitPlan(kind="rolling_origin", key=resolved.series.framing.time)
        folds = resolved.series.plan.folds
    refit = _refit(resolved.task, split, folds, limits, reasons)
    memory = int(0.8 * psutil.virtual_memory().available / workers)
    pretrained = Pretrained(allowed_mode(spec, settings.weights, reasons), limits.seconds)
    families = _families(spec, card, resolved, pretrained, reasons)
    return Plan(
        task=resolved.task,
        target=resolved.target,
        metric=resolved.metric,
        families=families,
        known=_known(families, card, settings, reasons),
        weights=pretrained.mode,
        pretrained={name: pretrained.staged(name) for name in pretrained.found},
        excluded=spec.data.features_exclude or [],
        split=split,
        n_folds=folds,
        refit=refit,
        repeats=settings.repeats and not refit and folds > 1 and split.kind in ("random", "stratified"),
        n_workers=workers,
        memory_bytes=memory,
        seed=settings.seed,
        sampler=settings.sampler,
        deterministic=limits.seconds is None,
        limits=limits,
        reasons=[*reasons, *unenforced(spec)],
        series=None if resolved.series is None else resolved.series.plan,
    )


def arms_of(plan: Plan) -> list[Arm]:
    """Return the families of a plan as the search sees them."""
    rows = [cards()[name] for name in plan.families]
    return [
        Arm(
            row.name,
            allowed_space(row.space, plan.weights),
            with_known(row.portfolio, plan.known.get(row.name)),
            row.cost,
            row.growth,
            row.hooks,
        )
        for row in rows
    ]


def _known(families: list[str], card: DataCard, settings: Settings, reasons: list[str]) -> dict[str, Config]:
    if settings.archive is None:
        return {}
    spaces = {name: cards()[name].space for name in families}
    return known_starts(card.model_dump(mode="json"), settings.archive, spaces, reasons)


def _refuse(spec: TaskSpec, resolved: Resolved, card: DataCard) -> None:
    stated = spec.stated()
    faults = [f"{key} is understood but cannot be done yet" for key in stated if key.startswith(_REFUSED)]
    if resolved.metric not in METRICS:
        known = [name for name, row in METRICS.items() if resolved.kind in row.tasks]
        faults.append(f"the metric {resolved.metric!r} is not computed yet; there are: {', '.join(known)}")
    elif resolved.kind not in METRICS[resolved.metric].tasks:
        faults.append(f"the metric {resolved.metric!r} does not apply to {resolved.kind}")
    names = {column.name for column in card.columns}
    for key in ("data.group_key", "data.time_key", "split.key"):
        if (column := stated.get(key)) is not None and column not in names:
            faults.append(f"{key}: there is no column {column!r}")
    if faults:
        raise RequestError("; ".join(faults), missing=[fault.split(":")[0].split(" ")[0] for fault in faults])


def _limits(spec: TaskSpec, settings: Settings, reasons: list[str]) -> PlanLimits:
    asked = spec.constraints
    seconds = tighter(asked.train_time_s, settings.budget_s)
    trials = tighter(asked.max_trials, settings.max_trials)
    if seconds is None and trials is None:
        seconds = DEFAULT_SECONDS
        reasons.append(f"No time limit was stated; {DEFAULT_SECONDS:g} seconds are used.")
    return PlanLimits(
        seconds=seconds,
        trials=None if trials is None else int(trials),
        patience=asked.early_stop_patience_trials,
        llm_cost_usd=tighter(asked.llm_cost_usd, settings.max_cost_usd),
        model_size_mb=asked.model_size_mb,
        latency_ms=asked.latency_ms,
        latency_percentile=asked.latency_percentile or 50.0,
        throughput_per_s=asked.throughput_per_s,
        threshold=spec.metric.threshold,
    )


def _workers(spec: TaskSpec, settings: Settings) -> int:
    cores = min(psutil.cpu_count() or 1, spec.constraints.cpu_cores or 1_000_000)
    return max(1, settings.workers or cores)


def _families(
    spec: TaskSpec, card: DataCard, resolved: Resolved, pretrained: Pretrained, reasons: list[str]
) -> list[str]:
    kept, left_out = [], []
    for name, row in cards().items():
        if not _reads(row, card) or not _is_of(row, resolved.kind):
            continue
        problem = _problem(row, card, resolved.kind) or _unwanted(row, spec) or pretrained.problem(row.weights)
        if problem is None or (name in BASELINES and resolved.kind in row.tasks):
            kept.append(row)
        elif problem:
            left_out.append(f"{name} ({problem})")
    if len(kept) < 2:
        raise RequestError(
            f"no family of models is left: {'; '.join(left_out)}", missing=["model.allow", "model.forbid"]
        )
    if left_out:
        reasons.append(f"Left out: {', '.join(left_out)}.")
    reasons += [f"Published weights: {found.told()}." for found in pretrained.found.values()]
    return [row.name for row in sorted(kept, key=lambda row: (row.name not in BASELINES, row.cost))]


def _problem(row: FamilyCard, card: DataCard, task: str) -> str | None:
    classes = next(column.n_unique for column in card.columns if column.name == card.target)
    if task not in row.tasks:
        return f"not for {task}"
    if card.image_side and not row.sides[0] <= card.image_side <= row.sides[1]:
        return f"images of {card.image_side} pixels, it is for {row.sides[0]} to {row.sides[1]}"
    if card.n_rows > row.max_rows:
        return f"{card.n_rows} rows, at most {row.max_rows}"
    if task == "multiclass" and classes > row.max_classes:
        return f"{classes} classes, at most {row.max_classes}"
    if row.extra and importlib.util.find_spec(row.extra) is None:
        return f"needs the extra {row.extra}"
    return None


def _is_of(row: FamilyCard, task: str) -> bool:
    """Say whether a family is worth naming for a task: one of masks is never a choice for classes, nor the reverse."""
    return task in row.tasks or not {task, *row.tasks} & {*STRUCTURES}


def _reads(row: FamilyCard, card: DataCard) -> bool:
    """Say whether a family can learn from what there is: from images, their pixels, or columns of a table."""
    if row.inputs == "image":
        return card.image_side > 0
    if row.texts:
        return any(column.role == "text" for column in card.features())
    return row.pixels or not card.image_side or any(column.role != "image" for column in card.features())


def _unwanted(row: FamilyCard, spec: TaskSpec) -> str | None:
    words = {row.name, row.group}
    wanted = _named([*(spec.model.must or []), *(spec.model.allow or [])])
    if words & _named(spec.model.forbid or []):
        return "forbidden"
    if wanted and not words & wanted:
        return "not among the allowed"
    if spec.constraints.interpretable and row.group != "linear":
        return "not interpretable"
    return None


def _named(names: Iterable[str]) -> set[str]:
    return {_SYNONYMS.get(name, name) for name in names}


def _split(spec: TaskSpec, resolved: Resolved, reasons: list[str]) -> SplitPlan:
    asked, fraction = spec.split, 0.2
    if isinstance(asked.test, float | int) and 0 < asked.test < 1:
        fraction = float(asked.test)
    elif asked.test is not None:
        reasons.append(f"split.test = {asked.test!r} is understood and not enforced; the last fifth is the test part.")
    group, time = spec.data.group_key or asked.key, spec.data.time_key or asked.key
    if asked.kind == "group" or (asked.kind is None and spec.data.group_key):
        reasons.append(f"Rows with the same {group!r} stay on one side of every split.")
        return SplitPlan(kind="group", key=group, test_fraction=fraction)
    if asked.kind in ("time", "rolling_origin") or (asked.kind is None and spec.data.time_key):
        if time is None:
            raise RequestError("a split by time needs its column", missing=["data.time_key"])
        reasons.append(f"The model is tested on the rows that come last by {time!r}.")
        return SplitPlan(kind="time", key=time, test_fraction=fraction)
    usual: Kind = "stratified" if resolved.task in CLASSES and asked.kind != "random" else "random"
    return SplitPlan(kind=usual, test_fraction=fraction)


def _folds(spec: TaskSpec, card: DataCard, limits: PlanLimits, reasons: list[str]) -> int:
    if spec.split.k:
        return max(2, min(spec.split.k, 20))
    cells = card.n_rows * max(len(card.features()), 1)
    seconds = limits.seconds or 600.0
    if card.image_side:
        return _image_folds(card, seconds, reasons)
    folds = 5 if cells <= 20_000 * seconds else 3 if cells <= 60_000 * seconds else 1
    if folds == 1:
        reasons.append("The table is large for the time, so one hold-out replaces the folds.")
    return folds


def _image_folds(card: DataCard, seconds: float, reasons: list[str]) -> int:
    """Networks see every pixel in every epoch, so images are cross-validated only where they are few."""
    if card.n_rows * card.image_side**2 <= _PIXELS_PER_S * seconds:
        return 3
    reasons.append("Each epoch over these images takes its time, so one hold-out replaces the folds.")
    return 1


def _refit(task: Task, split: SplitPlan, folds: int, limits: PlanLimits, reasons: list[str]) -> bool:
    """Say whether one model of all rows is delivered; the folds' models together are better where they may be big."""
    why = None
    if folds == 1:
        why = "one hold-out was kept from it"
    elif task in STRUCTURES:
        why = "masks, boxes and joints of several models are not averaged"
    elif split.kind in ("time", "rolling_origin"):
        why = "the earlier folds have not seen the later rows"
    elif limits.model_size_mb is not None and limits.model_size_mb < _ROOMY_MB:
        why = f"{limits.model_size_mb:g} MB have more room for different models than for copies of one"
    elif (limits.latency_ms or _ROOMY_MS) < _ROOMY_MS or (limits.throughput_per_s or 0) > 1000 / _ROOMY_MS:
        why = "the answer must be quick"
    if why is not None:
        reasons.append(f"A model is fitted again on all training rows before it is delivered: {why}.")
    return why is not None
