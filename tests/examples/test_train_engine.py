"""The example of a training by the engine alone, as a user runs it."""

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_engine.py"


def test_it_learns_and_goes_on_after_a_cut_as_if_there_had_been_none() -> None:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", str(EXAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "cut after a third" in done.stdout
    found = re.search(r"loss: ([\d.]+) -> ([\d.]+), ([\d.]+) %", done.stdout)
    assert found is not None
    assert float(found[2]) < 0.5 * float(found[1])
    assert float(found[3]) > 90
    assert "without a cut: True, True" in done.stdout
    promised = re.search(r"states: (\d+) bytes, promised (\d+)", done.stdout)
    assert promised is not None
    assert promised[1] == promised[2]
