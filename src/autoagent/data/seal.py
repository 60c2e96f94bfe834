"""Write a split to disk: a folder for the search, and sealed test rows that are opened once."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from autoagent.data.splits import Split
from autoagent.data.table import Role, Task
from autoagent.errors import RunFolderError


class Schema(BaseModel):
    """What a model takes and gives; the file beside the rows.

    Attributes:
        roles: role of each feature, in the order of the table.
        classes: sorted class names; empty for regression.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    roles: dict[str, Role]
    target: str
    task: Task
    classes: list[str]


def write_split(run: Path, frame: pd.DataFrame, y: NDArray[np.float64], split: Split, schema: Schema) -> None:
    """Write ``data/`` (what workers see) and ``sealed/`` (what they never see) under a run folder."""
    features = frame[list(schema.roles)]
    data, sealed = run / "data", run / "sealed"
    data.mkdir()
    sealed.mkdir(mode=0o700)
    features.iloc[split.train_rows].reset_index(drop=True).to_parquet(data / "train.parquet")
    features.iloc[split.test_rows].reset_index(drop=True).to_parquet(sealed / "test.parquet")
    np.save(data / "y.npy", y[split.train_rows], allow_pickle=False)
    np.save(sealed / "test_y.npy", y[split.test_rows], allow_pickle=False)
    folds = {f"{part}{i}": rows for i, fold in enumerate(split.folds) for part, rows in zip("tv", fold, strict=True)}
    np.savez(data / "folds.npz", allow_pickle=False, **folds)
    (data / "schema.json").write_text(schema.model_dump_json(indent=1), encoding="utf-8")
    facts = {
        "kind": split.kind,
        "sha256": split.sha256,
        "n_train": len(split.train_rows),
        "n_test": len(split.test_rows),
        "n_folds": len(split.folds),
        "test_sha256": sealed_hash(run),
    }
    (run / "split.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


def read_folds(data: Path) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Read the folds that ``write_split`` wrote."""
    with np.load(data / "folds.npz", allow_pickle=False) as arrays:
        return [(arrays[f"t{i}"], arrays[f"v{i}"]) for i in range(len(arrays.files) // 2)]


def read_schema(data: Path) -> Schema:
    """Read the schema that ``write_split`` wrote."""
    return Schema.model_validate_json((data / "schema.json").read_text(encoding="utf-8"))


def sealed_hash(run: Path) -> str:
    """Hash the sealed files."""
    digest = hashlib.sha256()
    for name in ("test.parquet", "test_y.npy"):
        digest.update((run / "sealed" / name).read_bytes())
    return digest.hexdigest()


def open_sealed(run: Path, *, model_sha256: str) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Open the test rows for one model, once; the opening is recorded first.

    Raises:
        RunFolderError: they were opened for another model, or were changed since they were sealed.
    """
    record = run / "sealed" / "opened.json"
    try:
        with os.fdopen(os.open(record, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            json.dump({"model_sha256": model_sha256}, file)
    except FileExistsError:
        before = json.loads(record.read_text(encoding="utf-8") or "{}").get("model_sha256")
        if before != model_sha256:
            raise RunFolderError(f"the test split of {run.name} was already opened for another model") from None
    expected = json.loads((run / "split.json").read_text(encoding="utf-8"))["test_sha256"]
    if sealed_hash(run) != expected:
        raise RunFolderError(f"the sealed test split of {run.name} was changed")
    frame = pd.read_parquet(run / "sealed" / "test.parquet")
    return frame, np.load(run / "sealed" / "test_y.npy", allow_pickle=False)
