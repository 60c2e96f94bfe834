"""The report holds every section for any state of a run, and foreign text in it is inert."""

from __future__ import annotations

import html.parser
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from written_run import HOSTILE, write_run

from autoagent.report.card import write_model_card
from autoagent.report.html import write_report
from autoagent.report.training import optim_state
from autoagent.runs.folder import RunFolder
from autoagent.runs.journal import Journal
from autoagent.runs.state import TrialRecord

SECTIONS = ["request", "data", "leaks", "split", "result", "search", "importance", "curves", "errors", "calibration"]
SECTIONS += ["trace", "llm", "budget", "environment"]
CHROMIUM = shutil.which("chromium")


class Page(html.parser.HTMLParser):
    """Collects tags, attributes and ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def page_of(run: RunFolder) -> str:
    return write_report(run).read_text(encoding="utf-8")


def assert_inert_and_whole(text: str) -> None:
    page = Page(text)
    assert not {"script", "img", "iframe", "object", "link"} & set(page.tags)
    assert [v for k, v in page.attributes if k == "id" and v in SECTIONS] == SECTIONS
    assert not [k for k, _ in page.attributes if k.startswith("on")]
    assert all((v or "").startswith("#") for k, v in page.attributes if k in ("href", "src"))


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_a_finished_run_shows_score_interval_limits_and_plots(tmp_path: Path, task: str) -> None:
    text = page_of(write_run(tmp_path / "run", task=task))
    assert_inert_and_whole(text)
    assert ("0.9722" if task == "multiclass" else "52.10") in text
    assert "95 % interval" in text
    assert "✓" in text
    assert "✗" in text
    assert text.count('class="chart"') >= 4
    assert "could not be read" not in text


def test_an_inferred_field_shows_its_reason_and_a_stated_one_its_words(tmp_path: Path) -> None:
    text = page_of(write_run(tmp_path / "run"))
    assert '<td>multiclass_classification</td><td class="muted">inferred: the target has ten classes</td>' in text
    assert '<td>accuracy</td><td class="muted">best accuracy</td>' in text


def test_trials_that_told_of_their_optim_show_it_and_a_run_without_one_has_no_such_column(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    text = page_of(run)
    assert ">adamw · 8/32 bit · 41.3 kB</td>" in text
    assert 'title="40,000 values in 8 bits, 512 values in 32 bits; kernels: cpu; 512 values are too few' in text
    told = [re.sub(r', "training": .*?}\]', "", line) for line in run.journal.read_text().splitlines()]
    run.journal.write_text("\n".join(told) + "\n")
    assert "optim state" not in page_of(run)
    assert "adamw" not in page_of(run)


def test_what_was_not_started_is_listed_with_its_reason_and_foreign_text_in_it_is_inert(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ended=False)
    told = {"before": 3, "family": "realmlp", "config": {"epochs": 99}, "source": "llm", "reason": f"80 s {HOSTILE}"}
    assert "Not started" not in page_of(run)
    with Journal(run.journal) as journal:
        journal.append("refused", told)
    text = page_of(run)
    assert "<summary>Not started: 1<" in text
    assert "<td>80 s &lt;script&gt;" in text


@pytest.mark.parametrize("told", [{"loss": 1.0}, {"optim": 3, "state_bytes": "many"}, {}])
def test_a_training_told_in_other_words_is_not_shown(told: dict[str, object]) -> None:
    assert optim_state(TrialRecord(0, "mine", {}, "default", training=(told,))) == ("", "")


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_hostile_names_are_inert_everywhere(tmp_path: Path, task: str) -> None:
    text = page_of(write_run(tmp_path / "run", task=task, bad=HOSTILE + "\x1b[31m\u202e"))
    assert_inert_and_whole(text)
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_an_interrupted_run_still_gets_a_report_that_says_so(tmp_path: Path) -> None:
    text = page_of(write_run(tmp_path / "run", ended=False))
    assert_inert_and_whole(text)
    assert "has not ended" in text


def test_an_empty_folder_still_gets_a_report(tmp_path: Path) -> None:
    assert_inert_and_whole(page_of(RunFolder(tmp_path)))


@pytest.mark.parametrize("content", ["{", "[]", '{"score": "x", "interval": 3}', "nul"])
def test_a_damaged_file_is_said_and_leaves_the_rest(tmp_path: Path, content: str) -> None:
    run = write_run(tmp_path / "run")
    for path in [run.test, run.spec, run.card, run.plan, run.graph, run.root / "export.json"]:
        path.write_text(content)
    text = page_of(run)
    assert_inert_and_whole(text)
    assert "could not be read" in text


def test_a_report_of_500_trials_takes_less_than_three_seconds(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", trials=500)
    started = time.perf_counter()
    write_report(run)
    assert time.perf_counter() - started < 3


def test_the_model_card_keeps_foreign_text_inert(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", bad=HOSTILE + "|[x](javascript:1)\n# head")
    text = write_model_card(run).read_text(encoding="utf-8")
    assert "<" not in text
    assert "\n# head" not in text
    assert "[x](" not in text
    assert "0.9722" in text


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium binary on this machine")
def test_in_a_browser_the_page_loads_and_hostile_markup_does_not_run(tmp_path: Path) -> None:
    report = write_report(write_run(tmp_path / "run", bad=HOSTILE))
    unguarded = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", report.read_text(encoding="utf-8"))
    report.write_text(unguarded, encoding="utf-8")  # escaping must hold without the policy too
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    command = [str(CHROMIUM), *flags.split(), "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", report.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert_inert_and_whole(dom)
    assert "<title>OWNED" not in dom
