"""Run one fit job: all folds of a configuration, its out-of-fold predictions, and its models when worth keeping."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import psutil
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from autoagent.data.images.structures import is_predicted
from autoagent.data.metrics import score
from autoagent.data.seal import folds_of
from autoagent.data.table import Task
from autoagent.errors import CannotFinish, DataError, TrialFailed
from autoagent.inference import restored
from autoagent.space import JSONScalar
from autoagent.train.embedding import keep_encoder, read_texts
from autoagent.train.features import number_places
from autoagent.train.inputs import Inputs
from autoagent.train.learner import FitContext, Fitted, Learner, Mapped, Stepwise
from autoagent.train.models import MODELS, ModelCard
from autoagent.train.rows import TrainingRows
from autoagent.train.rungs import RUNGS, CurvePruned, Watch

_RESERVE = 0.1  # share of the time kept for predicting, scoring and saving
_MAX_RESERVE_S = 2.0
_CURVE_POINTS = 200
_REFIT_MARGIN = 1.5  # of a fold's time that a fit on all rows may take
_COMPARED = 200  # rows on which the delivered model is compared with a refitted one
_COMPARED_MAPS = 16  # images, of masks, boxes and joints


class Job(BaseModel):
    """What to fit, as it crosses from the parent.

    Attributes:
        data: folder of the training rows.
        out: folder of the trial.
        rung_floors: for each rung of the family the validation loss above which the first fold is ended.
        prune_below: for each fold the running mean score below which the rest is skipped.
        refit: one model on all rows is saved instead of one for each fold.
        max_bytes: of the delivered model, for families that can be made smaller.
        max_ms: for one row, likewise.
        save_above: score from which the models are kept; None keeps them in any case.
        least_share: of its schedule that a fold's training must be able to do.
        memory_bytes: of the whole process; None without a limit.
        code: what a language model wrote for the training, by the name of its place.
        cache: folder of fitted columns that the trials of a run share; None fits them anew.
        deadline_s: seconds from the start of the job to return by.
        timed: learners are told of it and shorten their work to fit; else it only says when the job is ended, and what
            is fitted does not depend on the speed of the machine.
        slowness: wall seconds that one of processor time takes on this machine, for what follows the fits.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)
    trial: int
    data: Path
    out: Path
    family: str
    config: dict[str, JSONScalar]
    metric: str
    task: Task
    n_classes: int = 0
    seed: int = 0
    threads: int = 1
    rung_floors: list[float | None] = []
    prune_below: list[float] | None = None
    save_above: float | None = None
    save: bool = True
    refit: bool = False
    max_bytes: int | None = None
    max_ms: float | None = None
    least_share: float = 0.0
    memory_bytes: int | None = None
    code: dict[str, str] = {}
    cache: Path | None = None
    deadline_s: float | None = None
    slowness: float = 1.0
    timed: bool = True


@dataclass
class _Part:
    """One fold's recipe and model."""

    recipe: dict[str, Any]
    fitted: Fitted
    num_features: int
    valid: NDArray[np.int64] | None = None  # rows that it has not seen; None of a model of all rows


@dataclass
class _Progress:
    """What a job has so far."""

    oof: NDArray[Any]
    fold_scores: list[float] = field(default_factory=list)
    parts: list[_Part] = field(default_factory=list)
    curves: list[list[float]] = field(default_factory=list)
    rungs: list[float] = field(default_factory=list)
    predict_s: float = 0.0
    features_cpu_s: float = 0.0
    texts_s: float = 0.0


def run_job(job: Job, *, started: float) -> dict[str, Any]:
    """Run a job to its end and write ``result.json``; whatever goes wrong is recorded there.

    Args:
        job: what to fit.
        started: ``time.monotonic()`` at the start of the job.
    """
    job.out.mkdir(parents=True, exist_ok=True)
    cpu_before = time.process_time()
    result: dict[str, Any] = {"fold_scores": [], "score": None, "predict_s": 0.0, "model_bytes": 0, "saved": False}
    try:
        result |= _fit(job, started)
    except TrialFailed as failure:
        result |= {"status": failure.kind, "error": str(failure), "curve": []}
        if isinstance(failure, CannotFinish):  # each fold's training takes about as long
            result["needed_s"] = failure.needed_s * len(folds_of(job.out, job.data))
    except Exception as error:  # noqa: BLE001 - the border around foreign libraries: recorded whole, never a score
        traceback.print_exc(file=sys.stderr)
        result |= {"status": "error", "error": f"{type(error).__name__}: {error}", "curve": []}
    spent = {"seconds": time.monotonic() - started, "cpu_s": time.process_time() - cpu_before}
    result |= {**spent, "peak_rss_bytes": _peak_bytes()}
    write_json(job.out / "result.json", result)
    return result


