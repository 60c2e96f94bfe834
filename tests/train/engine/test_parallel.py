"""Two processes train as one: equal losses, whether parameters are copied or sharded, cut or not."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.train.engine import two_processes
from torch import nn

from autoagent.train.engine.parallel import Processes, repeated_blocks


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Start two processes as ``torchrun`` does, and return what each wrote."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-m", "tests.train.engine.two_processes", str(folder)]
    root = Path(__file__).parents[3]
    processes = [
        subprocess.Popen(
            command, cwd=root, env={**os.environ, **shared, "RANK": str(rank)}, stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=200)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(errors)
    return [json.loads((folder / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(2)]


@pytest.mark.parametrize("name", ["copied", "sharded"])
def test_two_processes_have_the_losses_of_one(found: list[dict[str, Any]], name: str) -> None:
    alone = two_processes.trained(two_processes.CASES[name])
    for one in found:  # up to sums in another order
        assert one[name]["curve"] == pytest.approx(alone["curve"], rel=1e-5)
        assert one[name]["train"] == pytest.approx(alone["train"], rel=1e-5)
        assert one[name]["sums"] == pytest.approx(alone["sums"], rel=1e-3, abs=1e-3)


def test_both_processes_end_with_the_same_weights(found: list[dict[str, Any]]) -> None:
    for name in ("copied", "sharded"):
        assert found[0][name] == found[1][name]


@pytest.mark.parametrize("name", ["copied", "sharded"])
def test_both_are_ended_by_a_report_and_go_on_bit_for_bit(found: list[dict[str, Any]], name: str) -> None:
    assert [one[f"{name}_cut"] for one in found] == ["Cut", "TrialFailed"]
    for one in found:
        assert one[f"{name}_resumed"] == one[name]


def test_processes_agree_on_a_micro_batch_that_fits_all(found: list[dict[str, Any]]) -> None:
    assert [one["starved"] for one in found] == [3, 3]


def test_a_process_alone_needs_no_exchange() -> None:
    alone = Processes()
    assert alone.total(2.0) == alone.least(2.0) == alone.agreed(2.0) == 2.0
    assert alone.any(True)
    assert not alone.any(False)


def test_blocks_are_the_entries_of_outermost_lists() -> None:
    def block() -> nn.Sequential:
        return nn.Sequential(nn.Linear(2, 2), nn.ReLU())

    model = nn.ModuleDict({"stem": nn.Linear(2, 2), "layers": nn.ModuleList([block(), block()])})
    assert repeated_blocks(model) == [*model["layers"]]  # type: ignore[arg-type]
