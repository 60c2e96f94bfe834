"""Hold the optims to shards: two processes train an FSDP2 model and a whole one alike, each storing its own part."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch.distributed as dist


@pytest.mark.skipif(not dist.is_available() or not dist.is_gloo_available(), reason="needs torch's gloo")
def test_each_process_stores_the_codes_of_its_shard_and_training_is_that_of_the_whole(tmp_path: Path) -> None:
    child = Path(__file__).with_name("sharded_child.py")
    running = [
        subprocess.Popen(
            [sys.executable, str(child), str(rank), str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    ended = [process.communicate(timeout=200) for process in running]
    assert [process.returncode for process in running] == [0, 0], [error for _, error in ended]
    facts = [json.loads(out.splitlines()[-1]) for out, _ in ended]
    assert [one["local"] for one in facts] == [66 * 64, 65 * 64]
    for one in facts:
        assert one["codes"] == one["local"]
        assert one["dtype"] == "torch.uint8"
        assert one["off"] < 2e-3  # blocks begin elsewhere in a shard, so codes round a little differently; lr is 1e-2
