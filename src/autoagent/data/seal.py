"""Write a split to disk: a folder for the search, and sealed test rows that are opened once."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from autoagent.data.images.source import ImageSource
from autoagent.data.images.store import ARRAYS, FACTS, check_sealed, rooted, write_images
from autoagent.data.images.structures import Structure, write_structure
from autoagent.data.splits import Split
from autoagent.data.table import Role, Task
from autoagent.durable import write_durably
from autoagent.errors import RunFolderError

Folds = list[tuple[NDArray[np.int64], NDArray[np.int64]]]
_OF_IMAGES = (FACTS, ARRAYS)
OWN_FOLDS = "folds.npz"  # in the data folder for all trials, in a trial's folder for that one


class Schema(BaseModel):
    """What a model takes and gives; the file beside the rows.

    Attributes:
        roles: role of each feature, in the order of the table.
        classes: sorted class names, of masks in the order of their codes; empty for regression and joints.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    roles: dict[str, Role]
    target: str
    task: Task
    classes: list[str]


def write_split(
    run: Path,
    frame: pd.DataFrame,
    y: NDArray[Any],
    split: Split,
    schema: Schema,
    images: ImageSource | None = None,
    structure: Structure | None = None,
) -> None:
    """Write ``data/`` (what workers see) and ``sealed/`` (what they never see) under a run folder.

    ``split.json`` is written last, so folders without it are of an attempt that was killed; they are replaced.

    Raises:
        RunFolderError: the test rows of this run were opened already; another split would open them twice.
    """
    features = frame[list(schema.roles)]
    data, sealed = run / "data", run / "sealed"
    if _opened_for(sealed / "opened.json") is not None:
        raise RunFolderError(f"the test split of {run.name} was already opened; start a new run to split anew")
    (run / "split.json").unlink(missing_ok=True)
    for stale in (data, sealed):
        if stale.exists():
            shutil.rmtree(stale)
    data.mkdir()
    sealed.mkdir(mode=0o700)
    features.iloc[split.train_rows].reset_index(drop=True).to_parquet(data / "train.parquet")
    features.iloc[split.test_rows].reset_index(drop=True).to_parquet(sealed / "test.parquet")
    np.save(data / "y.npy", y[split.train_rows], allow_pickle=False)
    np.save(sealed / "test_y.npy", y[split.test_rows], allow_pickle=False)
    if images is not None and images.column in features:
        write_images(data, sealed, images)
    if structure is not None:
        write_structure(data, structure)
    write_folds(data / OWN_FOLDS, list(split.folds))
    (data / "schema.json").write_text(schema.model_dump_json(indent=1), encoding="utf-8")
    facts = {
        "kind": split.kind,
        "sha256": split.sha256,
        "n_train": len(split.train_rows),
        "n_test": len(split.test_rows),
        "n_folds": len(split.folds),
        "test_sha256": sealed_hash(run),
    }
    write_durably(run / "split.json", json.dumps(facts, indent=1), mode=0o600)


def read_folds(data: Path) -> Folds:
    """Read the folds that ``write_split`` wrote."""
    with (data / OWN_FOLDS).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return [(arrays[f"t{i}"], arrays[f"v{i}"]) for i in range(len(arrays.files) // 2)]


def write_folds(path: Path, folds: Folds) -> None:
    """Write ``(train, valid)`` positions."""
    arrays = {f"{side}{i}": rows for i, fold in enumerate(folds) for side, rows in zip("tv", fold, strict=True)}
    np.savez(path, allow_pickle=False, **arrays)


def folds_of(trial: Path, data: Path) -> Folds:
    """Return a trial's own folds, or those of all."""
    return read_folds(trial if (trial / OWN_FOLDS).exists() else data)


def read_schema(data: Path) -> Schema:
    """Read the schema that ``write_split`` wrote."""
    return Schema.model_validate_json((data / "schema.json").read_text(encoding="utf-8"))


def sealed_hash(run: Path) -> str:
    """Hash the sealed files."""
    digest = hashlib.sha256()
    for name in ("test.parquet", "test_y.npy", *(name for name in _OF_IMAGES if (run / "sealed" / name).exists())):
        digest.update((run / "sealed" / name).read_bytes())
    return digest.hexdigest()


def open_sealed(run: Path, *, model_sha256: str) -> tuple[pd.DataFrame, NDArray[Any]]:
    """Open the test rows for one model, once; the opening is recorded first.

    Raises:
        RunFolderError: they were opened for another model, or were changed since they were sealed.
    """
    record = run / "sealed" / "opened.json"
    with (run / "sealed" / "opening.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed: of two processes, one opens
        before = _opened_for(record)
        if before not in (None, model_sha256):
            raise RunFolderError(f"the test split of {run.name} was already opened for another model")
        if before is None:
            write_durably(record, json.dumps({"model_sha256": model_sha256}), mode=0o600)
    expected = json.loads((run / "split.json").read_text(encoding="utf-8"))["test_sha256"]
    if sealed_hash(run) != expected:
        raise RunFolderError(f"the sealed test split of {run.name} was changed")
    frame = rooted(pd.read_parquet(run / "sealed" / "test.parquet"), run / "sealed")
    check_sealed(frame, run / "sealed")
    return frame, np.load(run / "sealed" / "test_y.npy", allow_pickle=False)


def _opened_for(record: Path) -> str | None:
    """Return the model of a whole record; a torn one was never followed by a reading of the rows, so it is none."""
    try:
        content = json.loads(record.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    model = content.get("model_sha256") if isinstance(content, dict) else None
    return model if isinstance(model, str) and model else None
