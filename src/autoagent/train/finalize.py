"""The last steps of a run, each in a process of its own: ``python -m autoagent.train.finalize JOB.json``.

``export`` delivers and measures a model; ``test`` is the only code that opens the sealed test rows. A crash ends with
an exit status that is not 0 and no file, never with a score.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from autoagent.data.formulas import confusion
from autoagent.data.images.store import rooted
from autoagent.data.images.structures import Structure, read_structure
from autoagent.data.interval import bootstrap_interval
from autoagent.data.metrics import METRICS, raw
from autoagent.data.seal import open_sealed
from autoagent.data.table import CLASSES, Task
from autoagent.durable import write_durably
from autoagent.errors import AutoAgentError, DataError
from autoagent.forecasting import is_forecaster
from autoagent.inference import InputError, Model
from autoagent.marking import Marker, is_marker
from autoagent.train.export import forecasts
from autoagent.train.export.marked_pictures import marked_pictures
from autoagent.train.export.measure import call_ms, folder_bytes, folder_sha256, latency_ms, onnx_difference
from autoagent.train.export.package import assemble
from autoagent.train.export.pictures import pictures, samples_of
from autoagent.train.models.usual_map import usual_marks

Array = NDArray[np.float64]

_BINS = 10
_MAX_RESIDUALS = 500


class ExportJob(BaseModel):
    """Deliver these trials and measure the folder.

    Attributes:
        measure_s: seconds of calls to it.
        framing: of series, as ``windows.Framing`` writes it.
        structure: of masks, boxes and joints, as a `Marker` reads it.
        quantiles: that their forecasts come with.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["export"]
    run: Path
    members: list[tuple[Path, float]]
    task: Task
    target: str
    metric: str
    classes: list[str]
    class_kind: Literal["int", "float", "bool", "str"]
    roles: dict[str, str]
    rule: list[float] = []
    seed: int = 0
    measure_s: float = 1.5
    framing: dict[str, Any] | None = None
    structure: dict[str, Any] | None = None
    quantiles: list[float] = []


class TestJob(BaseModel):
    """Score the delivered model on the sealed test rows.

    Attributes:
        validation: the score that the model was chosen by, in the metric's own unit.
    """

    __test__ = False  # not a test of pytest's
    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["test"] = "test"
    run: Path
    metric: str
    task: Task
    classes: list[str]
    rule: list[float] = []
    validation: float
    seed: int = 0


def export(job: ExportJob) -> dict[str, Any]:
    """Write ``model/`` and return what it measures."""
    meta = job.model_dump(exclude={"kind", "run", "members", "seed", "measure_s", "framing", "quantiles"})
    out = job.run / "model"
    if job.framing is not None:
        meta |= {"framing": job.framing, "intervals": forecasts.intervals_of(job.run, job.members, job.quantiles)}
    assemble(job.run, job.members, out, meta)
    model = open_model(out)
    frame = rooted(pd.read_parquet(job.run / "data" / "train.parquet"), job.run / "data")
    difference, rows = onnx_difference(model, job.run / "data", [trial for trial, _ in job.members])
    if job.framing is None:
        middle, slow = latency_ms(model, frame, seconds=job.measure_s)
    else:
        middle, slow = call_ms(*forecasts.calls_of(job.run), seconds=job.measure_s)
    return {
        "model_bytes": folder_bytes(out),
        "latency_ms_p50": middle,
        "latency_ms_p99": slow,
        "max_onnx_difference": difference,
        "n_compared": rows,
        "n_members": len(job.members),
        "n_parts": sum(len(member["parts"]) for member in model.facts["members"]),
        "sha256": folder_sha256(out),
    }


def test(job: TestJob) -> dict[str, Any]:
    """Open the sealed rows once for the delivered model and score it."""
    folder = job.run / "model"
    model = open_model(folder)
    frame, y = open_sealed(job.run, model_sha256=folder_sha256(folder))
    prediction = model.raw(frame)
    decided = by_rule(prediction, job.rule) if METRICS[job.metric].needs == "label" else prediction
    score = raw(job.metric, y, decided)
    sign = 1.0 if METRICS[job.metric].direction == "max" else -1.0
    train_y = np.load(job.run / "data" / "y.npy", allow_pickle=False)
    classes, series = job.task in CLASSES, is_forecaster(model.facts)
    structure = read_structure(job.run / "data")
    _write_pictures(job, model, frame, y, by_rule(prediction, job.rule), structure)
    return {
        "metric": job.metric,
        "direction": METRICS[job.metric].direction,
        "score": score,
        "interval": interval(job.metric, y, decided, seed=job.seed),
        "n_rows": len(y),
        "validation": job.validation,
        "optimism": sign * (job.validation - score),
        "baseline_score": baseline_score(job.metric, train_y, y, len(job.classes), structure),
        **(forecasts.test_facts(job.run, model, frame, y, prediction, job.metric, job.seed) if series else {}),
        "labels": job.classes,
        "confusion": confusion_table(y, by_rule(prediction, job.rule), job.classes) if classes else None,
        "residuals": residuals(y, prediction) if job.task == "regression" else None,
        "calibration": calibration(y, prediction) if classes else None,
    }