def model_card(family: str) -> ModelCard:
    """Return the card of a family; installed packages are asked only for a name that is not ours: it takes 25 ms."""
    return MODELS[family] if family in MODELS else MODELS.with_plugins()[family]


def _fit(job: Job, started: float) -> dict[str, Any]:
    card = model_card(job.family)
    learner = cast("Learner", cast(Any, card.load())(card.space.check(job.config)))
    table, folds = TrainingRows.read(job.data), folds_of(job.out, job.data)
    until = None if job.deadline_s is None else started + job.deadline_s
    texts_s = read_texts(table.frame, job.data, learner.features, threads=job.threads, deadline=until)
    progress = _Progress(table.unpredicted(job.task, job.n_classes), texts_s=texts_s)
    status = "ok"
    for number, (train, valid) in enumerate(folds):
        deadline = _fold_deadline(job, started, len(folds) - number)
        if deadline is not None and number and deadline <= time.monotonic():
            status = "timeout"
            break
        try:
            _fit_fold(job, learner, table, (number, train, valid), progress, deadline)
        except CurvePruned as behind:
            sys.stderr.write(f"pruned: {behind}\n")
            status = "pruned"
            break
        if number < len(folds) - 1 and _is_pruned(job, progress.fold_scores):
            status = "pruned"
            break
    return _conclude(job, learner, table, progress, status, started)


def _fit_fold(
    job: Job,
    learner: Learner,
    table: TrainingRows,
    fold: tuple[int, np.ndarray[Any, Any], np.ndarray[Any, Any]],
    progress: _Progress,
    deadline: float | None,
) -> None:
    number, train, valid = fold
    frame, y = table.frame, table.y
    before = time.process_time()
    recipe, X, X_valid = _inputs(job, table, learner).fitted(train, valid)
    progress.features_cpu_s += time.process_time() - before
    with (job.out / "curve.jsonl").open("a", encoding="utf-8") as file:
        watch = Watch(file, number, RUNGS.get(job.family, ()), job.rung_floors)
        context = FitContext(
            job.task,
            job.n_classes,
            table.metric(job.metric),
            job.seed + number,
            job.threads,
            deadline,
            watch,
            max_bytes=job.max_bytes,
            max_ms=job.max_ms,
            numbers=number_places(recipe),
            least_share=0.0 if number else job.least_share,
            memory_bytes=_bytes_left(job),
            code=job.code,
            flip_pairs=table.flip_pairs(),
        )
        try:
            fitted = learner.fit(
                X, table.learned(train), X_valid=X_valid, y_valid=table.learned(valid), context=context
            )
        except CurvePruned:
            progress.curves.append(_thin(watch.curve))
            raise
        finally:
            progress.rungs += watch.reached
    before = time.monotonic()
    prediction: NDArray[Any] = fitted.predict(X_valid)
    if table.structure is None:
        prediction = restored(table.schema.roles, frame.iloc[valid], prediction)
    progress.predict_s += time.monotonic() - before
    if not np.isfinite(prediction).all():
        raise DataError(f"fold {number}: {int((~np.isfinite(prediction)).sum())} predictions are not finite")
    progress.oof[valid] = prediction
    progress.fold_scores.append(score(job.metric, y[valid], prediction))
    progress.parts.append(_Part(recipe, fitted, X.shape[1], valid))
    progress.curves.append(_thin(fitted.curve))


def _inputs(job: Job, table: TrainingRows, learner: Learner) -> Inputs:
    return Inputs(table, job.data, learner.features, job.task, job.seed, job.cache)


def _conclude(
    job: Job, learner: Learner, table: TrainingRows, progress: _Progress, status: str, started: float
) -> dict[str, Any]:
    """Score the pooled predictions and save what is worth it."""
    y = table.y
    oof = progress.oof if table.structure is not None else progress.oof.astype(np.float32)
    np.save(job.out / "oof.npy", oof, allow_pickle=False)
    rows = is_predicted(progress.oof)
    pooled = score(job.metric, y[rows], progress.oof[rows]) if rows.any() else None
    keep = status == "ok" and job.save and pooled is not None
    keep = keep and (job.save_above is None or cast(float, pooled) >= job.save_above)
    refit = keep and job.refit and _fits_again(job, progress, started)
    parts = [_refit(job, learner, table, progress, started)] if refit else progress.parts
    if keep and table.structure is not None:  # several cannot be averaged
        parts = [_checked(job, learner, table, progress, parts)]
    return {
        "status": status,
        "fold_scores": progress.fold_scores,
        "score": pooled,
        "predict_s": progress.predict_s + progress.texts_s,
        "features_cpu_s": progress.features_cpu_s,
        "model_bytes": _save_parts(job.out / "parts", parts, job.data) if keep else 0,
        "saved": keep,
        "refit": refit,
        "error": "out of time before the last fold" if status == "timeout" else None,
        "curve": progress.curves,
        "rungs": progress.rungs,
        "training": [facts for part in progress.parts if (facts := getattr(part.fitted, "facts", None))],
    }


