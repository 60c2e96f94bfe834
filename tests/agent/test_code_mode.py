"""Code mode: what a model writes is tried beside the same configuration without it, and stays only where it helps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import autoagent
from autoagent.agent.recorder import NullView
from autoagent.agent.replay import replay
from autoagent.errors import UserError
from autoagent.llm.messages import Request
from autoagent.runs.journal import read_events
from autoagent.runs.state import RunState, fold
from autoagent.sandbox import isolation

pytestmark = pytest.mark.skipif(isolation().level == "none", reason="nothing contains code here")

REQUEST = "which of the three signs, accuracy, only image_mlp"
FIELDS = {
    "fields": [
        {"key": "metric.name", "value": "accuracy", "words": "accuracy"},
        {"key": "model.allow", "value": ["image_mlp"], "words": "only image_mlp"},
    ]
}
SIGNS = {"cross": ((0, 1), (1, 0), (1, 1), (1, 2), (2, 1)), "ring": ((0, 0), (0, 2), (2, 0), (2, 2), (0, 1), (2, 1))}
SIGNS["bar"] = ((1, 0), (1, 1), (1, 2), (0, 0), (2, 2))
ROLL = """import numpy as np


def augment(images, rng):
    for image in images:
        image[:] = np.roll(image, rng.integers(0, image.shape[0], size=2), axis=(0, 1))
    return images
"""
NOISE = "def augment(images, rng):\n    return rng.integers(0, 255, images.shape).astype('uint8')\n"
SPY = "def augment(images, rng):\n    return images if open('/etc/passwd') else images\n"
SHRINK = "def augment(images, rng):\n    return images[:, ::2]\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Signs anywhere on a torus: a network that knows no neighbours needs each of them in every place."""
    root, rng = tmp_path_factory.mktemp("data") / "signs", np.random.default_rng(0)
    for name, places in SIGNS.items():
        (root / name).mkdir(parents=True)
        for i in range(80):
            pixels = rng.integers(0, 90, (8, 8))
            top, left = rng.integers(0, 8, 2)
            for row, column in places:
                pixels[(top + row) % 8, (left + column) % 8] = 250
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{i:02d}.png")
    return root


class Writer:
    """A model that has no ideas, and writes these pieces of code one after another."""

    def __init__(self, *sources: str) -> None:
        self.sources = list(sources)
        self.asked: list[str] = []

    def __call__(self, request: Request) -> str:
        text = request.messages[0].content
        if "for its training" in text:
            self.asked.append(text)
            return json.dumps({"hook": "augmentation", "code": self.sources.pop(0), "reason": "signs lie anywhere"})
        return '{"ideas": []}' if "Propose" in text else json.dumps(FIELDS)


def _run(folder: Path, out: Path, writer: Writer, trials: int, **options: Any) -> autoagent.agent.api.Result:
    llm = autoagent.ScriptedLLM([writer] * 40)
    return autoagent.run(folder, REQUEST, llm=llm, out=out, max_trials=trials, workers=1, code=True, **options)


