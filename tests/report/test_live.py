"""The live and the plain view: every event renders, hostile text is inert."""

import io
from collections.abc import Mapping
from typing import Any

import pytest
from rich.console import Console

from autoagent.report.live import LiveView, PlainView

HOSTILE = "\x1b[31m[red]x[/red]"
TRIAL = {"trial": 1, "family": "linear", "config": {"C": 1.0}, "source": "default", "at_s": 1.0, "left_s": 9.0}
DONE: dict[str, Any] = {
    "trial": 1,
    "status": "ok",
    "score": 0.5,
    "fold_scores": [0.5],
    "seconds": 0.1,
    "predict_s": 0.0,
    "model_bytes": 1,
    "saved": True,
    "error": None,
    "at_s": 2.0,
}
EVENTS: list[tuple[str, Mapping[str, Any]]] = [
    ("started", {"request": HOSTILE, "seed": 0}),
    ("resumed", {}),
    ("understood", {}),
    ("planned", {"families": [HOSTILE], "n_folds": 5, "metric": "accuracy"}),
    ("proposed", {**TRIAL, "family": HOSTILE, "config": {HOSTILE: HOSTILE}}),
    ("finished", DONE),
    ("lost", {"trial": 1, "error": HOSTILE}),
    ("refused", {"before": 2, "family": HOSTILE, "config": {}, "source": "llm", "reason": HOSTILE}),
    ("code_written", {"hook": HOSTILE, "source": HOSTILE, "reason": HOSTILE, "fault": ""}),
    ("code_judged", {"trial": 1, "hook": HOSTILE, "kept": False, "difference": None, "reason": HOSTILE}),
    ("suggested", {"configs": [{}], "turn": 1}),
    ("llm_failed", {"message": HOSTILE}),
    ("budget", {"used": {"llm_cost_usd": 0.1, "llm_tokens": 7.0}}),
    ("selected", {"members": [1], "reason": HOSTILE}),
    ("exported", {"model_bytes": 1000, "latency_ms_p50": 0.1}),
    ("tested", {"metric": HOSTILE, "score": 0.5}),
    ("ended", {"reason": HOSTILE}),
    ("note", {"text": HOSTILE}),
]
VIEWS = pytest.mark.parametrize("kind", [PlainView, LiveView])


def _view(kind: type[PlainView]) -> tuple[PlainView, io.StringIO, Console]:
    out = io.StringIO()
    console = Console(file=out, width=100, height=60, color_system=None, force_terminal=False)
    return kind(console), out, console


def _shown(view: PlainView, out: io.StringIO, console: Console) -> str:
    if isinstance(view, LiveView):
        console.print(view.render())
    return out.getvalue()


@VIEWS
def test_escapes_and_markup_are_shown_as_text_and_do_nothing(kind: type[PlainView]) -> None:
    view, out, console = _view(kind)
    view.understood([(HOSTILE, HOSTILE, HOSTILE)])
    view.note(HOSTILE)
    for name, data in EVENTS:
        view.event(name, data)
    shown = _shown(view, out, console)
    assert "\x1b" not in shown
    assert "[red]x[/red]" in shown


@VIEWS
@pytest.mark.parametrize(("name", "data"), EVENTS, ids=[name for name, _ in EVENTS])
def test_each_event_kind_of_the_contract_renders(kind: type[PlainView], name: str, data: Mapping[str, Any]) -> None:
    view, out, console = _view(kind)
    view.event(name, data)
    assert "\x1b" not in _shown(view, out, console)


@VIEWS
def test_a_failed_trial_shows_its_error(kind: type[PlainView]) -> None:
    view, out, console = _view(kind)
    view.event("proposed", TRIAL)
    view.event("finished", {**DONE, "status": "error", "score": None, "error": f"ValueError: no rows {HOSTILE}"})
    shown = _shown(view, out, console)
    assert "error" in shown
    assert "ValueError: no rows" in shown
    assert "\x1b" not in shown


