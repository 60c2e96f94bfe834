"""What is measured on the delivered folder."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from tests.train.export.small_run import SmallRun, make_run

from autoagent.errors import DataError
from autoagent.inference import Model
from autoagent.train.export.measure import folder_bytes, folder_sha256, latency_ms, onnx_difference
from autoagent.train.export.package import assemble


@pytest.fixture
def run(tmp_path: Path) -> SmallRun:
    made = make_run(tmp_path / "run", "multiclass")
    assemble(made.root, [(made.trial(0), 1.0), (made.trial(1), 1.0)], made.root / "model", made.export_job())
    return made


def test_the_delivered_parts_predict_as_the_models_that_were_scored(run: SmallRun) -> None:
    model = Model.load(run.root / "model")
    worst, rows = onnx_difference(model, run.root / "data", [run.trial(0), run.trial(1)])
    assert 0 <= worst < 1e-6
    assert rows == 2 * 160


def test_a_part_that_differs_is_seen(run: SmallRun) -> None:
    oof = np.load(run.trial(1) / "oof.npy")
    oof[7] = [0.0, 0.0, 1.0]
    np.save(run.trial(1) / "oof.npy", oof)
    worst, _ = onnx_difference(Model.load(run.root / "model"), run.root / "data", [run.trial(0), run.trial(1)])
    assert worst > 0.01


def test_rows_that_were_not_predicted_are_not_compared(run: SmallRun) -> None:
    for number in (0, 1):
        np.save(run.trial(number) / "oof.npy", np.full((160, 3), np.nan, dtype=np.float32))
    with pytest.raises(DataError, match="no out-of-fold prediction"):
        onnx_difference(Model.load(run.root / "model"), run.root / "data", [run.trial(0), run.trial(1)])


def test_latency_is_the_quantiles_of_single_calls(run: SmallRun) -> None:
    ticks = itertools.count()
    middle, slow = latency_ms(Model.load(run.root / "model"), run.frame, calls=5, clock=lambda: next(ticks) * 0.001)
    assert (middle, slow) == (pytest.approx(1.0), pytest.approx(1.0))


def test_size_counts_every_file_and_the_hash_only_what_decides(run: SmallRun) -> None:
    folder = run.root / "model"
    size, digest = folder_bytes(folder), folder_sha256(folder)
    (folder / "MODEL_CARD.md").write_text("0123456789")
    assert folder_bytes(folder) == size + 10
    assert folder_sha256(folder) == digest
    (folder / "m0/p0/model.onnx").write_bytes(b"other")
    assert folder_sha256(folder) != digest
