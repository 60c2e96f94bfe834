"""Processes that are killed, signalled, doubled, or work on a folder that was moved: nothing is lost or done twice."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.llm.server import Say, completion, serve

import autoagent
from autoagent.agent.recorder import NullView
from autoagent.runs.folder import RunFolder, list_runs
from autoagent.runs.journal import read_events
from autoagent.runs.state import RunState, fold, same_record

SCRIPT = Path(__file__).with_name("small_run.py")
REQUEST = "classify the species, accuracy, use only knn models"


def state_of(folder: RunFolder) -> RunState:
    return fold(read_events(folder.journal))


def check_whole(folder: RunFolder, before: RunState) -> None:
    """The run has its model, and every trial ended once, those of before as they had."""
    ended = [event.data["trial"] for event in read_events(folder.journal) if event.kind == "finished"]
    state = state_of(folder)
    assert len(ended) == len(set(ended)) == 4
    assert {number: state.trials[number] for number in before.finished} == {
        number: before.trials[number] for number in before.finished
    }
    assert (folder.model / "model.json").is_file()
    assert state.test is not None


def cli(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "autoagent", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL, text=True)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that died with one trial ended and another under way."""
    out = tmp_path_factory.mktemp("killed")
    done = subprocess.run([sys.executable, str(SCRIPT), str(out), "10"], check=False)
    assert done.returncode == -signal.SIGKILL
    folder = list_runs(out)[0]
    assert 1 <= len(state_of(folder).finished) < 4
    return folder


def test_of_two_resumes_at_once_one_works_and_the_other_says_why_not(killed: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(Path(shutil.copytree(killed.root, tmp_path / "run")))
    both = [cli("resume", str(run.root)) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 2], [0, 0]), said  # the second may come when the first has ended
    if codes == [0, 2]:
        (refused,) = [err for (_, err), process in zip(said, both, strict=True) if process.returncode == 2]
        assert "in use by another autoagent process" in refused
        assert len(refused.strip().splitlines()) == 1
    check_whole(run, state_of(killed))


def test_a_run_that_was_moved_and_one_that_was_copied_come_to_the_same(killed: RunFolder, tmp_path: Path) -> None:
    home = shutil.copytree(killed.root, tmp_path / "home")
    copy = RunFolder(Path(shutil.copytree(home, tmp_path / "a copy")))
    moved = RunFolder(Path(shutil.move(home, tmp_path / "moved to another name")))
    for folder in (copy, moved):
        autoagent.resume(folder.root)
        check_whole(folder, state_of(killed))
    assert same_record(read_events(copy.journal), read_events(moved.journal))
    assert not Path(home).exists()


class Copies(NullView):
    """Copies the run's folder at some of its events, while it is at work."""

    def __init__(self, out: Path, to: Path, *at: int) -> None:
        self.out, self.to, self.at, self.count = out, to, at, 0

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        self.count += 1
        if self.count in self.at:
            shutil.copytree(list_runs(self.out)[0].root, self.to / f"at-{self.count}")


def test_copies_that_were_made_while_a_run_worked_come_to_the_same(tmp_path: Path) -> None:
    view = Copies(tmp_path / "runs", tmp_path, 6, 14)  # a trial under way; the model delivered and not tested
    result = autoagent.run("iris", REQUEST, out=tmp_path / "runs", max_trials=4, workers=1, view=view)
    for number in (6, 14):
        copy = RunFolder(tmp_path / f"at-{number}")
        before = state_of(copy)
        assert before.ended is None
        autoagent.resume(copy.root)
        check_whole(copy, before)
        assert same_record(read_events(copy.journal), read_events(result.folder.journal))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_run_killed_at_a_random_instant_goes_on(tmp_path: Path, seed: int) -> None:
    process = subprocess.Popen([sys.executable, str(SCRIPT), str(tmp_path)])
    while process.poll() is None and not list_runs(tmp_path):
        time.sleep(0.005)
    time.sleep(random.Random(seed).random() * 4)
    process.kill()
    process.wait()
    folder = list_runs(tmp_path)[0]
    before = state_of(folder)
    autoagent.resume(folder.root)
    check_whole(folder, before)
    assert state_of(folder).seconds_used >= before.seconds_used


class KillsWorkers(NullView):
    """Kills every worker process, the zygotes among them, when a trial of ``at`` has been running for a moment."""

    def __init__(self, *at: int) -> None:
        self.at = set(at)
        self.killed = 0

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        if kind != "proposed" or data["trial"] not in self.at:
            return
        for child in psutil.Process().children(recursive=True):
            if any("autoagent.train.worker" in word for word in child.cmdline()):
                child.kill()
                self.killed += 1


def test_killed_workers_cost_their_trial_at_most_and_the_run_goes_on(tmp_path: Path) -> None:
    view = KillsWorkers(1, 3)
    result = autoagent.run("iris", REQUEST, out=tmp_path, max_trials=4, workers=1, view=view)
    assert view.killed >= 2
    assert len(result.state.finished) == 4
    assert {trial.status for trial in result.state.trials.values()} <= {"ok", "pruned", "crash"}
    check_whole(result.folder, RunState())


def test_a_language_model_that_dies_in_mid_call_costs_its_ideas_and_no_trial(tmp_path: Path) -> None:
    with serve(Say(completion(), cut=40)) as server:
        llm = f"{server.url}#tiny-1"
        result = autoagent.run("iris", REQUEST, llm=llm, out=tmp_path, max_trials=4, workers=1)
        assert server.bodies
    check_whole(result.folder, RunState())


def test_sigterm_delivers_the_best_so_far_and_a_run_can_be_told_twice(tmp_path: Path) -> None:
    process = cli("run", "iris", REQUEST, "--out", str(tmp_path), "--budget", "120", "--workers", "1", "--yes")
    until = time.monotonic() + 90
    while time.monotonic() < until and process.poll() is None:
        found = list_runs(tmp_path)
        if found and len(state_of(found[0]).finished) >= 2:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said, complaint = process.communicate(timeout=90)
    folder = list_runs(tmp_path)[0]
    assert process.returncode == 130
    assert "Traceback" not in said + complaint
    assert state_of(folder).ended == "interrupted"
    assert (folder.model / "model.json").is_file()


def test_a_second_signal_ends_a_run_at_once_and_it_can_be_resumed(tmp_path: Path) -> None:
    process = cli("run", "iris", REQUEST, "--out", str(tmp_path), "--max-trials", "4", "--workers", "1", "--yes")
    until = time.monotonic() + 90
    while time.monotonic() < until and process.poll() is None:
        found = list_runs(tmp_path)
        if found and state_of(found[0]).planned:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.05)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    said, complaint = process.communicate(timeout=90)
    # in Python's own ending the second signal kills the process, which a shell tells as 130 too
    assert process.returncode in (0, 130, -signal.SIGINT), complaint
    assert "Traceback" not in said + complaint
    folder = list_runs(tmp_path)[0]
    before = state_of(folder)
    if before.ended is None:
        autoagent.resume(folder.root)
        check_whole(folder, before)


def test_no_process_of_ours_is_left() -> None:
    mine = psutil.Process(os.getpid()).children(recursive=True)
    assert [child for child in mine if any("autoagent.train.worker" in word for word in child.cmdline())] == []
