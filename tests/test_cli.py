import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autoagent.agent.plan import cards
from autoagent.data.card import inspect
from autoagent.runs.journal import Journal, read_events
from autoagent.runs.state import fold

GOLDEN = Path(__file__).parent / "golden"
COMMANDS = ("run", "resume", "replay", "report", "parse", "predict", "serve", "list", "doctor", "version", "bench")
PLAIN = {"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1", "TERMINAL_WIDTH": "100", "LC_ALL": "C.UTF-8"}


def autoagent(*arguments: str, at: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in ("OPENAI_API_KEY", "FORCE_COLOR")}
    return subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:autoagent", "-m", "autoagent", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=at,
        stdin=subprocess.DEVNULL,
        env=environment | PLAIN,
    )


def _refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_the_help_is_as_recorded(command: str) -> None:
    done = autoagent(*([command] if command else []), "--help")
    shown = "\n".join(line.rstrip() for line in done.stdout.splitlines()) + "\n"
    golden = GOLDEN / f"help{'-' if command else ''}{command}.txt"
    if os.environ.get("WRITE_GOLDEN"):
        golden.write_text(shown, encoding="utf-8")
    assert done.returncode == 0
    assert shown == golden.read_text(encoding="utf-8")


def test_a_wrong_command_or_option_exits_with_2() -> None:
    _refused(autoagent("fly"), "fly")
    _refused(autoagent("run", "iris", "predict target", "--speed", "9"), "--speed")


def test_a_missing_file_is_one_line_without_a_trace(tmp_path: Path) -> None:
    done = autoagent("run", "nowhere.csv", "predict y", at=tmp_path)
    _refused(done, "error:", "nowhere.csv")
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_dollar_limit_needs_a_price_before_anything_is_asked_or_spent(tmp_path: Path) -> None:
    model = ("--llm", "http://llm.invalid/v1#some-model", "--max-cost", "0.5", "--max-trials", "1")
    done = autoagent("run", "iris", "classify the species", *model, at=tmp_path)
    _refused(done, "price of 'some-model' is unknown", "--price PROMPT:COMPLETION")
    _refused(autoagent("run", "iris", "classify the species", *model, "--price", "cheap", at=tmp_path), "'cheap'")
    assert not list(tmp_path.glob("runs/*"))


def test_without_a_terminal_missing_essentials_stop_it_before_anything_is_spent(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,c\n" + "".join(f"{i},{i % 7},{i % 3}\n" for i in range(60)))
    done = autoagent("run", "t.csv", "make me a good model", at=tmp_path)
    _refused(done, "error:")
    assert "target" in done.stderr or "predict" in done.stderr
    assert not list(tmp_path.glob("runs/*/trials/*"))


def test_an_unknown_run_is_said(tmp_path: Path) -> None:
    for command in ("resume", "replay", "report"):
        _refused(autoagent(command, "last", at=tmp_path), "error:", "autoagent list runs")


def test_a_beginning_that_fits_two_runs_is_refused_and_a_unique_one_is_found(tmp_path: Path) -> None:
    for name in ("2026-01-01-one-aaaaaa", "2026-01-01-two-bbbbbb"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "journal.jsonl").write_text("")
    _refused(autoagent("replay", "2026", at=tmp_path), "2 runs")
    _refused(autoagent("replay", "2026-01-01-one", at=tmp_path), "2026-01-01-one-aaaaaa")


def test_parse_prints_the_spec_as_json() -> None:
    done = autoagent("parse", "predict target, ROC AUC, at most 5 minutes", "breast_cancer", "--json")
    spec = json.loads(done.stdout)
    assert spec["data"]["target"] == "target"
    assert spec["metric"]["name"] == "roc_auc"
    assert spec["constraints"]["train_time_s"] == 300


def test_parse_shows_the_words_behind_each_field() -> None:
    done = autoagent("parse", "predict churned, AUROC, model below 3 MB")
    assert done.returncode == 0
    assert "constraints.model_size_mb" in done.stdout
    assert "3 MB" in done.stdout


@pytest.mark.parametrize(("family", "name"), [("models", "lightgbm"), ("samplers", "tpe")])
def test_plugins_are_listed(family: str, name: str) -> None:
    done = autoagent("list", family)
    assert done.returncode == 0
    assert name in done.stdout


@pytest.mark.parametrize("what", ["metrics", "optims"])
def test_every_word_that_list_offers_is_answered(what: str) -> None:
    done = autoagent("list", what)
    assert done.returncode == 0, done.stderr


def test_no_runs_are_an_empty_list(tmp_path: Path) -> None:
    assert autoagent("list", "runs", at=tmp_path).returncode == 0


def test_doctor_says_what_is_here(tmp_path: Path) -> None:
    done = autoagent("doctor", at=tmp_path)
    assert done.returncode == 0
    for word in ("python", "memory", "GPU", "language model", "isolation", "torch", "runs folder"):
        assert word in done.stdout
    assert not (tmp_path / "runs").exists()


def test_doctor_says_when_an_endpoint_does_not_answer() -> None:
    done = autoagent("doctor", "--llm", "http://127.0.0.1:9/v1")
    assert "Traceback" not in done.stderr
    assert "-- " in done.stdout


def test_an_archive_of_earlier_runs_gives_the_second_trial_of_a_family(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(120, 4)), columns=list("abcd"))
    table["won"] = np.where(table["a"] * table["b"] > 0, "yes", "no")
    table.to_csv(tmp_path / "new.csv", index=False)
    earlier = tmp_path / "earlier" / "run"
    earlier.mkdir(parents=True)
    card = inspect(table.rename(columns=dict(zip("abcd", "wxyz", strict=True))), target="won")
    (earlier / "card.json").write_text(card.model_dump_json(), encoding="utf-8")
    known = cards()["svm"].space.check({"C": 37.0})
    with Journal(earlier / "journal.jsonl") as journal:
        for number, (source, config, score) in enumerate([("default", {}, 0.6), ("sampler", known, 0.9)]):
            about = {"trial": number, "family": "svm", "config": config, "source": source}
            journal.append("proposed", about)
            scores = {"score": score, "fold_scores": [score - 0.01, score, score + 0.01 * (1 + number)]}
            rest = {"seconds": 1.0, "predict_s": 0.1, "model_bytes": 9, "saved": False, "error": None}
            journal.append("finished", {"trial": number, "status": "ok"} | scores | rest)
    words = ("predict won, accuracy, only an svm", "--max-trials", "3", "--workers", "1")
    done = autoagent("run", "new.csv", *words, "--archive", "earlier", at=tmp_path)
    assert done.returncode == 0, done.stderr
    run = next((tmp_path / "runs").glob("*/journal.jsonl"))
    assert "svm tries early what was best in run" in (run.parent / "plan.json").read_text(encoding="utf-8")
    assert [t.config for t in fold(read_events(run)).history() if t.family == "svm"][1] == known
    _refused(autoagent("run", "new.csv", *words, "--archive", "nowhere", at=tmp_path), "no folder of earlier runs")


@pytest.mark.parametrize("command", ["run", "resume", "list"])
def test_what_was_to_be_closed_at_the_end_is_closed_also_where_the_process_ends_at_once(command: str) -> None:
    """A sandbox's processes and folder go by such a finalizer."""
    code = "import weakref, sys; from autoagent import cli; x = type('X', (), {})()\n"
    code += f"weakref.finalize(x, print, 'closed'); sys.argv[1:] = [{command!r}]; print('said'); cli._leave(3)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout.split()) == (3, ["said", "closed"])