def open_model(folder: Path) -> Model:
    """Open a delivered folder as what it is."""
    model = Model.load(folder)
    return Marker.load(folder) if is_marker(model.facts) else model


def _write_pictures(
    job: TestJob,
    model: Model,
    frame: pd.DataFrame,
    y: NDArray[Any],
    prediction: NDArray[Any],
    structure: Structure | None,
) -> None:
    """Write ``pictures.json`` for the report of a run on images."""
    if structure is not None:
        shown = marked_pictures(structure, model.facts["roles"], frame, y, prediction, job.metric, seed=job.seed)
    else:
        shown = pictures(model.facts["roles"], frame, y, prediction, job.classes, seed=job.seed)
    if shown is not None:
        trials = [job.run / "trials" / str(member["trial"]) for member in model.facts["members"]]
        _write(job.run / "pictures.json", {**shown, "augmented": samples_of(trials)})


test.__test__ = False  # type: ignore[attr-defined]  # not a test of pytest's


def interval(metric: str, y: Array, prediction: Array, *, seed: int) -> list[float] | None:
    """Return the bootstrap 95 % interval; None where the metric is not defined on most resamples of so few rows."""
    try:
        return list(bootstrap_interval(metric, y, prediction, seed=seed))
    except DataError:
        return None


def by_rule(proba: Array, rule: Sequence[float]) -> Array:
    """Return the probabilities times the multipliers, so that the largest is the decision."""
    if not rule:
        return proba
    weighted = proba * np.array(rule)
    return np.asarray(weighted / weighted.sum(axis=1, keepdims=True))


def baseline_score(
    metric: str, train_y: NDArray[Any], y: NDArray[Any], num_classes: int, structure: Structure | None = None
) -> float | None:
    """Return what the class shares or the mean of the training rows would have scored; None where not defined.

    Of masks, boxes and joints it is what is usual at each place.
    """
    if structure is not None:
        guess = usual_marks(structure, train_y, len(y))
    elif num_classes:
        shares = np.bincount(train_y.astype(np.int64), minlength=num_classes) / len(train_y)
        guess = np.tile(shares, (len(y), 1))
    else:
        guess = np.full(len(y), train_y.mean())
    try:
        return raw(metric, y, guess)
    except DataError:
        return None


def confusion_table(y: Array, proba: Array, classes: Sequence[str]) -> dict[str, Any]:
    """Return the counts of true (rows) and decided (columns) classes."""
    return {"labels": list(classes), "matrix": confusion(y, proba.argmax(axis=1), len(classes)).tolist()}


def residuals(y: Array, prediction: Array) -> dict[str, list[float]]:
    """Return at most 500 rows, evenly picked: the true numbers and the predicted ones."""
    rows = np.unique(np.linspace(0, len(y) - 1, min(len(y), _MAX_RESIDUALS)).astype(np.int64))
    return {"y": y[rows].tolist(), "prediction": prediction[rows].tolist()}


def calibration(y: Array, proba: Array) -> dict[str, list[float]]:
    """Return predicted and observed frequency in ten equal bins that hold rows.

    Of the second of two classes; of more classes, of the likeliest one being right.
    """
    k = proba.shape[1]
    predicted = proba[:, 1] if k == 2 else proba.max(axis=1)
    happened = (y == 1 if k == 2 else proba.argmax(axis=1) == y).astype(float)
    place = np.clip((predicted * _BINS).astype(np.int64), 0, _BINS - 1)
    counts = np.bincount(place, minlength=_BINS)
    held = counts > 0
    sums = [
        np.bincount(place, weights=values, minlength=_BINS)[held] / counts[held] for values in (predicted, happened)
    ]
    return {"mean_predicted": sums[0].tolist(), "observed": sums[1].tolist(), "count": counts[held].tolist()}


_JOB: TypeAdapter[ExportJob | TestJob] = TypeAdapter(Annotated[ExportJob | TestJob, Field(discriminator="kind")])


def main(arguments: Sequence[str]) -> int:
    """Do the job of a file."""
    return run_step(json.loads(Path(arguments[0]).read_text(encoding="utf-8")))


def run_step(message: Mapping[str, Any]) -> int:
    """Do one job; write ``export.json`` or ``test.json`` of its run and return the exit status."""
    try:
        job = _JOB.validate_python({"kind": "test", **message})
        facts = export(job) if isinstance(job, ExportJob) else test(job)
        _write(job.run / f"{job.kind}.json", facts)
    except (AutoAgentError, InputError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


def _write(path: Path, facts: Mapping[str, Any]) -> None:
    write_durably(path, json.dumps(facts, indent=1, allow_nan=False))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
