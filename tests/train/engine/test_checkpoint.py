"""Checkpoints: a cut training goes on bit for bit, and a cut while writing costs nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.train.engine.tasks import Blobs, LoadedBlobs, perceptron, same, weights

from autoagent.errors import UserError
from autoagent.train.engine import Outcome, Settings, fit
from autoagent.train.optims import OPTIMS

_SETTINGS = Settings(steps=16, batch=48, lr=0.01, validations=8, precision="fp32", checkpoint_s=0.0)


class Cut(Exception):  # noqa: N818 - the end of a process, as far as a test can have it
    """The training is cut here."""


def _cut_at(step: int) -> Any:
    def report(at: int, value: float, progress: float | None = None) -> None:
        if at >= step:
            raise Cut

    return report


def _task(kind: type[Blobs] = LoadedBlobs) -> Blobs:
    return kind(perceptron(width=80, norm=True, drop=0.2))  # 80 x 80 values are enough to be quantized


def _cut_and_resumed(settings: Settings, folder: Path, steps: tuple[int, ...]) -> tuple[Blobs, Outcome]:
    for step in steps:
        with pytest.raises(Cut):
            fit(_task(), settings, checkpoint=folder, report=_cut_at(step))
        torch.manual_seed(step)  # whatever else the next process does before
    task = _task()
    return task, fit(task, settings, checkpoint=folder)


def _curve(outcome: Outcome) -> list[Any]:
    return [replace(point, elapsed_s=0.0) for point in outcome.points]


@pytest.mark.parametrize(("optim", "bits"), [*((name, 8) for name in OPTIMS), ("nadamw", 32), ("nadamw", 4)])
def test_a_resumed_training_has_the_bits_of_one_that_was_not_cut(tmp_path: Path, optim: str, bits: int) -> None:
    settings = replace(_SETTINGS, optim=optim, state_bits=bits, ema=0.1 if bits == 8 else 0.0)
    whole = _task()
    expected = fit(whole, settings)
    task, outcome = _cut_and_resumed(settings, tmp_path, (6, 11))
    assert _curve(outcome) == _curve(expected)
    assert same(weights(task), weights(whole))
    assert outcome.facts["resumes"] == 2
    assert outcome.facts["state_bytes"] == expected.facts["state_bytes"]


def test_nothing_is_read_for_the_batches_that_are_passed_over(tmp_path: Path) -> None:
    with pytest.raises(Cut):
        fit(_task(), replace(_SETTINGS, steps=8), checkpoint=tmp_path, report=_cut_at(6))
    task, loaded = LoadedBlobs(perceptron(width=80, norm=True, drop=0.2)), list[int]()
    plain = task.load
    task.load = lambda part: (loaded.append(len(part[0])), plain(part))[1]  # type: ignore[method-assign]
    fit(task, replace(_SETTINGS, steps=8), checkpoint=tmp_path)
    assert loaded == [16, 48, 48]  # the sixth of an epoch, the step that was reported but not yet written, and two


def test_a_divergence_after_a_resume_goes_back_to_the_same_state(tmp_path: Path) -> None:
    settings = replace(_SETTINGS, optim="sgd", lr=30.0, clip=0.0, warmup=0.0, rollbacks=50)
    whole = _task()
    expected = fit(whole, settings)
    assert expected.facts["rollbacks"] > 0
    task, outcome = _cut_and_resumed(settings, tmp_path, (9,))
    assert _curve(outcome) == _curve(expected)
    assert same(weights(task), weights(whole))


def test_a_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    settings = _SETTINGS
    first, second = _task(), _task()
    outcome = fit(first, settings, checkpoint=tmp_path)
    again = fit(second, settings, checkpoint=tmp_path)
    assert _curve(again) == _curve(outcome)
    assert same(weights(first), weights(second))


def test_only_the_newest_checkpoint_is_kept(tmp_path: Path) -> None:
    fit(_task(), _SETTINGS, checkpoint=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest.json", "rank0.16.safetensors"]


def test_checkpoints_keep_their_distance(tmp_path: Path) -> None:
    fit(_task(), replace(_SETTINGS, checkpoint_s=3600.0), checkpoint=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest.json", "rank0.2.safetensors"]


@pytest.mark.parametrize("change", [{"lr": 0.02}, {"seed": 1}, {"steps": 17}, {"optim": "lion"}])
def test_the_checkpoint_of_another_training_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    fit(_task(), _SETTINGS, checkpoint=tmp_path)
    (key,) = change
    with pytest.raises(UserError, match=f"of another training: {key} was"):
        fit(_task(), replace(_SETTINGS, **change), checkpoint=tmp_path)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    fit(_task(), _SETTINGS, checkpoint=tmp_path)
    file = tmp_path / "rank0.16.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match="checksum"):
        fit(_task(), _SETTINGS, checkpoint=tmp_path)


_ENDLESS = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
from autoagent.train.engine import Settings, fit
from tests.train.engine.test_checkpoint import _SETTINGS, _task
torch.set_num_threads(1)
said = lambda step, value, progress=None: print(step, flush=True)
fit(_task(), replace(_SETTINGS, steps=3000, validations=3000), checkpoint=Path(sys.argv[1]), report=said)
"""


def test_a_process_that_is_killed_while_it_writes_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", _ENDLESS, str(tmp_path)],
        cwd=root,
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    for _ in range(20):  # it writes after every step, so a kill falls into writing more often than not
        assert process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    seen: list[int] = []

    def stop(step: int, value: float, progress: float | None = None) -> None:
        seen.append(step)
        raise Cut

    with pytest.raises(Cut):
        fit(_task(), replace(_SETTINGS, steps=3000, validations=3000), checkpoint=tmp_path, report=stop)
    assert seen[0] >= 20  # the last of twenty may be lost: it is told before it is written