@VIEWS
def test_the_best_trial_is_marked(kind: type[PlainView]) -> None:
    view, out, console = _view(kind)
    view.event("proposed", TRIAL)
    view.event("finished", DONE)
    view.event("finished", {**DONE, "trial": 2, "score": 0.4})
    shown = _shown(view, out, console)
    assert shown.count("*best*" if kind is PlainView else "best  score 0.5000 (linear, trial 1)") == 1


@VIEWS
def test_a_loss_is_shown_as_people_read_it(kind: type[PlainView]) -> None:
    view, out, console = _view(kind)
    view.event("planned", {"families": ["linear"], "n_folds": 2, "metric": "rmse"})
    view.event("proposed", TRIAL)
    view.event("finished", {**DONE, "score": -3.5, "fold_scores": [-3.0, -4.0]})
    shown = _shown(view, out, console)
    assert "3.5000" in shown
    assert "-3.5" not in shown


def test_the_panel_shows_what_runs_the_time_that_passes_and_the_spread_of_the_folds() -> None:
    now = [100.0]
    console = Console(file=io.StringIO(), width=60)
    view = LiveView(console, clock=lambda: now[0])
    view.event("planned", {"families": ["linear"], "n_folds": 2, "metric": "rmse", "at_s": 1.0})
    view.event("proposed", TRIAL)
    view.event("finished", {**DONE, "score": -3.5, "fold_scores": [-3.0, -4.0]})
    view.event("proposed", {**TRIAL, "trial": 2, "family": "svm"})
    now[0] += 5.0
    console = Console(file=io.StringIO(), width=60)
    console.print(view.render())
    shown = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "1 trial · 6.0 s · 4.0 s left" in shown
    assert "best  rmse 3.5000 (linear, trial 1, folds 3.0000 to" in shown
    assert "now   trial 2 svm" in shown
    assert max(map(len, shown.splitlines())) <= 60
    assert "configuration" not in shown


def test_nothing_of_the_panel_stays_when_the_run_has_ended() -> None:
    view, out, console = _view(LiveView)
    with view:
        view.event("proposed", TRIAL)
    assert isinstance(view, LiveView)
    before = len(out.getvalue())
    console.print(view.render(), end="")
    assert len(out.getvalue()) == before


@pytest.mark.parametrize("width", [20, 40, 60, 79, 80, 200])
def test_the_panel_fits_any_width_and_each_row_is_one_line(width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    view = LiveView(console, clock=lambda: 0.0)
    view.event("planned", {"families": ["linear"], "n_folds": 2, "metric": "roc_auc", "at_s": 1.0})
    for n in range(12):
        view.event(
            "proposed", {**TRIAL, "trial": n, "family": "hist_gradient_boosting", "config": {"x" * 90: "y" * 90}}
        )
        view.event("finished", {**DONE, "trial": n})
    start = len(console.file.getvalue())  # type: ignore[attr-defined]  # a StringIO
    console.print(view.render())
    lines = console.file.getvalue()[start:].splitlines()  # type: ignore[attr-defined]  # a StringIO
    assert len(lines) == 2 + 1 + 8
    assert max(map(len, lines)) <= width


@VIEWS
def test_of_what_is_not_started_the_draws_of_a_sampler_are_left_to_the_report(kind: type[PlainView]) -> None:
    view, out, _ = _view(kind)
    told = {"before": 2, "family": "cnn", "config": {}, "reason": "too slow"}
    view.event("refused", {**told, "source": "tpe"})
    assert out.getvalue() == ""
    view.event("refused", {**told, "source": "llm"})
    assert "not started: cnn (llm): too slow" in out.getvalue()


@VIEWS
def test_unknown_kinds_are_ignored(kind: type[PlainView]) -> None:
    view, out, _ = _view(kind)
    view.event("from_the_future", {"x": HOSTILE})
    assert out.getvalue() == ""


def test_a_reason_for_an_inferred_field_is_not_quoted_as_the_words_of_the_request() -> None:
    view, out, _ = _view(PlainView)
    view.understood([("metric.name", "accuracy", "best accuracy"), ("task_type", "x", "inferred: two classes")])
    assert out.getvalue().splitlines() == [
        "understood metric.name = accuracy («best accuracy»)",
        "understood task_type = x (inferred: two classes)",
    ]
