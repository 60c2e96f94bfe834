"""Ray: the same lines as worker processes, the same cases as threads; crash, hang and end stay where they happen."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.optimize.toys import Toy, toy_llm

from autoagent.errors import MissingExtraError, UserError
from autoagent.optimize import Candidate, Case, OptoPrime, Plan, Ray, optimize
from autoagent.optimize.evaluation import Threads
from autoagent.optimize.processes import serve
from autoagent.optimize.ray_runner import stages
from autoagent.optimize.wire import packed

TARGET = "tests.optimize.toys:build"
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed: autoagent[ray]")


def jobs(*instances: int, x: int = 3) -> list[tuple[Candidate, str, Any]]:
    return [(Candidate({"x": x}), str(instance), instance) for instance in instances]


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'autoagent\[ray\]'"):
        Ray(TARGET)


def test_a_ray_task_answers_as_a_worker_process_does() -> None:
    lines = packed(jobs(0, 5, -3))
    answers = io.StringIO()
    serve(TARGET, io.StringIO("\n".join(lines)), answers)
    of_tasks = [list(stages(TARGET, line)) for line in lines]
    assert [begun for begun, _ in of_tasks] == [""] * 3

    def timeless(text: str) -> dict[str, Any]:
        return {**json.loads(text), "seconds": 0}

    there = [timeless(answer) for answer in answers.getvalue().splitlines()]
    assert [timeless(answer) for _, answer in of_tasks] == there
    assert "a judge with a bug" in there[2]["fault"]


def test_a_target_that_cannot_be_built_is_told_as_text() -> None:
    assert json.loads(list(stages("tests.optimize.toys:nothing", "[]"))[1])["fault"].startswith("AttributeError")


@pytest.fixture
def ray() -> Iterator[Any]:
    """Ray with nothing running, before and after."""
    module: Any = pytest.importorskip("ray", reason="ray is not installed: autoagent[ray]")
    assert not module.is_initialized()
    yield module
    module.shutdown()


@needs_ray
def test_ray_finds_what_threads_find_and_ends_what_it_started(ray: Any) -> None:
    toy = Toy()
    many = [*jobs(0, 5), *jobs(0, 5, 7, x=9)]
    here = Threads(toy.workflow, toy.judge, OptoPrime(toy.parameters).parameters, workers=1).run(many)
    there = Ray(TARGET, workers=2)
    try:
        assert there.run([]) == []
        assert not ray.is_initialized()
        cases = there.run(many)
    finally:
        there.close()
    assert not ray.is_initialized()
    assert [dataclasses.replace(case, seconds=0.0) for case in cases] == [
        dataclasses.replace(case, seconds=0.0) for case in here
    ]
    assert cases[0].sheet is not None


@needs_ray
def test_a_crash_a_hang_and_a_bug_stay_where_they_happen_and_a_ray_that_was_there_stays(ray: Any) -> None:
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    runner = Ray(TARGET, workers=2, timeout_s=50)
    cases: list[Case] = list(runner.run(jobs(1, -1, 2)))
    assert [case.score for case in cases] == [-14.0, None, -14.0]
    assert "gave none: WorkerCrashedError" in cases[1].error
    with pytest.raises(UserError, match="a judge with a bug"):
        runner.run(jobs(-3))
    with pytest.raises(UserError, match="not JSON"):
        runner.run([(Candidate({"x": 3}), "0", {1, 2})])
    with pytest.raises(UserError, match="nothing_here"):
        Ray("nothing_here:build").run(jobs(0))
    runner.close()
    short = Ray(TARGET, workers=2, timeout_s=15)
    hung, fine = short.run(jobs(-2, 0))
    assert "no result within 15 s" in hung.error
    assert fine.score == -14.0
    short.close()
    assert ray.is_initialized()
    with pytest.raises(UserError, match="leave out address="):
        Ray(TARGET, address="127.0.0.1:1").run(jobs(0))


@needs_ray
def test_an_interrupt_cancels_what_is_under_way(ray: Any) -> None:
    ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    runner = Ray(TARGET, workers=2)
    runner.run(jobs(0))
    threading.Timer(2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        runner.run(jobs(-2, -2))  # each would hang for a minute
    after = Ray(TARGET, workers=1, timeout_s=30)
    started = time.monotonic()
    assert after.run(jobs(0))[0].score == -14.0
    assert time.monotonic() - started < 50  # the only CPU was free, and not after the hang


@needs_ray
def test_an_optimization_runs_on_ray(ray: Any) -> None:
    toy = Toy()
    optimizer = OptoPrime(toy.parameters, toy_llm(), target=0.0)
    result = optimize(toy.workflow, optimizer, [0, 1, 2], plan=Plan(steps=10), runner=Ray(TARGET, workers=2))
    assert result.score is not None
    assert result.score >= -1.0
    assert toy.calls == []
    assert not ray.is_initialized()
