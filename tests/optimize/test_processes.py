"""Worker processes: the same cases as threads give, and a crash, a hang or a bug stays where it happened."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.optimize.toys import Toy, toy_llm

from autoagent.errors import UserError
from autoagent.optimize import Candidate, Case, OptoPrime, Plan, optimize
from autoagent.optimize.evaluation import Threads
from autoagent.optimize.processes import Processes

ROOT = Path(__file__).parents[2]
TARGET = "tests.optimize.toys:build"


def test_processes_find_what_threads_find_graph_included() -> None:
    toy = Toy()
    jobs = [(Candidate({"x": x}), str(i), i) for x in (3, 9) for i in (0, 5)]
    here = Threads(toy.workflow, toy.judge, OptoPrime(toy.parameters).parameters, workers=1).run(jobs)
    there = Processes(TARGET, workers=2, folder=ROOT)
    try:
        cases = there.run(jobs)
    finally:
        there.close()
    assert [dataclasses.replace(case, seconds=0.0) for case in cases] == [
        dataclasses.replace(case, seconds=0.0) for case in here
    ]
    assert cases[0].sheet is not None
    assert cases[0].sheet.lines[0].text == "shifted_1 = shifted(x=x, offset=0)  # 3"


def test_a_crash_and_a_hang_are_errors_of_one_run() -> None:
    processes = Processes(TARGET, workers=1, timeout_s=15, folder=ROOT)
    try:
        jobs = [(Candidate({"x": 3}), str(i), i) for i in (1, -1, 2)]
        cases: list[Case] = list(processes.run(jobs))
    finally:
        processes.close()
    assert [case.score for case in cases] == [-14.0, None, -14.0]
    assert "ended with 7" in cases[1].error
    processes = Processes(TARGET, workers=1, timeout_s=2, folder=ROOT)
    try:
        assert "no result within 2 s" in processes.run([(Candidate({"x": 3}), "-2", -2)])[0].error
    finally:
        processes.close()


def test_a_judge_with_a_bug_is_said_and_an_instance_that_is_no_json_too() -> None:
    processes = Processes(TARGET, workers=1, folder=ROOT)
    try:
        with pytest.raises(UserError, match="a judge with a bug"):
            processes.run([(Candidate({"x": 3}), "-3", -3)])
        with pytest.raises(UserError, match="not JSON"):
            processes.run([(Candidate({"x": 3}), "0", {1, 2})])
    finally:
        processes.close()


def test_an_optimization_runs_in_processes() -> None:
    toy = Toy()
    optimizer = OptoPrime(toy.parameters, toy_llm(), target=0.0)
    runner = Processes(TARGET, workers=2, folder=ROOT)
    result = optimize(toy.workflow, optimizer, [0, 1, 2], plan=Plan(steps=10), runner=runner)
    assert result.score is not None
    assert result.score >= -1.0
    assert toy.calls == []
