"""What the README tells people to type works as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autoagent.cli import app

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = re.findall(r"^autoagent (\w+) (.*)$", README, flags=re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS, ids=[block.split("\n")[0] for block in BLOCKS])
def test_a_python_block_runs(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from sklearn.datasets import load_iris

    monkeypatch.chdir(tmp_path)
    given = {"rows": load_iris(as_frame=True).data, "model": torch.nn.Linear(3, 2)}
    exec(compile(block, "README.md", "exec"), given)
    if "result" in given:
        assert given["result"].score > 0.8
    elif "output" in given:
        assert given["greet"](given["greeting"], "Ada").data == "Welcome back, Ada!"
    elif "study" in given:
        assert given["study"].best_value < 1.0
    else:
        assert given["optimizer"].param_groups[0]["state_bits"] == 8


@pytest.mark.parametrize(("command", "rest"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_every_option_of_a_command_exists(command: str, rest: str) -> None:
    usage = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}).invoke(app, [command, "--help"])
    assert usage.exit_code == 0, usage.output
    for word in shlex.split(rest, comments=True):
        if word.startswith("-"):
            assert re.search(rf"{re.escape(word)}\b", usage.output), f"`autoagent {command}` has no option {word}"
