"""What hostile names and labels do to a terminal, a spreadsheet, Markdown and a report: nothing, and it is said.

One run is made of a table whose column names, levels and labels carry escapes, bells, C1 controls, direction overrides,
invisible characters, HTML, Markdown and formulas; then every command is asked to show it.
"""

from __future__ import annotations

import io
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markupsafe import escape
from rich.console import Console
from typer.testing import CliRunner

import autoagent
from autoagent import cli, inference
from autoagent.errors import RequestError
from autoagent.inference import write_answers
from autoagent.report.card import inert
from autoagent.report.live import LiveView, PlainView
from autoagent.report.wording import one_line

FORMULA = "=cmd|' /C calc'!A0\x1b[2J\x1b]0;owned\x07"
TURNED = "yes\u202e<img src=x onerror=alert(1)>\x9b31m"
TARGET = "c\x9b31m\u2066"
COLUMNS = [
    "size\x1b]0;owned\x07",
    "b\u202e rtl\u061c",
    "<script>alert(1)</script>",
    "[l](javascript:x) | **b** @me $x$",
    "{{7*7}}{% x %} {0.__class__} %s%n ${x} [bold]x[/bold]",
]
FORMATS = COLUMNS[-1]
TAGS = "".join(chr(0xE0000 + ord(char)) for char in "obey")  # invisible letters
REQUEST = f"predict {TARGET}, accuracy, use only knn models\x1b[2J"
ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
PANEL = re.compile(r"\x1b\[(?:[01]m|\?25[lh]|2K|1A)")  # what the panel itself sends: bold, the cursor, to draw anew


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=120)
    columns: list[object] = [
        x,
        rng.integers(0, 5, 120),
        rng.normal(size=120),
        rng.choice(["u\x1b[31m", TAGS, "=1+1"], 120),
        rng.choice(["{{7*7}}", "%s%s%n"], 120),
    ]
    frame = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
    frame[TARGET] = np.where(x + 0.3 * rng.normal(size=120) > 0, FORMULA, TURNED)
    return frame


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Run once beside each view; the runs folder, and what each view showed."""
    at = tmp_path_factory.mktemp("hostile")
    table().to_csv(at / "t.csv", index=False)
    table().drop(columns=TARGET).head(6).to_csv(at / "new.csv", index=False)
    shown = {}
    for kind in (PlainView, LiveView):
        out = io.StringIO()
        console = Console(file=out, width=120, force_terminal=kind is LiveView, highlight=False)
        with kind(console) as view:
            autoagent.run(str(at / "t.csv"), REQUEST, out=at / kind.__name__, max_trials=2, workers=1, view=view)
        shown[kind.__name__] = out.getvalue()
    return at, shown


def harmless(text: str) -> str:
    assert ACTS.findall(text) == []
    return text


def at_a_terminal(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command as on a terminal and return all that it showed."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "argv", ["autoagent", *arguments])
    monkeypatch.setenv("TERM", "dumb")  # so that every escape is a foreign one
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    assert ended.value.code in (0, 2)
    return shown.out + shown.err


def test_the_plain_view_shows_names_and_sends_nothing(hostile: tuple[Path, dict[str, str]]) -> None:
    shown = harmless(hostile[1]["PlainView"])
    assert "understood data.target = c\\u009b31m\\u2066" in shown


def test_the_panel_shows_names_and_sends_nothing_of_theirs(hostile: tuple[Path, dict[str, str]]) -> None:
    shown = hostile[1]["LiveView"]
    harmless(PANEL.sub("", shown).replace("\r", ""))
    assert "c\\u009b31m\\u2066" in shown


@pytest.mark.parametrize(
    "command",
    [
        ["parse", REQUEST, "t.csv"],
        ["parse", "--json", REQUEST, "t.csv"],
        ["predict", "last", "new.csv"],
        ["predict", "last", "t\x1b[2J.csv"],
        ["predict", "\x1b[2J"],
        ["list", "runs"],
        ["report", "last"],
        ["replay", "last"],
        ["doctor", "--llm", "openai:\x1b[2J"],
        ["parse", "a", "b", "\x1b[2J"],
    ],
    ids=" ".join,
)
def test_a_command_sends_nothing_of_theirs_to_the_terminal(
    hostile: tuple[Path, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
) -> None:
    monkeypatch.chdir(hostile[0])
    options = [] if command[0] == "parse" else ["--out", "PlainView"]
    harmless(at_a_terminal([*command, *options], monkeypatch, capsys))


def test_a_run_folder_of_a_hostile_name_is_listed_harmlessly(
    hostile: tuple[Path, dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = next((hostile[0] / "PlainView").iterdir())
    (tmp_path / "2026\x1b[2J\u202e").symlink_to(run)
    for command in (["list", "runs"], ["report", "2026"]):
        shown = harmless(at_a_terminal([*command, "--out", str(tmp_path)], monkeypatch, capsys))
        assert "2026\\x1b[2J\\u202e" in shown


def test_the_json_of_a_parse_is_json_and_says_the_same(hostile: tuple[Path, dict[str, str]]) -> None:
    done = CliRunner().invoke(cli.app, ["parse", "--json", REQUEST, str(hostile[0] / "t.csv")])
    assert json.loads(harmless(done.stdout))["data"]["target"] == TARGET


def test_predictions_in_a_file_and_in_a_pipe_are_as_they_are_and_a_formula_is_told(
    hostile: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    rows, out = str(hostile[0] / "new.csv"), tmp_path / "p.csv"
    options = ["--out", str(hostile[0] / "PlainView")]
    piped = CliRunner().invoke(cli.app, ["predict", "last", rows, *options])
    kept = CliRunner().invoke(cli.app, ["predict", "last", rows, "-o", str(out), *options])
    assert out.read_bytes() == piped.stdout_bytes
    assert set(pd.read_csv(out)["prediction"]) <= {FORMULA, TURNED}
    for done in (piped, kept):
        assert "begins like a formula; import the file as text" in harmless(done.stderr)


def test_the_delivered_script_sends_nothing_of_theirs_either(
    hostile: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    model = next((hostile[0] / "PlainView").iterdir()) / "model"
    assert inference.main([str(hostile[0] / "new.csv"), "--model", str(model)]) == 0
    shown = capsys.readouterr()
    assert "\\x1b[2J" in harmless(shown.out) or "yes\\u202e" in shown.out
    assert "begins like a formula" in harmless(shown.err)
    (hostile[0] / "wrong.csv").write_text("a\x1b[2J\n1\n")
    assert inference.main([str(hostile[0] / "wrong.csv"), "--model", str(model)]) == 2
    shown_errors = harmless(capsys.readouterr().err)
    assert "missing columns" in shown_errors
    assert repr(FORMATS) in shown_errors


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1+cmd", "-1+cmd", "@SUM(A1)", "\t=1", ' "=1"', "a;=1+1", "a\n=1", "\uff1d1+1", "-"]
)
def test_what_a_spreadsheet_would_run_is_told_wherever_it_stands(cell: str, tmp_path: Path) -> None:
    plain = pd.DataFrame({"file": ["a.png"], "prediction": [-1.5], "p_a": [1e-9]})
    assert write_answers(plain, tmp_path / "p.csv") == []
    for frame in (plain.assign(file=cell), plain.assign(**{cell: 1})):
        (note,) = write_answers(frame, tmp_path / "p.csv")
        assert note.startswith(f"{cell!r} begins like a formula")


def test_cells_that_are_lists_are_written_as_text(tmp_path: Path) -> None:
    assert write_answers(pd.DataFrame({"prediction": [[1, 2], {"a": 1}, None]}), tmp_path / "p.csv") == []


def test_numbers_that_are_texts_are_no_formulas(tmp_path: Path) -> None:
    frame = pd.DataFrame({"prediction": ["-1", "+2.5", "-1e-3", "a-b", "x = y"]})
    assert write_answers(frame, tmp_path / "p.csv") == []


def test_the_model_card_shows_names_and_nothing_in_it_acts(hostile: tuple[Path, dict[str, str]]) -> None:
    (card,) = (hostile[0] / "PlainView").glob("*/model/MODEL_CARD.md")
    text = harmless(card.read_text(encoding="utf-8"))
    assert "| size\\\\u001b\\]0;owned\\\\u0007 | numeric |" in text
    assert "&lt;script&gt;" in text
    assert f"| {inert(FORMATS)} |" in text
    assert not re.search(r"<[A-Za-z!/]", text)
    assert "[l](" not in text
    assert all(line.count("|") - line.count("\\|") in (0, 4, 5) for line in text.splitlines())


@pytest.mark.parametrize(
    "text", ["<b>", "[a](b)", "![a](b)", "`a`", "*a*", "_a_", "~~a~~", "a|b", "# a", "- a", "http://a.b", "www.a.b"]
)
def test_marks_of_markdown_are_escaped(text: str) -> None:
    made = inert(text)
    assert text not in re.sub(r"\\.", "", made)


def test_addresses_mentions_mathematics_and_entities_are_escaped() -> None:
    assert inert("me@here.org $x$ &lt;") == "me&#64;here.org &#36;x&#36; &amp;lt;"


class Tags(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_report_holds_no_tag_or_handler_of_theirs(hostile: tuple[Path, dict[str, str]]) -> None:
    (report,) = (hostile[0] / "PlainView").glob("*/report.html")
    text = report.read_text(encoding="utf-8")
    page = Tags()
    page.feed(text)
    assert len(page.found) > 50
    assert [tag for tag, _ in page.found if tag in ("script", "img", "iframe", "object", "embed", "link", "base")] == []
    assert [name for _, attributes in page.found for name in attributes if name.startswith("on")] == []
    assert [value for _, a in page.found for value in a.values() if str(value).startswith("javascript:")] == []
    harmless(text)
    assert "could not be drawn" not in text
    assert escape(FORMATS) in text


def test_no_character_that_cannot_be_seen_is_left_in_one_line() -> None:
    shown = one_line(f"a\x1b[2J\u061cb{TAGS}\u2060\ud800")
    assert shown.isprintable()
    assert one_line("می\u200cخواهم 👩\u200d🔬") == "می\u200cخواهم 👩\u200d🔬"


def test_a_request_that_is_no_text_is_refused_before_there_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RequestError, match="no UTF-8 text at character 9"):
        autoagent.run("iris", "predict \udc9b", out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
    assert "no UTF-8 text" in at_a_terminal(["parse", "predict \udc9b"], monkeypatch, capsys)


def test_a_request_without_end_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="100000 characters; allowed: 20000"):
        autoagent.run("iris", "1,000" * 20_000, out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_file_that_cannot_be_written_is_said_in_one_line(
    hostile: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(hostile[0])
    command = ["predict", "last", "new.csv", "--out", "PlainView", "-o", "nowhere/p.csv"]
    assert "'nowhere/p.csv' cannot be written: No such file" in at_a_terminal(command, monkeypatch, capsys)
