"""The example of a search over structures, as a user runs it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "architecture_search.py"


def test_it_finds_a_better_pipeline_replays_it_and_mends_a_models_list() -> None:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", str(EXAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    for kind in ("validation error: ", "test error: "):
        found = re.search(rf"{kind}([\d.]+)\D+([\d.]+)", done.stdout)
        assert found is not None
        assert float(found[2]) < float(found[1])
    written = re.search(r"its decision list: (.*)", done.stdout)
    assert written is not None
    assert all(set(row) == {"decision", "value"} for row in json.loads(written[1]))
    assert "it is the same: True" in done.stdout
    assert "400 is not in [4, 40]" in done.stdout
    assert "n_components was 400 and is now 40" in done.stdout
