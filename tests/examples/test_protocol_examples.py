"""The worked protocols of reinforcement and continual learning: they run, and say what a claim may rest on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def ran(name: str) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def losses(said: str, name: str) -> tuple[float, float]:
    found = re.search(rf"^{name}: (\d\.\d+) on tuning \w+, (\d\.\d+) on test", said, re.MULTILINE)
    assert found, said
    return float(found[1]), float(found[2])


@pytest.mark.parametrize("name", ["cartpole_protocol.py", "continual_protocol.py"])
def test_tuning_is_reported_on_what_it_never_saw_with_an_interval(name: str) -> None:
    said = ran(name)
    untuned, tuned = losses(said, "untuned"), losses(said, "tuned")
    assert tuned[0] <= untuned[0]  # the untuned setting is one of the trials
    assert tuned[1] > tuned[0]  # what was chosen looks better where it was chosen
    interval = re.search(r"interval ([-+]\d\.\d+) to ([-+]\d\.\d+)", said)
    assert interval, said
    assert float(interval[1]) <= tuned[1] - untuned[1] <= float(interval[2])