@pytest.fixture(scope="module")
def done(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[autoagent.agent.api.Result, Writer]:
    writer = Writer(ROLL, NOISE, SPY, SHRINK)
    return _run(folder, tmp_path_factory.mktemp("runs"), writer, 6), writer


def _state(result: autoagent.agent.api.Result) -> RunState:
    return fold(read_events(result.folder.journal))


def test_an_augmentation_that_helps_is_kept_and_used_by_what_follows(done) -> None:
    state = _state(done[0])
    first = state.trials[2]
    assert (first.source, first.pair, first.code) == ("code", 1, {"augmentation": ROLL})
    assert first.config == state.trials[1].config
    assert state.verdicts[2].kept
    assert first.score is not None
    assert first.score > (state.trials[1].score or 0.0) + 0.05
    later = [trial for trial in state.trials.values() if trial.number > 2 and trial.source == "portfolio"]
    assert later
    assert all(trial.code == {"augmentation": ROLL} for trial in later)
    assert first.training[0]["code_calls"] > 10


def test_a_harmful_one_is_dropped_and_never_delivered(done) -> None:
    state = _state(done[0])
    bad = next(trial for trial in state.trials.values() if trial.code.get("augmentation") == NOISE)
    verdict = state.verdicts[bad.number]
    assert not verdict.kept
    assert verdict.difference is not None
    assert verdict.difference < 0
    assert state.selection is not None
    assert bad.number not in [number for number, _ in state.selection.members]
    users = [t.number for t in state.trials.values() if t.code.get("augmentation") == NOISE]
    assert users == [bad.number]


def test_code_that_the_policy_refuses_is_never_tried_and_code_that_fails_leaves_a_whole_trial(done) -> None:
    state, writer = _state(done[0]), done[1]
    assert [bool(one.fault) for one in state.written] == [False, False, True, False]
    assert not [trial for trial in state.trials.values() if SPY in trial.code.values()]
    broken = next(trial for trial in state.trials.values() if trial.code.get("augmentation") == SHRINK)
    assert (broken.status, broken.training[0]["code_calls"]) == ("ok", 0)
    assert "the training went on without it" in state.verdicts[broken.number].reason
    assert len(writer.asked) == 4  # each was told what became of the ones before
    assert "kept: +" in writer.asked[1]
    assert "dropped: -" in writer.asked[2]
    assert "'open' is refused" in writer.asked[3]


def test_the_record_can_be_replayed_without_a_model(done) -> None:
    outcome = replay(done[0].folder.root)
    assert outcome.differences == []
    assert outcome.equal


def test_the_report_and_the_traced_workflow_show_the_code_and_its_verdict(done) -> None:
    result = done[0]
    page = result.report.read_text(encoding="utf-8")
    assert "np.roll(image, rng.integers" in page
    assert "augmentation: kept · trial 2" in page
    assert "augmentation: refused" in page
    graph = json.loads((result.folder.root / "graph.json").read_text(encoding="utf-8"))
    found = [node for node in graph["nodes"] if node["name"].startswith("augmentation")]
    assert [node["kind"] for node in found] == ["parameter"] * len(found)
    assert any("np.roll" in json.dumps(node) for node in found)


def test_code_needs_a_model_that_writes_it(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="code mode needs a language model"):
        autoagent.run(folder, REQUEST, out=tmp_path, max_trials=2, code=True)


def test_without_being_asked_for_no_code_is_written(folder: Path, tmp_path: Path) -> None:
    writer = Writer()
    llm = autoagent.ScriptedLLM([writer] * 9)
    result = autoagent.run(folder, REQUEST, llm=llm, out=tmp_path, max_trials=2, workers=1)
    assert writer.asked == []
    assert _state(result).written == ()


@pytest.mark.slow
def test_a_run_that_was_cut_before_a_verdict_comes_to_the_same_record(folder: Path, done, tmp_path: Path) -> None:
    whole = _state(done[0])
    llm = autoagent.ScriptedLLM([Writer(ROLL, NOISE, SPY, SHRINK)] * 40)
    with pytest.raises(_CutError):
        autoagent.run(folder, REQUEST, llm=llm, out=tmp_path, max_trials=6, workers=1, code=True, view=_StopsAt(2))
    cut = next(path for path in tmp_path.iterdir() if path.is_dir())
    before = fold(read_events(cut / "journal.jsonl"))
    assert before.trials[2].status == "ok"
    assert before.verdicts == {}
    writer = Writer(NOISE, SPY, SHRINK)  # the first piece is on record and not asked for again
    result = autoagent.resume(cut, llm=autoagent.ScriptedLLM([writer] * 40))
    assert _state(result).record() == whole.record()
    assert _state(result).verdicts == whole.verdicts


class _CutError(Exception):
    """What ends a run in the middle of an event."""


class _StopsAt(NullView):
    def __init__(self, trial: int) -> None:
        self.trial = trial

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        if kind == "finished" and data["trial"] == self.trial:
            raise _CutError
