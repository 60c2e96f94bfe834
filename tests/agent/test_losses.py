"""A finished trial whose files were lost is left out of the finish, aloud; the others are delivered."""

import io
from pathlib import Path

import pytest
from rich.console import Console

import autoagent
from autoagent.agent.losses import check_parts
from autoagent.agent.recorder import NullView
from autoagent.errors import DataError, TrialFailed
from autoagent.report.live import PlainView
from autoagent.runs.folder import RunFolder, list_runs
from autoagent.runs.journal import Event, Journal, read_events
from autoagent.runs.state import RunState, fold

REQUEST = "classify the species, accuracy, use only linear or knn models"
_AFTER = ("searched", "selected", "exported", "tested", "ended")


def _until_chosen(out: Path) -> RunFolder:
    """Run, and forget all that came after the last trial, as if it had been killed there."""
    autoagent.run("iris", REQUEST, out=out, max_trials=4, workers=2, view=NullView())
    run = list_runs(out)[0]
    _keep(run.journal, [e for e in read_events(run.journal) if e.kind not in _AFTER])
    run.report.unlink()
    return run


def _keep(journal: Path, events: list[Event]) -> None:
    journal.unlink()
    with Journal(journal) as again:
        for event in events:
            again.append(event.kind, event.data)


def _state(run: RunFolder) -> RunState:
    return fold(read_events(run.journal))


def _saved(run: RunFolder) -> list[int]:
    return [n for n, trial in sorted(_state(run).trials.items()) if trial.is_whole and trial.saved]


def test_trials_with_a_lost_file_are_left_out_aloud_and_the_rest_is_delivered(tmp_path: Path) -> None:
    run = _until_chosen(tmp_path)
    first, second, *rest = _saved(run)
    (run.trial(first) / "oof.npy").unlink()
    (run.trial(second) / "parts" / "p0" / "model.onnx").write_bytes(b"")
    said = io.StringIO()
    autoagent.resume(run.root, llm="none", view=PlainView(Console(file=said, width=200)))
    state = _state(run)
    assert set(state.lost) == {first, second}
    assert state.selection is not None
    assert {number for number, _ in state.selection.members} <= set(rest)
    assert state.test is not None
    for number in (first, second):
        assert f"trial {number} is left out: " in said.getvalue()
        assert state.lost[number].split(":")[0] in said.getvalue()
    assert "is left out" in run.report.read_text(encoding="utf-8")


def test_when_every_trial_lost_its_files_the_reason_is_said(tmp_path: Path) -> None:
    run = _until_chosen(tmp_path)
    for number in _saved(run):
        (run.trial(number) / "oof.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(TrialFailed, match=r"no trial could be delivered; oof\.npy of trial"):
        autoagent.resume(run.root, llm="none", view=NullView())


def _parts(trial: Path) -> int:
    part = trial / "parts" / "p0"
    part.mkdir(parents=True)
    (part / "recipe.json").write_text("{}")
    (part / "model.onnx").write_bytes(b"\x08" + bytes(9))
    return 12


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model.onnx", None, "cannot be read"),
        ("model.onnx", b"\x08", "3 of 12 bytes are left"),
        ("model.onnx", bytes(10), "holds zeros"),
        ("recipe.json", None, "cannot be read"),
        ("recipe.json", b"{", "cannot be read"),
    ],
)
def test_a_part_that_is_missing_cut_or_zeroed_is_a_loss(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    written, path = _parts(tmp_path), tmp_path / "parts" / "p0" / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        check_parts(tmp_path, written)


def test_whole_parts_are_no_loss_and_no_part_at_all_is_one(tmp_path: Path) -> None:
    written = _parts(tmp_path / "whole")
    check_parts(tmp_path / "whole", written)
    with pytest.raises(DataError, match="0 of 12 bytes"):
        check_parts(tmp_path, 12)
