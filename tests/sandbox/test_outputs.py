"""What hostile labels and texts do to a terminal, a spreadsheet and a report: nothing, and it is said."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from autoagent import cli
from autoagent.report.wording import one_line

HOSTILE = "=cmd|' /C calc'!A0\x1b[2J\x1b]0;owned\x07"


@pytest.fixture
def predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have ``predict`` answer with hostile labels; the model is not what is tested."""
    table = pd.DataFrame({"prediction": [HOSTILE, "plain"], "p": [0.5, -0.5]})
    monkeypatch.setattr("autoagent.agent.predicting.predict_file", lambda *_, **__: (table, []))
    monkeypatch.setattr(cli, "_find", lambda *_: Path())


@pytest.mark.usefixtures("predicted")
def test_a_label_like_a_formula_is_written_as_it_is_and_told(tmp_path: Path) -> None:
    out = tmp_path / "p.csv"
    done = CliRunner().invoke(cli.app, ["predict", "last", "rows.csv", "-o", str(out)])
    assert done.exit_code == 0
    assert "begin like a formula" in done.stderr
    assert pd.read_csv(out)["prediction"].tolist() == [HOSTILE, "plain"]


@pytest.mark.usefixtures("predicted")
def test_a_label_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    cli.predict("last", Path("rows.csv"), output=None, lenient=False, out=Path())
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\\x1b[2J" in shown


def test_one_line_of_the_report_and_the_live_view_cannot_steer_a_terminal() -> None:
    assert "\x1b" not in one_line(HOSTILE)