def _fits_again(job: Job, progress: _Progress, started: float) -> bool:
    """Say whether the time is enough for a fit on all rows; without it the folds' models are what there is."""
    if job.deadline_s is None or not job.timed:
        return True
    used = time.monotonic() - started
    return used + _REFIT_MARGIN * used / len(progress.parts) < job.deadline_s


def _refit(job: Job, learner: Learner, table: TrainingRows, progress: _Progress, started: float) -> _Part:
    """Fit on all rows for as long as was best on the folds, and keep what it says of some rows to compare with."""
    frame, y = table.frame, table.learned()
    rows = np.unique(np.linspace(0, len(frame) - 1, min(len(frame), _COMPARED)).astype(np.int64))
    recipe, X, X_compared = _inputs(job, table, learner).fitted(slice(None), rows)
    stops = [part.fitted.stopped_at for part in progress.parts if isinstance(part.fitted, Stepwise)]
    context = FitContext(
        job.task,
        job.n_classes,
        table.metric(job.metric),
        job.seed,
        job.threads,
        _fold_deadline(job, started, 1),
        stop_at=statistics.fmean(stops) if stops else None,
        max_bytes=job.max_bytes,
        max_ms=job.max_ms,
        numbers=number_places(recipe),
        memory_bytes=_bytes_left(job),
        code=job.code,
        flip_pairs=table.flip_pairs(),
    )
    fitted = learner.fit(X, y, X_valid=X[:0], y_valid=y[:0], context=context)
    if table.structure is not None:
        return _Part(recipe, fitted, X.shape[1])
    before = time.monotonic()
    said = fitted.predict(X_compared)
    progress.predict_s = (time.monotonic() - before) * len(frame) / len(rows)
    if not np.isfinite(said).all():
        raise DataError("the model on all rows gives predictions that are not finite")
    np.savez(job.out / "refit.npz", allow_pickle=False, rows=rows, said=said)
    return _Part(recipe, fitted, X.shape[1])


def _checked(job: Job, learner: Learner, table: TrainingRows, progress: _Progress, parts: list[_Part]) -> _Part:
    """Return the part that is delivered, the best fold's where none saw all rows; keep what its network says of some.

    What a network says is compared before it is decoded: near a border two classes of pixels change places at once.
    """
    best = int(np.argmax(progress.fold_scores)) if len(parts) > 1 else 0
    part = parts[best]
    rows = np.arange(len(table.frame)) if part.valid is None else part.valid
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _COMPARED_MAPS)).astype(np.int64))]
    said = cast("Mapped", part.fitted).maps(_inputs(job, table, learner).applied(part.recipe, rows))
    np.savez(job.out / "refit.npz", allow_pickle=False, rows=rows, said=said)
    return part


def _save_parts(folder: Path, parts: list[_Part], data: Path) -> int:
    """Write each fold's recipe and model, with the encoder that they share where they have one; return their bytes."""
    total = 0
    for number, part in enumerate(parts):
        place = folder / f"p{number}"
        place.mkdir(parents=True, exist_ok=True)
        text = json.dumps(part.recipe, separators=(",", ":")).encode()
        model = part.fitted.to_onnx()
        (place / "recipe.json").write_bytes(text)
        (place / "model.onnx").write_bytes(model)
        if samples := getattr(part.fitted, "samples", b""):  # a picture of augmented images, for the report
            (place / "samples.png").write_bytes(samples)
        total += len(text) + len(model)
    return total + keep_encoder(parts[0].recipe, data, folder)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file so that it is there whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value), encoding="utf-8")
    part.replace(path)


def _fold_deadline(job: Job, started: float, folds_left: int) -> float | None:
    """Return an even share of the time that is left, with a reserve for what follows the fits."""
    if job.deadline_s is None or not job.timed:
        return None
    now = time.monotonic()
    reserve = min(_RESERVE * job.deadline_s, _MAX_RESERVE_S * job.slowness)
    return now + (started + job.deadline_s - reserve - now) / folds_left


def _is_pruned(job: Job, fold_scores: list[float]) -> bool:
    if job.prune_below is None or len(fold_scores) > len(job.prune_below):
        return False
    return statistics.fmean(fold_scores) < job.prune_below[len(fold_scores) - 1]


def _thin(curve: list[float]) -> list[float]:
    """Keep at most so many points of a curve, evenly spread."""
    if len(curve) <= _CURVE_POINTS:
        return [float(value) for value in curve]
    return [float(curve[i]) for i in np.linspace(0, len(curve) - 1, _CURVE_POINTS).astype(int)]


def _bytes_left(job: Job) -> int | None:
    """Return what the process may still take of its limit."""
    if job.memory_bytes is None:
        return None
    return max(job.memory_bytes - int(psutil.Process().memory_info().rss), 1)


def _peak_bytes() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
